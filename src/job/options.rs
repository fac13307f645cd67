//! `opts` of a job, as far as a worker acts on them (docs/wire/bull-4.md 3, docs/wire/bullmq.md 2.1).

use serde_json::Value;

use super::backoff::{Backoff, Law};

/// The options that matter to a worker. Members we do not know stay in the stored text, untouched.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Total tries; 1 when absent, not a number, or less.
    pub attempts: u32,
    /// Wait between tries.
    pub backoff: Option<Backoff>,
    /// Retry at the consumer end.
    pub lifo: bool,
    /// The producer's limit on one try, in ms; `None` = none.
    pub timeout: Timeout,
    /// What becomes of the job when it completes; `None` = the producer said nothing.
    pub remove_on_complete: Option<Keep>,
    /// What becomes of the job when it fails for good; `None` = the producer said nothing.
    pub remove_on_fail: Option<Keep>,
    /// Keep this many stack traces; `None` = all.
    pub stack_trace_limit: Option<usize>,
    /// Keep this many lines of the log; `None` = the producer said nothing.
    pub keep_logs: Option<u64>,
    /// Hand the data over as raw text.
    pub prevent_parsing_data: bool,
    /// `repeat` of a Bull 4 repeatable job's occurrence, as stored. (An iteration of a `BullMQ` scheduler is known by its
    /// field `rjk`.)
    pub repeat: Option<Value>,
    /// Due time of this occurrence, ms.
    pub prev_millis: Option<i64>,
    /// When the job was added, ms, by the producer's clock. The same as the field of the hash, which is not read.
    pub timestamp: Option<i64>,
    /// `debounce.id`, in `BullMQ` `de.id`. The same as the field `deid` of the hash, which is not read.
    pub debounce_id: Option<String>,
    /// The carrier of the producer's trace context as stored (`BullMQ`'s `tm`), unless the producer asked not to be followed.
    pub trace: Option<Box<str>>,
    /// Members and counters that are of a wrong type, and stand for something else here. For the log; usually empty.
    pub misread: Vec<&'static str>,
}

/// `opts.timeout`.
#[derive(Debug, Clone, PartialEq)]
pub enum Timeout {
    /// None.
    None,
    /// So many milliseconds.
    Ms(u64),
    /// Not a positive number: Bull fails every try with this value in the message.
    Bad(String),
}

/// `removeOnComplete` / `removeOnFail` (docs/wire/bull-4.md 7.3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Keep {
    /// Keep all.
    All,
    /// Do not keep this job.
    None,
    /// Keep the newest `count`, and nothing older than `age_s` seconds.
    Some {
        /// How many to keep.
        count: Option<u64>,
        /// How old the oldest may be, in seconds.
        age_s: Option<f64>,
        /// At most so many go by their age at a time (`BullMQ` only); `None` = 1000.
        limit: Option<u64>,
    },
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff: None,
            lifo: false,
            timeout: Timeout::None,
            remove_on_complete: None,
            remove_on_fail: None,
            stack_trace_limit: None,
            keep_logs: None,
            prevent_parsing_data: false,
            repeat: None,
            prev_millis: None,
            timestamp: None,
            debounce_id: None,
            trace: None,
            misread: Vec::new(),
        }
    }
}

