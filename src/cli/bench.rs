//! `bullock bench`: how fast this worker is with this Redis. One JSON line for each run.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::sync::Notify;

use super::error::{CliError, Exit};
use super::session::Session;
use crate::handler::{BoxFuture, Context, Handler};
use crate::job::outcome::Outcome;
use crate::job::{Data, Job};
use crate::store::{Connection, Queue, Store, StoreError, scratch};
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
#[command(
    after_help = "Without --queue it makes a queue below a prefix of its own, fills it, and takes it away at the end. With --queue, \
    drain works off, and so uses up, the jobs that somebody has put there for this; add and latency take no queue that there is."
)]
pub struct Bench {
    /// What to measure: drain (work jobs that wait), add, or latency (one job at a time)
    #[arg(value_enum, hide_possible_values = true)]
    pub operation: Operation,
    /// Queue to use, below --prefix [default: a new one, which is taken away]
    #[arg(long)]
    pub queue: Option<String>,
    /// Layout of the queue
    #[arg(long, default_value = "bull", value_parser = Dialect::parse)]
    pub dialect: Dialect,
    /// Jobs
    #[arg(short, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub n: u64,
    /// Jobs at once
    #[arg(short, long, default_value_t = 100)]
    pub concurrency: usize,
}

/// One measurement, and where it takes place.
#[derive(Clone)]
struct Ground {
    url: String,
    prefix: String,
    queue: String,
    dialect: Dialect,
    n: u64,
    concurrency: usize,
    connection: Connection,
}

/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;
/// Longest time without any job ending before a drain is given up.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Runs one measurement and prints its line. What it has made is taken away, also when it fails or is interrupted.
pub async fn run(session: &Session, args: &Bench) -> Result<ExitCode, CliError> {
    let mut ground = Ground {
        url: session.redis.as_str().to_owned(),
        prefix: session.prefix.clone(),
        queue: args.queue.clone().unwrap_or_else(|| "bench".to_owned()),
        dialect: args.dialect,
        n: args.n,
        concurrency: args.concurrency,
        connection: session.connection.clone(),
    };
    let is_scratch = args.queue.is_none();
    if is_scratch {
        ground.prefix = scratch::new_prefix();
    } else if args.operation != Operation::Drain {
        let (_, exists) = session.queue_as(&ground.queue, Some(args.dialect)).await?;
        if exists {
            return Err(CliError::new(Exit::Conflict, "there is such a queue, and it may be somebody's")
                .at(&ground.queue)
                .hint("leave --queue out: a new one is made, and taken away"));
        }
    }
    let measured = async {
        match args.operation {
            Operation::Drain if is_scratch => {
                add(&ground).await?;
                drain(&ground).await
            }
            Operation::Drain => drain(&ground).await,
            Operation::Add => add(&ground).await,
            Operation::Latency => latency(&ground).await,
        }
    };
    let outcome = tokio::select! {
        measured = measured => Some(measured),
        _ = tokio::signal::ctrl_c(), if is_scratch => None,
    };
    if is_scratch {
        scratch::remove(&ground.connection, &ground.prefix).await.map_err(|error| session.error(error))?;
    }
    let Some(measured) = outcome else { return Ok(ExitCode::from(INTERRUPTED)) };
    session.out.json_line(&measured.map_err(|error| CliError::worker(error, &session.redis))?)?;
    Ok(ExitCode::SUCCESS)
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

async fn work(args: &Ground) -> anyhow::Result<(Worker, Arc<Count>)> {
    let count = Arc::new(Count { ended: AtomicU64::new(0), wanted: args.n, done: Notify::new() });
    let worker = Worker::builder(&args.url, &args.queue)
        .prefix(&args.prefix)
        .dialect(args.dialect)
        .concurrency(args.concurrency)
        .handler_spec("*", HandlerSpec::new(Arc::new(Nothing)))
        .observer(Arc::clone(&count) as _)
        .start()
        .await?;
    Ok((worker, count))
}

async fn drain(args: &Ground) -> anyhow::Result<serde_json::Value> {
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

async fn add(args: &Ground) -> anyhow::Result<serde_json::Value> {
    let queue = producer(args);
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

fn producer(args: &Ground) -> Queue {
    let keys = Keys::new(&args.prefix, &args.queue);
    Queue::on(Store::of(args.connection.clone(), keys, Some(args.dialect)))
}

async fn latency(args: &Ground) -> anyhow::Result<serde_json::Value> {
    let (worker, count) = work(&Ground { n: 1, ..args.clone() }).await?;
    for (_, mut ready) in worker.readiness() {
        ready.wait_for(|ready| *ready).await?;
    }
    let queue = producer(args);
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

fn result(op: &str, args: &Ground, seconds: f64) -> serde_json::Value {
    json!({"op": op, "n": args.n, "s": seconds, "per_s": (args.n as f64 / seconds).round(), "concurrency": args.concurrency,
        "dialect": args.dialect.as_str()})
}
