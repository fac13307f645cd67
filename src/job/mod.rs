//! What a job *is*: its identity, its data, its options, its states. Pure values and rules.
//!
//! Owns: the vocabulary of the whole house. Must never know: Redis, HTTP, time zones of this machine,
//! or who calls. Called by everybody.

pub mod backoff;
pub mod cron;
pub mod id;
pub mod options;
pub mod outcome;
pub mod pattern;
mod place;
pub mod progress;
pub mod repeat;
pub mod signature;
pub mod state;
pub mod trace;

use std::sync::Arc;

pub use id::JobId;
pub use options::Options;
use serde_json::value::RawValue;

/// One job as a worker holds it: decoded once, trusted from then on.
///
/// `T` is the type of the data. The worker itself carries [`Data`], the producer's bytes untouched;
/// Rust handlers see their own type (see [`crate::handler::native`]).
#[derive(Debug, Clone)]
pub struct Job<T = Data> {
    /// Name of the queue, without the prefix.
    pub queue: Arc<str>,
    /// The job's id within its queue.
    pub id: JobId,
    /// The job's name; `__default__` when the producer gave none.
    pub name: Arc<str>,
    /// What the producer passed as data.
    pub data: T,
    /// The options that matter to a worker.
    pub opts: Options,
    /// The options exactly as stored, for those that copy them (repeat successors, envelopes).
    pub opts_text: Arc<str>,
    /// When the job was added, in ms since the epoch, by the producer's clock.
    pub timestamp: i64,
    /// Failed attempts before this run.
    pub attempts_made: u32,
    /// `stacktrace` as stored (a JSON array of strings), present only when the job failed before.
    pub stacktrace: Option<Box<str>>,
    /// The last progress of an earlier run (JSON), present only when the job ran before.
    pub progress: Option<Box<RawValue>>,
    /// The last checkpoint of an earlier run (JSON), present only when one was written.
    pub checkpoint: Option<Box<RawValue>>,
    /// How often the job was picked up, this time included; 0 = not counted (Bull 4).
    pub attempts_started: u32,
    /// Why the job is to fail without being run: it stalled too often, or a child failed that it cannot do without
    /// (docs/wire/bullmq.md 5.3).
    pub deferred: Option<Box<str>>,
    /// The `BullMQ` scheduler that made this iteration.
    pub scheduler: Option<Box<str>>,
    /// The full key of the parent in its flow.
    pub parent_key: Option<Box<str>>,
}

/// The data of a job, as the bytes that the producer wrote.
#[derive(Debug, Clone)]
pub enum Data {
    /// JSON text, checked to be valid.
    Json(Arc<RawValue>),
    /// Raw text: the producer asked for it with `preventParsingData`.
    Text(Arc<str>),
}

impl Data {
    /// The bytes as stored in Redis.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json(raw) => raw.get(),
            Self::Text(text) => text,
        }
    }
}

impl<T> Job<T> {
    /// The number of the attempt that is running: 1 for the first.
    pub fn attempt(&self) -> u32 {
        // The count comes from Redis, where anything may stand.
        self.attempts_made.saturating_add(1)
    }

    /// Is it an occurrence of a repeatable job, or an iteration of a scheduler?
    pub fn comes_again(&self) -> bool {
        self.opts.repeat.is_some() || self.scheduler.is_some()
    }

    /// The same job with other data.
    pub fn map_data<U>(self, f: impl FnOnce(T) -> U) -> Job<U> {
        let Self {
            queue,
            id,
            name,
            data,
            opts,
            opts_text,
            timestamp,
            attempts_made,
            stacktrace,
            progress,
            checkpoint,
            attempts_started,
            deferred,
            scheduler,
            parent_key,
        } = self;
        let data = f(data);
        Job {
            queue,
            id,
            name,
            data,
            opts,
            opts_text,
            timestamp,
            attempts_made,
            stacktrace,
            progress,
            checkpoint,
            attempts_started,
            deferred,
            scheduler,
            parent_key,
        }
    }
}
