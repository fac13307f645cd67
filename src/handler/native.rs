//! Jobs as Rust functions.
//!
//! Owns: from the producer's bytes to a typed value, and from a `Result` to an outcome. Must never know: Redis,
//! leases. Called by `worker::executor` through [`Handler`], and by programs that use this crate as a library.

use std::any::Any;
use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::Serialize;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::{BoxFuture, Context, Handler, WriteError};
use crate::job::outcome::{Failure, Outcome, ReasonClass, ReturnValue};
use crate::job::{Data, Job};

/// Makes a handler of an async function.
///
/// * Data that is no `T` fails the job for good (class `undecodable`).
/// * An error fails the attempt with its text. A [`JobError`], also within an `anyhow::Error` or a boxed error,
///   says more: no further attempt, when to try again, or not now.
/// * A panic fails the attempt with its text.
///
/// The future is dropped when the run is stopped; `ctx.cancelled` fires before.
///
/// # Examples
///
/// ```
/// use bullock::handler::native::{self, JobError};
/// use bullock::handler::Context;
/// use bullock::job::Job;
///
/// #[derive(serde::Deserialize)]
/// struct Mail { to: String }
///
/// let send = native::handler(|job: Job<Mail>, ctx: Context| async move {
///     ctx.log(format!("attempt {}", job.attempt())).await?;
///     if !job.data.to.contains('@') {
///         return Err(JobError::permanent(format!("{} is no address", job.data.to)));
///     }
///     Ok(job.data.to.len())
/// });
/// # let _: &dyn bullock::handler::Handler = &send;
/// ```
pub fn handler<T, R, E, F, Fut>(function: F) -> impl Handler + use<T, R, E, F, Fut>
where
    T: DeserializeOwned + Send + Sync + 'static,
    R: Serialize + Send + 'static,
    E: Display + Send + Sync + 'static,
    F: Fn(Job<T>, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, E>> + Send + 'static,
{
    let run = move |job: Job<Data>, ctx| -> BoxFuture<'static, Outcome> {
        let data = match decode::<T>(&job.data) {
            Ok(data) => data,
            Err(failure) => return Box::pin(std::future::ready(Outcome::Failed(*failure))),
        };
        let future = function(job.map_data(|_| data), ctx);
        Box::pin(async move {
            match future.await {
                Ok(value) => completed(&value),
                Err(error) => failed(&error),
            }
        })
    };
    // Of a function its path, of a closure the path of the function that it stands in.
    let name = std::any::type_name::<F>();
    let label = format!("rust {}", name.split("::{{closure}}").next().unwrap_or(name));
    Function { label, run: Arc::new(run) }
}

type Run = dyn Fn(Job<Data>, Context) -> BoxFuture<'static, Outcome> + Send + Sync;

/// A function with its types forgotten.
struct Function {
    label: String,
    run: Arc<Run>,
}

impl Handler for Function {
    fn run(&self, job: Arc<Job<Data>>, ctx: Context) -> BoxFuture<'static, Outcome> {
        let run = Arc::clone(&self.run);
        Box::pin(async move {
            // The call itself is inside, for functions that panic before they return a future. What a panic
            // leaves half done belongs to this run alone, and the run ends here.
            let call = async move { run(Arc::unwrap_or_clone(job), ctx).await };
            AssertUnwindSafe(call)
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| Outcome::Failed(Failure::panicked(&*panic)))
        })
    }

    fn label(&self) -> &str {
        &self.label
    }
}

fn decode<T: DeserializeOwned>(data: &Data) -> Result<T, Box<Failure>> {
    let decoded = match data {
        Data::Json(raw) => serde_json::from_str(raw.get()),
        Data::Text(text) => {
            let text: StrDeserializer<'_, serde_json::Error> = text.as_ref().into_deserializer();
            T::deserialize(text)
        }
    };
    decoded.map_err(|error| {
        let text = format!("the data of the job is not what the handler takes: {error}");
        Box::new(Failure::new(ReasonClass::Undecodable, text).permanent())
    })
}

fn completed(value: &impl Serialize) -> Outcome {
    match ReturnValue::of(value) {
        Ok(value) => Outcome::Completed(Some(value)),
        Err(error) => {
            let text = format!("the result of the handler cannot be written as JSON: {error}");
            Outcome::Failed(Failure::new(ReasonClass::Error, text).permanent())
        }
    }
}

