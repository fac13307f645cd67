//! What a job *does*: the contract between the worker and the code that does the work.
//!
//! Owns: [`Handler`], [`Context`], the trait [`RunWriter`] through which a run writes. Must never know: Redis,
//! scripts, queues' internals. Called by `worker::executor`, which also implements [`RunWriter`].

pub mod commit;
mod envelope;
pub mod exec;
pub mod http;
pub mod idempotency;
pub mod native;
mod room;
pub mod stopping;
pub mod stream;
mod within;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
pub use stopping::{StopReason, Stopping};
use tokio_util::sync::CancellationToken;

use crate::job::outcome::Outcome;
use crate::job::trace::TraceContext;
use crate::job::{Data, Job};

/// A boxed future, as the object-safe traits here return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Does the work of jobs. One value serves all jobs of its name, concurrently.
///
/// The future is dropped when the run is stopped (lease lost, limit reached, cancelled past its grace): a
/// handler must release what it holds on drop: sockets, processes.
pub trait Handler: Send + Sync + 'static {
    /// Runs one attempt of one job.
    fn run(&self, job: Arc<Job<Data>>, ctx: Context) -> BoxFuture<'static, Outcome>;

    /// Is what stands behind it there and does it know us? False shows in the metrics; it stops nothing.
    fn is_healthy(&self) -> bool {
        true
    }

    /// A short name for logs and metrics, such as `http 127.0.0.1:3000` or `exec node`.
    fn label(&self) -> &str;
}

/// An option of a handler that cannot be used, found before the first job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {problem}")]
pub struct OptionError {
    /// Its name, as in the config file.
    pub option: &'static str,
    /// What is wrong and what was expected. Never shows a secret.
    pub problem: String,
}

impl OptionError {
    pub(crate) fn new(option: &'static str, problem: impl Into<String>) -> Self {
        Self { option, problem: problem.into() }
    }
}

/// Why a write of a run was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Another run holds the job, or it has ended. Nothing was written, and nothing of this run will be: stop.
    #[error("lease lost: the job is no longer this run's")]
    LeaseLost,
    /// The value is larger than the limit.
    #[error("{what} is {got} bytes, at most {max} are allowed")]
    TooLarge {
        /// `progress`, `log line`, `checkpoint`, `data`.
        what: &'static str,
        /// Its size in bytes.
        got: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Redis could not be reached; the write may or may not have landed.
    #[error("redis: {0}")]
    Redis(String),
}

/// The writes of one run. Each carries the run's token: once the lease is lost, nothing lands.
pub trait RunWriter: Send + Sync + 'static {
    /// Stores progress (any JSON) and publishes it; at most four reach Redis a second, the last one always.
    fn progress(&self, value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>>;
    /// Appends a line to the job's log.
    fn log(&self, line: String) -> BoxFuture<'_, Result<(), WriteError>>;
    /// Replaces the job's data (any JSON).
    fn update_data(&self, value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>>;
    /// Stores a checkpoint for the next attempt (any JSON, at most 64 KiB).
    fn checkpoint(&self, value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>>;
    /// The last sign of life that a callback has left in Redis for this run, as "how long ago".
    /// `None`: there was none yet. Asked by handlers whose job went on elsewhere (202).
    fn last_callback(&self) -> BoxFuture<'_, Result<Option<Duration>, WriteError>>;

    // What only a sync asks for. One that keeps nothing between its runs, as in tests of handlers, needs none of it.

    /// Commits a batch of a sync.
    fn commit<'a>(
        &'a self,
        _commit: &'a commit::Commit,
    ) -> BoxFuture<'a, Result<commit::Committed, WriteError>> {
        Box::pin(std::future::ready(Ok(commit::Committed::GoOn)))
    }
    /// The plan that the last commit of this job left, by whichever run, and whether the sync is paused.
    fn plan(&self) -> BoxFuture<'_, Result<commit::Stored, WriteError>> {
        Box::pin(std::future::ready(Ok(commit::Stored::default())))
    }
    /// Where the last successful run of this kind stands (JSON), for the organisation of this job; `None` = there was none.
    fn watermark<'a>(&'a self, _kind: &'a str) -> BoxFuture<'a, Result<Option<String>, WriteError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Items that are to be pushed again and whose time has come, at most `most`.
    fn due(&self, _most: usize) -> BoxFuture<'_, Result<commit::Due, WriteError>> {
        Box::pin(std::future::ready(Ok(commit::Due::default())))
    }
    /// The notes of these items; `None` where there is none.
    fn notes<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<String>>, WriteError>> {
        Box::pin(std::future::ready(Ok(vec![None; ids.len()])))
    }
    /// Which of these items a commit of this job has handled already.
    fn seen<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, Result<Vec<bool>, WriteError>> {
        Box::pin(std::future::ready(Ok(vec![false; ids.len()])))
    }
}

