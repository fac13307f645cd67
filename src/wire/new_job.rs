//! A job to add, encoded as npm `bull` encodes it (docs/wire/bull-4.md 2.3, 3, 4); `bullmq` does so for `BullMQ`.

mod bullmq;
pub mod check;

pub use bullmq::PRIORITY_MAX;
use serde_json::{Map, Value};

use crate::job::repeat::Occurrence;

/// One job to add.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewJob {
    /// Its id; `None` = the next number of the queue.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its data as JSON text.
    pub data: String,
    /// Its options as JSON text: complete, or up to where the time of adding belongs.
    pub opts_head: String,
    /// The rest after the time; empty = `opts_head` is complete.
    pub opts_tail: String,
    /// Time of adding, ms; `None` = Redis' clock.
    pub timestamp: Option<i64>,
    /// Delay as text, ms.
    pub delay: String,
    /// Priority as text; `0` = none.
    pub priority: String,
    /// Add at the consumer end.
    pub lifo: bool,
    /// Deduplication; Bull, where it is called debounce, knows the id and its time to live only.
    pub deduplication: Option<Deduplication>,
    /// The parent that waits for this job; `BullMQ` only.
    pub parent: Option<Parent>,
    /// It waits for children that are added in the same call; `BullMQ` only.
    pub has_children: bool,
}

/// Which jobs count as the same, and what becomes of the second (docs/wire/bullmq.md 3.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "they are the options as BullMQ names them")]
pub struct Deduplication {
    /// Jobs with the same id count as the same.
    pub id: String,
    /// For how long, ms; `None` = until the first one has ended.
    pub ttl_ms: Option<u64>,
    /// Each further job starts that time anew.
    pub extend: bool,
    /// A further job takes the place of one that is delayed.
    pub replace: bool,
    /// The newest job that comes while the first one runs is added when that has ended.
    pub keep_last_if_active: bool,
    /// A further job gives its delay to one that is delayed (`BullMQ` 6).
    pub reschedule: bool,
}

/// A parent, as it stands in its child's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Full key of the parent's hash.
    pub key: String,
    /// The field `parent`, JSON.
    pub json: String,
}

impl NewJob {
    /// Encodes what a producer passes. Options are stored as given, in their order, after Bull's own normalisation:
    /// `attempts` becomes an integer, a numeric `backoff` an object, and `attempts`, `delay` and `timestamp` are added
    /// where they are missing. Data that is falsy in JavaScript is stored as `{}`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::wire::NewJob;
    /// use serde_json::json;
    /// let job = NewJob::bull("mail", &json!({"to": "a"}), json!({"backoff": 1000}).as_object().unwrap().clone());
    /// assert_eq!(job.opts_head, r#"{"backoff":{"type":"fixed","delay":1000},"attempts":1,"delay":0,"timestamp":"#);
    /// ```
    pub fn bull(name: &str, data: &Value, mut opts: Map<String, Value>) -> Self {
        let attempts = match opts.get("attempts") {
            None | Some(Value::Null) => Value::from(1),
            Some(Value::String(text)) => Value::from(super::bull::integer(Some(text.as_bytes()))),
            Some(other) => other.as_f64().map_or(Value::Null, |n| Value::from(n.trunc() as i64)),
        };
        opts.insert("attempts".into(), attempts);
        if let Some(Value::Number(ms)) = opts.get("backoff") {
            let backoff = serde_json::json!({"type": "fixed", "delay": ms});
            opts.insert("backoff".into(), backoff);
        }
        let delay = opts.get("delay").and_then(Value::as_f64).unwrap_or(0.0).max(0.0);
        if !opts.get("delay").is_some_and(Value::is_number) {
            opts.insert("delay".into(), 0.into());
        }
        let timestamp = opts.get("timestamp").and_then(Value::as_i64);
        let deduplication = opts.get("debounce").and_then(debounce_of);
        let id = opts.get("jobId").and_then(plain_text).filter(|id| !id.is_empty());
        let (opts_head, opts_tail) = split_at_time(opts.clone(), timestamp);
        Self {
            id,
            name: name.to_owned(),
            data: if is_nothing(data) { "{}".into() } else { data.to_string() },
            opts_head,
            opts_tail,
            timestamp,
            delay: number_text(delay),
            priority: opts.get("priority").and_then(Value::as_f64).map_or_else(|| "0".into(), number_text),
            lifo: opts.get("lifo").and_then(Value::as_bool).unwrap_or(false),
            deduplication,
            parent: None,
            has_children: false,
        }
    }
}

/// The options as text, in two halves around the time of adding unless the producer set it.
fn split_at_time(mut opts: Map<String, Value>, timestamp: Option<i64>) -> (String, String) {
    if timestamp.is_some() {
        return (Value::Object(opts).to_string(), String::new());
    }
    opts.shift_remove("timestamp");
    let mut head = Value::Object(opts).to_string();
    head.pop();
    head.push_str(",\"timestamp\":");
    (head, "}".into())
}

/// False in JavaScript.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Number(n) => n.as_f64() == Some(0.0),
        _ => false,
    }
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// A number as JavaScript prints it: integers without a fraction.
fn number_text(n: f64) -> String {
    if n.fract() == 0.0 { format!("{n:.0}") } else { n.to_string() }
}

impl NewJob {
    /// An occurrence of a repeatable job. What adding needs to know is read from its options, which are stored as
    /// they are.
    pub fn occurrence(name: &str, data: &str, next: &Occurrence) -> Self {
        let opts: Value = serde_json::from_str(&next.opts_text).unwrap_or_default();
        let deduplication = opts.get("debounce").and_then(debounce_of);
        Self {
            id: Some(next.id.clone()),
            name: name.to_owned(),
            data: data.to_owned(),
            opts_head: next.opts_text.clone(),
            opts_tail: String::new(),
            timestamp: Some(next.timestamp_ms),
            delay: next.delay_ms.to_string(),
            priority: opts.get("priority").and_then(Value::as_f64).map_or_else(|| "0".into(), number_text),
            lifo: opts.get("lifo").and_then(Value::as_bool).unwrap_or(false),
            deduplication,
            parent: None,
            has_children: false,
        }
    }
}

fn debounce_of(value: &Value) -> Option<Deduplication> {
    let id = plain_text(value.get("id")?)?;
    Some(Deduplication { id, ttl_ms: value.get("ttl").and_then(Value::as_u64), ..Default::default() })
}
