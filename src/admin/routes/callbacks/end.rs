//! The end of a run, told by its handler: `complete` and `fail`. What becomes of the job is decided as in the worker.

use std::time::Duration;

use axum::response::Response;
use serde_json::Value;

use super::Callback;
use crate::admin::metrics::Outcome;
use crate::admin::problem::Problem;
use crate::admin::routes::Call;
use crate::admin::server::CallbackEnd;
use crate::job::options::Keep;
use crate::job::outcome::{Failure, Fate, ReasonClass, fate};
use crate::store::callback::CallbackJob;
use crate::store::finish::{Completion, FailedRun, Verdict};
use crate::store::history::tally::{How, Ran, Tally};
use crate::store::{Lane, StoreError};
use crate::wire::bull;

/// How often a write that ends a run is sent in all, and the pause between two of them.
const SENDS_MAX: u32 = 3;
const SEND_PAUSE: Duration = Duration::from_millis(200);

impl Callback {
    /// A new lane for one request: its name is nobody else's.
    fn lane() -> Lane {
        let mut lane = Lane::new(format!("callback:{}", uuid::Uuid::new_v4().simple()));
        lane.next();
        lane
    }

    fn reply_kept_ms(&self) -> u64 {
        self.queue.reply_kept.as_millis() as u64
    }

    async fn job(&self) -> Result<CallbackJob, Problem> {
        self.queue.store.callback_job(&self.id).await?.ok_or_else(|| self.lease_lost())
    }

    /// Tells whoever counts and whoever waits that the run has ended.
    fn ended(&self, job: &CallbackJob, outcome: Outcome) {
        let (queue, id, token) = (&*self.queue_name, &*self.id, &*self.token);
        let attempt = job.attempts_made.saturating_add(1);
        self.shared.metrics.ended_by_callback(queue, &job.name, outcome, job.ran, attempt);
        let (duration_s, outcome_text) = (job.ran.as_secs_f64(), outcome.as_str());
        tracing::info!(
            queue,
            job_id = id,
            job_name = job.name,
            attempt,
            duration_s,
            outcome = outcome_text,
            "ended by its callback"
        );
        self.count(job, outcome);
        if let Some(on_end) = &self.shared.on_end {
            on_end(&CallbackEnd { queue, id, token, outcome });
        }
    }
}

impl Callback {
    /// Counts the run in the history, besides the answer: its worker does not know how it ended.
    fn count(&self, job: &CallbackJob, outcome: Outcome) {
        let how = match outcome {
            Outcome::Completed => How::Completed,
            Outcome::Failed => How::Failed,
            Outcome::Retried => How::Retried,
            _ => return,
        };
        let (kept, reply_kept_ms) = (self.queue.history, self.reply_kept_ms());
        if kept.is_zero() {
            return;
        }
        let mut tally = Tally::default();
        tally.add(&Ran {
            name: &job.name.as_str().into(),
            org: "",
            id: &self.id,
            attempt: job.attempts_made.saturating_add(1),
            how,
            ran: job.ran,
            waited: None,
        });
        let (store, lane) = (self.queue.store.clone(), Self::lane());
        tokio::spawn(async move {
            while let Some(counted) = tally.take_call() {
                if let Err(error) = store.tally(&lane, reply_kept_ms, kept, &counted).await {
                    tracing::warn!(queue = &*store.keys().queue, %error, "a run is missing from the history");
                }
            }
        });
    }
}

/// Ends the run well. The body is the result as JSON; no body = no result.
pub(in crate::admin::routes) async fn complete(call: Call) -> Result<Response, Problem> {
    let (callback, text) = Callback::read(call).await?;
    let job = callback.job().await?;
    let lane = Callback::lane();
    let run = [Completion {
        id: &callback.id,
        token: &callback.token,
        result: Some(text.trim()).filter(|text| !text.is_empty()),
        keep: job.opts.remove_on_complete.unwrap_or(callback.queue.keep_completed),
        debounce_id: job.debounce_id.as_deref(),
        plain_fields: None,
    }];
    let (points, kept) = (callback.queue.metrics_points, callback.reply_kept_ms());
    let verdict = sent(|| callback.queue.store.complete(&lane, kept, points, &run)).await?;
    callback.accept(verdict).await?;
    callback.ended(&job, Outcome::Completed);
    Ok(callback.written())
}

