//! NDJSON of a running job: progress, log lines, checkpoints, and how it ended.
//!
//! Owns: the lines and their meaning, the same from a backend and from a subprocess. Must never know: where the
//! bytes come from. Called by `handler::http` and `handler::exec`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Context, WriteError};
use crate::job::outcome::{Failure, Outcome, ReasonClass, ReturnValue};

/// Room in a line beside a result of the largest size, and least length of a line that is accepted: a checkpoint
/// of 64 KiB with its name must fit whatever `response_max` says.
const LINE_BYTES_EXTRA: usize = 128 * 1024;
/// So much of a bad line is shown.
const SHOWN_CHARS: usize = 80;
/// So much of a result that is too large is kept, as text.
const TRUNCATED_HEAD_BYTES: usize = 1024;

/// What bounds a stream.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest result, in bytes of JSON text.
    pub result_bytes: usize,
    /// Longest wait that a `retryAfterMs` may ask for.
    pub retry_after_max: Duration,
}

/// Why a stream is not read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It is not NDJSON.
    Bad(String),
    /// A write found that the job is no longer this run's.
    LeaseLost,
}

impl Stop {
    /// How the run ended. `from` says where the line came from: `stdout`, a host.
    pub fn outcome(self, from: &str) -> Outcome {
        match self {
            Self::Bad(problem) => Outcome::Failed(Failure::new(
                ReasonClass::Error,
                format!("bad NDJSON from {from}: {problem}"),
            )),
            Self::LeaseLost => Outcome::EndedElsewhere,
        }
    }
}

/// An `error` line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ErrorLine {
    /// Its text, if it has any.
    pub message: Option<String>,
    /// Its stack, if given.
    pub stack: Option<String>,
    /// May it be tried again? Not said: yes.
    pub retryable: Option<bool>,
    /// Replaces the backoff.
    pub retry_after: Option<Duration>,
}

/// The last word of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// A `result` line.
    Result(ReturnValue),
    /// An `error` line.
    Error(ErrorLine),
    /// A `waitForChildren` line: run it again when its children have ended.
    WaitForChildren,
}

/// Reads one stream: bytes in, writes to the [`Context`], a verdict at the end.
#[derive(Debug)]
pub struct Stream {
    limits: Limits,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    number: u64,
    verdict: Option<Verdict>,
}

impl Stream {
    /// A stream of which nothing was read.
    pub fn new(limits: Limits) -> Self {
        Self { limits, partial: Vec::new(), number: 0, verdict: None }
    }

    /// Takes the next bytes, wherever they were cut. Says whether a line came to its end.
    pub async fn feed(&mut self, mut bytes: &[u8], ctx: &Context) -> Result<bool, Stop> {
        let mut ended = false;
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            ended = true;
            if self.partial.is_empty() {
                self.line(head, ctx).await?;
            } else {
                self.keep(head)?;
                let line = std::mem::take(&mut self.partial);
                self.line(&line, ctx).await?;
            }
        }
        self.keep(bytes)?;
        Ok(ended)
    }

    /// The stream has ended; a last line without its newline counts.
    pub async fn end(&mut self, ctx: &Context) -> Result<(), Stop> {
        let line = std::mem::take(&mut self.partial);
        if line.is_empty() { Ok(()) } else { self.line(&line, ctx).await }
    }

    /// The last `result`, `error` or `waitForChildren` line.
    pub fn verdict(self) -> Option<Verdict> {
        self.verdict
    }

    /// Has such a line come?
    pub fn has_verdict(&self) -> bool {
        self.verdict.is_some()
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.check_length(self.partial.len() + bytes.len())?;
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn check_length(&self, length: usize) -> Result<(), Stop> {
        let max = self.limits.result_bytes.saturating_add(LINE_BYTES_EXTRA);
        if length <= max {
            return Ok(());
        }
        Err(Stop::Bad(format!("line {} is longer than {max} bytes", self.number + 1)))
    }

    async fn line(&mut self, line: &[u8], ctx: &Context) -> Result<(), Stop> {
        self.check_length(line.len())?;
        self.number += 1;
        ctx.pulse.beat();
        let text = line.trim_ascii();
        if text.is_empty() {
            return Ok(());
        }
        let parsed = match serde_json::from_slice::<Line<'_>>(text) {
            Ok(parsed) if text[0] == b'{' => parsed,
            Ok(_) => return Err(self.bad(text, "an array")),
            Err(error) => return Err(self.bad(text, &error.to_string())),
        };
        if let Some(value) = parsed.progress {
            written(ctx.progress_raw(value.to_owned()).await, ctx).await?;
        }
        if let Some(value) = parsed.log {
            written(ctx.log(text_of(value)).await, ctx).await?;
        }
        if let Some(value) = parsed.checkpoint {
            written(ctx.checkpoint_raw(value.to_owned()).await, ctx).await?;
        }
        if let Some(value) = parsed.result {
            self.verdict = Some(Verdict::Result(return_value(value.get(), self.limits.result_bytes)));
        }
        if parsed.wait_for_children == Some(true) {
            self.verdict = Some(Verdict::WaitForChildren);
        }
        if let Some(value) = parsed.error {
            self.verdict = Some(Verdict::Error(error_line(value, self.limits.retry_after_max)));
        }
        Ok(())
    }

    fn bad(&self, line: &[u8], why: &str) -> Stop {
        let shown: String = String::from_utf8_lossy(line).chars().take(SHOWN_CHARS).collect();
        Stop::Bad(format!("line {} is not a JSON object ({why}): {}", self.number, shown.escape_debug()))
    }
}

