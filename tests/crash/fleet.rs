//! Worker processes: this very test program, started again as a worker with native handlers, one of which ends it.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bullock::{Context, Job, JobError, Worker};
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::support::node::BullQueue;
use crate::support::process::{Output, Process};
use crate::support::redis::Redis;
use crate::support::wait;

pub(crate) const LEASE: Duration = Duration::from_millis(900);
pub(crate) const RENEW: Duration = Duration::from_millis(300);
/// The list that every start and end of a run is told to: `start <job> <pid>`, `end <job> <pid>`.
pub(crate) const TOLD: &str = "told";

/// Runs that a job which walks needs, and ends its process in.
pub(crate) const STEPS: u64 = 7;

/// Both kinds of queues, made by the real libraries.
pub(crate) const KINDS: [u8; 2] = [4, 5];

pub(crate) async fn producer(redis: &Redis, kind: u8, queue: &str) -> BullQueue {
    match kind {
        4 => BullQueue::open(&redis.url(), queue).await,
        major => BullQueue::open_mq(major, &redis.url(), queue, &json!({})).await,
    }
}

/// What a worker process does with a job: `{"do": "die" | "walk" | "work" | "hold", "ms": …}`.
async fn handle(
    job: Job<Value>,
    ctx: Context,
    db: redis::aio::MultiplexedConnection,
) -> Result<Value, JobError> {
    let mut db = db;
    let pid = std::process::id();
    let () = db.rpush(TOLD, format!("start {} {pid}", job.id)).await.unwrap();
    if job.data["do"] == "die" {
        std::process::abort();
    }
    if job.data["do"] == "walk" {
        let step = job.checkpoint.as_ref().map_or(0, |at| at.get().parse::<u64>().unwrap()) + 1;
        ctx.checkpoint(&step).await.unwrap();
        if step < STEPS {
            std::process::abort();
        }
    }
    if job.data["do"] == "hold" {
        while db.exists::<_, bool>("hold").await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(job.data["ms"].as_u64().unwrap_or(0))).await;
    let () = db.rpush(TOLD, format!("end {} {pid}", job.id)).await.unwrap();
    if job.data["do"] == "fail" { Err(JobError::retry("no")) } else { Ok(json!("done")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that the other tests start"]
async fn a_worker_process() {
    let of = |name: &str| std::env::var(name).unwrap();
    let (url, queue, slots) = (of("CRASH_URL"), of("CRASH_QUEUE"), of("CRASH_SLOTS").parse().unwrap());
    let db = redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let worker = Worker::builder(url, queue)
        .name(of("CRASH_NAME"))
        .concurrency(slots)
        .lease(LEASE, RENEW)
        .handler("*", move |job: Job<Value>, ctx: Context| handle(job, ctx, db.clone()))
        .start()
        .await
        .unwrap();
    worker.join().await;
}

/// Starts one.
pub(crate) fn worker(redis: &Redis, queue: &str, name: &str, slots: usize) -> (Process, Output) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "fleet::a_worker_process", "--nocapture"]);
    command.env("CRASH_URL", redis.url()).env("CRASH_QUEUE", queue).env("CRASH_NAME", name);
    command.env("CRASH_SLOTS", slots.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command).unwrap();
    let output = Output::default();
    output.follow_stdout(process.child().stdout.take().unwrap());
    output.follow_stderr(process.child().stderr.take().unwrap());
    (process, output)
}

/// Processes that are started again when they die, as a supervisor does.
pub(crate) struct Fleet {
    deaths: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<()>,
}

impl Fleet {
    pub(crate) fn start(redis: &Arc<Redis>, queue: &str, processes: usize, slots: usize) -> Fleet {
        let (deaths, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..processes {
            let (redis, queue) = (Arc::clone(redis), queue.to_owned());
            let (deaths, over) = (Arc::clone(&deaths), Arc::clone(&over));
            tasks.spawn(async move {
                let mut process = worker(&redis, &queue, &format!("w-{n}"), slots).0;
                while !over.load(Ordering::Relaxed) {
                    if process.ended().is_some() {
                        deaths.fetch_add(1, Ordering::Relaxed);
                        process = worker(&redis, &queue, &format!("w-{n}"), slots).0;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        Fleet { deaths, over, tasks }
    }

    /// Ends them all; answers how many deaths there were before.
    pub(crate) async fn stop(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        self.deaths.load(Ordering::Relaxed)
    }
}

/// What was told so far: what, job, pid.
pub(crate) async fn told(redis: &Redis) -> Vec<(String, String, String)> {
    let lines: Vec<String> = redis.connection().await.lrange(TOLD, 0, -1).await.unwrap();
    let parts = |line: &String| {
        let mut parts = line.split(' ').map(str::to_owned);
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
    };
    lines.iter().map(parts).collect()
}

/// Waits until so many starts were told.
pub(crate) async fn starts(redis: &Redis, many: usize) {
    wait::until(&format!("{many} starts"), async || {
        told(redis).await.iter().filter(|line| line.0 == "start").count() >= many
    })
    .await;
}

/// A field of our record of a job.
pub(crate) async fn record(redis: &Redis, queue: &str, id: &str, field: &str) -> Option<String> {
    redis.connection().await.hget(format!("bull::x:{queue}::job:{id}"), field).await.unwrap()
}