/// Ends the run badly: `{"message", "stack"?, "retryable"?, "retryAfterMs"?}`. What becomes of the job is decided as for
/// a run that failed in the worker.
pub(in crate::admin::routes) async fn fail(call: Call) -> Result<Response, Problem> {
    let (callback, text) = Callback::read(call).await?;
    let mut failure = read_failure(&text, callback.queue.retry_after_max)?;
    let job = callback.job().await?;
    let attempts_made = job.attempts_made.saturating_add(1);
    let fate =
        fate(&job.opts, attempts_made, &failure, &callback.queue.strategies).unwrap_or_else(|unknown| {
            failure.message = format!("{} ({unknown})", failure.message);
            Fate::Bury
        });
    let stacktrace =
        bull::stacktrace_with(job.stacktrace.as_deref(), &failure.stack_entry(), job.opts.stack_trace_limit);
    let keep = match fate {
        Fate::Bury => job.opts.remove_on_fail.unwrap_or(callback.queue.keep_failed),
        Fate::RetryNow | Fate::Delay(_) => Keep::All,
    };
    let lane = Callback::lane();
    let run = [FailedRun {
        id: &callback.id,
        token: &callback.token,
        fate,
        attempts_made,
        attempts: job.opts.attempts,
        spends_attempt: true,
        opts: &job.opts_text,
        message: Some(&failure.message),
        stacktrace: &stacktrace,
        keep,
        debounce_id: job.debounce_id.as_deref(),
        lifo: job.opts.lifo,
        class: failure.class.as_str(),
        record: attempt_record(&callback.token, &failure, job.ran),
    }];
    let (points, kept) = (callback.queue.metrics_points, callback.reply_kept_ms());
    let verdict = sent(|| callback.queue.store.fail(&lane, kept, points, &run)).await?;
    callback.accept(verdict).await?;
    callback.ended(&job, if fate == Fate::Bury { Outcome::Failed } else { Outcome::Retried });
    Ok(callback.written())
}

/// The members of the attempt record, without its first brace, as the worker writes them.
fn attempt_record(token: &str, failure: &Failure, ran: Duration) -> String {
    const MESSAGE_CHARS_MAX: usize = 1000;
    let worker = token.rsplit_once(':').map_or("", |(worker, _)| worker);
    let message: String = failure.message.chars().take(MESSAGE_CHARS_MAX).collect();
    let record = serde_json::json!({
        "worker": worker, "class": failure.class.as_str(), "ran_ms": ran.as_millis() as u64, "message": message,
    });
    record.to_string().trim_start_matches('{').to_owned()
}

fn read_failure(text: &str, retry_after_max: Duration) -> Result<Failure, Problem> {
    let wrong = |what: &str| Problem::validation(what.to_owned());
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return Err(wrong("expected an object: {\"message\":\"…\"}"));
    };
    // A member that is null is as good as absent.
    let member = |name: &str| members.get(name).filter(|value| !value.is_null());
    let Some(message) = member("message").and_then(Value::as_str) else {
        return Err(wrong("message: expected text, saying why the job failed"));
    };
    let mut failure = Failure::new(ReasonClass::Error, message);
    if let Some(stack) = member("stack") {
        failure.stack = Some(stack.as_str().ok_or_else(|| wrong("stack: expected text"))?.to_owned());
    }
    if let Some(retryable) = member("retryable") {
        failure.retryable = retryable.as_bool().ok_or_else(|| wrong("retryable: expected true or false"))?;
    }
    if let Some(after) = member("retryAfterMs") {
        let after = after.as_f64().and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
        let after =
            after.ok_or_else(|| wrong("retryAfterMs: expected a number of milliseconds, 0 or more"))?;
        failure.retry_after = Some(after.min(retry_after_max));
    }
    Ok(failure)
}

/// Sends a write that takes effect once however often it is sent, again if Redis was away for a moment.
async fn sent<Sending>(send: impl Fn() -> Sending) -> Result<Verdict, Problem>
where
    Sending: Future<Output = Result<Vec<Verdict>, StoreError>>,
{
    let mut times = 1;
    loop {
        match send().await {
            Ok(verdicts) => return verdicts.first().copied().ok_or_else(Problem::internal),
            Err(error) if error.is_transient() && times < SENDS_MAX => {
                times += 1;
                tokio::time::sleep(SEND_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
