//! A worker for Rust programs: handlers are async functions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{HandlerSpec, NoObserver, Observer, Options, QueueSpec, Worker};
use crate::handler::{Context, native};
use crate::job::Job;
use crate::job::backoff::Strategy;
use crate::job::cron::Zone;
use crate::job::options::Keep;
use crate::store::audit::Auditing;
use crate::store::claim::Limiter;
use crate::store::connection::RESPONSE_TIMEOUT;
use crate::store::opened::Refusal;
use crate::store::orgs::Turns;
use crate::store::overlap::Schedule;
use crate::store::retention::Rule;
use crate::store::wakeup::BLOCK_DEADLINE;
use crate::store::{Connection, Opened, Store, StoreError};
use crate::wire::{Dialect, Keys};

/// Builds a worker for one queue.
///
/// ```no_run
/// # #[derive(serde::Deserialize)] struct Mail { to: String }
/// # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// use bullock::{Context, Job, JobError, Worker};
///
/// let worker = Worker::builder("redis://127.0.0.1:6379", "mail")
///     .concurrency(10)
///     .handler("welcome", |job: Job<Mail>, ctx: Context| async move {
///         ctx.progress(&50).await?;
///         Ok::<_, JobError>(format!("sent to {}", job.data.to))
///     })
///     .start()
///     .await?;
/// worker.stop();
/// worker.join().await;
/// # Ok(()) }
/// ```
pub struct Builder {
    redis_url: String,
    prefix: String,
    queue: String,
    dialect: Option<Dialect>,
    concurrency: usize,
    options: Options,
    limiter: Option<Limiter>,
    metrics_points: u64,
    keep_completed: Keep,
    keep_failed: Keep,
    rules: Vec<Rule>,
    schedules: Vec<Schedule>,
    history: Duration,
    payload_max: usize,
    wait_replicas: u32,
    handlers: HashMap<String, HandlerSpec>,
    dead_letter: Option<String>,
    turns: Turns,
    auditing: Auditing,
    observer: Arc<dyn Observer>,
}

/// Shortest lease that a builder takes: tests use short ones.
const LEASE_MIN: Duration = Duration::from_millis(10);

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The builder was given what cannot work.
    #[error("{0}")]
    Invalid(String),
    /// The keys of the queue are not of the dialect that was named, or of both dialects.
    #[error("queue \"{0}\": {1}")]
    WrongDialect(String, Refusal),
    /// A newer Bullock works on the queue.
    #[error("queue \"{0}\": {1}")]
    NewerLayout(String, Refusal),
}

impl Builder {
    pub(super) fn new(redis_url: String, queue: String) -> Self {
        Self {
            redis_url,
            prefix: "bull".into(),
            queue,
            dialect: None,
            concurrency: 1,
            options: Options::default(),
            limiter: None,
            metrics_points: 0,
            keep_completed: Keep::All,
            keep_failed: Keep::All,
            rules: Vec::new(),
            schedules: Vec::new(),
            history: crate::store::history::KEPT_DEFAULT,
            payload_max: super::PAYLOAD_BYTES_MAX,
            wait_replicas: 0,
            handlers: HashMap::new(),
            dead_letter: None,
            turns: Turns::default(),
            auditing: Auditing::default(),
            observer: Arc::new(NoObserver),
        }
    }

