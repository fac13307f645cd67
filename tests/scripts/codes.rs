//! What a person's acts answer when they cannot be done: the code, and nothing changed.

use bullock::job::outcome::Fate;
use bullock::store::StoreError;
use bullock::store::control::{CleanState, Obliterated, Removed, Retried};
use bullock::store::finish::Verdict;
use serde_json::json;

use crate::ground::{Ground, NOW, completion, failed, job};
use crate::snapshot::difference;

#[tokio::test]
async fn a_running_job_is_neither_removed_nor_retried_nor_cleaned() {
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:01", json!({})).await;
    let before = ground.snapshot().await;
    assert_eq!(
        ground.store.remove(&["a", "none"], true).await.unwrap(),
        [Removed::Running, Removed::NotFound]
    );
    assert_eq!(ground.store.retry("t", "a", false).await.unwrap(), Retried::Running);
    assert!(!ground.store.promote_job("t", "a").await.unwrap());
    assert!(ground.at_time(NOW + 9).clean(CleanState::Active, 0, 0).await.unwrap().is_empty());
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new());
    assert_eq!(ground.store.obliterate(false).await.unwrap(), Obliterated::JobsRunning);
    assert_eq!(ground.state_of("a").await, ["active"]);
    assert_eq!(ground.store.obliterate(true).await.unwrap(), Obliterated::Done);
    assert_eq!(
        difference(&crate::snapshot::Snapshot::new(), &without_replies(ground.snapshot().await)),
        Vec::<String>::new()
    );
}

/// Answers that are kept for a request sent again end by themselves.
fn without_replies(mut all: crate::snapshot::Snapshot) -> crate::snapshot::Snapshot {
    all.retain(|key, entry| !(key.starts_with("bull::x:q::reply:") && entry.expires));
    all
}

#[tokio::test]
async fn only_failed_jobs_with_a_body_are_retried() {
    let mut ground = Ground::at(NOW).await;
    ground.add("waiting", json!({})).await;
    assert_eq!(ground.store.retry("t", "waiting", false).await.unwrap(), Retried::NotFailed);
    assert_eq!(ground.store.retry("t", "none", false).await.unwrap(), Retried::NotFound);
    ground.plain(&["LPUSH", "bull:q:wait", "ghost"]).await;
    assert_eq!(ground.claim(&["w:01", "w:02"]).await, ["waiting"]);
    assert_eq!(ground.store.retry("t", "ghost", false).await.unwrap(), Retried::NoBody);
    ground.fail(&[failed("waiting", "w:01", Fate::Bury)]).await.unwrap();
    assert_eq!(ground.store.retry("t", "waiting", true).await.unwrap(), Retried::Done);
    assert_eq!(ground.state_of("waiting").await, ["wait"]);
    assert_eq!(ground.store.retry("t", "waiting", true).await.unwrap(), Retried::NotFailed);
    ground.sound().await;
}

#[tokio::test]
async fn retrying_all_leaves_out_what_runs_or_has_no_body() {
    let mut ground = Ground::at(NOW).await;
    ground.plain(&["LPUSH", "bull:q:wait", "ghost"]).await;
    ground.claim(&["w:01"]).await;
    for id in ["a", "b"] {
        ground.running(id, "w:01", json!({})).await;
        ground.fail(&[failed(id, "w:01", Fate::Bury)]).await.unwrap();
    }
    ground.plain(&["SET", "bull:q:b:lock", "somebody"]).await;
    assert_eq!(ground.store.retry_all(10).await.unwrap(), 1);
    assert_eq!(ground.state_of("a").await, ["wait"]);
    assert_eq!(ground.state_of("b").await, ["failed"]);
    assert_eq!(ground.state_of("ghost").await, ["failed"]);
}

#[tokio::test]
async fn promoting_takes_only_delayed_jobs_and_makes_no_ghost() {
    let mut ground = Ground::at(NOW).await;
    ground.add("a", json!({"delay": 5000, "priority": 2})).await;
    ground.add("b", json!({})).await;
    assert!(!ground.store.promote_job("t", "b").await.unwrap());
    assert!(ground.store.promote_job("t", "a").await.unwrap());
    assert!(!ground.store.promote_job("t", "a").await.unwrap());
    ground.sound().await;
    ground.plain(&["ZADD", "bull:q:delayed", "1", "ghost"]).await;
    ground.store.promote_job("t", "ghost").await.unwrap();
    assert_eq!(ground.run::<i64>(&["HEXISTS", "bull:q:ghost", "delay"]).await, 0);
}

#[tokio::test]
async fn pausing_twice_says_so_and_loses_no_job() {
    let mut ground = Ground::at(NOW).await;
    ground.add("a", json!({})).await;
    assert!(ground.store.pause(true).await.unwrap());
    assert!(!ground.store.pause(true).await.unwrap());
    ground.add("b", json!({})).await;
    // What stands in the other list, Bull's RENAME would lose.
    ground.plain(&["HSET", "bull:q:c", "name", "x", "data", "{}", "opts", "{}"]).await;
    ground.plain(&["LPUSH", "bull:q:wait", "c"]).await;
    assert!(ground.store.pause(false).await.unwrap());
    assert!(!ground.store.pause(false).await.unwrap());
    ground.sound().await;
    let mut ids = ground.claim(&["w:01", "w:02", "w:03"]).await;
    ids.sort();
    assert_eq!(ids, ["a", "b", "c"]);
}