/// Who runs the job, and under what limits. Set by the worker.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// The run's token: the value of the job's lock. A secret of this run.
    pub token: Arc<str>,
    /// The fencing number: grows with every claim of the queue.
    pub fence: u64,
    /// The worker's name.
    pub worker: Arc<str>,
    /// Redis prefix of the queue, part of the stable webhook id.
    pub prefix: Arc<str>,
    /// When the run must have ended, in ms since the epoch, if a limit is set.
    pub deadline_ms: Option<i64>,
    /// Base of the callback URLs of this job, if an admin server listens.
    pub callback: Option<Arc<str>>,
    /// Where the run is in its trace, for whatever the handler calls to go on from; `None` = it is not followed.
    pub trace: Option<Arc<TraceContext>>,
    /// What a backend is to know this call by, where that is not the job's own key ([`idempotency::key`]).
    pub key: Option<Arc<str>>,
}

/// What a handler gets beside the job.
#[derive(Clone)]
pub struct Context {
    /// Who runs the job.
    pub run: RunInfo,
    /// Fires when the handler should stop: the lease was lost, somebody cancelled, or a limit went by.
    pub cancelled: CancellationToken,
    /// Why it should, and when its time for that is over.
    pub stopping: Stopping,
    /// Fires when the worker is told to stop: the run may go on for `shutdown_grace`. One that can go on elsewhere from
    /// its checkpoint need not: it ends with [`JobError::hand_back`](native::JobError::hand_back).
    pub draining: CancellationToken,
    /// Told of every sign of life, so that `heartbeat` and `no_progress` limits can be kept.
    pub pulse: Pulse,
    writer: Arc<dyn RunWriter>,
}

impl Context {
    /// Made by the worker, and by tests of handlers.
    pub fn new(run: RunInfo, cancelled: CancellationToken, writer: Arc<dyn RunWriter>) -> Self {
        let draining = CancellationToken::new();
        Self { run, cancelled, stopping: Stopping::default(), draining, pulse: Pulse::default(), writer }
    }

    /// Why the handler should stop; `None` = it should not.
    pub fn stop_reason(&self) -> Option<StopReason> {
        // A write that was refused fires the token before anybody has told why: the lease is lost.
        let lost = || self.cancelled.is_cancelled().then_some(StopReason::LeaseLost);
        self.stopping.reason().cloned().or_else(lost)
    }

    /// Stores progress: a number, or an object such as `{"total": 100, "processed": 7}`.
    ///
    /// # Errors
    /// [`WriteError::LeaseLost`]: stop working, the job is no longer yours.
    pub async fn progress(&self, value: &impl serde::Serialize) -> Result<(), WriteError> {
        self.progress_raw(raw(value)).await
    }

    /// The same, for a value that is JSON text already.
    pub async fn progress_raw(&self, value: Box<RawValue>) -> Result<(), WriteError> {
        self.pulse.progress();
        self.writer.progress(value).await
    }

