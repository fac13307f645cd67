//! `bullmq-official` as a contender of `benches/side-by-side.mjs`, on its own layout.
//!
//! `official drain|add REDIS_URL QUEUE N CONCURRENCY` prints one JSON line. The clock runs from the first call that works to the last job
//! whose outcome is written; connecting is not counted, for any contender.

mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bullmq::options::{RedisConnectionOptions, WorkerOptions};
use bullmq::worker::CancellationToken;
use bullmq::{Job, Queue, QueueOptions, Worker};
use tokio::sync::Notify;

/// How often the end of the drain is looked for once every handler has run.
const LAST_WRITES_POLL: Duration = Duration::from_micros(500);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [op, url, queue, rest @ ..] = args.as_slice()
        && op == "work"
    {
        return work::work(url, queue, rest).await;
    }
    let [op, url, queue, n, concurrency] = args.as_slice() else {
        return Err("usage: official drain|add REDIS_URL QUEUE N CONCURRENCY".into());
    };
    let (n, concurrency) = (n.parse()?, concurrency.parse()?);
    let took = match op.as_str() {
        "drain" => drain(url, queue, n, concurrency).await?,
        "add" => add(url, queue, n, concurrency).await?,
        other => return Err(format!("unknown operation {other}").into()),
    };
    println!("{}", serde_json::json!({ "op": op, "n": n, "s": took.as_secs_f64() }));
    Ok(())
}

fn connection(url: &str) -> RedisConnectionOptions {
    RedisConnectionOptions { url: url.to_owned(), ..Default::default() }
}

async fn drain(url: &str, queue: &str, n: usize, concurrency: usize) -> Result<Duration, bullmq::Error> {
    let (handled, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let processor = {
        let (handled, all) = (Arc::clone(&handled), Arc::clone(&all));
        move |_job: Job, _cancel: CancellationToken| {
            if handled.fetch_add(1, Ordering::Relaxed) + 1 == n {
                all.notify_one();
            }
            async { Ok(serde_json::Value::Null) }
        }
    };
    let options =
        WorkerOptions { connection: connection(url), concurrency, autorun: false, ..Default::default() };
    let worker = Arc::new(Worker::with_options(queue, processor, options).await?);
    let began = Instant::now();
    let run = {
        let worker = Arc::clone(&worker);
        tokio::spawn(async move { worker.run().await })
    };
    all.notified().await;
    while worker.active_count().await > 0 {
        tokio::time::sleep(LAST_WRITES_POLL).await;
    }
    let took = began.elapsed();
    worker.close(5_000).await?;
    run.abort();
    Ok(took)
}

async fn add(
    url: &str,
    queue: &str,
    n: usize,
    in_flight: usize,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let options = QueueOptions { connection: connection(url), ..Default::default() };
    let queue = Arc::new(Queue::with_options(queue, options).await?);
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (queue, next) = (Arc::clone(&queue), Arc::clone(&next));
        lanes.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= n {
                    return Ok::<(), bullmq::Error>(());
                }
                let data = serde_json::json!({
                    "shop": format!("shop-{}", index % 797), "page": index, "since": "2026-11-01T00:00:00.000Z",
                });
                queue.add("sync", data).await?;
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(began.elapsed())
}
