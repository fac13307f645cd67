//! When things happen: the duties of a worker, one short file each.
//!
//! ```text
//!            ┌ fetcher ──claimed──▶ executor (one task a job) ──outcome──▶ finisher ┐
//!  Redis ◀───┤                        │ runs the Handler, keeps its limits          ├──▶ Redis
//!            └ promoter, recoverer    └ scheduler (next occurrence of a repeatable) ┘
//!            lease: a thread of its own renews every run's lease; a busy handler cannot starve it
//!            └ canceller: hears there of cancels, and tells the runs
//! ```
//!
//! Owns: the order of claims, runs and ends, and their limits. Must never know: Lua, HTTP, the config file, the admin
//! server. Called by `app` and by Rust programs through [`Worker::builder`].

mod attempt;
mod builder;
mod canceller;
mod executor;
mod fetcher;
mod finisher;
mod historian;
mod journal;
mod lease;
mod limits;
mod nudge;
mod observer;
mod opener;
mod parents;
mod promoter;
mod recoverer;
mod retention;
mod run_writer;
mod scheduler;
mod schedules;
mod shutdown;
mod suspects;
mod token;
mod trouble;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub use builder::{BuildError, Builder};
pub use journal::DataKeys;
pub use lease::Runs;
pub use observer::{Ended, Follower, NoObserver, Observer, RunEnd};
pub use shutdown::{Stop, Stopped};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
pub(crate) use trouble::jittered;

use crate::handler::Handler;
use crate::job::backoff::Strategies;
use crate::job::cron::Zone;
use crate::job::options::Keep;
use crate::store::claim::Limiter;

use crate::store::overlap::Schedule;
use crate::store::retention::Rule;
use crate::store::{Connection, Store, StoreError};

/// Largest data that is handed to a handler unless a queue says otherwise, bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// What holds for all queues of a worker process.
#[derive(Debug, Clone)]
pub struct Options {
    /// The worker's name, for people. Tokens and connection names carry it.
    pub name: String,
    /// How long a lease lasts without renewal.
    pub lease: Duration,
    /// How often leases are renewed.
    pub renew: Duration,
    /// Longest time between two sweeps for expired leases.
    pub sweep: Duration,
    /// How long running handlers may go on after a stop was asked for.
    pub shutdown_grace: Duration,
    /// How long a handler whose job was cancelled may take to end by itself.
    pub cancel_grace: Duration,
    /// Bull's `maxStalledCount`.
    pub max_stalled: u32,
    /// A job is a dead letter after so many crashes of its own.
    pub crash_limit: u32,
    /// `BullMQ`'s `maxStartedAttempts`: a job that was picked up more often fails without being run.
    pub max_started: Option<u32>,
    /// The zone of repeatables without `tz`: that of the Node processes.
    pub zone: Zone,
    /// Backoff types that producers name.
    pub strategies: Strategies,
    /// Where handlers' callbacks reach a worker: the base of their URLs.
    pub callback_base: Option<String>,
    /// What of a job's data is logged.
    pub data_keys: DataKeys,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: format!("bullock-{}", std::process::id()),
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(5),
            sweep: Duration::from_secs(2),
            shutdown_grace: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(10),
            max_stalled: 1,
            crash_limit: 3,
            max_started: None,
            zone: Zone::Local,
            strategies: Strategies::new(),
            callback_base: None,
            data_keys: DataKeys::default(),
        }
    }
}

