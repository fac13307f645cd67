//! One call of a source or a sink: a handler like any other, given a job of its own making.
//!
//! Owns: how a call is made, tried again, and what its failures mean for the sync. Must never know: what is called about.
//! Called by the loop.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::handler::{Context, Handler};
use crate::job::outcome::{Failure, Outcome};
use crate::job::{Data, Job};

/// A wait that the backend asks for is kept within the run if it is no longer than this; a longer one puts the job off.
pub(super) const WAIT_IN_PLACE_MAX: Duration = Duration::from_secs(10);
/// Pause before a failed call is made again; doubled each time.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The status that says: smaller batches.
const CONTENT_TOO_LARGE: u16 = 413;

/// Why a call gave no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The attempt ends so: failed, put off, or stopped.
    End(Outcome),
    /// The batch is too large for the sink.
    TooLarge(Failure),
}

/// Which job it is about, as sources and sinks are told.
#[derive(Debug, Serialize)]
pub(super) struct About<'a> {
    queue: &'a str,
    id: &'a str,
    name: &'a str,
    attempt: u32,
    data: Option<&'a serde_json::value::RawValue>,
}

impl<'a> About<'a> {
    pub(super) fn of(job: &'a Job<Data>) -> Self {
        let data = match &job.data {
            Data::Json(raw) => Some(&**raw),
            Data::Text(_) => None,
        };
        Self { queue: &job.queue, id: job.id.as_str(), name: &job.name, attempt: job.attempt(), data }
    }
}

/// Calls `handler` with `body` under `key`, again while it fails and may be tried again.
pub(super) async fn call(
    handler: &Arc<dyn Handler>,
    job: &Job<Data>,
    ctx: &Context,
    body: &impl Serialize,
    key: String,
    attempts: u32,
) -> Result<String, NoAnswer> {
    let data = serde_json::value::to_raw_value(body)
        .map_err(|error| fails(format!("the call cannot be made: {error}")))?;
    let data = Data::Json(data.into());
    let mut tries = 0;
    loop {
        let within = ctx.within(key.clone());
        let pulse = within.pulse.clone();
        let outcome = handler.run(Arc::new(job.clone().map_data(|_| data.clone())), within).await;
        ctx.pulse.beat();
        if ctx.cancelled.is_cancelled() {
            return Err(NoAnswer::End(outcome));
        }
        let wait = match outcome {
            Outcome::Completed(result) => {
                return Ok(result.map_or_else(|| "null".to_owned(), |result| result.as_str().to_owned()));
            }
            Outcome::Failed(failure) if pulse.status() == Some(CONTENT_TOO_LARGE) => {
                return Err(NoAnswer::TooLarge(failure));
            }
            Outcome::Failed(failure) => {
                tries += 1;
                if !failure.retryable || tries >= attempts {
                    return Err(NoAnswer::End(Outcome::Failed(failure)));
                }
                failure.retry_after.unwrap_or(PAUSE_FIRST * 2u32.saturating_pow(tries - 1))
            }
            // To the sync it is all the same whether the backend asks for time for the job or for the queue.
            Outcome::Deferred { after, why } | Outcome::Throttled { after, why } => {
                if after > WAIT_IN_PLACE_MAX {
                    return Err(NoAnswer::End(Outcome::Deferred { after, why }));
                }
                after
            }
            other @ (Outcome::WaitForChildren
            | Outcome::Paused
            | Outcome::HandedBack
            | Outcome::EndedElsewhere) => {
                return Err(NoAnswer::End(other));
            }
        };
        tokio::select! {
            () = ctx.cancelled.cancelled() => {}
            () = ctx.draining.cancelled() => return Err(NoAnswer::End(Outcome::HandedBack)),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// A failure of our own finding.
pub(super) fn fails(problem: String) -> NoAnswer {
    NoAnswer::End(Outcome::Failed(Failure::new(crate::job::outcome::ReasonClass::Error, problem)))
}
