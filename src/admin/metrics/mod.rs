//! What `/metrics` shows: counters that the worker feeds, and what Redis says of the queues at the time of the scrape.
//!
//! Owns: names, labels and buckets. Must never know: who counts (the worker's observer is joined to it by `app`).
//! Called by `app` on the hot path and by `admin::routes` at a scrape.
//!
//! Counting one event takes no lock and no allocation: the handles of a queue are made when the program starts, those
//! of a job name when it is first met (at most [`NAMES_MAX`] in a queue, then [`OTHER`]).

mod histogram;
mod process;
mod slots;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use histogram::Histogram;
use slots::Slots;
pub use slots::{NAME_BYTES_MAX, NAMES_MAX, OTHER};

use crate::store::depth::Depth;

/// How a run ended: the label `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It completed.
    Completed,
    /// It failed for good.
    Failed,
    /// It failed and will be tried again.
    Retried,
    /// It was put off without spending an attempt.
    Deferred,
    /// Its lease was lost: nothing of it was written.
    LeaseLost,
    /// It was given back at shutdown.
    HandedBack,
}

impl Outcome {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 6] =
        [Self::Completed, Self::Failed, Self::Retried, Self::Deferred, Self::LeaseLost, Self::HandedBack];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::Deferred => "deferred",
            Self::LeaseLost => "lease_lost",
            Self::HandedBack => "handed_back",
        }
    }
}