/// One queue of a worker.
pub struct QueueSpec {
    /// The queue in Redis.
    pub store: Store,
    /// A connection of the queue's own for its blocking wait, named so that Node's `getWorkers()` finds us.
    pub blocking: Connection,
    /// A connection of the lease thread's own.
    pub lease_connection: Connection,
    /// URL of the server, to hear of new delayed jobs and of cancels.
    pub redis_url: String,
    /// Jobs at once.
    pub concurrency: usize,
    /// Bull's rate limiter.
    pub limiter: Option<Limiter>,
    /// Points of Bull's metrics; 0 = none.
    pub metrics_points: u64,
    /// What becomes of completed jobs whose producer said nothing.
    pub keep_completed: Keep,
    /// What becomes of failed jobs whose producer said nothing.
    pub keep_failed: Keep,
    /// Which finished jobs are removed after a while.
    pub retention: Vec<Rule>,
    /// The schedules that there are: those that an earlier start registered and that are not among them are removed. `None` =
    /// whatever is registered stays.
    pub schedules: Option<Vec<Schedule>>,
    /// How long figures and the ends of syncs are kept; zero = there is no history.
    pub history: Duration,
    /// Where jobs carry their organisation, a path inside their data; `None` = nowhere.
    pub org: Option<Vec<String>>,
    /// Largest data that is handed to a handler, bytes.
    pub payload_max: usize,
    /// Handlers by job name; `*` = any other.
    pub handlers: HashMap<String, HandlerSpec>,
}

/// One handler with its limits.
#[derive(Clone)]
pub struct HandlerSpec {
    /// Does the work.
    pub handler: Arc<dyn Handler>,
    /// At most so many of the queue's slots.
    pub concurrency: Option<usize>,
    /// Longest run.
    pub run_limit: Option<Duration>,
    /// Longest time without progress.
    pub no_progress: Option<Duration>,
    /// How often a job may be deferred.
    pub max_deferrals: u32,
}

impl HandlerSpec {
    /// A handler without limits.
    pub fn new(handler: Arc<dyn Handler>) -> Self {
        Self { handler, concurrency: None, run_limit: None, no_progress: None, max_deferrals: 20 }
    }
}

/// A handler, and the permits for its runs if it has a limit of its own.
type LimitedHandler = (HandlerSpec, Option<Arc<Semaphore>>);

/// A queue at work: what its duties share.
struct Queue {
    store: Store,
    options: Options,
    concurrency: usize,
    limiter: Option<Limiter>,
    metrics_points: u64,
    keep_completed: Keep,
    keep_failed: Keep,
    payload_max: usize,
    handlers: HashMap<String, LimitedHandler>,
    /// One permit for each job that a handler works on.
    slots: Arc<Semaphore>,
    leases: Arc<lease::Leases>,
    finished: mpsc::Sender<finisher::Finished>,
    stop: Stop,
    observer: Arc<dyn Observer>,
    /// Leases that were lost while this process lived.
    survived: suspects::Survived,
    /// What its duties are in trouble with.
    troubles: trouble::Troubles,
    /// Fires when no run is left after a stop: nothing will be finished any more.
    runs_done: CancellationToken,
    /// Fires when all of them are written.
    finished_all: CancellationToken,
    history: historian::History,
    retention: Vec<Rule>,
    schedules: Option<Vec<Schedule>>,
    /// True once the queue is really being claimed from.
    ready: watch::Sender<bool>,
}

impl Queue {
    /// The handler of jobs of this name.
    fn handler(&self, name: &str) -> Option<&LimitedHandler> {
        self.handlers.get(name).or_else(|| self.handlers.get("*"))
    }
}

/// A running worker: many queues in one process.
pub struct Worker {
    stop: Stop,
    ready: Vec<(String, watch::Receiver<bool>)>,
    runs: Runs,
    ended: tokio::task::JoinHandle<Stopped>,
}

impl Worker {
    /// Starts a Rust program's own worker; see [`Builder`].
    pub fn builder(redis_url: impl Into<String>, queue: impl Into<String>) -> Builder {
        Builder::new(redis_url.into(), queue.into())
    }

