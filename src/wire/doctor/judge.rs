//! What is wrong with one job, given its facts. Pure: the same facts give the same verdict.

use super::{Class, JobFacts, Kind, Place};
use crate::wire::Dialect;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Of which class it is.
    pub class: Class,
    /// What was found, in words.
    pub detail: String,
    /// The rule that mends it, and what the rule needs besides the id; `None` = there is no safe rule.
    pub rule: Option<(&'static str, Vec<u8>)>,
}

impl Fault {
    /// A fault that a rule mends.
    pub fn new(class: Class, rule: &'static str, arg: impl Into<Vec<u8>>, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into(), rule: Some((rule, arg.into())) }
    }

    /// A fault that a person must mend.
    pub fn without_rule(class: Class, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into(), rule: None }
    }

    fn plain(class: Class, rule: &'static str, detail: impl Into<String>) -> Self {
        Self::new(class, rule, "", detail)
    }
}

/// A score below is not ms times 4096 (which it would be in 1970); one of plain ms is between the two.
const DELAYED_SCORE_MIN: f64 = 1e14;
/// Ms of the year 1973.
const PLAIN_MS_MIN: f64 = 1e11;
/// The last time that JavaScript knows.
const DELAYED_SCORE_MAX: f64 = 8.64e15 * 4096.0;
/// Digits of a number that doubles hold exactly.
const COUNTER_DIGITS_MAX: usize = 15;
/// A score of `prioritized` is the priority times this, and a counter.
const RANK_SHIFT: f64 = 4_294_967_296.0;

/// A record may outlive its job so long: where Node's workers remove jobs that ours failed before, some always do.
pub const RECORD_KEPT_MS: i64 = 24 * 3_600_000;

/// All that is wrong with a job; `now_ms` by Redis' clock.
pub fn judge(dialect: Dialect, job: &JobFacts, now_ms: i64) -> Vec<Fault> {
    let mut faults = Vec::new();
    match (&job.kind, job.places.states()) {
        (Kind::Own | Kind::Other(_), 0) => return faults,
        (Kind::Own, _) => {
            let detail = format!("{}: this is a key of the queue itself", job.places);
            return vec![Fault::plain(Class::GhostId, "ghost_id", detail)];
        }
        (Kind::Other(kind), _) => {
            let detail = format!("{}: its key is a {kind}, expected a hash", job.places);
            return vec![Fault::plain(Class::WrongType, "wrong_type", detail)];
        }
        (Kind::None, 0) => {
            let about = job.record_of.as_ref().and_then(|ms| ms.parse::<i64>().ok()).unwrap_or(0);
            if job.recorded && about < now_ms - RECORD_KEPT_MS {
                faults.push(Fault::plain(Class::StaleRecord, "stale_record", "there is no such job"));
            }
        }
        (Kind::None, _) => {
            let detail = format!("{}: there is no hash", job.places);
            return vec![Fault::plain(Class::GhostId, "ghost_id", detail)];
        }
        (Kind::Right, 0) if !job.looks_like_a_job() => return faults,
        (Kind::Right, 0) => faults.push(orphan(job)),
        (Kind::Right, _) => {
            if job.places.is_unfinished() && job.data.is_none() && job.opts.is_none() {
                let detail = format!("{}: its hash has neither data nor opts", job.places);
                return vec![Fault::plain(Class::GhostId, "no_body", detail)];
            }
            placed(dialect, job, &mut faults);
        }
    }
    beside(dialect, job, &mut faults);
    faults
}

fn orphan(job: &JobFacts) -> Fault {
    let detail = match (&job.finished_on, &job.processed_on, job.data.or(job.opts)) {
        (_, _, None) => "marks of a job without data and options",
        (Some(_), ..) => "it had ended",
        (None, Some(_), _) => "it had begun and not ended",
        (None, None, _) => "it never began",
    };
    Fault::plain(Class::OrphanHash, "orphan_hash", detail)
}

/// A job with a hash, in a state.
fn placed(dialect: Dialect, job: &JobFacts, faults: &mut Vec<Fault>) {
    let places = &job.places;
    if places.states() > 1 {
        faults.push(Fault::plain(Class::TwoStates, "two_states", places.to_string()));
    }
    if places.has_twice() {
        faults.push(Fault::plain(Class::TwiceInList, "twice_in_list", places.to_string()));
    }
    if places.has(Place::Active) && places.states() == 1 && job.lock.kind == Kind::None {
        let detail = match &job.processed_on {
            Some(_) => "its lock is gone",
            None => "it was taken and never begun",
        };
        faults.push(Fault::plain(Class::ActiveWithoutLease, "active_without_lease", detail));
    }
    counters(job, faults);
    if let Some(score) = &job.delayed
        && let Some(detail) = bad_score(score)
    {
        faults.push(Fault::plain(Class::DelayedScore, "delayed_score", detail));
    }
    dirty(dialect, job, faults);
    if job.parent_gone && places.is_unfinished() {
        let parent = job.parent_key.as_deref().unwrap_or_default();
        faults.push(Fault::plain(Class::FlowBroken, "flow_parent", format!("its parent {parent} is gone")));
    }
    if places.has(Place::WaitingChildren) && job.children == 0 {
        faults.push(Fault::plain(
            Class::FlowBroken,
            "flow_stuck",
            "it waits for children, and none is pending",
        ));
    }
}

