//! A worker that loses its leases and lives was no crash.

use std::sync::Arc;

use nix::sys::signal::Signal;
use redis::AsyncCommands as _;
use serde_json::json;

use crate::fleet::{KINDS, producer, record, starts, worker};
use crate::support::redis::Redis;
use crate::support::wait;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_worker_that_stood_still_and_goes_on_are_suspects_no_longer() {
    for kind in KINDS {
        let redis = Arc::new(Redis::start());
        let mut db = redis.connection().await;
        let () = db.set("hold", 1).await.unwrap();
        let mut queue = producer(&redis, kind, "q").await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(queue.add("x", json!({"do": "hold"}), json!({})).await);
        }
        let (frozen, log) = worker(&redis, "q", "w-1", 3);
        starts(&redis, 3).await;
        frozen.signal(Signal::SIGSTOP);
        let (_other, _) = worker(&redis, "q", "w-2", 3);
        // One of them runs there as a suspect.
        starts(&redis, 4).await;
        wait::until("three suspects", async || {
            redis.connection().await.hlen::<_, usize>("bull::x:q::suspects").await.unwrap() == 3
        })
        .await;
        frozen.signal(Signal::SIGCONT);
        wait::until("that none is a suspect", async || {
            !redis.connection().await.exists::<_, bool>("bull::x:q::suspects").await.unwrap()
        })
        .await;
        let () = db.del("hold").await.unwrap();
        for id in &ids {
            assert_eq!(queue.finished(id).await, Ok(json!("done")), "{}", log.text());
            assert_eq!(record(&redis, "q", id, "own_crashes").await, None);
        }
        queue.close().await;
    }
}