    /// Starts all duties of all queues. Queues are expected to be opened and checked ([`Store::open`]); one whose dialect
    /// is undecided is begun with as soon as its first key tells.
    pub fn start(
        options: &Options,
        specs: Vec<QueueSpec>,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, StoreError> {
        let stop = Stop::new(options.shutdown_grace);
        let lease_thread = lease::Thread::start(options, observer, stop.clone())?;
        let (mut tasks, mut ready) = (tokio::task::JoinSet::new(), Vec::new());
        for spec in specs {
            let name = spec.store.keys().queue.to_string();
            ready.push((name, start_queue(options, spec, &lease_thread, &stop, observer, &mut tasks)));
        }
        let runs = lease_thread.runs();
        let ended = tokio::spawn(shutdown::supervise(stop.clone(), tasks, lease_thread));
        Ok(Self { stop, ready, runs, ended })
    }

    /// Asks for a stop: claiming ends now, handlers may finish within the grace, the rest is handed back. Asked
    /// again, the grace is over.
    pub fn stop(&self) {
        self.stop.ask();
    }

    /// A handle that can ask for the stop from elsewhere.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// Queues that are not being claimed from yet.
    pub fn not_ready(&self) -> Vec<&str> {
        self.ready.iter().filter(|(_, ready)| !*ready.borrow()).map(|(name, _)| name.as_str()).collect()
    }

    /// Receivers that turn true once their queue is being claimed from.
    pub fn readiness(&self) -> Vec<(String, watch::Receiver<bool>)> {
        self.ready.clone()
    }

    /// A handle on the runs of this process.
    pub fn runs(&self) -> Runs {
        self.runs.clone()
    }

    /// Waits until the worker has stopped.
    pub async fn join(self) -> Stopped {
        self.ended.await.unwrap_or(Stopped { clean: false })
    }
}

fn start_queue(
    options: &Options,
    spec: QueueSpec,
    lease_thread: &lease::Thread,
    stop: &Stop,
    observer: &Arc<dyn Observer>,
    tasks: &mut tokio::task::JoinSet<()>,
) -> watch::Receiver<bool> {
    let (finished, outcomes) = mpsc::channel(spec.concurrency);
    let (ready, is_ready) = watch::channel(false);
    let leases = lease_thread.add_queue(spec.store.on(spec.lease_connection), &spec.redis_url);
    let handlers = spec
        .handlers
        .into_iter()
        .map(|(name, spec)| {
            let limit = spec.concurrency.map(|n| Arc::new(Semaphore::new(n)));
            (name, (spec, limit))
        })
        .collect();
    let queue = Arc::new(Queue {
        store: spec.store,
        options: options.clone(),
        concurrency: spec.concurrency,
        limiter: spec.limiter,
        metrics_points: spec.metrics_points,
        keep_completed: spec.keep_completed,
        keep_failed: spec.keep_failed,
        payload_max: spec.payload_max,
        handlers,
        slots: Arc::new(Semaphore::new(spec.concurrency)),
        leases,
        finished,
        stop: stop.clone(),
        observer: Arc::clone(observer),
        survived: suspects::Survived::default(),
        troubles: trouble::Troubles::default(),
        runs_done: CancellationToken::new(),
        finished_all: CancellationToken::new(),
        history: historian::History::new(spec.history, spec.org),
        retention: retention::rules(&spec.retention, spec.history),
        schedules: spec.schedules,
        ready,
    });
    let (wakeup, due) = queue.store.wakeups(&spec.blocking);
    tasks.spawn({
        let queue = Arc::clone(&queue);
        async move {
            let _done = queue.finished_all.clone().drop_guard();
            Box::pin(finisher::run(queue, outcomes)).await;
        }
    });
    tasks.spawn(fetcher::run(Arc::clone(&queue), wakeup));
    tasks.spawn(promoter::run(Arc::clone(&queue), due));
    if queue.store.turns().is_some() {
        tasks.spawn(turns::run(Arc::clone(&queue)));
    }
    tasks.spawn(historian::run(Arc::clone(&queue)));
    tasks.spawn(retention::run(Arc::clone(&queue)));
    tasks.spawn(schedules::run(Arc::clone(&queue)));
    tasks.spawn(recoverer::run(queue));
    is_ready
}
