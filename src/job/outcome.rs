//! How one run of a job ended, as the handler says it, and what that means for the job.

use std::time::Duration;

use super::{Options, backoff};

/// Why a job is in the dead-letter set. Stored as text in `X job:<id>`, field `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonClass {
    /// The handler said so, or its process or connection failed.
    Error,
    /// A limit on the whole run went by.
    Timeout,
    /// The handler showed no sign of progress for too long.
    NoProgress,
    /// The workers that ran it died.
    Crashed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its data or options could not be read.
    Undecodable,
    /// Its hash is gone, or holds neither data nor options.
    BodyMissing,
    /// No handler is configured for its name.
    NoHandler,
}

impl ReasonClass {
    /// The word used in Redis, CLI, API and page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::NoProgress => "no_progress",
            Self::Crashed => "crashed",
            Self::Cancelled => "cancelled",
            Self::Undecodable => "undecodable",
            Self::BodyMissing => "body_missing",
            Self::NoHandler => "no_handler",
        }
    }
}

/// What a handler answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done. `None` is JavaScript's `undefined`: no result at all.
    Completed(Option<ReturnValue>),
    /// The attempt failed.
    Failed(Failure),
    /// Not now: run it again after `after`, and no attempt is spent (503 with Retry-After).
    Deferred {
        /// How long to wait.
        after: Duration,
        /// Said in the log.
        why: String,
    },
    /// Not now, and nothing else of this queue either: the job goes back to the head, no attempt is spent, and
    /// the queue rests for `after` (429 with Retry-After).
    Throttled {
        /// How long the queue rests.
        after: Duration,
        /// Said in the log.
        why: String,
    },
    /// Not before its children have ended: it waits among the parents, and no attempt is spent. `BullMQ` only. A job
    /// that has no pending child runs again at once, as often as a job may be put off.
    WaitForChildren,
    /// A person has paused it: it waits until he resumes it, and no attempt is spent. Only a sync looks.
    Paused,
    /// Its worker is told to stop, and it can go on elsewhere: back to where it was in line, and no attempt is spent.
    HandedBack,
    /// The job was ended by somebody else who held its token (a callback): nothing is left to write.
    EndedElsewhere,
}

/// A result as JSON text, checked to be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnValue(String);

impl ReturnValue {
    /// Takes JSON text. Text that is not JSON is refused, because publishing it would end every Node process
    /// that listens (docs/wire/bull-4.md 10.1).
    pub fn from_json(text: String) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
        Ok(Self(text))
    }

    /// Encodes any value.
    pub fn of(value: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self)
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Stored unchanged as `failedReason`: `job.finished()` in Node rejects with exactly this text.
    pub message: String,
    /// One entry for `stacktrace`; its first line is `<Kind>: <message>`.
    pub stack: Option<String>,
    /// Said by the attempt record and, if this was the last attempt, by the dead letter.
    pub class: ReasonClass,
    /// May the job be tried again at all?
    pub retryable: bool,
    /// Replaces the configured backoff (Retry-After of the backend).
    pub retry_after: Option<Duration>,
    /// Does it count among the attempts made? Not if the job never ran.
    pub spends_attempt: bool,
}

impl Failure {
    /// A failure that may be retried.
    pub fn new(class: ReasonClass, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            stack: None,
            class,
            retryable: true,
            retry_after: None,
            spends_attempt: true,
        }
    }

    /// A handler's function panicked: an attempt like any other. `panic` is what `catch_unwind` gives.
    pub fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Self::new(ReasonClass::Error, format!("panicked: {}", text.unwrap_or("(no text)")))
    }

    /// The job has taken its worker along so often that it is run no more. It spends no attempt: it did not run.
    pub fn crashed(crashes: u32) -> Self {
        let message =
            format!("crashed: its worker died {crashes} times while it was the one suspect that ran there");
        Self { retryable: false, spends_attempt: false, ..Self::new(ReasonClass::Crashed, message) }
    }

    /// The same, but never to be tried again.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.retryable = false;
        self
    }

    /// The entry for `stacktrace`.
    pub fn stack_entry(&self) -> String {
        self.stack.clone().unwrap_or_else(|| format!("Error: {}", self.message))
    }
}

/// What becomes of a job after a failed attempt (docs/wire/bull-4.md 8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Into the dead-letter set: the last attempt, or not retryable.
    Bury,
    /// Back to waiting at once.
    RetryNow,
    /// Into `delayed` for this many ms.
    Delay(i64),
}

/// Decides the fate of a job whose attempt just failed. `attempts_made` counts this failure.
///
/// An unknown backoff type buries the job with a message of its own instead of letting it stall (quirk Q8).
pub fn fate(
    opts: &Options,
    attempts_made: u32,
    failure: &Failure,
    strategies: &backoff::Strategies,
) -> Result<Fate, backoff::UnknownType> {
    if !failure.retryable || attempts_made >= opts.attempts {
        return Ok(Fate::Bury);
    }
    if let Some(after) = failure.retry_after {
        return Ok(Fate::Delay(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)));
    }
    Ok(match backoff::delay_ms(opts.backoff.as_ref(), attempts_made, strategies)? {
        backoff::Delay::Bury => Fate::Bury,
        backoff::Delay::None => Fate::RetryNow,
        backoff::Delay::Ms(ms) => Fate::Delay(ms),
    })
}
