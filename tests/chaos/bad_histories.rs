//! The judge judged: one history that is good, and one for each thing that can be wrong, made by hand.

use bullock::wire::Dialect;

use crate::job::{ALWAYS, Design};
use crate::judge::{Added, Class, History, Judgement, judge};
use crate::monitor::{Seen, What};
use crate::recorder::{As, Run};
use crate::scan::{Standing, Stands};

const LEASE_MS: f64 = 2000.0;

fn design(id: &str, fails: u64) -> Design {
    let id = id.to_owned();
    Design { id, name: "plain", ms: 10, fails, attempts: 2, backoff_ms: 100, delay_ms: 0, priority: 0 }
}

fn run(run: &str, job: &str, attempt: u64, start: i64, end: Option<(i64, As)>) -> Run {
    let (id, job) = (run.to_owned(), job.to_owned());
    Run { token: Some(format!("w:{id}")), id, job, attempt, by: "ours".into(), start, end }
}

fn seen(at: i64, call: u64, job: &str, what: What) -> Seen {
    Seen { at: at as f64, began: at as f64, call, script: None, job: job.to_owned(), what }
}

fn lock(at: i64, run: &str) -> Seen {
    seen(at, at as u64, "a", What::Lock { token: format!("w:{run}"), ms: LEASE_MS })
}

fn unlock(at: i64) -> Seen {
    seen(at, at as u64, "a", What::Unlock)
}

fn write(at: i64, field: &'static str, run: &str) -> Seen {
    seen(at, at as u64, "a", What::Write { field, run: run.to_owned() })
}