impl Options {
    /// Reads the stored text. Absent members get their default, members of a wrong type are read as Bull reads
    /// them; only text that is not a JSON object is an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::job::Options;
    /// let opts = Options::parse(r#"{"attempts":3,"backoff":1000}"#).unwrap();
    /// assert_eq!((opts.attempts, opts.backoff.unwrap().kind.as_str()), (3, "fixed"));
    /// assert!(Options::parse("{bad").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let members = members_of(text)?;
        let mut opts = Self::default();
        for (key, value) in members {
            opts.misread.extend(misread(&key, &value));
            match key.as_str() {
                "attempts" => opts.attempts = attempts(&value),
                "backoff" => opts.backoff = backoff(value),
                "lifo" => opts.lifo = truthy(&value),
                "timeout" => opts.timeout = timeout(&value),
                "removeOnComplete" => {
                    opts.remove_on_complete = Some(Keep::of(&value)).filter(|_| !value.is_null());
                }
                "removeOnFail" => opts.remove_on_fail = Some(Keep::of(&value)).filter(|_| !value.is_null()),
                "stackTraceLimit" => {
                    opts.stack_trace_limit = value.as_u64().filter(|n| *n > 0).map(|n| n as usize);
                }
                "preventParsingData" => opts.prevent_parsing_data = truthy(&value),
                "repeat" => opts.repeat = Some(value).filter(Value::is_object),
                "timestamp" => opts.timestamp = value.as_f64().map(|ms| ms as i64),
                "debounce" => opts.debounce_id = value.get("id").and_then(id_text),
                "prevMillis" => opts.prev_millis = value.as_f64().map(|ms| ms as i64),
                _ => {}
            }
        }
        Ok(opts)
    }
}

impl Options {
    /// Reads the text that a `BullMQ` producer stored. Like [`Options::parse`], by its own names and rules: what only Bull
    /// knows (`timeout`, `preventParsingData`, `repeat`, `debounce`) is nothing here.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::job::Options;
    /// let opts = Options::parse_bullmq(r#"{"attempts":0,"de":{"id":"d"},"kl":5,"stackTraceLimit":0}"#).unwrap();
    /// assert_eq!((opts.attempts, opts.debounce_id.as_deref()), (1, Some("d")));
    /// assert_eq!((opts.keep_logs, opts.stack_trace_limit), (Some(5), Some(0)));
    /// ```
    pub fn parse_bullmq(text: &str) -> Result<Self, String> {
        let mut members = members_of(text)?;
        let rule = |value: Option<&Value>| value.filter(|value| !value.is_null()).map(Keep::of);
        let mut opts = Self {
            attempts: members.get("attempts").map_or(1, attempts),
            lifo: members.get("lifo").is_some_and(truthy),
            remove_on_complete: rule(members.get("removeOnComplete")),
            remove_on_fail: rule(members.get("removeOnFail")),
            stack_trace_limit: members.get("stackTraceLimit").and_then(Value::as_u64).map(|n| n as usize),
            keep_logs: members.get("kl").and_then(Value::as_u64),
            prev_millis: members.get("prevMillis").and_then(Value::as_f64).map(|ms| ms as i64),
            timestamp: members.get("timestamp").and_then(Value::as_f64).map(|ms| ms as i64),
            trace: producers_trace(&members),
            debounce_id: members.get("de").and_then(|de| de.get("id")).and_then(id_text),
            misread: members.iter().filter_map(|(key, value)| misread(key, value)).collect(),
            ..Self::default()
        };
        if let Some(stored) = members.remove("backoff") {
            let jitter = stored.get("jitter").and_then(Value::as_f64).unwrap_or(0.0).clamp(0.0, 1.0);
            opts.backoff = backoff(stored).map(|backoff| Backoff { law: Law::BullMq { jitter }, ..backoff });
        }
        Ok(opts)
    }
}

/// What the producer's tracer left; nothing where it asked not to be followed.
fn producers_trace(members: &serde_json::Map<String, Value>) -> Option<Box<str>> {
    let carrier = members.get("tm")?.as_str()?;
    let is_followed = !members.get("omc").is_some_and(truthy);
    is_followed.then(|| carrier.into())
}

fn members_of(text: &str) -> Result<serde_json::Map<String, Value>, String> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(other) => Err(format!("opts is {}, not an object", kind_of(&other))),
        Err(error) => Err(format!("opts is not JSON: {error}")),
    }
}

