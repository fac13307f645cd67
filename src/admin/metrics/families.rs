//! Names, labels and kinds of all metrics: the library's tables, and the handles that are taken from them once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Outcome;
use super::histogram::Histogram;
use super::slots::Slots;
use crate::store::depth::Depth;

/// Classes of answers of a handler; anything else counts as the last.
pub(super) const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "error"];

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

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfTransport {
    transport: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfReason {
    queue: String,
    reason: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfAction {
    action: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfCommand {
    command: String,
}

type Times<L> = Family<L, Histogram, fn() -> Histogram>;
type Seconds = Gauge<f64, AtomicU64>;

/// The library's tables, from which handles are taken once.
pub(super) struct Families {
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
    unconfirmed: Family<OfQueue, Counter>,
    requests: Family<OfCode, Counter>,
    request_time: Times<OfCode>,
    healthy: Family<OfHandler, Gauge>,
    /// `BullMQ`'s own names, for boards that were made for them.
    bullmq_jobs: Family<OfState, Gauge>,
    bullmq_completed: Family<OfQueue, Counter>,
    bullmq_failed: Family<OfQueue, Counter>,
    streams: Family<OfTransport, Gauge>,
    dropped: Family<OfTransport, Counter>,
    zombies: Family<OfReason, Gauge>,
    cancels: Family<OfAction, Counter>,
    actions: Family<OfAction, Counter>,
    commands: Family<OfCommand, Counter>,
    command_time: Times<OfCommand>,
}

/// The handles of one script or command.
pub(super) struct Command {
    pub(super) label: String,
    pub(super) count: Counter,
    /// Made by the first answer that is timed: what only waits has none.
    pub(super) times: OnceLock<Histogram>,
}

/// The handles of one queue.
pub(super) struct Queue {
    pub(super) label: String,
    pub(super) running: Gauge,
    pub(super) attempts: Histogram,
    pub(super) renewed: Counter,
    pub(super) lost: Counter,
    pub(super) recovered: Counter,
    pub(super) unconfirmed: Counter,
    /// What the worker last said of this queue's Redis.
    pub(super) redis_up: AtomicBool,
    pub(super) names: Slots<Name>,
}

/// The handles of one job name in one queue.
pub(super) struct Name {
    pub(super) started: Counter,
    /// By [`Outcome`], in the order of [`Outcome::ALL`].
    pub(super) finished: [Counter; Outcome::ALL.len()],
    pub(super) waited: Histogram,
    pub(super) ran: Histogram,
}

/// The handles of one handler.
pub(super) struct Handler {
    /// By class, in the order of [`CLASSES`].
    pub(super) requests: [Counter; CLASSES.len()],
    pub(super) times: [Histogram; CLASSES.len()],
    pub(super) healthy: Gauge,
}

impl Families {
    pub(super) fn new() -> Self {
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
            unconfirmed: Family::default(),
            requests: Family::default(),
            request_time: Family::new_with_constructor(times),
            healthy: Family::default(),
            bullmq_jobs: Family::default(),
            bullmq_completed: Family::default(),
            bullmq_failed: Family::default(),
            streams: Family::default(),
            dropped: Family::default(),
            zombies: Family::default(),
            cancels: Family::default(),
            actions: Family::default(),
            commands: Family::default(),
            command_time: Family::new_with_constructor(Histogram::of_round_trips as fn() -> Histogram),
        }
    }

    /// Counters get `_total` and times `_seconds` behind their names.
    pub(super) fn register(&self, to: &mut Registry) {
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
        let help = "Ends of jobs that too few replicas confirmed in time";
        to.register("bullock_jobs_unconfirmed", help, self.unconfirmed.clone());
        let help = "Answers of handlers, by class of their status; error = none";
        to.register("bullock_handler_requests", help, self.requests.clone());
        let help = "Time that handlers took to answer";
        to.register_with_unit("bullock_handler_request", help, Unit::Seconds, self.request_time.clone());
        let help = "0 when a handler was not reached or did not know us several times in a row";
        to.register("bullock_handler_healthy", help, self.healthy.clone());
        to.register("bullock_stream_clients", "Open streams of live events", self.streams.clone());
        let help = "Live events that were passed over because a client was too slow for them";
        to.register("bullock_stream_dropped", help, self.dropped.clone());
        let help = "Jobs that look alive and are not, of the 200 that are active, or overdue, for longest";
        to.register("bullock_zombies", help, self.zombies.clone());
        let help = "Times that this server was asked to cancel or kill a job";
        to.register("bullock_cancel_requests", help, self.cancels.clone());
        let help = "What people did over this server's API";
        to.register("bullock_admin_actions", help, self.actions.clone());
        let help = "Round trips to Redis, by script or command";
        to.register("bullock_redis_commands", help, self.commands.clone());
        let help = "Time that round trips to Redis took, but for those that wait for work";
        to.register_with_unit("bullock_redis_command", help, Unit::Seconds, self.command_time.clone());
    }

    /// The names that `BullMQ`'s own exporter uses.
    pub(super) fn register_bullmq(&self, to: &mut Registry) {
        to.register("bullmq_job_count", "Jobs of a queue in Redis, by state", self.bullmq_jobs.clone());
        let help = "Jobs that completed, as the queue's own metrics count them";
        to.register("bullmq_job_completed", help, self.bullmq_completed.clone());
        let help = "Jobs that failed, as the queue's own metrics count them";
        to.register("bullmq_job_failed", help, self.bullmq_failed.clone());
    }

    /// What the queue's own metrics count (docs/wire/bullmq.md, `metrics:completed`); `None` = it keeps none.
    pub(super) fn set_ended(&self, queue: &str, (completed, failed): (Option<u64>, Option<u64>)) {
        for (family, count) in [(&self.bullmq_completed, completed), (&self.bullmq_failed, failed)] {
            let label = OfQueue { queue: queue.to_owned() };
            match count {
                Some(count) => {
                    family.get_or_create(&label).inner().store(count, Ordering::Relaxed);
                }
                None => {
                    family.remove(&label);
                }
            }
        }
    }

    pub(super) fn queue(&self, name: &str, slots: usize) -> Queue {
        let label = OfQueue { queue: name.to_owned() };
        self.concurrency.get_or_create(&label).set(i64::try_from(slots).unwrap_or(i64::MAX));
        Queue {
            running: self.running.get_or_create_owned(&label),
            attempts: self.attempts.get_or_create_owned(&label),
            renewed: self.renewed.get_or_create_owned(&label),
            lost: self.lost.get_or_create_owned(&label),
            recovered: self.recovered.get_or_create_owned(&label),
            unconfirmed: self.unconfirmed.get_or_create_owned(&label),
            redis_up: AtomicBool::new(true),
            names: Slots::new(),
            label: label.queue,
        }
    }

    pub(super) fn name(&self, queue: &str, name: &str) -> Name {
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

    pub(super) fn handler(&self, handler: &str) -> Handler {
        let code = |code| OfCode { handler: handler.to_owned(), code };
        let healthy = self.healthy.get_or_create_owned(&OfHandler { handler: handler.to_owned() });
        healthy.set(1);
        Handler {
            requests: CLASSES.map(|class| self.requests.get_or_create_owned(&code(class))),
            times: CLASSES.map(|class| self.request_time.get_or_create_owned(&code(class))),
            healthy,
        }
    }

    pub(super) fn command(&self, command: &str) -> Command {
        let label = OfCommand { command: command.to_lowercase() };
        Command {
            count: self.commands.get_or_create_owned(&label),
            times: OnceLock::new(),
            label: label.command,
        }
    }

    pub(super) fn command_time(&self, command: &Command) -> Histogram {
        self.command_time.get_or_create_owned(&OfCommand { command: command.label.clone() })
    }

    /// Counts what somebody did.
    pub(super) fn acted(&self, action: &str) {
        self.actions.get_or_create(&OfAction { action: action.to_owned() }).inc();
    }

    /// Counts what somebody asked of a job that may run.
    pub(super) fn cancel_asked(&self, how: &str) {
        self.cancels.get_or_create(&OfAction { action: how.to_owned() }).inc();
    }

    /// How many zombies of each kind a queue has; `None` = that is not known.
    pub(super) fn set_zombies(&self, queue: &str, counts: &[(&'static str, Option<usize>)]) {
        for (reason, count) in counts {
            let label = OfReason { queue: queue.to_owned(), reason };
            match count {
                Some(count) => {
                    self.zombies.get_or_create(&label).set(i64::try_from(*count).unwrap_or(i64::MAX));
                }
                None => {
                    self.zombies.remove(&label);
                }
            }
        }
    }

    /// The open streams of a transport, and the events that they were too slow for.
    pub(super) fn streams(&self, transport: &'static str) -> (Gauge, Counter) {
        let label = OfTransport { transport };
        (self.streams.get_or_create_owned(&label), self.dropped.get_or_create_owned(&label))
    }

    pub(super) fn set_depth(&self, queue: &str, depth: Option<Depth>) {
        let label = OfQueue { queue: queue.to_owned() };
        let counts = depth.map(|depth| depth.counts);
        let states = [
            ("waiting", counts.map(|counts| counts.waiting)),
            ("prioritized", counts.and_then(|counts| counts.prioritized)),
            ("paused", counts.map(|counts| counts.paused)),
            ("active", counts.map(|counts| counts.active)),
            ("delayed", counts.map(|counts| counts.delayed)),
            ("waiting-children", counts.and_then(|counts| counts.waiting_children)),
            ("completed", counts.map(|counts| counts.completed)),
            ("failed", counts.map(|counts| counts.failed)),
        ];
        for (state, count) in states {
            let label = OfState { queue: queue.to_owned(), state };
            for family in [&self.jobs, &self.bullmq_jobs] {
                match count {
                    Some(count) => {
                        family.get_or_create(&label).set(count.cast_signed());
                    }
                    None => {
                        family.remove(&label);
                    }
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