/// Classes of answers of a handler; anything else counts as the last.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "error"];

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfQueue {
    queue: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfState {
    queue: String,
    state: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfName {
    queue: String,
    name: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfOutcome {
    queue: String,
    name: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfHandler {
    handler: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfCode {
    handler: String,
    code: &'static str,
}

type Times<L> = Family<L, Histogram, fn() -> Histogram>;
type Seconds = Gauge<f64, AtomicU64>;

/// All metrics of a process. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: Families,
    queues: HashMap<Box<str>, Queue>,
    handlers: Slots<Handler>,
    redis_up: Gauge,
}

/// The library's tables, from which handles are taken once.
struct Families {
    started: Family<OfName, Counter>,
    finished: Family<OfOutcome, Counter>,
    waited: Times<OfName>,
    ran: Times<OfName>,
    attempts: Times<OfQueue>,
    running: Family<OfQueue, Gauge>,
    concurrency: Family<OfQueue, Gauge>,
    jobs: Family<OfState, Gauge>,
    oldest: Family<OfQueue, Seconds>,
    paused: Family<OfQueue, Gauge>,
    renewed: Family<OfQueue, Counter>,
    lost: Family<OfQueue, Counter>,
    recovered: Family<OfQueue, Counter>,
    requests: Family<OfCode, Counter>,
    request_time: Times<OfCode>,
    healthy: Family<OfHandler, Gauge>,
}

/// The handles of one queue.
struct Queue {
    label: String,
    running: Gauge,
    attempts: Histogram,
    renewed: Counter,
    lost: Counter,
    recovered: Counter,
    /// What the worker last said of this queue's Redis.
    redis_up: AtomicBool,
    names: Slots<Name>,
}

/// The handles of one job name in one queue.
struct Name {
    started: Counter,
    /// By [`Outcome`], in the order of [`Outcome::ALL`].
    finished: [Counter; Outcome::ALL.len()],
    waited: Histogram,
    ran: Histogram,
}

/// The handles of one handler.
struct Handler {
    /// By class, in the order of [`CLASSES`].
    requests: [Counter; CLASSES.len()],
    times: [Histogram; CLASSES.len()],
    healthy: Gauge,
}

impl Metrics {
    /// Metrics of a process that works `queues`: their names and how many jobs run at once in each. Other queues are
    /// not counted.
    pub fn new<'a>(queues: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        let families = Families::new();
        let mut registry = Registry::default();
        let redis_up = Gauge::default();
        // Until the first scrape has asked, nothing speaks against it.
        redis_up.set(1);
        families.register(&mut registry);
        registry.register("bullock_redis_up", "1 when the Redis of every queue answers", redis_up.clone());
        let build = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("commit", option_env!("BULLOCK_COMMIT").unwrap_or("unknown")),
        ];
        registry.register("bullock_build", "What was built from what", Info::new(build));
        registry.register_collector(Box::new(process::Process));
        let queues =
            queues.into_iter().map(|(name, slots)| (name.into(), families.queue(name, slots))).collect();
        Self(Arc::new(Inner { registry, families, queues, handlers: Slots::new(), redis_up }))
    }

    /// A run began, so long after its job was added (or was due).
    pub fn started(&self, queue: &str, name: &str, waited: Duration) {
        let Some(queue) = self.0.queues.get(queue) else { return };
        let name = self.name(queue, name);
        queue.running.inc();
        name.started.inc();
        name.waited.observe_time(waited);
    }

    /// A run that [`Metrics::started`] was told of has ended. `attempt` counts from 1.
    pub fn ended(&self, queue: &str, name: &str, outcome: Outcome, ran: Duration, attempt: u32) {
        let Some(known) = self.0.queues.get(queue) else { return };
        known.running.dec();
        self.outcome(known, name, outcome, ran, attempt);
    }

    /// A run was ended by a callback, wherever it was started.
    pub fn ended_by_callback(&self, queue: &str, name: &str, outcome: Outcome, ran: Duration, attempt: u32) {
        if let Some(queue) = self.0.queues.get(queue) {
            self.outcome(queue, name, outcome, ran, attempt);
        }
    }

    /// A run that [`Metrics::started`] was told of holds its slot no more, because a callback has ended it.
    pub fn released(&self, queue: &str) {
        if let Some(queue) = self.0.queues.get(queue) {
            queue.running.dec();
        }
    }

    /// So many leases were renewed, so many were lost.
    pub fn renewed(&self, queue: &str, renewed: usize, lost: usize) {
        if let Some(queue) = self.0.queues.get(queue) {
            queue.renewed.inc_by(renewed as u64);
            queue.lost.inc_by(lost as u64);
        }
    }

    /// So many jobs were taken back from dead workers.
    pub fn recovered(&self, queue: &str, jobs: usize) {
        if let Some(queue) = self.0.queues.get(queue) {
            queue.recovered.inc_by(jobs as u64);
        }
    }

    /// A handler answered, or failed to: `class` as in `2xx`, `error`.
    pub fn handler_answered(&self, handler: &str, class: &str, took: Duration) {
        let handler = self.handler(handler);
        let index = CLASSES.iter().position(|known| *known == class).unwrap_or(CLASSES.len() - 1);
        handler.requests[index].inc();
        handler.times[index].observe_time(took);
    }

    /// Whether a handler is reachable and knows us.
    pub fn handler_healthy(&self, handler: &str, healthy: bool) {
        self.handler(handler).healthy.set(i64::from(healthy));
    }

    /// Redis became reachable, or stopped being so, seen from one queue.
    pub fn redis(&self, queue: &str, up: bool) {
        if let Some(queue) = self.0.queues.get(queue) {
            queue.redis_up.store(up, Ordering::Relaxed);
        }
    }

    /// Takes over what Redis said of the queues; `None` = it did not say, and the queue's gauges are left out.
    pub(super) fn set_depths(&self, depths: &[(Arc<str>, Option<Depth>)]) {
        let told = self.0.queues.values().all(|queue| queue.redis_up.load(Ordering::Relaxed));
        let answered = depths.iter().all(|(_, depth)| depth.is_some());
        self.0.redis_up.set(i64::from(told && answered));
        for (queue, depth) in depths {
            self.0.families.set_depth(queue, *depth);
        }
    }

    /// All of it as `OpenMetrics` text.
    pub(super) fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(16 * 1024);
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    fn outcome(&self, queue: &Queue, name: &str, outcome: Outcome, ran: Duration, attempt: u32) {
        let name = self.name(queue, name);
        name.finished[outcome as usize].inc();
        name.ran.observe_time(ran);
        if matches!(outcome, Outcome::Completed | Outcome::Failed) {
            queue.attempts.observe(u64::from(attempt));
        }
    }

    fn name<'q>(&self, queue: &'q Queue, name: &str) -> &'q Name {
        queue.names.get(name, |name| self.0.families.name(&queue.label, name))
    }

    fn handler(&self, handler: &str) -> &Handler {
        self.0.handlers.get(handler, |handler| self.0.families.handler(handler))
    }
}

impl Families {
    fn new() -> Self {
        let times: fn() -> Histogram = Histogram::of_times;
        Self {
            started: Family::default(),
            finished: Family::default(),
            waited: Family::new_with_constructor(times),
            ran: Family::new_with_constructor(times),
            attempts: Family::new_with_constructor(Histogram::of_attempts as fn() -> Histogram),
            running: Family::default(),
            concurrency: Family::default(),
            jobs: Family::default(),
            oldest: Family::default(),
            paused: Family::default(),
            renewed: Family::default(),
            lost: Family::default(),
            recovered: Family::default(),
            requests: Family::default(),
            request_time: Family::new_with_constructor(times),
            healthy: Family::default(),
        }
    }

