//! Out of memory (`maxmemory`, noeviction): new work is refused with nothing changed, a lease is never lost to it.

use bullock::job::outcome::Fate;
use bullock::store::StoreError;
use bullock::store::finish::Verdict;
use serde_json::json;

use crate::ground::{Ground, LEASE_MS, NOW, back, claim, completion, failed, job};
use crate::snapshot::difference;

/// Jobs that run, jobs that wait and one that is due, and no memory left.
async fn full() -> Ground {
    let mut ground = Ground::at(NOW).await;
    for id in ["a", "b", "c", "d", "e"] {
        ground.running(id, &format!("w:0{id}"), json!({})).await;
    }
    ground.add("waiting", json!({})).await;
    ground.add("due", json!({"delay": 1})).await;
    // A lane that has been answered before: its record is there to be replaced.
    ground.store.renew(LEASE_MS, &[("a", "w:0a")]).await.unwrap();
    let info: String = ground.run(&["INFO", "memory"]).await;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim();
    let below = used.parse::<u64>().unwrap() - 100_000;
    ground.plain(&["CONFIG", "SET", "maxmemory", &below.to_string()]).await;
    let probe: Result<(), _> = redis::cmd("SET").arg("probe").arg("1").query_async(&mut ground.con).await;
    assert!(probe.is_err_and(|error| error.code() == Some("OOM")), "the memory is full");
    ground
}

#[allow(clippy::needless_pass_by_value, reason = "it reads better at its callers")]
fn is_oom<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::OutOfMemory(_))), "{answer:?}");
}

#[tokio::test]
async fn claiming_and_adding_stop_and_change_nothing() {
    let mut ground = full().await;
    let before = ground.snapshot().await;
    ground.lane.next();
    is_oom(claim(&ground.store, &ground.lane, &["w:0x"], None).await);
    is_oom(ground.store.enqueue("t", &[job("new", json!({}))]).await);
    is_oom(ground.store.enqueue("t", &[job("", json!({"delay": 5}))]).await);
    is_oom(ground.store.progress("a", "w:0a", "1").await);
    is_oom(ground.store.log("a", "w:0a", 10, &["line".into()]).await);
    is_oom(ground.store.checkpoint("a", "w:0a", Some("1"), false).await);
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new());
}

#[tokio::test]
async fn leases_are_renewed() {
    let mut ground = full().await;
    ground.plain(&["PEXPIRE", "bull:q:a:lock", "5000"]).await;
    assert_eq!(ground.store.renew(LEASE_MS, &[("a", "w:0a")]).await.unwrap().lost, Vec::<usize>::new());
    let left: i64 = ground.run(&["PTTL", "bull:q:a:lock"]).await;
    assert!(left > 20_000, "{left}");
}

#[tokio::test]
async fn runs_end_as_always() {
    let mut ground = full().await;
    assert_eq!(ground.complete(&[completion("a", "w:0a")]).await.unwrap(), [Verdict::Done]);
    let fates = [failed("b", "w:0b", Fate::Bury), failed("c", "w:0c", Fate::Delay(1000))];
    assert_eq!(ground.fail(&fates).await.unwrap(), [Verdict::Done; 2]);
    assert_eq!(ground.fail(&[failed("d", "w:0d", Fate::RetryNow)]).await.unwrap(), [Verdict::Done]);
    assert_eq!(ground.state_of("a").await, ["completed"]);
    assert_eq!(ground.state_of("b").await, ["failed"]);
    assert_eq!(ground.state_of("c").await, ["delayed"]);
    assert_eq!(ground.state_of("d").await, ["wait"]);
    ground.sound().await;
}

#[tokio::test]
async fn jobs_are_handed_back_also_when_deferrals_are_counted() {
    let mut ground = full().await;
    assert_eq!(ground.hand_back(&[back("a", "w:0a", None)]).await.unwrap(), [Verdict::Done]);
    let mut deferred = back("b", "w:0b", Some(1000));
    deferred.max_deferrals = Some(3);
    assert_eq!(ground.hand_back(&[deferred]).await.unwrap(), [Verdict::Done]);
    assert_eq!(ground.state_of("a").await, ["wait"]);
    assert_eq!(ground.state_of("b").await, ["delayed"]);
    ground.sound().await;
}

#[tokio::test]
async fn a_stale_run_is_told_so() {
    let mut ground = full().await;
    assert_eq!(ground.complete(&[completion("a", "w:09")]).await.unwrap(), [Verdict::LeaseLost]);
    assert_eq!(ground.fail(&[failed("a", "w:09", Fate::Bury)]).await.unwrap(), [Verdict::LeaseLost]);
    assert_eq!(ground.hand_back(&[back("a", "w:09", None)]).await.unwrap(), [Verdict::LeaseLost]);
}

#[tokio::test]
async fn dead_workers_jobs_are_taken_back_and_due_jobs_promoted() {
    let mut ground = full().await;
    ground.plain(&["DEL", "bull:q:a:lock"]).await;
    let recovered = ground.store.recover().await.unwrap();
    assert_eq!(recovered.jobs, [("a".into(), 1)]);
    let promoted = ground.at_time(NOW + 2).promote("t").await;
    match promoted {
        Ok(promoted) => assert_eq!(promoted.moved, 1),
        Err(error) => assert!(matches!(error, StoreError::OutOfMemory(_)), "{error}"),
    }
    ground.sound().await;
}
