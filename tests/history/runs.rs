//! Ends of syncs: a line each, items by outcome, what became of each item, items that fail again and again.

use std::sync::Arc;
use std::time::Duration;

use bullock::handler::{Context, native};
use bullock::store::history::{Ask, By, SyncEnd};
use bullock::sync::{ItemBackoff, Sync, SyncOptions};
use bullock::worker::HandlerSpec;
use bullock::{Job, JobError, Worker};
use serde_json::{Value, json};

use crate::ground::{BOTH, Ground, source, stop};

/// Ten items; those below `bad` fail, the next one is passed over.
async fn syncing(ground: &Ground, bad: u64) -> Worker {
    let sink = native::handler(move |batch: Job<Value>, _: Context| async move {
        let items = batch.data["items"].as_array().cloned().unwrap_or_default();
        let answer = items.iter().map(|item| match item["id"].as_u64().unwrap() {
            id if id < bad => json!({"id": id, "status": "failed", "code": "E42", "message": "refused"}),
            id if id == bad => json!({"id": id, "status": "skipped"}),
            id => json!({"id": id, "status": "ok"}),
        });
        Ok::<_, JobError>(answer.collect::<Value>())
    });
    let options = SyncOptions {
        item_attempts: 2,
        item_backoff: ItemBackoff::Fixed(Duration::from_millis(1)),
        batch_size: 5,
        ..SyncOptions::new(Some(source(10)), Some(Arc::new(sink)))
    };
    let spec = HandlerSpec::new(Arc::new(Sync::new(options).unwrap()));
    ground.plan().handler_spec("sync", spec).start().await.unwrap()
}

#[tokio::test]
async fn every_end_of_a_sync_is_a_line_of_its_history() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        for (number, bad) in [2, 0, 3].into_iter().enumerate() {
            let worker = syncing(&ground, bad).await;
            ground.add("sync", json!({}), json!({"jobId": format!("s{number}")})).await;
            ground.ended(number + 1).await;
            stop(worker).await;
        }
        let all = Ask::between(0, i64::MAX / 2);
        let page = ground.store().sync_runs(&all, 2, None).await.unwrap();
        let ids: Vec<_> = page.runs.iter().map(|run| &*run.id).collect();
        assert_eq!(ids, ["s2", "s1"], "{dialect:?}: newest first");
        let rest = ground.store().sync_runs(&all, 2, page.next.as_deref()).await.unwrap();
        assert_eq!((rest.runs.len(), rest.next), (1, None));
        let run = &rest.runs[0];
        assert_eq!((&*run.id, &*run.name, run.end), ("s0", "sync", SyncEnd::Partial));
        let items = (run.items.processed, run.items.successful, run.items.failed, run.items.skipped);
        assert_eq!(items, (10, 7, 2, 1));
        assert!(run.started_ms <= run.ended_ms && run.took_ms() < 60_000);

        let history = ground.today(By::Hour).await;
        let kind = &history.kinds[0];
        assert_eq!((kind.completed, kind.partial), (3, 2));
        assert_eq!((kind.items.processed, kind.items.failed, kind.items.skipped), (30, 5, 3));

        let failing = ground.store().failing_items("sync", "", 2).await.unwrap();
        let failing: Vec<_> = failing.iter().map(|item| (&*item.item, item.runs)).collect();
        assert_eq!(failing, [("1", 2), ("0", 2)], "the worst first");
    }
}

#[tokio::test]
async fn the_results_of_a_finished_run_are_read_item_by_item() {
    let ground = Ground::start(BOTH[0]).await;
    let worker = syncing(&ground, 3).await;
    ground.add("sync", json!({}), json!({"jobId": "s"})).await;
    ground.ended(1).await;
    stop(worker).await;
    let store = ground.store();
    let page = store.run_items("s", None, None, 100).await.unwrap();
    assert_eq!((page.noted, page.items.len(), page.next), (4, 4, None));
    let failed = store.run_items("s", Some("failed"), None, 100).await.unwrap().items;
    assert_eq!(failed.len(), 3);
    let item = failed.iter().find(|item| item.id == "0").unwrap();
    assert_eq!((item.tries, item.message.as_deref()), (2, Some("refused")));
    assert_eq!((item.code.clone(), item.item.clone()), (Some(json!("E42")), Some(json!({"id": 0}))));
    assert!(store.run_items("nobody", None, None, 10).await.unwrap().items.is_empty());
}