#[tokio::test]
async fn an_end_of_a_job_that_is_not_active_says_so() {
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:01", json!({})).await;
    ground.plain(&["LREM", "bull:q:active", "0", "a"]).await;
    ground.plain(&["LPUSH", "bull:q:wait", "a"]).await;
    assert_eq!(ground.complete(&[completion("a", "w:01")]).await.unwrap(), [Verdict::NotActive]);
    assert_eq!(ground.state_of("a").await, ["wait"]);
    ground.sound().await;
}

#[tokio::test]
async fn ids_that_are_keys_of_the_queue_are_refused_and_never_touch_them() {
    let own = [
        "wait",
        "active",
        "paused",
        "delayed",
        "completed",
        "failed",
        "id",
        "meta",
        "stalled",
        "priority",
        "repeat",
        "meta-paused",
        "stalled-check",
        "limiter",
        "limiter:index",
        "metrics:completed",
        "de:d",
        "a:lock",
        "a:logs",
    ];
    for id in own {
        let mut ground = Ground::at(NOW).await;
        ground.running("done", "w:01", json!({})).await;
        ground.complete(&[completion("done", "w:01")]).await.unwrap();
        ground.running("bad", "w:01", json!({})).await;
        ground.fail(&[failed("bad", "w:01", Fate::Bury)]).await.unwrap();
        ground.running("a", "w:0a", json!({"debounce": {"id": "d"}})).await;
        ground.store.log("a", "w:0a", 9, &["line".into()]).await.unwrap();
        ground.add("late", json!({"delay": 5, "priority": 3})).await;
        ground.plain(&["ZADD", "bull:q:repeat", "5", "key"]).await;
        ground.plain(&["SADD", "bull:q:stalled", "late"]).await;
        ground.plain(&["HSET", "bull:q:limiter:index", "late", "bull:q:limiter:limited"]).await;
        ground.plain(&["HSET", "bull:q:metrics:completed", "count", "1"]).await;
        ground.plain(&["HSET", "bull:q:meta", "paused", "1"]).await;
        let before = ground.snapshot().await;
        let refused = ground.store.enqueue("t", &[job("fine", json!({})), job(id, json!({}))]).await;
        assert!(
            matches!(&refused, Err(StoreError::WrongKey(text)) if text.contains(id)),
            "{id}: {refused:?}"
        );
        assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new(), "{id}: enqueue");
        assert_eq!(ground.store.remove(&[id], true).await.unwrap(), [Removed::NotFound], "{id}");
        assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new(), "{id}: remove");

        let keys = |all: &crate::snapshot::Snapshot| {
            let mut all = all.clone();
            all.retain(|key, _| key.starts_with("bull:q:") && key != "bull:q:wait");
            all
        };
        ground.plain(&["LPUSH", "bull:q:wait", id]).await;
        assert_eq!(ground.claim(&["w:05"]).await, Vec::<String>::new());
        assert_eq!(
            difference(&keys(&before), &keys(&ground.snapshot().await)),
            Vec::<String>::new(),
            "{id}: claim"
        );
        ground.plain(&["ZADD", "bull:q:delayed", "1", id]).await;
        ground.store.promote("t").await.unwrap();
        assert_eq!(
            difference(&keys(&before), &keys(&ground.snapshot().await)),
            Vec::<String>::new(),
            "{id}: promote"
        );
        assert_eq!(ground.run::<i64>(&["EXISTS", "bull:q:wait"]).await, 0, "{id}");

        ground.plain(&["LPUSH", "bull:q:wait", id]).await;
        ground.at_time(NOW + 9).clean(CleanState::Wait, 0, 0).await.unwrap();
        assert_eq!(
            difference(&keys(&before), &keys(&ground.snapshot().await)),
            Vec::<String>::new(),
            "{id}: clean"
        );
    }
}

#[tokio::test]
async fn a_counted_id_that_is_taken_is_passed_over() {
    let mut ground = Ground::at(NOW).await;
    ground.running("1", "w:01", json!({})).await;
    ground.plain(&["SET", "bull:q:2", "a string"]).await;
    ground.plain(&["SET", "bull:q:id", "0"]).await;
    let added = ground.store.enqueue("t", &[job("", json!({})), job("", json!({}))]).await.unwrap();
    let ids: Vec<&str> = added.iter().map(|added| added.id.as_str()).collect();
    assert_eq!(ids, ["3", "4"]);
    ground.sound().await;
}

