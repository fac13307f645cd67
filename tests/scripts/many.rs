//! Lists longer than Lua's stack: every call is bounded, and all of them together do the whole.

use std::fmt::Write as _;

use bullock::store::control::{CleanState, Obliterated, Removed};
use bullock::store::finish::Verdict;
use bullock::wire::NewJob;
use serde_json::json;

use crate::ground::{Ground, NOW, completion, job};

const MANY: usize = 5000;

async fn with_jobs(opts: serde_json::Value) -> Ground {
    let ground = Ground::at(NOW).await;
    let jobs: Vec<NewJob> = (0..MANY).map(|n| job(&format!("j{n}"), opts.clone())).collect();
    assert_eq!(ground.store.enqueue("t", &jobs).await.unwrap().len(), MANY);
    ground
}

#[tokio::test]
async fn thousands_of_jobs_are_added_and_emptied() {
    let mut ground = with_jobs(json!({})).await;
    ground.sound().await;
    assert_eq!(ground.store.empty().await.unwrap(), MANY);
    assert_eq!(ground.snapshot().await.keys().collect::<Vec<_>>(), ["bull:q:id"]);
}

#[tokio::test]
async fn thousands_of_due_jobs_are_promoted_a_thousand_at_a_time() {
    let mut ground = with_jobs(json!({"delay": 1000})).await;
    let store = ground.at_time(NOW + 10_000);
    for _ in 0..MANY / 1000 {
        assert_eq!(store.promote("t").await.unwrap().moved, 1000);
    }
    assert_eq!(store.promote("t").await.unwrap().moved, 0);
    assert_eq!(ground.run::<usize>(&["LLEN", "bull:q:wait"]).await, MANY);
    ground.sound().await;
}

#[tokio::test]
async fn thousands_of_jobs_are_cleaned() {
    for (opts, state) in [(json!({}), CleanState::Wait), (json!({"delay": 1000}), CleanState::Delayed)] {
        let mut ground = with_jobs(opts).await;
        let gone = ground.at_time(NOW + 1).clean(state, 0, 0).await.unwrap();
        assert_eq!(gone.len(), MANY);
        assert_eq!(ground.snapshot().await.keys().collect::<Vec<_>>(), ["bull:q:id"]);
    }
}

#[tokio::test]
async fn thousands_of_jobs_are_obliterated() {
    let mut ground = with_jobs(json!({})).await;
    let delayed: Vec<NewJob> = (0..1500).map(|n| job(&format!("d{n}"), json!({"delay": 9}))).collect();
    ground.store.enqueue("t", &delayed).await.unwrap();
    assert_eq!(ground.store.obliterate(false).await.unwrap(), Obliterated::Done);
    assert_eq!(ground.snapshot().await.len(), 0);
}

#[tokio::test]
async fn thousands_of_jobs_are_removed_by_id() {
    let mut ground = with_jobs(json!({})).await;
    let ids: Vec<String> = (0..=MANY).map(|n| format!("j{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let removed = ground.store.remove(&ids, true).await.unwrap();
    assert_eq!(removed.iter().filter(|answer| **answer == Removed::Done).count(), MANY);
    assert_eq!(removed[MANY], Removed::NotFound);
    assert_eq!(ground.run::<usize>(&["LLEN", "bull:q:wait"]).await, 0);
}

#[tokio::test]
async fn thousands_of_failed_jobs_are_retried_though_some_have_no_body() {
    let mut ground = Ground::at(NOW).await;
    let mut fill = String::from("for n = 1, 2500 do redis.call('ZADD', 'bull:q:failed', n, n) ");
    let _ = write!(fill, "redis.call('HSET', 'bull:q:' .. n, 'name', 'x', 'failedReason', 'y') ");
    let _ = write!(fill, "if n > 1200 then redis.call('HSET', 'bull:q:' .. n, 'data', '1') end end");
    ground.plain(&["EVAL", &fill, "0"]).await;
    assert_eq!(ground.store.retry_all(usize::MAX).await.unwrap(), 1300);
    assert_eq!(ground.run::<usize>(&["ZCARD", "bull:q:failed"]).await, 1200);
    assert_eq!(ground.run::<usize>(&["LLEN", "bull:q:wait"]).await, 1300);
    ground.sound().await;
}

#[tokio::test]
async fn a_thousand_jobs_are_claimed_completed_and_recovered_in_one_call_each() {
    let mut ground = with_jobs(json!({})).await;
    let tokens: Vec<String> = (0..1000).map(|n| format!("w:{n:032x}")).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let ids = ground.claim(&tokens).await;
    assert_eq!(ids.len(), 1000);
    let runs: Vec<_> = ids.iter().zip(&tokens).map(|(id, token)| completion(id, token)).collect();
    assert_eq!(ground.complete(&runs).await.unwrap(), vec![Verdict::Done; 1000]);
    ground.claim(&tokens).await;
    ground
        .plain(&["EVAL", "for _, k in ipairs(redis.call('KEYS', '*:lock')) do redis.call('DEL', k) end", "0"])
        .await;
    assert_eq!(ground.store.recover().await.unwrap().jobs.len(), 1000);
    ground.sound().await;
}

#[tokio::test]
async fn thousands_of_running_jobs_are_marked_and_recovered_by_bulls_check() {
    let mut ground = with_jobs(json!({})).await;
    ground.plain(&["RENAME", "bull:q:wait", "bull:q:active"]).await;
    assert_eq!(ground.store.stalled(1, 1).await.unwrap().recovered.len(), 0);
    assert_eq!(ground.run::<usize>(&["SCARD", "bull:q:stalled"]).await, MANY);
    ground.plain(&["DEL", "bull:q:stalled-check"]).await;
    assert_eq!(ground.store.stalled(1, 1).await.unwrap().recovered.len(), MANY);
    ground.sound().await;
}