fn counters(job: &JobFacts, faults: &mut Vec<Fault>) {
    let counters = [
        ("attemptsMade", &job.attempts_made),
        ("stalledCounter", &job.stalled_counter),
        ("atm", &job.atm),
        ("ats", &job.ats),
        ("stc", &job.stc),
        ("priority", &job.priority),
    ];
    for (field, text) in counters {
        if let Some(text) = text
            && (text.is_empty()
                || text.len() > COUNTER_DIGITS_MAX
                || !text.bytes().all(|b| b.is_ascii_digit()))
        {
            let detail = format!("{field} is \"{}\"", text.escape_debug());
            faults.push(Fault::new(Class::BadCounter, "bad_counter", field, detail));
        }
    }
}

fn bad_score(text: &str) -> Option<String> {
    let score: f64 = text.parse().ok()?;
    if (DELAYED_SCORE_MIN..=DELAYED_SCORE_MAX).contains(&score) {
        return None;
    }
    Some(if (PLAIN_MS_MIN..DELAYED_SCORE_MIN).contains(&score) {
        format!("its score {text} is plain ms, expected ms times 4096")
    } else {
        format!("its score {text} is no time")
    })
}

/// Bull leaves `failedReason` of an earlier attempt in a job that then completes. Nobody fails an attempt that is not
/// there, though, and all that puts a failed job back takes the reason away: at the last attempt, it was written
/// afterwards (docs/wire/bull-4.md Q1).
fn dirty(dialect: Dialect, job: &JobFacts, faults: &mut Vec<Fault>) {
    if job.places.has(Place::Completed)
        && let Some(reason) = &job.failed_reason
    {
        let lost_lease = ["Missing lock for job", "Lock mismatch for job"];
        let made = job.attempts_made.as_ref().and_then(|made| made.parse::<i64>().ok()).unwrap_or(0);
        let after_the_last = dialect == Dialect::Bull && made >= job.attempts.max(1);
        if after_the_last || lost_lease.iter().any(|words| reason.starts_with(words)) {
            let detail = format!("completed, with failedReason \"{}\"", reason.escape_debug());
            faults.push(Fault::plain(Class::DirtyTerminalHash, "dirty_terminal_hash", detail));
        }
    }
    if job.places.has(Place::Failed) && job.places.states() == 1 && job.returnvalue.is_some() {
        faults.push(Fault::plain(
            Class::DirtyTerminalHash,
            "dirty_terminal_hash",
            "failed, with a returnvalue",
        ));
    }
}

/// Locks, marks and indexes, whatever the state.
fn beside(dialect: Dialect, job: &JobFacts, faults: &mut Vec<Fault>) {
    let active = job.places.has(Place::Active);
    match &job.lock.kind {
        Kind::Other(kind) => {
            faults.push(Fault::plain(
                Class::WrongType,
                "wrong_lock",
                format!("its lock is a {kind}, expected a string"),
            ));
        }
        Kind::Right if job.lock.left_ms == -1 => {
            faults.push(Fault::plain(
                Class::LockWithoutTtl,
                "lock_without_ttl",
                "its lock has no time to live",
            ));
        }
        Kind::Right if !active && job.places.states() > 0 || job.kind == Kind::None && job.is_held() => {
            let detail = match job.kind {
                Kind::None => "a lock, and no job".to_owned(),
                _ => format!("a lock, and it is {}", job.places),
            };
            faults.push(Fault::plain(Class::LockWithoutActive, "lock_without_active", detail));
        }
        _ => {}
    }
    if job.stalled && !active {
        faults.push(Fault::plain(Class::StalledNotActive, "stalled_not_active", "the next check drops it"));
    }
    if job.leased && !active {
        faults.push(Fault::plain(Class::LeaseEntryStale, "lease_entry_stale", "the next sweep drops it"));
    }
    let Some(score) = &job.ranked else { return };
    match dialect {
        Dialect::Bull => {
            let in_line = [Place::Wait, Place::Paused, Place::Delayed, Place::Active];
            if !in_line.iter().any(|place| job.places.has(*place)) {
                let detail = "in priority, and not in line";
                faults.push(Fault::plain(Class::PriorityMismatch, "priority_left", detail));
            }
        }
        Dialect::BullMq => {
            let ranked = score.parse::<f64>().map_or(-1.0, |score| (score / RANK_SHIFT).floor());
            let said = job.priority.as_deref().and_then(|text| text.parse::<f64>().ok());
            if job.kind == Kind::Right && said.is_some_and(|said| (said - ranked).abs() > 0.5) {
                let said = job.priority.as_deref().unwrap_or("none");
                let detail = format!("prioritized by {ranked}, its hash says {said}");
                faults.push(Fault::plain(Class::PriorityMismatch, "priority_differs", detail));
            }
        }
    }
}
