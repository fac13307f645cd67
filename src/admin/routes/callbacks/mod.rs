//! Callbacks of handlers: progress, logs, signs of life and the end of a run that goes on after its request.
//!
//! `POST /api/v1/queues/{queue}/jobs/{id}/progress|logs|heartbeat|complete|fail` with the run's token as bearer. The
//! token is compared with the job's lock inside the script that writes, so any process that works the queue may be
//! asked, and a run that has lost its job changes nothing.
//!
//! | answer | when |
//! |---|---|
//! | 200 | written |
//! | 401 | no token |
//! | 403 | the token is no run's, or that of another job |
//! | 409 `children` | a parent of a `BullMQ` flow cannot complete before its children; the run still holds the job |
//! | 410 `lease-lost` | it was this run's job: it has ended, or another run has it now. Stop |

mod end;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub(super) use end::{complete, fail};

use super::Call;
use super::about::{About, Shape};
use crate::admin::auth::{Bearer, bearer};
use crate::admin::body;
use crate::admin::problem::Problem;
use crate::admin::server::{QueueOptions, Shared};
use crate::job::progress::with_percent;
use crate::store::StoreError;
use crate::store::callback::Holder;
use crate::store::finish::Verdict;
use crate::store::run::OPERATOR;

/// Largest progress, bytes.
const PROGRESS_BYTES_MAX: usize = 64 * 1024;
/// Most lines in one call.
const LINES_MAX: usize = 1000;
/// Longest log line, bytes; longer ones are cut.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// Lines that a job's log keeps.
const LOG_LINES_MAX: u64 = 10_000;

/// What every callback can answer.
const ANSWERS: &[(u16, &str, Option<Shape>)] = &[(200, "It is written", Some(Shape::of::<CallbackAnswer>()))];

pub(super) const PROGRESS: About = About::new(
    "callbacks",
    "A run tells its progress: any JSON, or that as the only member progress of an object",
)
.body(Shape::of::<Value>())
.answers(ANSWERS)
.refusals(&[404, 409, 410]);
pub(super) const LOGS: About = About::new("callbacks", "A run adds lines to the log of its job")
    .body(Shape::of::<LogBody>())
    .answers(ANSWERS)
    .refusals(&[404, 409, 410]);
pub(super) const HEARTBEAT: About = About::new("callbacks", "A run shows that it lives")
    .optional_body(Shape::of::<Value>())
    .answers(ANSWERS)
    .refusals(&[404, 409, 410]);
pub(super) const COMPLETE: About = About::new("callbacks", "A run ends well; the body is its result")
    .optional_body(Shape::of::<Value>())
    .answers(ANSWERS)
    .refusals(&[404, 409, 410]);
pub(super) const FAIL: About =
    About::new("callbacks", "A run ends badly; what becomes of the job is decided as in the worker")
        .body(Shape::of::<FailBody>())
        .answers(ANSWERS)
        .refusals(&[404, 409, 410]);

/// What a callback is answered.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes the answer in the document")]
pub(in crate::admin) struct CallbackAnswer {
    /// Somebody wants the run to stop.
    cancel_requested: bool,
    /// How soon the next sign of life is expected.
    heartbeat_seconds: u64,
}

/// Lines of a log: one, or many.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body in the document")]
pub(in crate::admin) struct LogBody {
    /// One line.
    log: Option<String>,
    /// Lines, at most 1,000.
    logs: Option<Vec<String>>,
}

/// Why a run has failed.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes the body in the document")]
pub(in crate::admin) struct FailBody {
    /// In words.
    message: String,
    /// A stack trace.
    stack: Option<String>,
    /// May it be tried again? true unless given.
    retryable: Option<bool>,
    /// After how long, ms.
    retry_after_ms: Option<u64>,
}

/// One callback whose queue is ours and that shows a token. Whether it is the right one, Redis says.
struct Callback {
    shared: Arc<Shared>,
    peer: IpAddr,
    queue_name: String,
    id: String,
    queue: QueueOptions,
    token: String,
}

impl Callback {
    /// The callback, and its body as JSON text.
    async fn read(call: Call) -> Result<(Self, String), Problem> {
        let Call { shared, request, peer, queue: queue_name, id, .. } = call;
        let token = match bearer(request.headers()) {
            Bearer::Absent => return Err(Problem::unauthorized()),
            // The word for a person's act passes the scripts without a lock: no caller from outside may use it.
            Bearer::Token(token) if token != OPERATOR => token.to_owned(),
            Bearer::Token(_) | Bearer::Malformed => return Err(wrong_token(&shared, peer.0)),
        };
        let Some(queue) = shared.queues.get(queue_name.as_str()) else {
            // At the start, while Redis is waited for: whose queue it is may not be known yet.
            if (shared.readiness)().queues.iter().any(|(name, _)| *name == queue_name) {
                return Err(StoreError::Unavailable("the queue is not open yet".into()).into());
            }
            return Err(Problem::not_found("no queue of that name is worked here"));
        };
        let text = body::read_json(request).await?;
        Ok((Self { shared, peer: peer.0, queue_name, id, queue, token }, text))
    }

    /// Notes a sign of life for the process that watches this run.
    async fn beat(&self) -> Result<(), Problem> {
        let verdict = self.queue.store.checkpoint(&self.id, &self.token, None, true).await?;
        self.accept(verdict).await
    }

