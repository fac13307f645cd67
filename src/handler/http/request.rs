//! The request: headers, body, signature.
//!
//! Owns: what a backend is told about a job. Must never know: what it answers. Called by `attempt`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use super::options::{BodyMode, Ready};
use crate::handler::envelope::{DataJson, Envelope};
use crate::handler::{Context, StopReason, idempotency};
use crate::http::header::{CONTENT_TYPE, USER_AGENT};
use crate::http::{HeaderMap, HeaderName, HeaderValue, sign};
use crate::job::outcome::{Failure, ReasonClass};
use crate::job::{Data, Job};

/// A checkpoint that is longer than this in base64url is only in the envelope: servers refuse long headers.
const CHECKPOINT_HEADER_BYTES_MAX: usize = 4096;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("bullock/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

const JOB_QUEUE: HeaderName = HeaderName::from_static("job-queue");
const JOB_ID: HeaderName = HeaderName::from_static("job-id");
const JOB_NAME: HeaderName = HeaderName::from_static("job-name");
const JOB_ATTEMPT: HeaderName = HeaderName::from_static("job-attempt");
const JOB_MAX_ATTEMPTS: HeaderName = HeaderName::from_static("job-max-attempts");
const JOB_ENQUEUED_AT: HeaderName = HeaderName::from_static("job-enqueued-at");
const JOB_DEADLINE: HeaderName = HeaderName::from_static("job-deadline");
const JOB_CALLBACK: HeaderName = HeaderName::from_static("job-callback");
const JOB_TOKEN: HeaderName = HeaderName::from_static("job-token");
const JOB_FENCE: HeaderName = HeaderName::from_static("job-fence");
const JOB_CHECKPOINT: HeaderName = HeaderName::from_static("job-checkpoint");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Headers and body for a job.
pub(super) fn build(
    ready: &Ready,
    job: &Arc<Job<Data>>,
    ctx: &Context,
) -> Result<(HeaderMap, Bytes), Box<Failure>> {
    let body = body(ready.options.body, job, ctx)?;
    let mut headers = ready.headers.clone();
    headers.reserve(16);
    let is_text = ready.options.body == BodyMode::Data && matches!(job.data, Data::Text(_));
    headers.entry(CONTENT_TYPE).or_insert(if is_text { TEXT } else { JSON });
    finish(ready, job, ctx, headers, body, &idempotency::key(&ctx.run, job))
}

/// Headers and body of the note that a run is stopped. Its id is another than the request's: a backend that drops what
/// it has seen before must not drop it.
pub(super) fn cancel_note(
    ready: &Ready,
    job: &Arc<Job<Data>>,
    ctx: &Context,
) -> Result<(HeaderMap, Bytes), Box<Failure>> {
    let reason = ctx.stop_reason();
    let (by, text) = match &reason {
        Some(StopReason::Cancelled { by, why }) => (Some(by.as_str()), Some(why.as_str())),
        Some(StopReason::Limit(text)) => (None, Some(text.as_str())),
        _ => (None, None),
    };
    let note = serde_json::json!({
        "queue": job.queue, "id": job.id.as_str(), "name": job.name, "attempt": job.attempt(), "fence": ctx.run.fence,
        "why": reason.as_ref().map_or("cancelled", StopReason::as_str),
        "by": by.filter(|by| !by.is_empty()), "reason": text.filter(|text| !text.is_empty()),
    });
    let mut headers = ready.headers.clone();
    headers.insert(CONTENT_TYPE, JSON);
    let key = format!("{}-stop-{}", idempotency::key(&ctx.run, job), ctx.run.fence);
    finish(ready, job, ctx, headers, Bytes::from(note.to_string()), &key)
}

/// Adds what every request has: who sends it, which run it is about, its key, and the signature over it all.
fn finish(
    ready: &Ready,
    job: &Arc<Job<Data>>,
    ctx: &Context,
    mut headers: HeaderMap,
    body: Bytes,
    key: &str,
) -> Result<(HeaderMap, Bytes), Box<Failure>> {
    headers.entry(USER_AGENT).or_insert(AGENT);
    describe(&mut headers, job, ctx)?;
    let key_value = value("idempotency key", key)?;
    if !ready.options.secrets.is_empty() {
        let now = Utc::now().timestamp();
        let signature = sign::signature(&ready.options.secrets, key, now, &body);
        headers.insert(WEBHOOK_ID, key_value.clone());
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now));
        headers.insert(WEBHOOK_SIGNATURE, value("signature", &signature)?);
    }
    headers.insert(IDEMPOTENCY_KEY, key_value);
    Ok((headers, body))
}

