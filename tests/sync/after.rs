//! What comes after a sync: once, with the finished run's summary, in the same step as its end.

use std::sync::Arc;
use std::time::Duration;

use bullock::store::actor::Actor;
use bullock::store::history::{Ask, SyncEnd};
use bullock::store::sync::operate::RetriedItems;
use bullock::store::sync::start::Start;
use bullock::sync::{ItemBackoff, OnExhausted, SyncOptions};
use bullock::wire::{Dialect, NewJob};
use bullock::{JobError, Worker};
use serde_json::{Value, json};

use crate::shop::{BOTH, Ground, QUEUE, Shop, sink};

fn then(shop: &Shop, names: &[&str]) -> SyncOptions {
    SyncOptions {
        after: names.iter().map(|name| (*name).to_owned()).collect(),
        item_attempts: 1,
        item_backoff: ItemBackoff::Fixed(Duration::from_millis(5)),
        ..shop.options()
    }
}

/// Ids of the jobs that wait.
async fn waiting(ground: &Ground) -> Vec<String> {
    let key = format!("bull:{QUEUE}:wait");
    redis::cmd("LRANGE").arg(key).arg(0).arg(-1).query_async(&mut ground.db.clone()).await.unwrap()
}

async fn stop(worker: Worker) {
    worker.stop();
    worker.join().await;
}

/// A handler for nothing but syncs: what comes after stays in line.
async fn run(ground: &Ground, options: SyncOptions) -> Worker {
    let pause = ground.work(options).await;
    ground.ended("s").await;
    pause
}

#[tokio::test]
async fn a_sync_that_ends_well_adds_what_comes_after_it_with_its_summary() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        ground.add("s", &json!({"shop": "acme", "big": 12_345_678_901_234_567_890_u64, "items": [1]})).await;
        // One slot: what comes after is claimed behind the stop, if at all.
        let worker = run(&ground, then(&Shop::new(7, 3), &["delta", "report"])).await;
        stop(worker).await;
        let added = ground.acts().await;
        let added: Vec<_> = added.iter().filter(|act| act[0] == "sync.after").collect();
        assert_eq!(added.len(), 2, "{dialect:?}");
        assert_eq!(added[0][4], "bullock");
        for (act, name) in added.iter().zip(["delta", "report"]) {
            let id = &act[1];
            assert_eq!(ground.field(id, "name").await.unwrap(), name);
            let text = ground.field(id, "data").await.unwrap();
            assert!(text.contains("12345678901234567890"), "byte for byte: {text}");
            let data: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(data["shop"], "acme");
            assert_eq!(data.get("items"), None);
            let after = &data["after"];
            assert_eq!(
                (&after["id"], &after["name"], &after["queue"]),
                (&json!("s"), &json!("sync"), &json!(QUEUE))
            );
            assert_eq!((&after["state"], &after["processed"]), (&json!("completed"), &json!(7)));
            assert!(after["startedAt"].as_i64().unwrap() > 1_700_000_000_000);
            let opts: Value = serde_json::from_str(&ground.field(id, "opts").await.unwrap()).unwrap();
            assert_eq!(opts["attempts"], 3, "as the sync itself");
            assert_eq!(opts.get("jobId"), None);
        }
    }
}

#[tokio::test]
async fn a_worker_that_dies_between_the_last_commit_and_the_end_adds_it_once() {
    for dialect in BOTH {
        let mut ground = Ground::start(dialect).await;
        let shop = Shop::new(4, 4);
        ground.add("s", &json!({})).await;
        let worker = ground.work(then(&shop, &["delta"])).await;
        ground.ended("s").await;
        stop(worker).await;
        let before = waiting(&ground).await.len() + 1;
        // As a death between the two leaves it: committed to its end, and in line again.
        let key = |name: &str| format!("bull:{QUEUE}:{name}");
        let taken: u64 =
            redis::cmd("ZREM").arg(key("completed")).arg("s").query_async(&mut ground.db).await.unwrap();
        assert_eq!(taken, 1);
        let _: () =
            redis::cmd("HDEL").arg(key("s")).arg("finishedOn").query_async(&mut ground.db).await.unwrap();
        let _: () = redis::cmd("RPUSH").arg(key("wait")).arg("s").query_async(&mut ground.db).await.unwrap();
        let worker = ground.work(then(&shop, &["delta"])).await;
        ground.ended("s").await;
        stop(worker).await;
        let after: Vec<_> = ground.acts().await.into_iter().filter(|act| act[0] == "sync.after").collect();
        assert_eq!(after.len(), 1, "{dialect:?}: {before}");
        let runs = ground.store().sync_runs(&Ask::between(0, i64::MAX / 2), 10, None).await.unwrap();
        assert_eq!(runs.runs.len(), 1, "the history has one end");
    }
}

