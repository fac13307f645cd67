//! Every guard of the scripts is missed when it is gone: the same trial passes with the scripts as they are and finds fault
//! with them once the guard is cut out.

use std::pin::Pin;

use bullock::job::outcome::Fate;
use bullock::store::Scripts;
use bullock::store::finish::Verdict;
use bullock::wire::Dialect;
use serde_json::json;

use crate::ground::{Ground, LEASE_MS, P, X, claim, completion, failed, job};
use crate::snapshot::{Snapshot, difference, places};

type Trial = fn(&mut Ground) -> Pin<Box<dyn Future<Output = Faults> + '_>>;
/// What went wrong, one line each; empty = nothing.
type Faults = Vec<String>;

struct Guard {
    what: &'static str,
    /// Where it differs between the dialects it is there once for each.
    dialects: &'static [Dialect],
    /// The guard as it stands in the scripts, and what is put in its place.
    passage: &'static str,
    instead: &'static str,
    trial: Trial,
}

const BOTH: &[Dialect] = &[Dialect::Bull, Dialect::BullMq];
const BULL: &[Dialect] = &[Dialect::Bull];
const BULLMQ: &[Dialect] = &[Dialect::BullMq];

macro_rules! guard {
    ($what:literal, $dialects:expr, $passage:literal => $instead:literal, $trial:path) => {
        Guard {
            what: $what,
            dialects: $dialects,
            passage: $passage,
            instead: $instead,
            trial: |ground| Box::pin($trial(ground)),
        }
    };
}

#[rustfmt::skip]
const GUARDS: &[Guard] = &[
    guard!("the token is compared when a run ends", BOTH,
        "if holder == args[at] and all_there then" => "if holder and all_there then", a_stale_end),
    guard!("the token is compared when a run reports", BOTH,
        "if holder == token then return nil end" => "if holder then return nil end", a_stale_report),
    guard!("the token is compared when a lease is renewed", BOTH,
        "if holders[i] == ARGV[2 * i + 1] then" => "if true then", a_stale_renewal),
    guard!("a lease is renewed with PEXPIRE", BOTH,
        "redis.call('PEXPIRE', locks[i], lease)" => "redis.call('SET', locks[i], holders[i], 'PX', lease)", a_renewal_without_memory),
    guard!("the lock goes first", BOTH,
        "redis.call('DEL', unpack(mine_locks))" => "redis.call('SET', X .. 'note', 1) redis.call('DEL', unpack(mine_locks))",
        an_end_without_memory),
    guard!("the clock is Redis' own", BOTH,
        "local now = tonumber(clock[1]) * 1000" => "local now = (tonumber(clock[1]) + 3600) * 1000", a_delay_that_is_not_over),
    guard!("a run ends only while its job is there", BOTH,
        "local all_there = redis.call('EXISTS', unpack(keys)) == runs" => "local all_there = true", an_end_of_a_job_that_is_gone),
    guard!("a run ends only while its job is active", BOTH,
        "if was_active[id] then" => "if true then", an_end_of_a_job_that_was_moved),
    guard!("types are checked before the first write", BOTH,
        "if wrong then return wrong end" => "", an_end_on_a_key_of_the_wrong_type),
    guard!("a request that is sent twice counts once", BOTH,
        "local before = replay(lane, request)" => "local before = nil", a_claim_sent_twice),
    guard!("an id that exists is not overwritten", BULL,
        "if job.id ~= '' and redis.call('EXISTS', key) == 1 then" => "if false then", an_add_of_an_id_that_exists),
    guard!("the sweep leaves a job with a lock", BOTH,
        "if left == -2 then" => "if true then", a_sweep_over_a_live_lease),
    guard!("the sweep takes only active jobs", BOTH,
        "if not call('LPOS', P .. 'active', id) then return end" => "", a_sweep_over_a_job_that_ended),
    guard!("the sweep leaves what another worker took over", BULL,
        "return stalls == noted or (not noted and retried)" => "return true", a_sweep_over_a_job_taken_over),
    guard!("the sweep leaves what another worker took over", BULLMQ,
        "fields[3] == call('HGET', X .. 'leases:stalled', id)" => "true", a_sweep_over_a_job_taken_over),
    guard!("the sweep runs no job without a body", BULL,
        "if fields.err or not fields[1] then" => "if fields.err then", a_sweep_over_a_job_without_a_body),
    guard!("the sweep runs no job without a body", BULLMQ,
        "if fields.err or not (fields[1] or fields[2]) then" => "if fields.err then", a_sweep_over_a_job_without_a_body),
    guard!("the stalled check leaves a job with a lock", BOTH,
        "redis.call('EXISTS', P .. id .. ':lock') == 0" => "true", a_stalled_check_over_a_live_lock),
    guard!("the stalled check leaves our jobs to the sweep", BULL,
        "if not ours and" => "if", a_stalled_check_over_our_job),
    guard!("the stalled check leaves our jobs to the sweep", BULLMQ,
        "redis.call('SISMEMBER', X .. 'leases', id) == 0 and" => "", a_stalled_check_over_our_job),
    guard!("a claim runs no job without a body", BULL,
        "if not fields[2] then" => "if false then", a_claim_of_a_job_without_a_body),
    guard!("a claim runs no job without a body", BULLMQ,
        "elseif not (fields[2] or fields[3]) then" => "elseif false then", a_claim_of_a_job_without_a_body),
    guard!("a claim starts no job that runs", BOTH,
        "'PX', lease, 'NX')" => "'PX', lease)", a_claim_of_a_job_that_runs),
    guard!("a record is about the job that was added then", BOTH,
        "or of == added" => "or true", a_record_of_an_earlier_job),
];