fn stands(states: &[&'static str], fields: &[(&str, &str)]) -> Stands {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Stands { states: states.to_vec(), fields }
}

/// Job "a": run r1 from 1000, and it completes at 1100.
fn good() -> History {
    let mut standing = Standing::default();
    standing
        .jobs
        .insert("a".into(), stands(&["completed"], &[("data", "{}"), ("returnvalue", r#"{"run":"r1"}"#)]));
    History {
        dialect: Dialect::Bull,
        added: vec![Added { design: design("a", 0), at: 900, was_acknowledged: true }],
        runs: vec![run("r1", "a", 1, 1000, Some((1099, As::Done)))],
        seen: vec![
            lock(999, "r1"),
            write(1050, "progress", "r1"),
            unlock(1100),
            write(1100, "returnvalue", "r1"),
        ],
        faults: Vec::new(),
        standing,
    }
}

/// The same job, whose first run's worker died: run r2 when the lease was over.
fn recovered() -> History {
    let mut history = good();
    history.runs = vec![run("r1", "a", 1, 1000, None), run("r2", "a", 1, 3001, Some((3099, As::Done)))];
    history.seen = vec![lock(999, "r1"), lock(3000, "r2"), unlock(3100), write(3100, "returnvalue", "r2")];
    history.standing.jobs.insert("a".into(), stands(&["completed"], &[("returnvalue", r#"{"run":"r2"}"#)]));
    history
}

fn judged(change: impl FnOnce(&mut History)) -> Judgement {
    let mut history = good();
    change(&mut history);
    judge(&history)
}

#[track_caller]
fn only(judgement: &Judgement, class: Class) {
    let classes: Vec<Class> = judgement.findings.iter().map(|finding| finding.class).collect();
    assert!(!classes.is_empty() && classes.iter().all(|one| *one == class), "{:#?}", judgement.findings);
}

#[track_caller]
fn has(judgement: &Judgement, class: Class) {
    assert!(judgement.count(class) > 0, "{:#?}", judgement.findings);
}

#[test]
fn a_good_history_is_good() {
    let judgement = judge(&good());
    assert!(judgement.is_clean(), "{:#?}", judgement.findings);
    assert_eq!((judgement.completed, judgement.rerun, judgement.duplicated), (1, 0, 0));
}

#[test]
fn a_run_after_an_expired_lease_is_explained_and_counted() {
    let judgement = judge(&recovered());
    assert!(judgement.is_clean(), "{:#?}", judgement.findings);
    assert_eq!((judgement.rerun, judgement.duplicated), (1, 0));
    let mut history = recovered();
    history.runs[0].end = Some((2900, As::Done));
    assert_eq!(judge(&history).duplicated, 1, "its effect happened twice");
}

#[test]
fn a_job_that_is_nowhere_in_no_state_or_without_an_end_is_lost() {
    only(&judged(|history| history.standing.jobs.clear()), Class::Lost);
    for states in [&[] as &[&str], &["active"], &["wait"]] {
        let judgement =
            judged(|history| history.standing.jobs.get_mut("a").unwrap().states = states.to_vec());
        only(&judgement, Class::Lost);
    }
    only(&judged(|history| history.standing.jobs.get_mut("a").unwrap().fields.clear()), Class::Lost);
}

#[test]
fn a_job_whose_add_was_never_acknowledged_may_be_there_or_not() {
    let there = judged(|history| history.added[0].was_acknowledged = false);
    assert!(there.is_clean() && there.recovered == 1);
    let not_there = judged(|history| {
        history.added[0].was_acknowledged = false;
        (history.runs, history.seen) = (Vec::new(), Vec::new());
        history.standing.jobs.clear();
    });
    assert!(not_there.is_clean() && not_there.recovered == 0);
}

#[test]
fn a_job_that_nobody_added_is_unexpected() {
    let judgement = judged(|history| {
        history.standing.jobs.insert("b".into(), stands(&["completed"], &[]));
    });
    only(&judgement, Class::Unexpected);
    only(&judged(|history| history.runs.push(run("r9", "c", 1, 1, None))), Class::Unexpected);
}

#[test]
fn a_job_in_two_states_or_twice_in_one_is_found() {
    for states in [["completed", "wait"], ["completed", "failed"], ["active", "active"]] {
        let judgement =
            judged(|history| history.standing.jobs.get_mut("a").unwrap().states = states.to_vec());
        only(&judgement, Class::TwoStates);
    }
}

#[test]
fn a_healthy_job_among_the_failed_and_a_doomed_one_among_the_completed_are_found() {
    let judgement = judged(|history| {
        history.standing.jobs.insert("a".into(), stands(&["failed"], &[("failedReason", "job stalled")]));
    });
    only(&judgement, Class::WronglyDead);
    has(&judged(|history| history.added[0].design = design("a", ALWAYS)), Class::WronglyCompleted);
}

#[test]
fn a_hash_that_tells_what_did_not_happen_is_dirty() {
    let set = |name: &'static str, value: &'static str| {
        judged(move |history| {
            let fields = &mut history.standing.jobs.get_mut("a").unwrap().fields;
            fields.insert(name.into(), value.into());
        })
    };
    only(&set("failedReason", "job stalled more than allowable limit"), Class::Dirty);
    only(&set("returnvalue", r#"{"run":"r77"}"#), Class::Dirty);
    only(&set("returnvalue", "null"), Class::Dirty);
    only(&judged(|history| history.runs[0].end = Some((1099, As::Dropped))), Class::Dirty);
}

#[test]
fn attempts_that_are_miscounted_are_found_in_both_dialects() {
    let set = |dialect: Dialect, name: &'static str, value: &'static str| {
        judged(move |history| {
            history.dialect = dialect;
            let fields = &mut history.standing.jobs.get_mut("a").unwrap().fields;
            fields.insert(name.into(), value.into());
        })
    };
    only(&set(Dialect::Bull, "attemptsMade", "1"), Class::WrongAttempts);
    only(&set(Dialect::BullMq, "atm", "2"), Class::WrongAttempts);
    assert!(set(Dialect::BullMq, "atm", "1").is_clean());
}

#[test]
fn a_second_run_while_the_first_one_holds_its_lease_is_found() {
    let mut history = recovered();
    // Prolonged shortly before the other took it.
    history.seen.insert(1, seen(2900, 2900, "a", What::Prolong { ms: LEASE_MS }));
    let judgement = judge(&history);
    has(&judgement, Class::DoubleLease);
    has(&judgement, Class::Unexplained);
}

#[test]
fn a_lease_counts_from_the_beginning_of_the_script_that_gave_it() {
    let mut history = recovered();
    // Told 30 ms late; it runs out 2000 ms after 980.
    (history.seen[0].at, history.seen[0].began) = (1010.0, 980.0);
    history.runs[0].start = 1015;
    (history.seen[1].at, history.seen[1].began) = (2985.0, 2985.0);
    let judgement = judge(&history);
    assert!(judgement.is_clean(), "{:#?}", judgement.findings);
}

#[test]
fn a_run_that_came_again_although_its_lease_was_let_go_or_that_never_had_one_is_unexplained() {
    let mut history = recovered();
    history.runs[0].end = Some((1099, As::Done));
    history.seen.insert(1, unlock(1100));
    only(&judge(&history), Class::Unexplained);
    let mut history = recovered();
    history.seen[1].script = None;
    history.seen.retain(|seen| seen.what != What::Lock { token: "w:r1".into(), ms: LEASE_MS });
    only(&judge(&history), Class::Unexplained);
    // Handed back is a reason.
    let mut history = recovered();
    history.runs[0].end = Some((1099, As::Dropped));
    history.seen.insert(1, Seen { script: Some("hand_back"), ..unlock(1100) });
    assert!(judge(&history).is_clean());
}

#[test]
fn a_lock_that_is_let_go_under_a_run_at_work_is_unexplained() {
    let judgement = judged(|history| history.seen[2] = unlock(1050));
    has(&judgement, Class::Unexplained);
}

/// The end of r1 was on a master that died; its successor still had r1's lock, and r2 took the job when that had run out.
fn undone_by_a_failover(taken_at: i64) -> History {
    let mut history = recovered();
    history.runs[0].end = Some((1099, As::Done));
    history.runs[1] = run("r2", "a", 1, taken_at + 1, Some((taken_at + 99, As::Done)));
    history.seen = vec![
        lock(999, "r1"),
        unlock(1100),
        write(1100, "returnvalue", "r1"),
        seen(1500, 1500, "a", What::MayBeUndone { since: 1000.0, died: 1400.0 }),
        seen(1500, 1500, "a", What::Lock { token: "w:r1".into(), ms: 1499.0 }),
        lock(taken_at, "r2"),
        unlock(taken_at + 100),
        write(taken_at + 100, "returnvalue", "r2"),
    ];
    history
}

#[test]
fn an_end_that_died_with_its_master_explains_another_run_and_nothing_else_does() {
    let judgement = judge(&undone_by_a_failover(3000));
    assert!(judgement.is_clean() && judgement.rerun == 1, "{:#?}", judgement.findings);
    has(&judge(&undone_by_a_failover(2500)), Class::DoubleLease);
    let mut history = undone_by_a_failover(3000);
    history.seen.remove(3);
    has(&judge(&history), Class::Unexplained);
    let mut history = undone_by_a_failover(3000);
    // Longer ago than any replica was behind.
    history.seen[3] = seen(1500, 1500, "a", What::MayBeUndone { since: 1200.0, died: 1400.0 });
    has(&judge(&history), Class::Unexplained);
}

/// r1 was claimed on a master that died before it had told of it; its successor knows nothing of r1.
fn untold_by_a_failover(start: i64, died: f64) -> History {
    let mut history = undone_by_a_failover(3000);
    history.runs[0] = run("r1", "a", 1, start, Some((start + 20, As::Done)));
    history.seen[3] = seen(1500, 1500, "a", What::MayBeUndone { since: 0.0, died });
    // Its lock, its end, what it wrote, and the lock that the successor would have.
    for at in [4, 2, 1, 0] {
        history.seen.remove(at);
    }
    history
}

#[test]
fn a_claim_that_died_untold_with_its_master_explains_a_run_without_a_lease_and_nothing_else_does() {
    let judgement = judge(&untold_by_a_failover(1440, 1400.0));
    assert!(judgement.is_clean(), "{:#?}", judgement.findings);
    has(&judge(&untold_by_a_failover(1250, 1400.0)), Class::Unexplained);
    has(&judge(&untold_by_a_failover(1600, 1400.0)), Class::Unexplained);
    let mut history = untold_by_a_failover(1440, 1400.0);
    history.seen.remove(0);
    has(&judge(&history), Class::Unexplained);
    let mut history = untold_by_a_failover(1440, 1400.0);
    history.seen.push(write(3200, "returnvalue", "r1"));
    has(&judge(&history), Class::StaleWrite);
}

#[test]
fn a_write_of_a_run_that_does_not_hold_the_job_is_stale() {
    for field in ["progress", "returnvalue", "failedReason"] {
        let mut history = recovered();
        history.seen.insert(2, write(3050, field, "r1"));
        only(&judge(&history), Class::StaleWrite);
        let mut history = recovered();
        history.seen.push(write(3200, field, "r1"));
        only(&judge(&history), Class::StaleWrite);
    }
    only(&judged(|history| history.seen.push(write(1100, "progress", "r99"))), Class::StaleWrite);
}

#[test]
fn what_a_node_worker_does_is_counted_and_not_held_against_us() {
    let mut history = recovered();
    history.runs[0].by = "node".into();
    history.seen.push(write(3200, "progress", "r1"));
    let judgement = judge(&history);
    assert!(judgement.is_clean() && judgement.by_peers() == 1, "{:#?}", judgement.findings);
    // What npm bull writes into a completed job when the reply to its finish was lost.
    history
        .standing
        .jobs
        .get_mut("a")
        .unwrap()
        .fields
        .insert("failedReason".into(), "Missing lock for job a".into());
    let judgement = judge(&history);
    assert!(judgement.is_clean() && judgement.by_peers() == 2, "{:#?}", judgement.findings);
}

#[test]
fn a_job_that_runs_before_it_is_due_is_found() {
    only(&judged(|history| history.added[0].design.delay_ms = 101), Class::Early);
}

#[test]
fn what_is_left_over_is_found() {
    let judgement = judged(|history| history.standing.leftovers.push("bull:chaos:a:lock is there".into()));
    only(&judgement, Class::Leftover);
}
