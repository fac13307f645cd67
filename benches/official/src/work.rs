//! `official work REDIS_URL QUEUE CONCURRENCY LEASE_MS STALLED_MS` for `benches/faults`: works the queue until it is killed and
//! tells in JSON lines what its handler does. LEASE_MS 0 = the crate's own defaults.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bullmq::options::WorkerOptions;
use bullmq::worker::CancellationToken;
use bullmq::{Job, Worker};
use serde_json::{Value, json};

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The job of `benches/faults`: sleeps `data.ms`, then tells what `data.tells` asks for.
async fn handle(mut job: Job) -> Value {
    let id = job.id().to_owned();
    say(&json!({"event": "start", "job": id}));
    let ms = job.data()["ms"].as_u64().unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(ms)).await;
    if job.data()["tells"] == true {
        // Each for itself: a refused one must not keep the others back.
        let pid = std::process::id();
        let progress = serde_json::from_value(json!(pid));
        let _ = match progress {
            Ok(progress) => job.update_progress(progress).await.is_ok(),
            Err(_) => false,
        };
        let _ = job.log(&format!("line of {pid}")).await;
        let _ = job.update_data(json!({"by": pid})).await;
    }
    say(&json!({"event": "end", "job": id}));
    json!(format!("done-{id}"))
}

/// Works until killed.
pub async fn work(url: &str, queue: &str, rest: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [concurrency, lease_ms, stalled_ms] = rest else {
        return Err("usage: official work REDIS_URL QUEUE CONCURRENCY LEASE_MS STALLED_MS".into());
    };
    let processor = |job: Job, _cancel: CancellationToken| async { Ok(handle(job).await) };
    let mut options = WorkerOptions {
        connection: crate::connection(url),
        concurrency: concurrency.parse()?,
        autorun: false,
        ..Default::default()
    };
    if lease_ms != "0" {
        (options.lock_duration, options.stalled_interval) = (lease_ms.parse()?, stalled_ms.parse()?);
        options.max_stalled_count = 1000;
    }
    let worker = Arc::new(Worker::with_options(queue, processor, options).await?);
    say(&json!({"event": "ready"}));
    let told = Arc::clone(&worker);
    tokio::spawn(async move {
        while let Some(event) = told.next_event().await {
            let text = format!("{event:?}");
            let kind = text.split(['(', ' ', '{']).next().unwrap_or("").to_lowercase();
            if matches!(kind.as_str(), "error" | "failed") {
                say(&json!({"event": kind, "text": text}));
            }
        }
    });
    // It returns when its loops have begun.
    worker.run().await?;
    std::future::pending::<()>().await;
    Ok(())
}