/// What changed although nothing may have.
async fn changes(ground: &mut Ground, before: &Snapshot) -> Faults {
    difference(before, &ground.snapshot().await)
}

/// Nothing, or that a job is not where it belongs.
async fn is_in(ground: &mut Ground, id: &str, place: &str) -> Faults {
    let found = places(&ground.snapshot().await, P).remove(id).unwrap_or_default();
    if found == [place] { Faults::new() } else { vec![format!("{id} is in {found:?}, not in {place}")] }
}

fn unless(holds: bool, fault: &str) -> Faults {
    if holds { Faults::new() } else { vec![fault.to_owned()] }
}

async fn let_lease_run_out(ground: &mut Ground, id: &str) {
    ground.plain(&["DEL", &format!("{P}{id}:lock")]).await;
}

/// Leaves less than nothing of the memory that the server may use.
async fn use_up_memory(ground: &mut Ground) {
    ground.plain(&["CONFIG", "SET", "maxmemory", "100kb"]).await;
}

async fn a_stale_end(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    let before = ground.snapshot().await;
    let _ = ground.complete(&[completion("a", "w:0b")]).await;
    changes(ground, &before).await
}

async fn a_stale_report(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    let before = ground.snapshot().await;
    let _ = ground.store.clone().progress("a", "w:0b", "7").await;
    changes(ground, &before).await
}

async fn a_stale_renewal(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["PEXPIRE", &format!("{P}a:lock"), "5000"]).await;
    let _ = ground.store.clone().renew(LEASE_MS, &[("a", "w:0b")]).await;
    let left: i64 = ground.run(&["PTTL", &format!("{P}a:lock")]).await;
    unless(left <= 5000, "a stale run kept the lease alive")
}

async fn a_renewal_without_memory(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    use_up_memory(ground).await;
    let renewed = ground.store.clone().renew(LEASE_MS, &[("a", "w:0a")]).await;
    unless(renewed.is_ok_and(|renewed| renewed.lost.is_empty()), "a full memory cost the lease")
}

async fn an_end_without_memory(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    use_up_memory(ground).await;
    let _ = ground.complete(&[completion("a", "w:0a")]).await;
    is_in(ground, "a", "completed").await
}

async fn a_delay_that_is_not_over(ground: &mut Ground) -> Faults {
    let now = ground.store.time_ms().await.unwrap();
    let mut later = job("a", json!({"delay": 60_000}));
    later.timestamp = Some(now);
    ground.store.enqueue("t", &[later]).await.unwrap();
    ground.store.promote("t").await.unwrap();
    is_in(ground, "a", "delayed").await
}

async fn an_end_of_a_job_that_is_gone(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["DEL", &format!("{P}a")]).await;
    let before = ground.snapshot().await;
    let _ = ground.complete(&[completion("a", "w:0a")]).await;
    changes(ground, &before).await
}

async fn an_end_of_a_job_that_was_moved(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["LREM", &format!("{P}active"), "1", "a"]).await;
    ground.plain(&["ZADD", &format!("{P}delayed"), "1", "a"]).await;
    let _ = ground.complete(&[completion("a", "w:0a")]).await;
    is_in(ground, "a", "delayed").await
}

async fn an_end_on_a_key_of_the_wrong_type(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["SET", &format!("{P}completed"), "no set"]).await;
    let before = ground.snapshot().await;
    let _ = ground.complete(&[completion("a", "w:0a")]).await;
    changes(ground, &before).await
}

async fn a_claim_sent_twice(ground: &mut Ground) -> Faults {
    ground.add("a", json!({})).await;
    ground.add("b", json!({})).await;
    ground.lane.next();
    for _ in 0..2 {
        claim(&ground.store, &ground.lane, &["w:01"], None).await.unwrap();
    }
    is_in(ground, "b", "wait").await
}