/// Looks for a [`JobError`] in what the function returned, and else takes its text.
fn failed<E: Display + Send + Sync + 'static>(error: &E) -> Outcome {
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    let any: &dyn Any = error;
    let in_anyhow = any.downcast_ref::<anyhow::Error>();
    let told = any
        .downcast_ref::<JobError>()
        .or_else(|| in_anyhow?.downcast_ref())
        .or_else(|| any.downcast_ref::<Boxed>()?.downcast_ref())
        .or_else(|| any.downcast_ref::<Box<dyn std::error::Error>>()?.downcast_ref());
    if let Some(told) = told {
        return told.clone().outcome();
    }
    let lost = any.downcast_ref::<WriteError>().or_else(|| in_anyhow?.downcast_ref());
    if lost == Some(&WriteError::LeaseLost) {
        return Outcome::EndedElsewhere;
    }
    // The alternate form of an `anyhow::Error` is the whole chain on one line.
    let message = format!("{error:#}");
    let stack = in_anyhow.map(|error| format!("Error: {error:?}"));
    Outcome::Failed(Failure { stack, ..Failure::new(ReasonClass::Error, message) })
}

/// An error that says what is to become of the job.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bullock::handler::native::JobError;
///
/// assert_eq!(JobError::permanent("no such shop").to_string(), "no such shop");
/// let busy = JobError::retry("shop is busy").after(Duration::from_secs(30));
/// let later = JobError::defer(Duration::from_secs(60), "maintenance");
/// # let _ = (busy, later);
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct JobError {
    text: String,
    fate: JobErrorFate,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum JobErrorFate {
    Retry { after: Option<Duration> },
    Permanent,
    Defer { after: Duration },
    Throttle { after: Duration },
    Children,
    HandBack,
    LeaseLost,
}

impl JobError {
    /// The attempt failed; the job's options say whether and when there is another.
    pub fn retry(text: impl Into<String>) -> Self {
        Self { text: text.into(), fate: JobErrorFate::Retry { after: None } }
    }

    /// The job failed: no further attempt, whatever its options say.
    pub fn permanent(text: impl Into<String>) -> Self {
        Self { text: text.into(), fate: JobErrorFate::Permanent }
    }

    /// Not now: run it again after so long. No attempt is spent.
    pub fn defer(after: Duration, why: impl Into<String>) -> Self {
        Self { text: why.into(), fate: JobErrorFate::Defer { after } }
    }

    /// Not now, and nothing else of this queue either for so long. No attempt is spent.
    pub fn throttle(after: Duration, why: impl Into<String>) -> Self {
        Self { text: why.into(), fate: JobErrorFate::Throttle { after } }
    }

    /// Run it again when all its children have ended: those that its flow gave it, and those that this run has added.
    /// No attempt is spent; a checkpoint tells the next run how far this one came. `BullMQ` only.
    pub fn wait_for_children() -> Self {
        Self { text: "it waits for its children".into(), fate: JobErrorFate::Children }
    }

    /// Its worker is told to stop ([`Context::draining`]): back to where it was in line, for whoever goes on from its
    /// checkpoint. No attempt is spent.
    pub fn hand_back() -> Self {
        Self { text: "handed back".into(), fate: JobErrorFate::HandBack }
    }

    /// For [`JobError::retry`]: the next attempt comes after so long, instead of the configured backoff.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        if let JobErrorFate::Retry { after } = &mut self.fate {
            *after = Some(wait);
        }
        self
    }

    fn outcome(self) -> Outcome {
        let failure = Failure::new(ReasonClass::Error, self.text.clone());
        match self.fate {
            JobErrorFate::Retry { after } => Outcome::Failed(Failure { retry_after: after, ..failure }),
            JobErrorFate::Permanent => Outcome::Failed(failure.permanent()),
            JobErrorFate::Defer { after } => Outcome::Deferred { after, why: self.text },
            JobErrorFate::Throttle { after } => Outcome::Throttled { after, why: self.text },
            JobErrorFate::Children => Outcome::WaitForChildren,
            JobErrorFate::HandBack => Outcome::HandedBack,
            JobErrorFate::LeaseLost => Outcome::EndedElsewhere,
        }
    }
}

impl From<WriteError> for JobError {
    fn from(error: WriteError) -> Self {
        let fate = match error {
            WriteError::LeaseLost => JobErrorFate::LeaseLost,
            WriteError::TooLarge { .. } | WriteError::Redis(_) => JobErrorFate::Retry { after: None },
        };
        Self { text: error.to_string(), fate }
    }
}

impl From<anyhow::Error> for JobError {
    fn from(error: anyhow::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(|error| Self::retry(format!("{error:#}")))
    }
}

impl From<String> for JobError {
    fn from(text: String) -> Self {
        Self::retry(text)
    }
}

impl From<&str> for JobError {
    fn from(text: &str) -> Self {
        Self::retry(text)
    }
}

impl From<std::io::Error> for JobError {
    fn from(error: std::io::Error) -> Self {
        Self::retry(error.to_string())
    }
}

impl From<serde_json::Error> for JobError {
    fn from(error: serde_json::Error) -> Self {
        Self::retry(error.to_string())
    }
}
