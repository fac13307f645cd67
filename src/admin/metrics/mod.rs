//! What `/metrics` shows: counters that the worker feeds, and what Redis says of the queues at the time of the scrape.
//!
//! Owns: names, labels and buckets. Must never know: who counts (the worker's observer is joined to it by `app`).
//! Called by `app` on the hot path and by `admin::routes` at a scrape.
//!
//! Counting one event takes no lock and no allocation: the handles of a queue are made when the program starts, those
//! of a job name when it is first met (at most [`NAMES_MAX`] in a queue, then [`OTHER`]).

mod families;
mod histogram;
mod process;
mod slots;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use families::{CLASSES, Command, Families, Handler, Name, Queue};
pub(super) use process::open_files_max;
use slots::Slots;
pub use slots::{NAME_BYTES_MAX, NAMES_MAX, OTHER};

use crate::store::Meter;
use crate::store::depth::Depth;

/// How a run ended: the label `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It completed.
    Completed,
    /// It failed for good.
    Failed,
    /// Somebody cancelled it: it failed for good by a person's word.
    Cancelled,
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
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Retried,
        Self::Deferred,
        Self::LeaseLost,
        Self::HandedBack,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Retried => "retried",
            Self::Deferred => "deferred",
            Self::LeaseLost => "lease_lost",
            Self::HandedBack => "handed_back",
        }
    }
}

/// All metrics of a process. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: Families,
    queues: HashMap<Box<str>, Queue>,
    handlers: Slots<Handler>,
    commands: Slots<Command>,
    redis_up: Gauge,
    bullmq_names: bool,
}

impl Metrics {
    /// Metrics of a process that works `queues`: their names and how many jobs run at once in each. Other queues are
    /// not counted.
    pub fn new<'a>(queues: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        Self::with_names(queues, false)
    }

    /// The same, and under the names of `BullMQ`'s own exporter besides if `bullmq_names` says so.
    pub fn with_names<'a>(queues: impl IntoIterator<Item = (&'a str, usize)>, bullmq_names: bool) -> Self {
        let families = Families::new();
        let mut registry = Registry::default();
        let redis_up = Gauge::default();
        // Until the first scrape has asked, nothing speaks against it.
        redis_up.set(1);
        families.register(&mut registry);
        if bullmq_names {
            families.register_bullmq(&mut registry);
        }
        registry.register("bullock_redis_up", "1 when the Redis of every queue answers", redis_up.clone());
        // There is no reload yet: a process that runs has read its config, and it is in force.
        let read = Gauge::<i64>::default();
        read.set(1);
        let help = "1 when the config that was read last is in force";
        registry.register("bullock_config_last_reload_success", help, read);
        let build = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("commit", option_env!("BULLOCK_COMMIT").unwrap_or("unknown")),
        ];
        registry.register("bullock_build", "What was built from what", Info::new(build));
        registry.register_collector(Box::new(process::Process));
        let queues =
            queues.into_iter().map(|(name, slots)| (name.into(), families.queue(name, slots))).collect();
        let (handlers, commands) = (Slots::new(), Slots::new());
        Self(Arc::new(Inner { registry, families, queues, handlers, commands, redis_up, bullmq_names }))
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

    /// So many ends of jobs are written, and too few replicas confirmed them in time.
    pub fn unconfirmed(&self, queue: &str, jobs: u64) {
        if let Some(queue) = self.0.queues.get(queue) {
            queue.unconfirmed.inc_by(jobs);
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

    /// Are `BullMQ`'s names wanted?
    pub(super) fn has_bullmq_names(&self) -> bool {
        self.0.bullmq_names
    }

    /// Takes over what the metrics of a queue itself count.
    pub(super) fn set_ended(&self, queue: &str, ended: (Option<u64>, Option<u64>)) {
        self.0.families.set_ended(queue, ended);
    }

    /// The handlers that were met, each with whether it is healthy, by name.
    pub fn handlers(&self) -> Vec<(String, bool)> {
        let met = self.0.handlers.iter().map(|(name, handler)| (name.to_owned(), handler.healthy.get() == 1));
        let mut handlers: Vec<_> = met.collect();
        handlers.sort();
        handlers
    }

    /// Jobs that this process has completed and that have failed for good in it, by queue.
    pub fn ended_by_queue(&self) -> Vec<(String, (u64, u64))> {
        let count = |queue: &Queue, outcome: Outcome| {
            queue.names.iter().map(|(_, name)| name.finished[outcome as usize].get()).sum()
        };
        let both = |queue: &Queue| (count(queue, Outcome::Completed), count(queue, Outcome::Failed));
        self.0.queues.iter().map(|(name, queue)| (name.to_string(), both(queue))).collect()
    }

    /// Somebody did something over the API.
    pub(super) fn acted(&self, action: &str) {
        self.0.families.acted(action);
    }

    /// Somebody asked for the end of a job: `cancel` or `kill`.
    pub(super) fn cancel_asked(&self, how: &str) {
        self.0.families.cancel_asked(how);
    }

    /// Takes over how many zombies of each kind a queue has; `None` = that is not known.
    pub(super) fn set_zombies(&self, queue: &str, counts: &[(&'static str, Option<usize>)]) {
        self.0.families.set_zombies(queue, counts);
    }

    /// Somebody began to look on.
    pub(super) fn stream_opened(&self, transport: &'static str) {
        self.0.families.streams(transport).0.inc();
    }

    /// Somebody looks on no more.
    pub(super) fn stream_closed(&self, transport: &'static str) {
        self.0.families.streams(transport).0.dec();
    }

    /// Somebody who looks on was too slow for so many events.
    pub(super) fn stream_dropped(&self, transport: &'static str, events: u64) {
        self.0.families.streams(transport).1.inc_by(events);
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
        if matches!(outcome, Outcome::Completed | Outcome::Failed | Outcome::Cancelled) {
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

impl Meter for Metrics {
    fn round_trip(&self, command: &str, took: Option<Duration>) {
        let families = &self.0.families;
        let known = self.0.commands.get(command, |command| families.command(command));
        known.count.inc();
        if let Some(took) = took {
            known.times.get_or_init(|| families.command_time(known)).observe_time(took);
        }
    }
}
