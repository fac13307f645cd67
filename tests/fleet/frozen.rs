//! Workers that stand still for longer than their lease, and go on.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::backend::Backend;
use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

struct Frozen {
    redis: Redis,
    backend: Backend,
    bull: BullQueue,
    id: String,
    worker: Bullock,
    peer: Bullock,
}

/// A worker frozen in mid-job, whose job a peer has completed meanwhile.
async fn frozen(path: &str) -> Frozen {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let mut bull = BullQueue::open(&redis.url(), "q").await;
    let config = format!(
        "[redis]\nurl = \"{}\"\n[worker]\nlease = \"1s\"\nrenew = \"300ms\"\nsweep = \"200ms\"\n[queues.q]\n[queues.q.handlers.\"*\"]\nhttp = \"{}{path}\"\n",
        redis.url(),
        backend.url
    );
    let worker = Bullock::run(&config).await;
    let id = bull.add("x", json!({"n": 1}), json!({"attempts": 3})).await;
    backend.has_runs("q", 1, wait::DEADLINE).await;
    worker.freeze();
    let peer = Bullock::run(&config).await;
    assert_eq!(bull.finished(&id).await, Ok(json!({"run": "second"})));
    wait::until("the peer to write down that it ran", async || {
        redis.dump().await.keys().any(|key| key.starts_with("bull::x:q::stats:day:"))
    })
    .await;
    Frozen { redis, backend, bull, id, worker, peer }
}

impl Frozen {
    /// Waits until the thawed worker has said that its run is over.
    async fn lost(&self) {
        wait::until("the stale run to end", async || self.worker.logs().contains("lease_lost")).await;
    }

    /// The dump, once nothing but time can change it.
    async fn ended(self, before: &std::collections::BTreeMap<String, String>) {
        assert_eq!(
            &self.redis.dump().await,
            before,
            "the stale run wrote something:\n{}",
            self.worker.logs()
        );
        assert_eq!(self.backend.runs().len(), 2, "run by the frozen worker and by its peer");
        let mut bull = self.bull;
        assert_eq!(bull.job(&self.id, "getState").await, "completed");
        for bullock in [self.worker, self.peer] {
            assert_eq!(bullock.stop().await.code, Some(0));
        }
        bull.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_wakes_after_its_lease_tells_its_handler_within_a_second() {
    let frozen = frozen("/first-hangs").await;
    let before = frozen.redis.dump().await;
    let thawed = Instant::now();
    frozen.worker.thaw();
    let dropped = wait::value("the request to be dropped", async || frozen.backend.runs()[0].dropped).await;
    println!("the backend was told {:?} after the worker woke", dropped - thawed);
    assert!(dropped - thawed < Duration::from_secs(1), "{:?}", dropped - thawed);
    frozen.lost().await;
    frozen.ended(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_came_while_the_worker_was_frozen_is_not_written() {
    let frozen = frozen("/first-hangs").await;
    let before = frozen.redis.dump().await;
    frozen.backend.release();
    frozen.worker.thaw();
    frozen.lost().await;
    frozen.ended(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_log_and_checkpoint_that_came_while_the_worker_was_frozen_are_not_written() {
    let frozen = frozen("/first-streams").await;
    let before = frozen.redis.dump().await;
    frozen.backend.release();
    frozen.worker.thaw();
    frozen.lost().await;
    frozen.ended(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stands_still_for_less_than_its_lease_keeps_its_job() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let mut bull = BullQueue::open(&redis.url(), "q").await;
    let config = format!(
        "[redis]\nurl = \"{}\"\n[worker]\nlease = \"5s\"\nrenew = \"1s\"\nsweep = \"200ms\"\n[queues.q]\n[queues.q.handlers.\"*\"]\nhttp = \"{}/first-hangs\"\n",
        redis.url(),
        backend.url
    );
    let worker = Bullock::run(&config).await;
    let id = bull.add("x", json!({"n": 1}), json!({"attempts": 3})).await;
    backend.has_runs("q", 1, wait::DEADLINE).await;
    let peer = Bullock::run(&config).await;
    worker.freeze();
    tokio::time::sleep(Duration::from_secs(2)).await; // several sweeps of the peer
    worker.thaw();
    backend.release();
    bull.finished(&id).await.unwrap();
    assert_eq!(backend.runs().len(), 1, "run by both:\n{}\n{}", worker.logs(), peer.logs());
    for bullock in [worker, peer] {
        assert!(!bullock.logs().contains("lease_lost"), "{}", bullock.logs());
        assert_eq!(bullock.stop().await.code, Some(0));
    }
    bull.close().await;
}