/// The name of a member whose value is of a type that it cannot have.
fn misread(key: &str, value: &Value) -> Option<&'static str> {
    let number_text = || value.as_str().is_some_and(|text| integer_prefix(text).is_some());
    let (name, fits) = match key {
        "attempts" => ("attempts", value.is_number() || number_text()),
        "backoff" => ("backoff", value.is_number() || value.get("type").is_some_and(Value::is_string)),
        "lifo" => ("lifo", value.is_boolean()),
        "removeOnComplete" => {
            ("removeOnComplete", value.is_boolean() || value.is_number() || value.is_object())
        }
        "removeOnFail" => ("removeOnFail", value.is_boolean() || value.is_number() || value.is_object()),
        "stackTraceLimit" => ("stackTraceLimit", value.is_u64()),
        "repeat" => ("repeat", value.is_object()),
        "timestamp" => ("timestamp", value.is_number()),
        "debounce" => ("debounce", value.get("id").and_then(id_text).is_some()),
        "prevMillis" => ("prevMillis", value.is_number()),
        _ => return None,
    };
    (!fits && !value.is_null()).then_some(name)
}

impl Keep {
    /// Reads one of the two members. `null` counts as absent: Bull's own script fails on it (quirk Q6).
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Bool(true) => Self::None,
            Value::String(text) if !text.is_empty() => Self::None,
            Value::Number(n) => Self::of_count(n.as_f64().unwrap_or(-1.0)),
            Value::Object(members) => {
                let count = members.get("count").and_then(Value::as_f64);
                let age_s = members.get("age").and_then(Value::as_f64);
                let limit = members.get("limit").and_then(Value::as_u64);
                match (count, age_s) {
                    (None, None) => Self::All,
                    (Some(n), None) => Self::of_count(n),
                    (count, age_s) => {
                        Self::Some { count: count.filter(|n| *n > 0.0).map(|n| n as u64), age_s, limit }
                    }
                }
            }
            Value::Null | Value::Bool(false) | Value::String(_) | Value::Array(_) => Self::All,
        }
    }

    fn of_count(n: f64) -> Self {
        if n == 0.0 {
            Self::None
        } else if n < 0.0 {
            Self::All
        } else {
            Self::Some { count: Some(n as u64), age_s: None, limit: None }
        }
    }
}

/// An id that was given as text or as a number.
fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// JavaScript's truth.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64().is_some_and(|n| n != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn attempts(value: &Value) -> u32 {
    let n = match value {
        Value::Number(n) => n.as_f64().unwrap_or(1.0),
        Value::String(text) => integer_prefix(text).unwrap_or(1.0),
        _ => 1.0,
    };
    n.clamp(1.0, f64::from(u32::MAX)) as u32
}

fn backoff(value: Value) -> Option<Backoff> {
    match value {
        Value::Number(n) => {
            Some(Backoff { kind: "fixed".into(), delay: n.as_f64(), options: None, law: Law::Bull })
        }
        Value::Object(mut members) => {
            let kind = members.get("type").and_then(Value::as_str)?.to_owned();
            let delay = members.get("delay").and_then(Value::as_f64);
            Some(Backoff { kind, delay, options: members.remove("options"), law: Law::Bull })
        }
        _ => None,
    }
}

fn timeout(value: &Value) -> Timeout {
    match value {
        Value::Number(n) => match n.as_f64() {
            Some(ms) if ms > 0.0 => Timeout::Ms(ms.ceil() as u64),
            Some(0.0) | None => Timeout::None,
            Some(ms) => Timeout::Bad(ms.to_string()),
        },
        Value::Null | Value::Bool(false) => Timeout::None,
        Value::String(text) if text.is_empty() => Timeout::None,
        Value::String(text) => Timeout::Bad(text.clone()),
        other => Timeout::Bad(other.to_string()),
    }
}

/// JavaScript's `parseInt` for decimal text.
fn integer_prefix(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text
        .char_indices()
        .find(|(i, c)| !(c.is_ascii_digit() || (*i == 0 && (*c == '-' || *c == '+'))))
        .map_or(text.len(), |(i, _)| i);
    text[..end].parse().ok()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