#[tokio::test]
async fn nothing_comes_after_failed_items_until_they_went_well() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let options = then(&Shop::new(5, 5).failing([(2, 1)]), &["delta"]);
        ground.add("s", &json!({})).await;
        let worker = run(&ground, options).await;
        let followers = async || ground.acts().await.into_iter().filter(|act| act[0] == "sync.after").count();
        assert_eq!(followers().await, 0, "{dialect:?}");
        let again = ground.store().retry_items(&Actor::default(), "s", &[]).await.unwrap();
        assert_eq!(again, RetriedItems::Done("completed".into(), 1));
        ground.ended("s").await;
        stop(worker).await;
        assert_eq!(followers().await, 1);
        let ask = Ask::between(0, i64::MAX / 2);
        let runs = ground.store().sync_runs(&ask, 10, None).await.unwrap().runs;
        let ends: Vec<_> = runs.iter().map(|run| (run.end, run.items.successful, run.items.failed)).collect();
        assert_eq!(ends, [(SyncEnd::Completed, 5, 0), (SyncEnd::Partial, 4, 1)]);
        let failing = ground.store().failing_items("sync", "", 10).await.unwrap();
        assert_eq!((failing.len(), &*failing[0].item, failing[0].runs), (1, "2", 1));
    }
}

#[tokio::test]
async fn nothing_comes_after_a_run_that_fails() {
    let ground = Ground::start(BOTH[0]).await;
    let options = SyncOptions {
        on_exhausted: OnExhausted::Fail,
        ..then(&Shop::new(2, 2).failing([(1, 9)]), &["delta"])
    };
    ground.add("s", &json!({})).await;
    stop(run(&ground, options).await).await;
    let broken = sink(|_| Err(JobError::permanent("the back office is closed")));
    let ground2 = Ground::start(BOTH[1]).await;
    let options = SyncOptions { sink: Some(Arc::clone(&broken)), ..then(&Shop::new(2, 2), &["delta"]) };
    ground2.add("s", &json!({})).await;
    stop(run(&ground2, options).await).await;
    for ground in [ground, ground2] {
        assert!(waiting(&ground).await.is_empty());
        assert_eq!(ground.state("s").await, "failed");
    }
}

#[tokio::test]
async fn what_comes_after_belongs_to_the_same_organisation() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let mut opts = serde_json::Map::new();
        opts.insert("jobId".into(), "s".into());
        let job = match dialect {
            Dialect::Bull => NewJob::bull("sync", &json!({}), opts),
            Dialect::BullMq => NewJob::bullmq("sync", &json!({}), opts).unwrap(),
        };
        let start = Start { org: Some("acme"), ..Start::default() };
        ground.store().start_sync(&Actor::default(), &start, &job).await.unwrap();
        stop(run(&ground, then(&Shop::new(1, 1), &["delta"])).await).await;
        let added = ground.acts().await.into_iter().find(|act| act[0] == "sync.after").unwrap();
        assert_eq!(ground.record(&added[1], "org").await.as_deref(), Some("acme"), "{dialect:?}");
        assert_eq!(ground.ids_of_org("acme").await.len(), 2);
        let runs = ground.store().sync_runs(&Ask::between(0, i64::MAX / 2), 10, None).await.unwrap().runs;
        assert_eq!(runs[0].org, "acme");
    }
}