    /// The prefix of the queue's keys; `bull` unless set.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How the queue's keys are written. Unless set, its keys tell; a queue without keys is worked as soon as its first
    /// one has told.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Jobs at once; 1 unless set.
    #[must_use]
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs.max(1);
        self
    }

    /// How long a lease lasts, and how often it is renewed; 15 s and 5 s unless set.
    #[must_use]
    pub fn lease(mut self, lease: Duration, renew: Duration) -> Self {
        (self.options.lease, self.options.renew) = (lease, renew);
        self
    }

    /// How long running handlers may go on after a stop was asked for; 30 s unless set.
    #[must_use]
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.options.shutdown_grace = grace;
        self
    }

    /// How long a handler whose job was cancelled may take to end by itself; 10 s unless set. Then its future is dropped.
    #[must_use]
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.options.cancel_grace = grace;
        self
    }

    /// The worker's name, in tokens, connection names and attempt records; `bullock-<pid>` unless set.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = name.into();
        self
    }

    /// Bull's rate limiter: at most `max` jobs in `per`, counted in Redis with all other workers of the queue, which
    /// must be set alike.
    #[must_use]
    pub fn rate_limit(mut self, max: u64, per: Duration) -> Self {
        self.limiter = Some(Limiter { max, duration_ms: per.as_millis() as u64, grouped: false });
        self
    }

    /// Defines a backoff type that producers name: `{ type: "crawl" }`.
    #[must_use]
    pub fn backoff(mut self, kind: impl Into<String>, strategy: Strategy) -> Self {
        self.options.strategies.insert(kind.into(), strategy);
        self
    }

    /// The zone of repeatables without `tz`: that of the Node processes. This machine's unless set.
    #[must_use]
    pub fn cron_zone(mut self, zone: Zone) -> Self {
        self.options.zone = zone;
        self
    }

    /// Fails a job that was picked up more often than this, whatever became of those runs (`BullMQ`'s
    /// `maxStartedAttempts`); no limit unless set. Bull 4 does not count.
    #[must_use]
    pub fn max_started(mut self, most: u32) -> Self {
        self.options.max_started = Some(most);
        self
    }

    /// A job is a dead letter after so many crashes of its own: times that its worker died while it was the one suspect that
    /// ran there; 3 unless set.
    #[must_use]
    pub fn crash_limit(mut self, crashes: u32) -> Self {
        self.options.crash_limit = crashes.max(1);
        self
    }

    /// A queue that gets a copy of every job that fails for good: under the same prefix, of the same dialect; none unless
    /// set.
    #[must_use]
    pub fn dead_letter(mut self, queue: impl Into<String>) -> Self {
        self.dead_letter = Some(queue.into());
        self
    }

    /// Turns between organisations, and limits by key; none unless set. All workers of the queue must be set alike.
    #[must_use]
    pub fn turns(mut self, turns: Turns) -> Self {
        self.turns = turns;
        self
    }

    /// What goes into the queue's audit log; unless set, what people do and the commits of syncs.
    #[must_use]
    pub fn audit(mut self, auditing: Auditing) -> Self {
        self.auditing = auditing;
        self
    }

    /// Keeps Bull's metrics, one point a minute; none unless set.
    #[must_use]
    pub fn metrics(mut self, max_points: u64) -> Self {
        self.metrics_points = max_points;
        self
    }

    /// What becomes of finished jobs whose producer said nothing; all are kept unless set.
    #[must_use]
    pub fn retention(mut self, completed: Keep, failed: Keep) -> Self {
        (self.keep_completed, self.keep_failed) = (completed, failed);
        self
    }

    /// Removes finished jobs that are older or more than this, from time to time and by one process at a time, unless their
    /// producer said what becomes of them; none are unless set.
    #[must_use]
    pub fn keep(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Registers a schedule when the worker starts. Those that an earlier start registered and that are not named any more are
    /// removed then; a worker that names none leaves them alone.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// How long figures and the ends of syncs are kept; 30 days unless set. Zero = there is no history.
    #[must_use]
    pub fn history(mut self, kept: Duration) -> Self {
        self.history = kept;
        self
    }

    /// Largest data that is handed to a handler, in bytes; 1 MiB unless set. Larger jobs are dead letters.
    #[must_use]
    pub fn payload_max(mut self, bytes: usize) -> Self {
        self.payload_max = bytes;
        self
    }

    /// Waits at the end of each run until so many replicas have it; ends that they do not confirm are told to the
    /// observer. They do not wait unless set.
    #[must_use]
    pub fn wait_replicas(mut self, replicas: u32) -> Self {
        self.wait_replicas = replicas;
        self
    }

    /// Handles jobs of this name (`*` = any other) with an async function. The job's data is read into `T`; what does
    /// not fit is a dead letter.
    #[must_use]
    pub fn handler<T, R, E, F, Fut>(self, name: impl Into<String>, function: F) -> Self
    where
        T: serde::de::DeserializeOwned + Send + Sync + 'static,
        R: serde::Serialize + Send + 'static,
        E: std::fmt::Display + Send + Sync + 'static,
        F: Fn(Job<T>, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
    {
        let handler = native::handler(function);
        self.handler_spec(name, HandlerSpec::new(Arc::new(handler)))
    }

    /// Handles jobs of this name with any handler, under limits.
    #[must_use]
    pub fn handler_spec(mut self, name: impl Into<String>, spec: HandlerSpec) -> Self {
        self.handlers.insert(name.into(), spec);
        self
    }

    /// Hears what happens.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    fn check(&self) -> Result<(), BuildError> {
        let (lease, renew) = (self.options.lease, self.options.renew);
        let problem = if lease < LEASE_MIN {
            format!("a lease of {lease:?}; expected at least {LEASE_MIN:?}")
        } else if renew.is_zero() || renew * 2 > lease {
            format!("renewed every {renew:?} with a lease of {lease:?}; expected at most half of it")
        } else if self.limiter.as_ref().is_some_and(|limit| limit.max < 1 || limit.duration_ms < 1) {
            "a rate limit of nothing; expected at least 1 job in at least 1 ms".into()
        } else if self.dead_letter.as_deref() == Some(&*self.queue) {
            "the queue itself as its dead-letter queue; expected another one".into()
        } else if let Some((name, _)) = self.handlers.iter().find(|(_, spec)| spec.concurrency == Some(0)) {
            format!("handler \"{name}\" with concurrency 0; expected at least 1")
        } else {
            return Ok(());
        };
        Err(BuildError::Invalid(problem))
    }

    /// Connects, checks the queue, and starts.
    pub async fn start(self) -> Result<Worker, BuildError> {
        self.check()?;
        let keys = Keys::new(&self.prefix, &self.queue);
        let name = keys.client_name(&self.options.name);
        let url = &self.redis_url;
        let dead_letters = self.dead_letter.as_deref().map(|queue| Keys::new(&self.prefix, queue));
        let connection = Connection::new(url, None, RESPONSE_TIMEOUT)?;
        let org = self.turns.org.clone();
        let store = Store::of(connection.clone(), keys, self.dialect)
            .with_dead_letters(dead_letters)
            .with_replicas(self.wait_replicas)
            .with_turns(Some(self.turns))
            .with_auditing(self.auditing);
        let opened = store.open().await?;
        match (opened.refusal(), opened) {
            (None, _) => {}
            (Some(why), Opened::NewerLayout(_)) => return Err(BuildError::NewerLayout(self.queue, why)),
            (Some(why), _) => return Err(BuildError::WrongDialect(self.queue, why)),
        }
        if let Some(problem) = store.dead_letters_misfit().await? {
            return Err(BuildError::Invalid(problem));
        }
        let spec = QueueSpec {
            store,
            blocking: connection.sibling(Some(name), BLOCK_DEADLINE),
            lease_connection: connection.again(),
            redis_url: self.redis_url,
            concurrency: self.concurrency,
            limiter: self.limiter,
            metrics_points: self.metrics_points,
            keep_completed: self.keep_completed,
            keep_failed: self.keep_failed,
            retention: self.rules,
            schedules: (!self.schedules.is_empty()).then_some(self.schedules),
            history: self.history,
            org,
            payload_max: self.payload_max,
            handlers: self.handlers,
        };
        Ok(Worker::start(&self.options, vec![spec], &self.observer)?)
    }
}
