//! What the sync engine costs by itself: items through a source and a sink that do nothing, in batches of 50.
//!
//! `cargo bench --bench sync [-- ITEMS [BATCH]]` prints items a second, for both dialects, on a Redis of its own.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a program that measures reports by panicking"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bullock::handler::native;
use bullock::store::Queue;
use bullock::sync::{Sync, SyncOptions};
use bullock::wire::Dialect;
use bullock::worker::HandlerSpec;
use bullock::{Context, Job, JobError, Worker};
use serde_json::json;
use serde_json::value::RawValue;

/// Items in one page of the source.
const PAGE: u64 = 1000;

/// What the engine asks a source for.
#[derive(serde::Deserialize)]
struct Ask {
    cursor: Option<u64>,
}

/// What the engine gives a sink.
#[derive(serde::Deserialize)]
struct Batch {
    items: Vec<Item>,
}

#[derive(serde::Deserialize)]
struct Item {
    id: u64,
}

fn json_text(text: String) -> Result<Box<RawValue>, JobError> {
    RawValue::from_string(text).map_err(|error| JobError::permanent(error.to_string()))
}

fn options(items: u64, batch: usize) -> SyncOptions {
    let source = native::handler(move |job: Job<Ask>, _: Context| async move {
        let from = job.data.cursor.unwrap_or(0);
        let end = (from + PAGE).min(items);
        let list: Vec<String> =
            (from..end).map(|id| format!(r#"{{"id":{id},"name":"item {id}"}}"#)).collect();
        let next = if end < items { end.to_string() } else { "null".into() };
        json_text(format!(r#"{{"items":[{}],"next":{next},"total":{items}}}"#, list.join(",")))
    });
    let sink = native::handler(|job: Job<Batch>, _: Context| async move {
        let told: Vec<String> =
            job.data.items.iter().map(|item| format!(r#"{{"id":{},"status":"ok"}}"#, item.id)).collect();
        json_text(format!("[{}]", told.join(",")))
    });
    SyncOptions { batch_size: batch, ..SyncOptions::new(Some(Arc::new(source)), Some(Arc::new(sink))) }
}

async fn measure(dialect: Dialect, items: u64, batch: usize) -> f64 {
    let redis = support::redis::Redis::start();
    let queue = Queue::open_as(dialect, &redis.url(), "bull", "shop").unwrap();
    let builder = Worker::builder(redis.url(), "shop").dialect(dialect);
    let spec = HandlerSpec::new(Arc::new(Sync::new(options(items, batch)).unwrap()));
    let worker = builder.handler_spec("sync", spec).start().await.unwrap();
    let begun = Instant::now();
    queue.add("sync", &json!({}), json!({"jobId": "s"})).await.unwrap();
    let mut db = redis.connection().await;
    let result: String = loop {
        let result: Option<String> =
            redis::cmd("HGET").arg("bull:shop:s").arg("returnvalue").query_async(&mut db).await.unwrap();
        if let Some(result) = result {
            break result;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let took = begun.elapsed().as_secs_f64();
    worker.stop();
    worker.join().await;
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["successful"], items, "{result}");
    items as f64 / took
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let items = numbers.next().unwrap_or(200_000);
    let batch = numbers.next().unwrap_or(50) as usize;
    for dialect in [Dialect::Bull, Dialect::BullMq] {
        let rate = measure(dialect, items, batch).await;
        println!("{}: {items} items in batches of {batch}: {rate:.0} items/s", dialect.as_str());
    }
}