/// One line. Members that we do not know are passed over, so that a newer backend can talk to an older worker.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default, borrow, deserialize_with = "present")]
    progress: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    log: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    checkpoint: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default, rename = "waitForChildren")]
    wait_for_children: Option<bool>,
}

/// Keeps `null` apart from "not there": `{"result":null}` is a result.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Text as it is, anything else as JSON.
fn text_of(value: &RawValue) -> String {
    serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

/// Telling something must never end a run, except that a lost lease does.
async fn written(result: Result<(), WriteError>, ctx: &Context) -> Result<(), Stop> {
    match result {
        Ok(()) => Ok(()),
        Err(WriteError::LeaseLost) => Err(Stop::LeaseLost),
        Err(error @ WriteError::TooLarge { .. }) => match ctx.log(format!("not stored: {error}")).await {
            Err(WriteError::LeaseLost) => Err(Stop::LeaseLost),
            _ => Ok(()),
        },
        Err(WriteError::Redis(error)) => {
            tracing::warn!(%error, "a write of a running job was lost");
            Ok(())
        }
    }
}

/// A result, or a marker in its place when it is too large to be stored.
pub(super) fn return_value(json: &str, max: usize) -> ReturnValue {
    if json.len() <= max
        && let Ok(value) = ReturnValue::from_json(json.to_owned())
    {
        return value;
    }
    truncated(json.as_bytes(), max)
}

/// The marker that stands for a result larger than `max` bytes.
pub(super) fn truncated(body: &[u8], max: usize) -> ReturnValue {
    let head = String::from_utf8_lossy(&body[..body.len().min(TRUNCATED_HEAD_BYTES)]);
    // JSON as a `Value` prints as JSON.
    let marker = serde_json::json!({ "truncated": true, "maxBytes": max, "head": head });
    ReturnValue::of(&marker).unwrap_or_else(|_| unreachable!("a map with text for keys is JSON"))
}

fn error_line(value: Value, retry_after_max: Duration) -> ErrorLine {
    let Value::Object(members) = value else {
        let message = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        return ErrorLine { message: Some(message), ..ErrorLine::default() };
    };
    let text = |name| members.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let retry_after = members.get("retryAfterMs").and_then(Value::as_f64).and_then(millis);
    ErrorLine {
        message: text("message").map(str::to_owned),
        stack: text("stack").map(str::to_owned),
        retryable: members.get("retryable").and_then(Value::as_bool),
        retry_after: retry_after.map(|after| after.min(retry_after_max)),
    }
}

/// Milliseconds as a duration, however many; `None` for less than none.
pub(super) fn millis(ms: f64) -> Option<Duration> {
    (ms >= 0.0).then(|| Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::MAX))
}

impl ErrorLine {
    /// The failure it tells; `otherwise` is its text if it has none of its own.
    pub fn failure(self, otherwise: impl FnOnce() -> String) -> Failure {
        Failure {
            message: self.message.unwrap_or_else(otherwise),
            stack: self.stack,
            class: ReasonClass::Error,
            retryable: self.retryable.unwrap_or(true),
            retry_after: self.retry_after,
            spends_attempt: true,
        }
    }
}
