//! Sources and sinks that answer what they must not, or ask for something.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bullock::JobError;
use bullock::sync::{ItemBackoff, SyncOptions};
use serde_json::{Value, json};

use crate::shop::{BOTH, Ground, Shop, all_ok, sink, source};

fn quick(options: SyncOptions) -> SyncOptions {
    SyncOptions { item_backoff: ItemBackoff::Fixed(Duration::from_millis(20)), call_attempts: 1, ..options }
}

async fn fails_with(from: impl Fn(usize) -> Value + Send + Sync + 'static) -> String {
    let mut ground = Ground::start(BOTH[0]).await;
    let to = sink(|batch| Ok(all_ok(batch)));
    ground.fails(quick(SyncOptions::new(Some(source(from)), Some(to)))).await
}

#[tokio::test]
async fn a_cursor_that_comes_again_ends_the_sync_for_good() {
    let reason = fails_with(|from| json!({"items": [{"id": from}], "next": (from + 1) % 3})).await;
    assert_eq!(
        reason,
        "the source gave the cursor 1 for the second time; expected a new one, or null at the end"
    );
    let reason = fails_with(|from| json!({"items": [{"id": from}], "next": 5})).await;
    assert!(reason.contains("the cursor 5 for the second time"), "{reason}");
}

#[tokio::test]
async fn a_page_that_is_none_is_named_with_what_was_expected() {
    let reason = fails_with(|_| json!({"rows": []})).await;
    assert!(reason.starts_with("the source's page has no items; expected {\"items\""), "{reason}");
    let reason = fails_with(|_| json!({"items": [{"id": 1}, {"name": "x"}], "next": null})).await;
    assert_eq!(reason, "item 1 of the source's page has no id; expected text or a whole number");
    let reason = fails_with(|_| json!({"items": [{"id": "x".repeat(300)}], "next": null})).await;
    assert_eq!(reason, "item 0 of the source's page has no id; expected text or a whole number");
}

#[tokio::test]
async fn an_item_or_a_page_that_is_too_large_is_refused() {
    let large = |_: usize| json!({"items": [{"id": 1, "text": "x".repeat(300_000)}], "next": null});
    assert!(fails_with(large).await.contains("at most 262144 are taken"));
    let many =
        |_: usize| json!({"items": (0..10_001).map(|id| json!({"id": id})).collect::<Value>(), "next": null});
    assert_eq!(fails_with(many).await, "the source's page has 10001 items; at most 10000 are taken");
}

#[tokio::test]
async fn items_that_the_sink_leaves_out_are_pushed_again_and_those_it_invents_are_passed_over() {
    let mut ground = Ground::start(BOTH[1]).await;
    let from = source(|_| json!({"items": [{"id": 1}, {"id": 2}], "next": null}));
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let to = sink(move |batch| {
        let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(if first { json!([{"id": 1, "status": "ok"}, {"id": 77, "status": "ok"}]) } else { all_ok(batch) })
    });
    let result = ground.sync(quick(SyncOptions::new(Some(from), Some(to)))).await;
    assert_eq!((&result["successful"], &result["processed"]), (&json!(2), &json!(2)));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn of_two_answers_for_one_item_the_worse_counts() {
    let mut ground = Ground::start(BOTH[0]).await;
    let from = source(|_| json!({"items": [{"id": 1}], "next": null}));
    let to = sink(|_| Ok(json!([{"id": 1, "status": "failed", "message": "no"}, {"id": 1, "status": "ok"}])));
    let result =
        ground.sync(quick(SyncOptions { item_attempts: 1, ..SyncOptions::new(Some(from), Some(to)) })).await;
    assert_eq!(result["failed"], 1);
}

#[tokio::test]
async fn a_word_that_is_no_status_fails_the_attempt_and_loses_nothing() {
    let mut ground = Ground::start(BOTH[0]).await;
    let from = source(|_| json!({"items": [{"id": 1}], "next": null}));
    let to = sink(|_| Ok(json!([{"id": 1, "status": "done"}])));
    let reason = ground.fails(quick(SyncOptions::new(Some(from), Some(to)))).await;
    assert!(reason.starts_with("the sink's answer has the status \"done\"; expected"), "{reason}");
}

#[tokio::test]
async fn a_short_wait_that_the_sink_asks_for_is_kept_within_the_run_and_costs_no_attempt() {
    let mut ground = Ground::start(BOTH[0]).await;
    let from = source(|_| json!({"items": [{"id": 1}], "next": null}));
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let to = sink(move |batch| {
        if counted.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(JobError::defer(Duration::from_millis(300), "busy"));
        }
        Ok(all_ok(batch))
    });
    let begun = Instant::now();
    let result = ground.sync(quick(SyncOptions::new(Some(from), Some(to)))).await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(result["successful"], 1);
    assert_eq!(ground.record("s", "deferrals").await, None);
}

#[tokio::test]
async fn a_source_that_never_moves_is_stopped_by_no_progress() {
    let ground = Ground::start(BOTH[0]).await;
    let from = source(|from| json!({"items": [], "next": if from == 0 { Value::Null } else { json!(from) }}));
    let from_one = source(|_| json!({"items": [], "next": 1}));
    drop(from);
    let options = SyncOptions::new(Some(from_one), Some(sink(|batch| Ok(all_ok(batch)))));
    let worker = ground.work_with(options, |spec| spec.no_progress = Some(Duration::from_secs(2))).await;
    ground.add("s", &json!({})).await;
    ground.ended("s").await;
    assert_eq!(ground.field("s", "failedReason").await.as_deref(), Some("no progress for 2s"));
    worker.stop();
    worker.join().await;
}

#[tokio::test]
async fn a_call_that_fails_is_made_again_under_the_same_key() {
    let (shop, mut ground) = (Shop::new(5, 5), Ground::start(BOTH[0]).await);
    let calls = Arc::new(AtomicUsize::new(0));
    let keys = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (counted, noted) = (Arc::clone(&calls), Arc::clone(&keys));
    let to = bullock::handler::native::handler(move |job: bullock::Job<Value>, ctx: bullock::Context| {
        noted.lock().unwrap().push(ctx.run.key.clone());
        let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if first { Err("the back office is down") } else { Ok(all_ok(&job.data)) } }
    });
    let options = SyncOptions { sink: Some(Arc::new(to)), ..shop.options() };
    assert_eq!(ground.sync(options).await["successful"], 5);
    let keys = keys.lock().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    assert!(keys[0].as_deref().unwrap().ends_with(":items:1"), "{keys:?}");
}