/// The `Job-*` headers.
fn describe(headers: &mut HeaderMap, job: &Job<Data>, ctx: &Context) -> Result<(), Box<Failure>> {
    headers.insert(JOB_QUEUE, value("queue", &percent_encoded(&job.queue))?);
    headers.insert(JOB_ID, value("id", &percent_encoded(job.id.as_str()))?);
    headers.insert(JOB_NAME, value("name", &percent_encoded(&job.name))?);
    headers.insert(JOB_ATTEMPT, HeaderValue::from(job.attempt()));
    headers.insert(JOB_MAX_ATTEMPTS, HeaderValue::from(job.opts.attempts));
    if let Some(time) = iso(job.timestamp) {
        headers.insert(JOB_ENQUEUED_AT, value("timestamp", &time)?);
    }
    if let Some(time) = ctx.run.deadline_ms.and_then(iso) {
        headers.insert(JOB_DEADLINE, value("deadline", &time)?);
    }
    if let Some(callback) = &ctx.run.callback {
        headers.insert(JOB_CALLBACK, value("callback", callback)?);
    }
    let mut token = value("token", &ctx.run.token)?;
    token.set_sensitive(true);
    headers.insert(JOB_TOKEN, token);
    headers.insert(JOB_FENCE, HeaderValue::from(ctx.run.fence));
    if let Some(trace) = &ctx.run.trace {
        headers.insert(TRACEPARENT, value("traceparent", &trace.traceparent())?);
        if let Some(state) = &trace.state {
            headers.insert(TRACESTATE, value("tracestate", state)?);
        }
    }
    if let Some(checkpoint) = &job.checkpoint {
        let bytes = checkpoint.get().as_bytes();
        // Four characters for three bytes: known before anything is encoded.
        if bytes.len().div_ceil(3) * 4 <= CHECKPOINT_HEADER_BYTES_MAX {
            headers.insert(JOB_CHECKPOINT, value("checkpoint", &URL_SAFE_NO_PAD.encode(bytes))?);
        }
    }
    Ok(())
}

/// Nothing that comes here can hold a control character unless a queue prefix or worker name does.
fn value(what: &str, text: &str) -> Result<HeaderValue, Box<Failure>> {
    HeaderValue::from_str(text).map_err(|_| {
        let text = format!("the {what} has a character that no HTTP header can hold");
        Box::new(Failure::new(ReasonClass::Error, text).permanent())
    })
}

/// UTF-8 with everything but the unreserved characters (letters, digits, `-`, `.`, `_`, `~`) as `%XX`.
pub(super) fn percent_encoded(text: &str) -> Cow<'_, str> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if text.bytes().all(unreserved) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if unreserved(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

/// ISO 8601 in UTC, with milliseconds where there are any. `None` for a time that no calendar has.
fn iso(ms: i64) -> Option<String> {
    DateTime::<Utc>::from_timestamp_millis(ms).map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// The data of a job as bytes that a request can hold without a copy.
struct DataBytes(Arc<Job<Data>>);

impl AsRef<[u8]> for DataBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.data.as_str().as_bytes()
    }
}

fn body(mode: BodyMode, job: &Arc<Job<Data>>, ctx: &Context) -> Result<Bytes, Box<Failure>> {
    let json = match mode {
        BodyMode::Data => return Ok(Bytes::from_owner(DataBytes(Arc::clone(job)))),
        BodyMode::Envelope => serde_json::to_vec(&Envelope::of(job)),
        BodyMode::BullmqProxy => {
            serde_json::to_vec(&ProxyBody { job: ProxyJob::of(job, ctx), token: &ctx.run.token })
        }
    };
    json.map(Bytes::from).map_err(|error| Box::new(Failure::new(ReasonClass::Error, error.to_string())))
}

#[derive(Serialize)]
struct ProxyBody<'a> {
    job: ProxyJob<'a>,
    token: &'a str,
}

/// A job with the member names of its `toJSON()` in Node.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProxyJob<'a> {
    id: &'a str,
    name: &'a str,
    data: DataJson<'a>,
    opts: Option<&'a RawValue>,
    progress: Option<&'a RawValue>,
    timestamp: i64,
    attempts_made: u32,
    stacktrace: Option<&'a RawValue>,
    returnvalue: Option<&'a RawValue>,
    queue_qualified_name: String,
}

impl<'a> ProxyJob<'a> {
    fn of(job: &'a Job<Data>, ctx: &Context) -> Self {
        Self {
            id: job.id.as_str(),
            name: &job.name,
            data: (&job.data).into(),
            opts: serde_json::from_str(&job.opts_text).ok(),
            progress: job.progress.as_deref(),
            timestamp: job.timestamp,
            attempts_made: job.attempts_made,
            stacktrace: job.stacktrace.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            returnvalue: None,
            queue_qualified_name: format!("{}:{}", ctx.run.prefix, job.queue),
        }
    }
}
