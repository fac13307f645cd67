//! What a response means for the job.
//!
//! Owns: the table of statuses (reference: the handler contract). Must never know: what becomes of the job
//! afterwards. Called by `answered`.

use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;

use super::failure::{self, Told};
use super::{Sent, retry_after, shown, within};
use crate::handler::{Context, stream};
use crate::http::header::{CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use crate::http::{HeaderMap, Response, StatusCode, TransportError};
use crate::job::outcome::{Failure, Outcome, ReasonClass, ReturnValue};

/// "This job will never work", whatever the status.
const JOB_NO_RETRY: HeaderName = HeaderName::from_static("job-no-retry");
/// "Not done: run it again when its children have ended", with any 2xx but 202.
const JOB_WAIT_FOR_CHILDREN: HeaderName = HeaderName::from_static("job-wait-for-children");
/// Content types of NDJSON. The first is the documented one.
const NDJSON: &[&str] = &["application/x-ndjson", "application/ndjson"];
/// So much of a stack is kept.
const STACK_BYTES_MAX: usize = 16 * 1024;
/// So much of an address that we were sent to is shown.
const LOCATION_CHARS_MAX: usize = 200;

/// Does the backend not know us (wrong path, wrong credentials)? 409 and 429 are answers about the job, and so are
/// the statuses that end it for good.
pub(super) fn is_refusal(status: StatusCode, permanent: &[u16]) -> bool {
    status.is_client_error()
        && status != StatusCode::CONFLICT
        && status != StatusCode::TOO_MANY_REQUESTS
        && !permanent.contains(&status.as_u16())
}

/// Is the body a stream of lines?
pub(super) fn is_ndjson(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|kind| NDJSON.iter().any(|ndjson| kind.eq_ignore_ascii_case(ndjson)))
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// Success with a body that is read to its end: only then is the result known.
pub(super) async fn completed(sent: &Sent<'_>, mut response: Response, ctx: &Context) -> Outcome {
    let max = sent.ready.options.response_max;
    let body = match read(sent, &mut response, max, ctx).await {
        Ok(body) => body,
        Err(Unread::TooLarge(head)) => return Outcome::Completed(Some(stream::truncated(&head, max))),
        Err(Unread::Broken(error)) => return Outcome::Failed(sent.broken(&error)),
        Err(Unread::Silent) => return Outcome::Failed(sent.failed(ReasonClass::NoProgress, silence(sent))),
    };
    if is_true(response.headers(), &JOB_WAIT_FOR_CHILDREN) {
        return Outcome::WaitForChildren;
    }
    Outcome::Completed(Some(result(body, content_type(response.headers()))))
}

fn is_true(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// The body as a result: JSON as it is, nothing as `null`, and other text as text, which is what a backend that
/// answers "OK" means.
fn result(body: Vec<u8>, content_type: Option<&str>) -> ReturnValue {
    let null = || ReturnValue::of(&()).unwrap_or_else(|_| unreachable!("null is JSON"));
    if body.trim_ascii().is_empty() {
        return null();
    }
    let is_json = content_type.is_none_or(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
    });
    let text = match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    let text = match is_json.then(|| ReturnValue::from_json(text.trim().to_owned())) {
        Some(Ok(value)) => return value,
        _ => text,
    };
    ReturnValue::of(&text).unwrap_or_else(|_| null())
}

/// Why a body was not read to its end.
enum Unread {
    /// It is longer than allowed; this is its beginning.
    TooLarge(Vec<u8>),
    Broken(TransportError),
    /// Nothing came for longer than `heartbeat`.
    Silent,
}

async fn read(
    sent: &Sent<'_>,
    response: &mut Response,
    max: usize,
    ctx: &Context,
) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = next(sent, response).await? {
        ctx.pulse.beat();
        body.extend_from_slice(&chunk);
        if body.len() > max {
            return Err(Unread::TooLarge(body));
        }
    }
    Ok(body)
}

async fn next(sent: &Sent<'_>, response: &mut Response) -> Result<Option<Bytes>, Unread> {
    let limit = Some(sent.ready.options.heartbeat);
    within(limit, response.chunk()).await.ok_or(Unread::Silent)?.map_err(Unread::Broken)
}

fn silence(sent: &Sent<'_>) -> String {
    format!("{} stopped within its answer: nothing for {}", sent.host, shown(sent.ready.options.heartbeat))
}

/// Any status but 2xx.
pub(super) async fn unsuccessful(sent: &Sent<'_>, mut response: Response, ctx: &Context) -> Outcome {
    let status = response.status();
    let options = &sent.ready.options;
    // The status is the answer; a body that breaks off costs only its text.
    let body = match read(sent, &mut response, options.response_max, ctx).await {
        Ok(body) | Err(Unread::TooLarge(body)) => body,
        Err(Unread::Broken(_) | Unread::Silent) => Vec::new(),
    };
    let headers = response.headers();
    let told = failure::told(&body);
    let retry_after = wait(headers, &told, options.retry_after_max);
    let message =
        if status.is_redirection() { redirected(sent, status, headers) } else { text(sent, status, &told) };
    tracing::info!(status = status.as_u16(), host = %sent.host, "the backend did not complete the job");

    let never = is_true(headers, &JOB_NO_RETRY);
    let permanent = never || !told.retryable.unwrap_or_else(|| !options.permanent.contains(&status.as_u16()));
    if !permanent && let Some(after) = retry_after {
        match status {
            StatusCode::SERVICE_UNAVAILABLE => return Outcome::Deferred { after, why: message },
            StatusCode::TOO_MANY_REQUESTS => return Outcome::Throttled { after, why: message },
            _ => {}
        }
    }
    Outcome::Failed(Failure {
        stack: Some(stack(sent, status, &message, told.stack)),
        retryable: !permanent,
        retry_after: retry_after.filter(|_| !permanent),
        ..Failure::new(ReasonClass::Error, message)
    })
}

/// How long the backend wants us to wait, capped. The header counts before the body.
fn wait(headers: &HeaderMap, told: &Told, max: Duration) -> Option<Duration> {
    let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = header.and_then(|value| retry_after::parse(value, Utc::now())).or(told.retry_after)?;
    Some(asked.min(max))
}

fn text(sent: &Sent<'_>, status: StatusCode, told: &Told) -> String {
    told.message.clone().unwrap_or_else(|| format!("HTTP {} from {}", status.as_u16(), sent.host))
}

fn redirected(sent: &Sent<'_>, status: StatusCode, headers: &HeaderMap) -> String {
    let place = headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let place = place.as_deref().map_or("", |place| place.split(['?', '#']).next().unwrap_or_default());
    let shown: String = place.chars().take(LOCATION_CHARS_MAX).collect();
    let to = if shown.is_empty() { String::new() } else { format!(" (to {})", shown.escape_debug()) };
    format!("HTTP {} from {}{to}: redirects are not followed", status.as_u16(), sent.host)
}

/// The backend's stack if it gave one, with the request and its status as the last line.
fn stack(sent: &Sent<'_>, status: StatusCode, message: &str, given: Option<String>) -> String {
    let mut stack = given.unwrap_or_else(|| format!("Error: {message}"));
    if stack.len() > STACK_BYTES_MAX {
        stack.truncate(stack.floor_char_boundary(STACK_BYTES_MAX));
    }
    stack.push('\n');
    stack.push_str(&sent.stack_line(Some(status)));
    stack
}
