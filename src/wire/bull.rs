//! The Bull 4 dialect: reading claimed hashes, and the small sums that Node must agree with.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::job::{Data, Job, JobId, Options};

/// The fields of a claimed hash.
#[derive(Debug, Default)]
pub struct ClaimedFields {
    /// `name`.
    pub name: Option<Vec<u8>>,
    /// `data`.
    pub data: Option<Vec<u8>>,
    /// `opts`.
    pub opts: Option<Vec<u8>>,
    /// `attemptsMade`.
    pub attempts_made: Option<Vec<u8>>,
    /// `stacktrace`.
    pub stacktrace: Option<Vec<u8>>,
    /// `progress`.
    pub progress: Option<Vec<u8>>,
    /// Our checkpoint.
    pub checkpoint: Option<Vec<u8>>,
    /// `timestamp` (`BullMQ`; Bull has it in `opts`).
    pub timestamp: Option<Vec<u8>>,
    /// `ats` (`BullMQ`).
    pub attempts_started: Option<Vec<u8>>,
    /// `defa` (`BullMQ`).
    pub deferred: Option<Vec<u8>>,
    /// `rjk` (`BullMQ`).
    pub scheduler: Option<Vec<u8>>,
    /// `parentKey` (`BullMQ`).
    pub parent_key: Option<Vec<u8>>,
}

/// Why a job cannot be handed to any handler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("undecodable {field}: {problem}; {length} bytes, starting with \"{start}\"")]
pub struct Undecodable {
    /// `data` or `opts`.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// Its length in bytes.
    pub length: usize,
    /// Its first 64 bytes, escaped.
    pub start: String,
}

impl Undecodable {
    pub(super) fn new(field: &'static str, problem: impl Into<String>, bytes: &[u8]) -> Self {
        let start = bytes[..bytes.len().min(64)].escape_ascii().to_string();
        Self { field, problem: problem.into(), length: bytes.len(), start }
    }
}

/// A claimed hash as a job. `opts` may be absent (then it is `{}`); a number that is none counts as 0; data or
/// opts that are not JSON are an error.
pub fn decode(queue: &Arc<str>, id: JobId, fields: ClaimedFields) -> Result<Job, Undecodable> {
    let opts_bytes = fields.opts.unwrap_or_else(|| b"{}".to_vec());
    let opts_text = text("opts", opts_bytes)?;
    let mut opts = Options::parse(&opts_text)
        .map_err(|problem| Undecodable::new("opts", problem, opts_text.as_bytes()))?;
    let data_text = text("data", fields.data.unwrap_or_default())?;
    let data = if opts.prevent_parsing_data { Data::Text(data_text.into()) } else { json_data(data_text)? };
    let timestamp = opts.timestamp.unwrap_or(0);
    let is_count = |text: &Vec<u8>| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if fields.attempts_made.as_ref().is_some_and(|text| !is_count(text)) {
        opts.misread.push("attemptsMade");
    }
    Ok(Job {
        queue: Arc::clone(queue),
        id,
        name: fields.name.map_or_else(|| "__default__".into(), |name| String::from_utf8_lossy(&name).into()),
        data,
        opts,
        opts_text: opts_text.into(),
        timestamp,
        attempts_made: integer(fields.attempts_made.as_deref()).clamp(0, i64::from(u32::MAX)) as u32,
        stacktrace: fields.stacktrace.and_then(|s| String::from_utf8(s).ok()).map(String::into_boxed_str),
        progress: fields.progress.and_then(json),
        checkpoint: fields.checkpoint.and_then(json),
        attempts_started: 0,
        deferred: None,
        scheduler: None,
        parent_key: None,
    })
}

/// Data as JSON, checked.
pub(super) fn json_data(text: String) -> Result<Data, Undecodable> {
    // `from_string` takes the text and does not give it back on error: keep what the message shows.
    let (length, mut head) = (text.len(), [0u8; 64]);
    let shown = length.min(head.len());
    head[..shown].copy_from_slice(&text.as_bytes()[..shown]);
    match RawValue::from_string(text) {
        Ok(raw) => Ok(Data::Json(Arc::from(raw))),
        Err(error) => {
            let problem = format!("not JSON: {error}");
            Err(Undecodable { length, ..Undecodable::new("data", problem, &head[..shown]) })
        }
    }
}

pub(super) fn text(field: &'static str, bytes: Vec<u8>) -> Result<String, Undecodable> {
    String::from_utf8(bytes).map_err(|error| Undecodable::new(field, "not UTF-8", error.as_bytes()))
}

pub(super) fn json(bytes: Vec<u8>) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(bytes).ok()?).ok()
}

/// The integer that some text begins with, as `parseInt` reads it; 0 if it begins with none.
pub fn integer(bytes: Option<&[u8]>) -> i64 {
    let Some(text) = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()) else { return 0 };
    let text = text.trim_start();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let end = digits.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    let value: i64 = digits[..end].parse().unwrap_or(0);
    if text.starts_with('-') { -value } else { value }
}

/// The low 12 bits of a delayed score on a retry: the id as a JavaScript number, as a 32-bit integer
/// (docs/wire/bull-4.md 4.2).
///
/// # Examples
///
/// ```
/// use bullock::wire::bull::low_bits;
/// assert_eq!(low_bits("4097"), 1);
/// assert_eq!(low_bits("0x10"), 16);
/// assert_eq!(low_bits("1.9"), 1);
/// assert_eq!(low_bits("order-7"), 0);
/// ```
pub fn low_bits(id: &str) -> i64 {
    let text = id.trim();
    let value = if let Some(hex) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16).map_or(f64::NAN, |n| n as f64)
    } else if text.is_empty() {
        0.0
    } else if text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    };
    if !value.is_finite() {
        return 0;
    }
    // Modulo 2^32 first, as ToInt32 does; its low 12 bits are those of the truncated value.
    (value.trunc().rem_euclid(4_294_967_296.0) as i64) & 0xfff
}

/// `stacktrace` after one more failure: the stored array with the new entry, cut to the newest `limit` (`None` = all).
pub fn stacktrace_with(stored: Option<&str>, entry: &str, limit: Option<usize>) -> String {
    let mut traces: Vec<Box<RawValue>> =
        stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if let Ok(raw) = serde_json::value::to_raw_value(entry) {
        traces.push(raw);
    }
    if let Some(limit) = limit {
        traces.drain(..traces.len().saturating_sub(limit));
    }
    serde_json::to_string(&traces).unwrap_or_else(|_| "[]".into())
}
