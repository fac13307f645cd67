//! Producers and workers at work while servers die, and the verdict about what became of the jobs.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bullock::store::StoreError;
use bullock::wire::Dialect;
use bullock::{Context, Job, Queue, Worker};
use serde_json::{Value, json};

use super::wait;

/// The lease of the workers.
pub const LEASE: Duration = Duration::from_secs(4);
/// How long a job takes.
const RUN: Duration = Duration::from_millis(20);
/// Adds under way at once, and the pause of each producer between two.
const PRODUCERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(5);
/// How long the workers may take to work off what is left.
const DRAIN_LIMIT: Duration = Duration::from_mins(1);

/// One queue under load.
pub struct Load {
    queue: Queue,
    record: Arc<Record>,
    workers: Vec<Worker>,
    producers: Vec<tokio::task::JoinHandle<()>>,
}

#[derive(Default)]
struct Record {
    stopped: AtomicBool,
    confirmed: Mutex<HashSet<String>>,
    unconfirmed: Mutex<HashSet<String>>,
    starts: Mutex<HashMap<String, Vec<Instant>>>,
    /// Since when nothing was added, and the longest such time.
    gap: Mutex<(Option<Instant>, Duration)>,
}

/// What became of the jobs.
#[derive(Debug)]
pub struct Verdict {
    /// Adds that were confirmed.
    pub confirmed: usize,
    /// Adds that ended with an error or without the replicas' word.
    pub unconfirmed: usize,
    /// Confirmed jobs that are not completed, nor anywhere else.
    pub lost: Vec<String>,
    /// Jobs that were started more than once.
    pub twice: usize,
    /// Of these, those that were started again while the lease of the first run lasted, away from any fault.
    pub unexplained: Vec<String>,
    /// The longest time without a confirmed add.
    pub longest_gap: Duration,
}

impl Load {
    /// Begins. `replicas` = wait for so many.
    pub async fn start(url: &str, dialect: Dialect, name: &str, replicas: u32) -> Load {
        let queue = Queue::open_as(dialect, url, "bull", name).unwrap().wait_replicas(replicas);
        let record = Arc::<Record>::default();
        let mut workers = Vec::new();
        for n in 0..2 {
            let seen = Arc::clone(&record);
            let worker = Worker::builder(url, name)
                .dialect(dialect)
                .name(format!("w-{n}"))
                .concurrency(4)
                .lease(LEASE, LEASE / 4)
                .wait_replicas(replicas)
                .handler("*", move |job: Job<Value>, _: Context| {
                    let seen = Arc::clone(&seen);
                    async move {
                        let now = Instant::now();
                        seen.starts.lock().unwrap().entry(job.id.to_string()).or_default().push(now);
                        tokio::time::sleep(RUN).await;
                        Ok::<_, std::convert::Infallible>(())
                    }
                });
            workers.push(worker.start().await.unwrap());
        }
        let producers =
            (0..PRODUCERS).map(|n| tokio::spawn(produce(queue.clone(), Arc::clone(&record), n))).collect();
        Load { queue, record, workers, producers }
    }

    /// Confirmed adds so far.
    pub fn confirmed(&self) -> usize {
        self.record.confirmed.lock().unwrap().len()
    }

    /// Waits until so many more adds are confirmed.
    pub async fn goes_on(&self, jobs: usize) {
        let before = self.confirmed();
        wait::value_within(DRAIN_LIMIT, "adds to be confirmed", || async {
            (self.confirmed() >= before + jobs).then_some(())
        })
        .await;
    }

    /// Ends the adds, waits until all is worked off, and judges. `faults` = when servers were killed.
    pub async fn end(self, faults: &[Instant]) -> Verdict {
        self.record.stopped.store(true, Ordering::SeqCst);
        for producer in self.producers {
            producer.await.unwrap();
        }
        let confirmed: Vec<String> = self.record.confirmed.lock().unwrap().iter().cloned().collect();
        let store = self.queue.store();
        let key = store.keys().of("completed");
        let mut left: Vec<String> = confirmed.clone();
        let began = Instant::now();
        while !left.is_empty() && began.elapsed() < DRAIN_LIMIT {
            let mut still = Vec::new();
            for chunk in left.chunks(500) {
                let mut ask = redis::cmd("ZMSCORE");
                ask.arg(&key).arg(chunk);
                match store.connection().query::<Vec<Option<f64>>>(&ask).await {
                    Ok(scores) => {
                        let missing = chunk.iter().zip(scores).filter(|(_, score)| score.is_none());
                        still.extend(missing.map(|(id, _)| id.clone()));
                    }
                    Err(_) => still.extend(chunk.iter().cloned()),
                }
            }
            left = still;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for worker in self.workers {
            worker.stop();
            assert!(worker.join().await.clean, "a duty of a worker ended early");
        }
        let starts = self.record.starts.lock().unwrap();
        let near = |at: Instant| {
            faults
                .iter()
                .any(|fault| at + Duration::from_secs(1) > *fault && at < *fault + Duration::from_secs(8))
        };
        let twice: Vec<(&String, &Vec<Instant>)> =
            starts.iter().filter(|(_, starts)| starts.len() > 1).collect();
        let unexplained = twice
            .iter()
            .filter(|(_, starts)| starts.windows(2).any(|pair| pair[1] - pair[0] < LEASE && !near(pair[1])))
            .map(|(id, _)| (*id).clone())
            .collect();
        Verdict {
            confirmed: confirmed.len(),
            unconfirmed: self.record.unconfirmed.lock().unwrap().len(),
            lost: left,
            twice: twice.len(),
            unexplained,
            longest_gap: self.record.gap.lock().unwrap().1,
        }
    }
}

async fn produce(queue: Queue, record: Arc<Record>, producer: usize) {
    let mut n = 0;
    while !record.stopped.load(Ordering::SeqCst) {
        n += 1;
        let id = format!("j-{producer}-{n}");
        match queue.add("x", &json!({}), json!({ "jobId": id })).await {
            Ok(_) => {
                record.confirmed.lock().unwrap().insert(id);
                let mut gap = record.gap.lock().unwrap();
                let now = Instant::now();
                gap.1 = gap.1.max(gap.0.map_or(Duration::ZERO, |last| now - last));
                gap.0 = Some(now);
            }
            Err(error) => {
                assert!(!matches!(error, StoreError::Invalid(_)), "{error}");
                record.unconfirmed.lock().unwrap().insert(id);
                tokio::time::sleep(10 * PAUSE).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