async fn an_add_of_an_id_that_exists(ground: &mut Ground) -> Faults {
    ground.add("a", json!({})).await;
    ground.add("a", json!({"attempts": 9})).await;
    let mut faults = is_in(ground, "a", "wait").await;
    let opts: String = ground.run(&["HGET", &format!("{P}a"), "opts"]).await;
    faults.extend(unless(!opts.contains(r#""attempts":9"#), "the first job's options are gone"));
    faults
}

async fn a_sweep_over_a_live_lease(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    ground.store.recover().await.unwrap();
    is_in(ground, "a", "active").await
}

async fn a_sweep_over_a_job_that_ended(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    let_lease_run_out(ground, "a").await;
    ground.plain(&["LREM", &format!("{P}active"), "1", "a"]).await;
    ground.plain(&["ZADD", &format!("{P}completed"), "1", "a"]).await;
    ground.store.recover().await.unwrap();
    is_in(ground, "a", "completed").await
}

/// A Node worker's check has counted a stall and taken it back: it is that check's job from then on.
async fn a_sweep_over_a_job_taken_over(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    let_lease_run_out(ground, "a").await;
    let counter = if ground.store.dialect() == Dialect::Bull { "stalledCounter" } else { "stc" };
    ground.plain(&["HSET", &format!("{P}a"), counter, "1"]).await;
    ground.store.recover().await.unwrap();
    is_in(ground, "a", "active").await
}

async fn a_sweep_over_a_job_without_a_body(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["DEL", &format!("{P}a"), &format!("{P}a:lock")]).await;
    ground.store.recover().await.unwrap();
    is_in(ground, "a", "failed").await
}

async fn both_passes(ground: &mut Ground) {
    for _ in 0..2 {
        ground.plain(&["DEL", &format!("{P}stalled-check")]).await;
        ground.store.stalled(60_000, 5).await.unwrap();
    }
}

async fn a_stalled_check_over_a_live_lock(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["DEL", &format!("{X}leases")]).await; // as a Node worker holds it
    both_passes(ground).await;
    is_in(ground, "a", "active").await
}

async fn a_stalled_check_over_our_job(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    let_lease_run_out(ground, "a").await;
    both_passes(ground).await;
    is_in(ground, "a", "active").await
}

async fn a_claim_of_a_job_without_a_body(ground: &mut Ground) -> Faults {
    ground.add("a", json!({})).await;
    ground.plain(&["DEL", &format!("{P}a")]).await;
    let _ = claim(&ground.store, &ground.lane, &["w:0a"], None).await;
    is_in(ground, "a", "failed").await
}

async fn a_claim_of_a_job_that_runs(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["RPUSH", &format!("{P}wait"), "a"]).await;
    let claimed = ground.claim(&["w:0b"]).await;
    unless(claimed.is_empty(), "it was started a second time")
}

async fn a_record_of_an_earlier_job(ground: &mut Ground) -> Faults {
    ground.running("a", "w:0a", json!({})).await;
    let_lease_run_out(ground, "a").await;
    ground.store.recover().await.unwrap(); // one crash
    ground.plain(&["LREM", &format!("{P}wait"), "1", "a"]).await;
    ground.plain(&["DEL", &format!("{P}a")]).await;
    let mut anew = job("a", json!({}));
    anew.timestamp = Some(crate::ground::NOW + 1);
    ground.store.enqueue("t", &[anew]).await.unwrap();
    assert_eq!(ground.claim(&["w:0b"]).await, ["a"]);
    let_lease_run_out(ground, "a").await;
    ground.store.recover().await.unwrap();
    let crashes: String = ground.run(&["HGET", &format!("{X}job:a"), "crashes"]).await;
    unless(crashes == "1", "the crash of a job that is gone counts for the new one")
}

async fn try_on(guard: &Guard, scripts: Scripts) -> Faults {
    let mut ground = Ground::of(scripts).await;
    (guard.trial)(&mut ground).await
}

#[tokio::test]
async fn each_guard_is_missed_when_it_is_cut_out() {
    let mut wrong = Vec::new();
    for guard in GUARDS {
        for dialect in guard.dialects {
            let what = format!("{dialect:?}: {}", guard.what);
            for fault in Box::pin(try_on(guard, Scripts::of(*dialect))).await {
                wrong.push(format!("{what}: with the guard, {fault}"));
            }
            let Some(cut) = Scripts::of(*dialect).replaced(guard.passage, guard.instead) else {
                wrong.push(format!("{what}: no script says {:?}", guard.passage));
                continue;
            };
            if Box::pin(try_on(guard, cut)).await.is_empty() {
                wrong.push(format!("{what}: nothing was missed without the guard"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The trial with a verdict of its own: a request that ended a run, sent again.
#[tokio::test]
async fn without_the_memory_of_requests_the_second_sending_of_an_end_looks_like_a_lost_lease() {
    for dialect in BOTH {
        let mut verdicts = Vec::new();
        for scripts in [
            Some(Scripts::of(*dialect)),
            Scripts::of(*dialect).replaced("local before = replay(lane, request)", "local before = nil"),
        ] {
            let mut ground = Ground::of(scripts.unwrap()).await;
            ground.running("a", "w:0a", json!({})).await;
            ground.lane.next();
            let ends = [failed("a", "w:0a", Fate::Delay(1000))];
            for _ in 0..2 {
                verdicts.push(ground.store.fail(&ground.lane, LEASE_MS, 0, &ends).await.unwrap()[0]);
            }
        }
        assert_eq!(
            verdicts,
            [Verdict::Done, Verdict::Done, Verdict::Done, Verdict::LeaseLost],
            "{dialect:?}"
        );
    }
}