    /// Counters get `_total` and times `_seconds` behind their names.
    fn register(&self, to: &mut Registry) {
        to.register("bullock_jobs_started", "Runs that began", self.started.clone());
        to.register("bullock_jobs_finished", "Runs that ended, by how they ended", self.finished.clone());
        let help = "Time from being added, or due, to the beginning of a run";
        to.register_with_unit("bullock_job_wait", help, Unit::Seconds, self.waited.clone());
        let help = "Time that runs took";
        to.register_with_unit("bullock_job_run", help, Unit::Seconds, self.ran.clone());
        let help = "Attempts that jobs took until they completed or failed for good";
        to.register("bullock_job_attempts", help, self.attempts.clone());
        to.register("bullock_jobs_running", "Jobs that this process runs now", self.running.clone());
        let help = "Jobs that this process runs at once at most";
        to.register("bullock_worker_concurrency", help, self.concurrency.clone());
        to.register("bullock_queue_jobs", "Jobs of a queue in Redis, by state", self.jobs.clone());
        let help = "How long the oldest waiting job has waited; 0 when none waits";
        to.register_with_unit("bullock_queue_oldest_waiting", help, Unit::Seconds, self.oldest.clone());
        to.register("bullock_queue_paused", "1 when the queue is paused", self.paused.clone());
        to.register("bullock_locks_renewed", "Leases that were prolonged", self.renewed.clone());
        to.register("bullock_locks_lost", "Leases that were lost in mid-run", self.lost.clone());
        let help = "Jobs that were taken back from dead workers";
        to.register("bullock_jobs_recovered", help, self.recovered.clone());
        let help = "Answers of handlers, by class of their status; error = none";
        to.register("bullock_handler_requests", help, self.requests.clone());
        let help = "Time that handlers took to answer";
        to.register_with_unit("bullock_handler_request", help, Unit::Seconds, self.request_time.clone());
        let help = "0 when a handler was not reached or did not know us several times in a row";
        to.register("bullock_handler_healthy", help, self.healthy.clone());
    }

    fn queue(&self, name: &str, slots: usize) -> Queue {
        let label = OfQueue { queue: name.to_owned() };
        self.concurrency.get_or_create(&label).set(i64::try_from(slots).unwrap_or(i64::MAX));
        Queue {
            running: self.running.get_or_create_owned(&label),
            attempts: self.attempts.get_or_create_owned(&label),
            renewed: self.renewed.get_or_create_owned(&label),
            lost: self.lost.get_or_create_owned(&label),
            recovered: self.recovered.get_or_create_owned(&label),
            redis_up: AtomicBool::new(true),
            names: Slots::new(),
            label: label.queue,
        }
    }

    fn name(&self, queue: &str, name: &str) -> Name {
        let label = OfName { queue: queue.to_owned(), name: name.to_owned() };
        let finished = |outcome: Outcome| OfOutcome {
            queue: queue.to_owned(),
            name: name.to_owned(),
            outcome: outcome.as_str(),
        };
        Name {
            started: self.started.get_or_create_owned(&label),
            finished: Outcome::ALL.map(|outcome| self.finished.get_or_create_owned(&finished(outcome))),
            waited: self.waited.get_or_create_owned(&label),
            ran: self.ran.get_or_create_owned(&label),
        }
    }

    fn handler(&self, handler: &str) -> Handler {
        let code = |code| OfCode { handler: handler.to_owned(), code };
        let healthy = self.healthy.get_or_create_owned(&OfHandler { handler: handler.to_owned() });
        healthy.set(1);
        Handler {
            requests: CLASSES.map(|class| self.requests.get_or_create_owned(&code(class))),
            times: CLASSES.map(|class| self.request_time.get_or_create_owned(&code(class))),
            healthy,
        }
    }

    fn set_depth(&self, queue: &str, depth: Option<Depth>) {
        let label = OfQueue { queue: queue.to_owned() };
        let counts = depth.map(|depth| depth.counts);
        let states = [
            ("waiting", counts.map(|counts| counts.waiting)),
            ("paused", counts.map(|counts| counts.paused)),
            ("active", counts.map(|counts| counts.active)),
            ("delayed", counts.map(|counts| counts.delayed)),
            ("completed", counts.map(|counts| counts.completed)),
            ("failed", counts.map(|counts| counts.failed)),
        ];
        for (state, count) in states {
            let label = OfState { queue: queue.to_owned(), state };
            match count {
                Some(count) => {
                    self.jobs.get_or_create(&label).set(count.cast_signed());
                }
                None => {
                    self.jobs.remove(&label);
                }
            }
        }
        if let Some(depth) = depth {
            let oldest = depth.oldest_waiting.unwrap_or_default();
            self.oldest.get_or_create(&label).set(oldest.as_secs_f64());
            self.paused.get_or_create(&label).set(i64::from(depth.paused));
        } else {
            self.oldest.remove(&label);
            self.paused.remove(&label);
        }
    }
}