    /// Appends a line to the job's log.
    pub async fn log(&self, line: impl Into<String>) -> Result<(), WriteError> {
        self.pulse.beat();
        self.writer.log(line.into()).await
    }

    /// Replaces the job's data.
    pub async fn update_data(&self, value: &impl serde::Serialize) -> Result<(), WriteError> {
        self.pulse.beat();
        self.writer.update_data(raw(value)).await
    }

    /// Stores a checkpoint that the next attempt is given.
    pub async fn checkpoint(&self, value: &impl serde::Serialize) -> Result<(), WriteError> {
        self.checkpoint_raw(raw(value)).await
    }

    /// The same, for a value that is JSON text already.
    pub async fn checkpoint_raw(&self, value: Box<RawValue>) -> Result<(), WriteError> {
        self.pulse.progress();
        self.writer.checkpoint(value).await
    }

    /// The same run for a call within it: with a pulse of its own, a key of its own for the backend, and without a word in
    /// the job's progress, which the caller tells.
    #[must_use]
    pub(crate) fn within(&self, key: String) -> Self {
        let run = RunInfo { key: Some(key.into()), ..self.run.clone() };
        let writer = Arc::new(within::Within(Arc::clone(&self.writer)));
        Self { run, writer, pulse: Pulse::default(), ..self.clone() }
    }

    /// What only a sync does.
    pub(crate) fn writer(&self) -> &dyn RunWriter {
        &*self.writer
    }

    /// See [`RunWriter::last_callback`].
    pub async fn last_callback(&self) -> Result<Option<Duration>, WriteError> {
        self.writer.last_callback().await
    }
}

/// JSON text of a value. A value that cannot be JSON (a map with keys that are not text) becomes `null`: telling
/// progress must never end a run.
fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// When a run last showed life, shared by the handler, which says so, and the executor, which keeps the limits.
#[derive(Debug, Clone)]
pub struct Pulse {
    times: Arc<std::sync::Mutex<PulseTimes>>,
    /// The HTTP status that the backend answered with; 0 = none yet.
    status: Arc<std::sync::atomic::AtomicU16>,
}

/// The two times that limits are measured from.
#[derive(Debug, Clone, Copy)]
pub struct PulseTimes {
    /// Any sign of life.
    pub beat: std::time::Instant,
    /// Progress, or a checkpoint: the job moved.
    pub progress: std::time::Instant,
}

impl Default for Pulse {
    fn default() -> Self {
        let now = std::time::Instant::now();
        Self {
            times: Arc::new(std::sync::Mutex::new(PulseTimes { beat: now, progress: now })),
            status: Arc::default(),
        }
    }
}

impl Pulse {
    /// A sign of life.
    pub fn beat(&self) {
        self.times().beat = std::time::Instant::now();
    }

    /// The job moved, which is a sign of life too.
    pub fn progress(&self) {
        self.progress_at(std::time::Instant::now());
    }

    /// The job moved at that time, as a callback to another process has told. An earlier one than is known counts for
    /// nothing.
    pub fn progress_at(&self, at: std::time::Instant) {
        let mut times = self.times();
        *times = PulseTimes { beat: times.beat.max(at), progress: times.progress.max(at) };
    }

    /// The backend answered with this HTTP status.
    pub fn answered(&self, status: u16) {
        self.status.store(status, std::sync::atomic::Ordering::Relaxed);
        self.beat();
    }

    /// The HTTP status that the backend answered with, if there is a backend and it did.
    pub fn status(&self) -> Option<u16> {
        Some(self.status.load(std::sync::atomic::Ordering::Relaxed)).filter(|status| *status > 0)
    }

    /// Both times.
    pub fn read(&self) -> PulseTimes {
        *self.times()
    }

    fn times(&self) -> std::sync::MutexGuard<'_, PulseTimes> {
        // A poisoned lock only means that a panic happened between two plain stores.
        self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
