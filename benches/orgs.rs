//! What organisations cost a queue, and how well they share it.
//!
//! `cargo bench --bench orgs [-- cost|slots|rate]` prints figures for both dialects, each on a Redis of its own.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "a program that measures reports by panicking"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bullock::store::Queue;
use bullock::store::orgs::{KeyLimit, Names, Turns};
use bullock::wire::Dialect;
use bullock::worker::Builder;
use bullock::{Context, Job, JobError, Worker};
use serde_json::{Value, json};
use support::redis::Redis;

const BOTH: [Dialect; 2] = [Dialect::Bull, Dialect::BullMq];
const QUEUE: &str = "q";

fn turns(fair: bool, running: Option<u64>, rate: Option<(u64, Duration)>) -> Turns {
    let path = vec!["org".to_owned()];
    let is_limited = running.is_some() || rate.is_some();
    let limit =
        KeyLimit { label: "data.org".into(), path: Some(path.clone()), names: Names::Any, running, rate };
    Turns { org: Some(path), fair, limits: if is_limited { vec![limit] } else { Vec::new() } }
}

/// Who began, and when.
type Begun = Arc<Mutex<Vec<(Instant, String)>>>;

/// A Redis, a queue, and who began.
struct Ground {
    redis: Redis,
    dialect: Dialect,
    queue: Queue,
    begun: Begun,
}

impl Ground {
    fn new(dialect: Dialect) -> Ground {
        let redis = Redis::start();
        let queue = Queue::open_as(dialect, &redis.url(), "bull", QUEUE).unwrap();
        Ground { redis, dialect, queue, begun: Begun::default() }
    }

    async fn fill(&self, jobs: usize, org: impl Fn(usize) -> String) {
        let all: Vec<_> =
            (0..jobs).map(|n| ("work".to_owned(), json!({"org": org(n), "n": n}), json!({}))).collect();
        for some in all.chunks(1000) {
            self.queue.add_bulk(some.to_vec()).await.unwrap();
        }
    }

    fn worker(&self, turns: Turns) -> Builder {
        let begun = Arc::clone(&self.begun);
        let work = move |job: Job<Value>, _: Context| {
            begun.lock().unwrap().push((Instant::now(), job.data["org"].as_str().unwrap_or("").to_owned()));
            async { Ok::<_, JobError>(json!(null)) }
        };
        Worker::builder(self.redis.url(), QUEUE).dialect(self.dialect).turns(turns).handler("work", work)
    }

    /// µs of processor time that the server has used.
    async fn cpu_us(&self) -> f64 {
        let mut db = self.redis.connection().await;
        let info: String = redis::cmd("INFO").arg("cpu").query_async(&mut db).await.unwrap();
        let seconds = |name: &str| -> f64 {
            let line = info.lines().find(|line| line.starts_with(name)).unwrap();
            line.split(':').nth(1).unwrap().trim().parse().unwrap()
        };
        (seconds("used_cpu_sys:") + seconds("used_cpu_user:")) * 1e6
    }