    /// Turns a verdict of Redis into an answer.
    async fn accept(&self, verdict: Verdict) -> Result<(), Problem> {
        match verdict {
            Verdict::Done => Ok(()),
            Verdict::LeaseLost => match self.queue.store.holder(&self.id, &self.token).await? {
                Holder::OtherJobsToken => Err(wrong_token(&self.shared, self.peer)),
                Holder::AnotherRun if !is_run_token(&self.token) => Err(wrong_token(&self.shared, self.peer)),
                Holder::AnotherRun | Holder::Nobody | Holder::ThisRun => Err(self.lease_lost()),
            },
            Verdict::ChildrenPending => Err(Problem::children("the job has children that are not done yet")),
            Verdict::ChildFailed => {
                Err(Problem::children("a child failed whose failure fails the job: fail it too"))
            }
            Verdict::JobGone | Verdict::NotActive | Verdict::DeferredTooOften => Err(self.lease_lost()),
        }
    }

    fn lease_lost(&self) -> Problem {
        Problem::lease_lost().with("queue", self.queue_name.as_str()).with("jobId", self.id.as_str())
    }

    /// The answer to everything that was written.
    fn written(&self) -> Response {
        let seconds = self.queue.heartbeat.as_secs();
        let body = serde_json::json!({"cancelRequested": false, "heartbeatSeconds": seconds});
        let mut response = Response::new(Body::from(body.to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// Refuses a token that can be nobody's or is another job's. Ten a minute from one address, then slower.
fn wrong_token(shared: &Shared, peer: IpAddr) -> Problem {
    if let Err(seconds) = shared.run_guesses.check(peer) {
        return Problem::rate_limited(seconds);
    }
    shared.run_guesses.fail(peer);
    Problem::forbidden("this token is not that of a run of this job")
}

/// Has it the form of a run's token, `<worker>:<128 bits in hex>`? One that has, and holds nothing now, is taken for
/// that of a run whose lease is gone: its owner must hear "stop", not "wrong".
fn is_run_token(token: &str) -> bool {
    token.rsplit_once(':').is_some_and(|(worker, bits)| {
        !worker.is_empty() && bits.len() == 32 && bits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// A sign of life. The body, if there is one, is not looked at beyond its form.
pub(super) async fn heartbeat(call: Call) -> Result<Response, Problem> {
    let (callback, _) = Callback::read(call).await?;
    callback.beat().await?;
    Ok(callback.written())
}

/// Stores and publishes progress: any JSON. An object whose only member is `progress` stands for that member, so that
/// both the value itself (as bullmq-proxy takes it) and a line of the NDJSON form can be sent.
pub(super) async fn progress(call: Call) -> Result<Response, Problem> {
    let (callback, text) = Callback::read(call).await?;
    if text.is_empty() {
        return Err(Problem::validation("a body is needed: the progress as JSON"));
    }
    if text.len() > PROGRESS_BYTES_MAX {
        return Err(Problem::too_large(PROGRESS_BYTES_MAX));
    }
    let json = progress_value(&text);
    let (written, beat) = tokio::join!(
        callback.queue.store.progress(&callback.id, &callback.token, &json),
        callback.queue.store.moved(&callback.id, &callback.token),
    );
    callback.accept(written?).await?;
    callback.accept(beat?).await?;
    Ok(callback.written())
}

/// The value to store. Numbers keep their digits; only counts are decoded, to get their percentage.
fn progress_value(text: &str) -> String {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        progress: &'a RawValue,
    }
    let text = text.trim();
    let is_object = |text: &str| text.starts_with('{');
    let wrapped = if is_object(text) { serde_json::from_str::<Wrapped<'_>>(text).ok() } else { None };
    let value = wrapped.map_or(text, |wrapped| wrapped.progress.get());
    match serde_json::from_str::<Value>(value) {
        Ok(counts @ Value::Object(_)) => with_percent(counts).to_string(),
        _ => value.to_owned(),
    }
}

/// Appends to the job's log: `{"log":"…"}` or `{"logs":["…",…]}`.
pub(super) async fn logs(call: Call) -> Result<Response, Problem> {
    let (callback, text) = Callback::read(call).await?;
    let lines = log_lines(&text)?;
    if !lines.is_empty() {
        let store = &callback.queue.store;
        let written = store.log(&callback.id, &callback.token, LOG_LINES_MAX, &lines).await?;
        callback.accept(written).await?;
    }
    callback.beat().await?;
    Ok(callback.written())
}

fn log_lines(text: &str) -> Result<Vec<String>, Problem> {
    const EXPECTED: &str = "expected {\"log\":\"…\"} or {\"logs\":[\"…\",…]} with text";
    #[derive(serde::Deserialize)]
    struct Lines {
        log: Option<String>,
        #[serde(default)]
        logs: Vec<String>,
    }
    let Ok(Lines { log, logs }) = serde_json::from_str::<Lines>(text) else {
        return Err(Problem::validation(EXPECTED));
    };
    if log.is_none() && !text.contains("\"logs\"") {
        return Err(Problem::validation(EXPECTED));
    }
    if logs.len() > LINES_MAX {
        return Err(Problem::validation(format!("logs: at most {LINES_MAX} lines in one call")));
    }
    Ok(log.into_iter().chain(logs).map(cut).collect())
}

fn cut(mut line: String) -> String {
    if line.len() > LINE_BYTES_MAX {
        line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
        line.push('…');
    }
    line
}