#[tokio::test]
async fn a_debounce_key_of_a_dead_job_does_not_hold_up_new_ones() {
    let mut ground = Ground::at(NOW).await;
    ground.plain(&["SET", "bull:q:de:d", "gone"]).await;
    let opts = json!({"debounce": {"id": "d"}});
    let added = ground.store.enqueue("t", &[job("a", opts.clone()), job("b", opts)]).await.unwrap();
    assert_eq!((added[0].id.as_str(), added[0].existed), ("a", false));
    assert_eq!((added[1].id.as_str(), added[1].existed), ("a", true));
    assert_eq!(ground.run::<String>(&["GET", "bull:q:de:d"]).await, "a");
    // With a time to live of its own the key outlives its job on purpose.
    ground.plain(&["SET", "bull:q:de:e", "gone", "PX", "60000"]).await;
    let added = ground.store.enqueue("t", &[job("c", json!({"debounce": {"id": "e"}}))]).await.unwrap();
    assert!(added[0].existed);
    ground.sound().await;
}

#[tokio::test]
async fn a_job_that_runs_again_leaves_the_sets_of_the_finished() {
    for (set, end) in
        [("completed", "fail"), ("failed", "complete"), ("completed", "none"), ("failed", "none")]
    {
        let mut ground = Ground::at(NOW).await;
        ground.running("a", "w:01", json!({})).await;
        if set == "completed" {
            ground.complete(&[completion("a", "w:01")]).await.unwrap();
        } else {
            ground.fail(&[failed("a", "w:01", Fate::Bury)]).await.unwrap();
        }
        // Also how an id that a producer used twice looks (Q9).
        ground.plain(&["LPUSH", "bull:q:wait", "a"]).await;
        assert_eq!(ground.claim(&["w:02"]).await, ["a"]);
        match end {
            "fail" => drop(ground.fail(&[failed("a", "w:02", Fate::Bury)]).await.unwrap()),
            "complete" => drop(ground.complete(&[completion("a", "w:02")]).await.unwrap()),
            _ => {}
        }
        ground.sound().await;
    }
}

#[tokio::test]
async fn a_job_that_runs_is_not_put_to_sleep_by_the_rate_limiter() {
    let limiter = bullock::store::claim::Limiter { max: 1, duration_ms: 60_000, grouped: false };
    let mut ground = Ground::at(NOW).await;
    ground.add("a", json!({})).await;
    for token in ["w:01", "w:02"] {
        ground.lane.next();
        crate::ground::claim(&ground.store, &ground.lane, &[token], Some(&limiter)).await.unwrap();
        ground.sound().await;
        ground.plain(&["LPUSH", "bull:q:wait", "a"]).await;
    }
}

#[tokio::test]
async fn an_id_that_waits_although_it_runs_is_not_claimed_again() {
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:01", json!({})).await;
    ground.plain(&["LPUSH", "bull:q:wait", "a", "a"]).await;
    assert_eq!(ground.claim(&["w:02", "w:03"]).await, Vec::<String>::new());
    assert_eq!(ground.run::<String>(&["GET", "bull:q:a:lock"]).await, "w:01");
    ground.sound().await;
    // Listed twice, in one claim.
    ground.add("b", json!({})).await;
    ground.plain(&["LPUSH", "bull:q:wait", "b"]).await;
    assert_eq!(ground.claim(&["w:04", "w:05"]).await, ["b"]);
    ground.sound().await;
}

#[tokio::test]
async fn bulls_check_leaves_a_job_with_a_lock_to_its_worker() {
    let mut ground = Ground::at(NOW).await;
    ground.running("nodes", "some-uuid", json!({})).await;
    ground.plain(&["DEL", "bull::x:q::leases"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "nodes"]).await;
    let stalled = ground.store.stalled(1000, 1).await.unwrap();
    assert_eq!((stalled.recovered.len(), stalled.failed.len()), (0, 0));
    assert_eq!(ground.state_of("nodes").await, ["active"]);
}

#[tokio::test]
async fn a_job_of_ours_is_left_to_our_own_sweep_which_takes_it_back_without_a_stall() {
    let mut ground = Ground::at(NOW).await;
    ground.running("ours", "w:01", json!({})).await;
    ground.plain(&["DEL", "bull:q:ours:lock"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "ours"]).await;
    assert!(ground.store.stalled(1000, 1).await.unwrap().recovered.is_empty());
    assert_eq!(ground.store.recover().await.unwrap().jobs, [("ours".into(), 1)]);
    assert_eq!(ground.run::<i64>(&["HEXISTS", "bull:q:ours", "stalledCounter"]).await, 0);
    ground.sound().await;
}

#[tokio::test]
async fn a_body_that_vanished_under_a_dead_worker_is_a_dead_letter_at_once() {
    let mut ground = Ground::at(NOW).await;
    ground.running("ours", "w:01", json!({})).await;
    ground.plain(&["DEL", "bull:q:ours:lock", "bull:q:ours"]).await;
    assert!(ground.store.recover().await.unwrap().jobs.is_empty());
    assert_eq!(ground.state_of("ours").await, ["failed"]);
    ground.running("nodes", "some-uuid", json!({})).await;
    ground.plain(&["DEL", "bull:q:nodes:lock", "bull:q:nodes", "bull::x:q::leases"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "nodes"]).await;
    assert!(ground.store.stalled(1000, 1).await.unwrap().recovered.is_empty());
    assert_eq!(ground.state_of("nodes").await, ["failed"]);
    ground.sound().await;
}