    async fn completed(&self, jobs: usize) {
        let mut db = self.redis.connection().await;
        let done = async |db: &mut redis::aio::MultiplexedConnection| -> usize {
            redis::cmd("ZCARD").arg(format!("bull:{QUEUE}:completed")).query_async(db).await.unwrap()
        };
        while done(&mut db).await < jobs {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn stop(worker: Worker) {
    worker.stop();
    worker.join().await;
}

/// One drain of a filled queue.
async fn drain(dialect: Dialect, jobs: usize, orgs: usize, turns: Turns) -> (f64, f64) {
    let ground = Ground::new(dialect);
    ground.fill(jobs, |n| format!("org-{}", n * orgs / jobs)).await;
    let (cpu, began) = (ground.cpu_us().await, Instant::now());
    let worker = ground.worker(turns).concurrency(100).start().await.unwrap();
    ground.completed(jobs).await;
    let took = began.elapsed().as_secs_f64();
    let used = (ground.cpu_us().await - cpu) / jobs as f64;
    stop(worker).await;
    (jobs as f64 / took, used)
}

/// What a job costs: plain, in turns, and counted by a limit that is never reached.
async fn cost() {
    const JOBS: usize = 20_000;
    for dialect in BOTH {
        let any = Some((1_000_000, Duration::from_secs(1)));
        let ways = [
            ("plain", 1, Turns::default()),
            ("org only", 1, turns(false, None, None)),
            ("fair, one organisation", 1, turns(true, None, None)),
            ("fair, 100 organisations", 100, turns(true, None, None)),
            ("running, 100 organisations", 100, turns(false, Some(1_000_000), None)),
            ("rate, 100 organisations", 100, turns(false, None, any)),
        ];
        for (what, orgs, turns) in ways {
            let (rate, cpu) = drain(dialect, JOBS, orgs, turns).await;
            println!("{} cost, {what}: {rate:.0} jobs/s, Redis {cpu:.1} µs/job", dialect.as_str());
        }
    }
}

/// Ten jobs of B come behind 100,000 of A.
async fn slots() {
    const OF_A: usize = 100_000;
    for dialect in BOTH {
        for (what, turns) in [("in turns", turns(true, None, None)), ("plain", Turns::default())] {
            let ground = Ground::new(dialect);
            ground.fill(OF_A, |_| "A".into()).await;
            let worker = ground.worker(turns).concurrency(10).start().await.unwrap();
            while ground.begun.lock().unwrap().len() < 200 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let before = ground.begun.lock().unwrap().len();
            let added = Instant::now();
            ground.fill(10, |_| "B".into()).await;
            let last = loop {
                let of_b: Vec<usize> = {
                    let begun = ground.begun.lock().unwrap();
                    (0..begun.len()).filter(|at| begun[*at].1 == "B").collect()
                };
                if of_b.len() == 10 {
                    break of_b[9];
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            let at = ground.begun.lock().unwrap()[last].0;
            println!(
                "{} slots, {what}: the last of ten of B began {} ms after it was added, behind {} of A",
                dialect.as_str(),
                at.duration_since(added).as_millis(),
                last + 1 - before.min(last) - 10
            );
            stop(worker).await;
        }
    }
}

/// The rate that is reached by one key, as a part of what is allowed; and the most that began in any window.
async fn rate() {
    for dialect in BOTH {
        for (max, per, keys, workers) in [
            (10, 100, 1, 1),
            (10, 100, 4, 2),
            (1, 100, 4, 1),
            (20, 1000, 1, 1),
            (20, 1000, 4, 2),
            (50, 2000, 1, 1),
        ] {
            let (ground, per) = (Ground::new(dialect), Duration::from_millis(per));
            let windows = (10_000 / per.as_millis() as usize).max(8);
            ground.fill(keys * max * windows, |n| format!("k{}", n % keys)).await;
            let builder = || ground.worker(turns(false, None, Some((max as u64, per)))).concurrency(20);
            let mut all = Vec::new();
            for _ in 0..workers {
                all.push(builder().start().await.unwrap());
            }
            ground.completed(keys * max * windows).await;
            for worker in all {
                stop(worker).await;
            }
            let begun = ground.begun.lock().unwrap();
            let mut reached = Vec::new();
            for key in 0..keys {
                let of_key = format!("k{key}");
                let times: Vec<Instant> =
                    begun.iter().filter(|(_, org)| *org == of_key).map(|(at, _)| *at).collect();
                let last = (times.len() - 1) / max * max;
                let took = times[last].duration_since(times[0]).as_secs_f64();
                reached.push(last as f64 / took * per.as_secs_f64() / max as f64);
            }
            let (least, most) =
                reached.iter().fold((f64::MAX, 0f64), |(least, most), at| (least.min(*at), most.max(*at)));
            println!(
                "{} rate, {max} in {per:?}, {keys} keys, {workers} workers: {least:.3} to {most:.3} of what is allowed",
                dialect.as_str()
            );
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wants = |what: &str| asked.is_empty() || asked.iter().any(|one| one == what);
    if wants("cost") {
        cost().await;
    }
    if wants("slots") {
        slots().await;
    }
    if wants("rate") {
        rate().await;
    }
}
