//! One job that ends the process that runs it, among many that do no harm.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::fleet::{Fleet, KINDS, producer, record, told};
use crate::support::redis::Redis;
use crate::support::wait;

const GOOD: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_job_is_buried_after_three_crashes_of_its_own_and_two_hundred_good_ones_complete() {
    for kind in KINDS {
        let redis = Arc::new(Redis::start());
        let mut queue = producer(&redis, kind, "q").await;
        let mut jobs: Vec<Value> = (0..GOOD)
            .map(|n| json!({"name": "x", "data": {"do": "work", "ms": 20, "n": n}, "opts": {"attempts": 2}}))
            .collect();
        jobs.insert(
            30,
            json!({"name": "x", "data": {"do": "die"}, "opts": {"jobId": "poison", "attempts": 2}}),
        );
        queue.call("addBulk", json!([jobs])).await.unwrap();
        let fleet = Fleet::start(&redis, "q", 2, 20);
        let mut db = redis.connection().await;
        wait::value_within(Duration::from_secs(90), "all jobs to end", async || {
            let mut db = redis.connection().await;
            let done: usize = db.zcard("bull:q:completed").await.unwrap();
            let failed: usize = db.zcard("bull:q:failed").await.unwrap();
            (done + failed == GOOD + 1).then_some(())
        })
        .await;
        let deaths = fleet.stop().await;

        let failed: Vec<String> = db.zrange("bull:q:failed", 0, -1).await.unwrap();
        assert_eq!(failed, ["poison"], "kind {kind}");
        assert_eq!(queue.job("poison", "getState").await, "failed");
        assert_eq!(queue.job("poison", "attemptsMade").await, 0, "a crash is no attempt");
        assert_eq!(record(&redis, "q", "poison", "own_crashes").await.as_deref(), Some("3"));
        assert_eq!(record(&redis, "q", "poison", "crashes").await.as_deref(), Some("5"));
        assert_eq!(record(&redis, "q", "poison", "reason").await.as_deref(), Some("crashed"));
        let last: Value =
            serde_json::from_str(&record(&redis, "q", "poison", "crash:5").await.unwrap()).unwrap();
        assert!(last["worker"].as_str().unwrap().starts_with("w-"), "{last}");
        assert_eq!(last["own"], true);
        // Two deaths in a row made it a suspect, as all that ran there both times; the next three were its own.
        let mut starts: HashMap<String, usize> = HashMap::new();
        for (what, id, _) in told(&redis).await {
            if what == "start" {
                *starts.entry(id).or_default() += 1;
            }
        }
        assert_eq!((starts["poison"], deaths), (5, 5), "kind {kind}");
        let completed: Vec<String> = db.zrange("bull:q:completed", 0, -1).await.unwrap();
        assert_eq!(completed.len(), GOOD);
        for id in completed {
            let field = if kind == 4 { "attemptsMade" } else { "atm" };
            let made: Option<usize> = db.hget(format!("bull:q:{id}"), field).await.unwrap();
            assert_eq!(made, (kind != 4).then_some(1), "{id}");
            assert_eq!(record(&redis, "q", &id, "own_crashes").await, None, "{id} harmed nobody");
        }
        assert!(!db.exists::<_, bool>("bull::x:q::suspects").await.unwrap(), "all are cleared");
        queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retried_job_has_all_its_crashes_before_it_again() {
    for kind in KINDS {
        let redis = Arc::new(Redis::start());
        let mut queue = producer(&redis, kind, "q").await;
        queue.add("x", json!({"do": "die"}), json!({"jobId": "poison"})).await;
        let fleet = Fleet::start(&redis, "q", 1, 1);
        let buried = async |deaths: usize| {
            wait::value_within(Duration::from_mins(1), "the dead letter", async || {
                let starts = told(&redis).await.len();
                let failed: usize = redis.connection().await.zcard("bull:q:failed").await.unwrap();
                (starts == deaths && failed == 1).then_some(())
            })
            .await;
        };
        buried(5).await;
        let dialect = if kind == 4 { bullock::wire::Dialect::Bull } else { bullock::wire::Dialect::BullMq };
        let store = bullock::Queue::open_as(dialect, &redis.url(), "bull", "q").unwrap();
        let retried = store.store().retry("0", "poison", false).await.unwrap();
        assert_eq!(retried, bullock::store::control::Retried::Done);
        assert_eq!(record(&redis, "q", "poison", "own_crashes").await, None);
        assert_eq!(record(&redis, "q", "poison", "reason").await, None);
        buried(10).await;
        assert_eq!(record(&redis, "q", "poison", "own_crashes").await.as_deref(), Some("3"));
        fleet.stop().await;
        queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_moves_on_between_its_crashes_is_never_buried() {
    for kind in KINDS {
        let redis = Arc::new(Redis::start());
        let mut queue = producer(&redis, kind, "q").await;
        let id = queue.add("x", json!({"do": "walk"}), json!({})).await;
        let fleet = Fleet::start(&redis, "q", 1, 2);
        wait::value_within(Duration::from_mins(1), "the job to end", async || {
            let mut db = redis.connection().await;
            let completed: Option<f64> = db.zscore("bull:q:completed", &id).await.unwrap();
            let failed: Option<f64> = db.zscore("bull:q:failed", &id).await.unwrap();
            assert_eq!(failed, None, "kind {kind}: buried");
            completed.map(drop)
        })
        .await;
        let deaths = fleet.stop().await as u64;
        assert_eq!(deaths, crate::fleet::STEPS - 1);
    }
}
