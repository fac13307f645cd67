//! `bullock bench`: how fast this worker is on a queue that anyone filled. One JSON line for each run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::sync::Notify;

use crate::handler::{BoxFuture, Context, Handler};
use crate::job::outcome::Outcome;
use crate::job::{Data, Job};
use crate::store::connection::RESPONSE_TIMEOUT;
use crate::store::{Connection, Queue, Store, StoreError};
use crate::wire::{Dialect, Keys};
use crate::worker::{Ended, HandlerSpec, Observer, Worker};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// Work `n` jobs that wait in the queue, with a handler that does nothing.
    Drain,
    /// Add `n` jobs, `concurrency` at a time.
    Add,
    /// Add one job at a time and wait for its start and end.
    Latency,
}

/// Arguments of `bullock bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure: drain (work jobs that wait), add, or latency (one job at a time)
    #[arg(value_enum, hide_possible_values = true)]
    pub operation: Operation,
    /// From the shared flags.
    #[arg(skip)]
    pub redis_url: String,
    /// From the shared flags.
    #[arg(skip)]
    pub prefix: String,
    /// Queue to use
    #[arg(long)]
    pub queue: String,
    /// Layout of the queue
    #[arg(long, default_value = "bull", value_parser = Dialect::parse)]
    pub dialect: Dialect,
    /// Jobs
    #[arg(short, default_value_t = 20_000)]
    pub n: u64,
    /// Jobs at once
    #[arg(short, long, default_value_t = 100)]
    pub concurrency: usize,
}

/// Longest time without any job ending before a drain is given up.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Runs one measurement and prints its line.
pub async fn run(args: &Bench) -> anyhow::Result<()> {
    let line = match args.operation {
        Operation::Drain => drain(args).await?,
        Operation::Add => add(args).await?,
        Operation::Latency => latency(args).await?,
    };
    println!("{line}");
    Ok(())
}

struct Nothing;

impl Handler for Nothing {
    fn run(&self, _: Arc<Job<Data>>, _: Context) -> BoxFuture<'static, Outcome> {
        Box::pin(std::future::ready(Outcome::Completed(None)))
    }

    fn label(&self) -> &'static str {
        "nothing"
    }
}

/// Counts ends until there were enough.
struct Count {
    ended: AtomicU64,
    wanted: u64,
    done: Notify,
}

impl Observer for Count {
    fn ended(&self, _: &str, _: &str, ended: Ended, _: Duration, _: u32) {
        if ended == Ended::Completed && self.ended.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted {
            self.done.notify_one();
        }
    }
}

async fn work(args: &Bench) -> anyhow::Result<(Worker, Arc<Count>)> {
    let count = Arc::new(Count { ended: AtomicU64::new(0), wanted: args.n, done: Notify::new() });
    let worker = Worker::builder(&args.redis_url, &args.queue)
        .prefix(&args.prefix)
        .dialect(args.dialect)
        .concurrency(args.concurrency)
        .handler_spec("*", HandlerSpec::new(Arc::new(Nothing)))
        .observer(Arc::clone(&count) as _)
        .start()
        .await?;
    Ok((worker, count))
}

async fn drain(args: &Bench) -> anyhow::Result<serde_json::Value> {
    let begun = Instant::now();
    let (worker, count) = work(args).await?;
    let mut before = 0;
    while tokio::time::timeout(STUCK_AFTER, count.done.notified()).await.is_err() {
        let now = count.ended.load(Ordering::Relaxed);
        anyhow::ensure!(now > before, "only {now} of {} jobs were there to drain", args.n);
        before = now;
    }
    let seconds = begun.elapsed().as_secs_f64();
    worker.stop();
    worker.join().await;
    Ok(result("drain", args, seconds))
}

async fn add(args: &Bench) -> anyhow::Result<serde_json::Value> {
    let queue = producer(args)?;
    let left = Arc::new(AtomicU64::new(args.n));
    let begun = Instant::now();
    let mut producers = tokio::task::JoinSet::new();
    for _ in 0..args.concurrency {
        let (queue, left) = (queue.clone(), Arc::clone(&left));
        producers.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                queue.add("bench", &json!({"n": 1}), json!({})).await?;
            }
            Ok::<_, StoreError>(())
        });
    }
    while let Some(ended) = producers.join_next().await {
        ended??;
    }
    Ok(result("add", args, begun.elapsed().as_secs_f64()))
}

fn producer(args: &Bench) -> Result<Queue, StoreError> {
    let connection = Connection::new(&args.redis_url, None, RESPONSE_TIMEOUT)?;
    let keys = Keys::new(&args.prefix, &args.queue);
    Ok(Queue::on(Store::of(connection, keys, Some(args.dialect))))
}

async fn latency(args: &Bench) -> anyhow::Result<serde_json::Value> {
    let (worker, count) = work(&Bench { n: 1, ..copy(args) }).await?;
    for (_, mut ready) in worker.readiness() {
        ready.wait_for(|ready| *ready).await?;
    }
    let queue = producer(args)?;
    let mut took = Vec::new();
    for _ in 0..args.n {
        count.ended.store(0, Ordering::Relaxed);
        let begun = Instant::now();
        queue.add("bench", &json!({"n": 1}), json!({})).await?;
        tokio::time::timeout(STUCK_AFTER, count.done.notified()).await?;
        took.push(begun.elapsed());
    }
    worker.stop();
    worker.join().await;
    took.sort_unstable();
    let at = |q: f64| {
        took.get((took.len() as f64 * q) as usize).or(took.last()).map_or(0.0, Duration::as_secs_f64)
    };
    Ok(
        json!({"op": "latency", "n": args.n, "p50_ms": at(0.5) * 1e3, "p95_ms": at(0.95) * 1e3, "p99_ms": at(0.99) * 1e3}),
    )
}

fn copy(args: &Bench) -> Bench {
    Bench {
        operation: args.operation,
        redis_url: args.redis_url.clone(),
        prefix: args.prefix.clone(),
        queue: args.queue.clone(),
        dialect: args.dialect,
        n: args.n,
        concurrency: args.concurrency,
    }
}

fn result(op: &str, args: &Bench, seconds: f64) -> serde_json::Value {
    json!({"op": op, "n": args.n, "s": seconds, "per_s": (args.n as f64 / seconds).round(), "concurrency": args.concurrency,
        "dialect": args.dialect.as_str()})
}
