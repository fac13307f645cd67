//! What a job of a Bull 4 queue is called when it has moved to a `BullMQ` queue: its options by the other library's names
//! and rules (docs/wire/bull-4.md 3, docs/wire/bullmq.md 2.1), and what cannot be said there.

use serde_json::{Map, Value, json};

use super::new_job::PRIORITY_MAX;
use crate::job::cron::Zone;
use crate::job::repeat::{Carried, carried};

/// A job's options, translated.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// To be stored, JSON text.
    pub opts: String,
    /// To be stored; `0` = none.
    pub priority: u64,
    /// It is an occurrence of a repeatable job.
    pub series: Option<Carried>,
    /// What was said in another way, or means something else now.
    pub notes: Vec<&'static str>,
}

/// Not the same in `BullMQ`, said to whoever moves a queue.
pub mod note {
    #![allow(missing_docs, reason = "they are the texts")]
    pub const DEBOUNCE: &str = "debounce is deduplication now";
    pub const EXPONENTIAL: &str =
        "exponential backoff waits 1, 2, 4, … times its delay in BullMQ; in Bull 1, 3, 7, … times";
    pub const BACKOFF_TYPE: &str = "a backoff type of your own must be known to the BullMQ workers, too";
    pub const TIMEOUT: &str =
        "timeout is kept and has no effect: BullMQ has none, its handlers stop themselves";
    pub const PRIORITY: &str = "a priority was brought into BullMQ's 1 … 2097151";
    pub const PRIORITIZED: &str =
        "jobs with a priority run after those without one in BullMQ, before them in Bull";
    pub const RETENTION: &str = "removeOnComplete or removeOnFail was put as BullMQ reads it";
    pub const SERIES: &str = "a repeatable job is a job scheduler now";
    pub const RAW_DATA: &str = "preventParsingData is kept and has no effect: BullMQ hands data over parsed";
}

/// Translates the options of the job `id`, which is called `name`. `zone` is that of dates without an offset.
///
/// # Errors
///
/// Says why this job cannot be a `BullMQ` job.
///
/// # Examples
///
/// ```
/// use bullock::job::cron::Zone;
/// use bullock::wire::moving::translate;
/// let opts = r#"{"attempts":3,"delay":0,"timestamp":1700000000000,"debounce":{"id":"d"}}"#;
/// let moved = translate("7", "mail", opts, Zone::Utc).unwrap();
/// assert_eq!(moved.opts, r#"{"attempts":3,"de":{"id":"d"}}"#);
/// ```
pub fn translate(id: &str, name: &str, opts: &str, zone: Zone) -> Result<Translated, String> {
    let given: Map<String, Value> = match serde_json::from_str(if opts.is_empty() { "{}" } else { opts }) {
        Ok(Value::Object(given)) => given,
        _ => return Err("its options are no JSON object".into()),
    };
    let series = carried(name, id, &given, zone)?;
    let mut notes = Vec::new();
    let priority = priority(given.get("priority"), &mut notes);
    let mut opts = Map::new();
    for (member, value) in given {
        if let Some((member, value)) = option(member, value, series.is_some(), &mut notes) {
            opts.insert(member, value);
        }
    }
    if opts.contains_key("priority") {
        opts.insert("priority".into(), priority.into());
    }
    let mut series = series;
    if let Some(series) = &mut series {
        notes.push(note::SERIES);
        become_iteration(id, &mut opts, series);
    }
    Ok(Translated { opts: Value::Object(opts).to_string(), priority, series, notes })
}

/// One option; `None` = it is not stored.
fn option(
    member: String,
    value: Value,
    in_series: bool,
    notes: &mut Vec<&'static str>,
) -> Option<(String, Value)> {
    let value = match (member.as_str(), value) {
        (_, Value::Null) => return None,
        ("debounce", Value::Object(mut debounce)) => {
            debounce.retain(|_, value| !value.is_null());
            notes.push(note::DEBOUNCE);
            // Each iteration would stop the next one.
            return (!in_series).then_some(("de".into(), Value::Object(debounce)));
        }
        // They are fields of the hash. Bull completes everybody's options with them, BullMQ nobody's.
        ("timestamp" | "prevMillis" | "repeat", _) if !in_series => return None,
        ("delay", value) if !in_series && value.as_f64() == Some(0.0) => return None,
        ("backoff", value) => backoff(value, notes)?,
        ("removeOnComplete" | "removeOnFail", value) => retention(value, notes),
        // All traces to Bull, none to BullMQ.
        ("stackTraceLimit", value) if value.as_f64() == Some(0.0) => return None,
        ("timeout", value) => {
            if value.as_f64().is_none_or(|ms| ms != 0.0) {
                notes.push(note::TIMEOUT);
            }
            value
        }
        ("preventParsingData", value) => {
            if value == Value::Bool(true) {
                notes.push(note::RAW_DATA);
            }
            value
        }
        ("jobId", Value::Number(id)) => Value::String(id.to_string()),
        (_, value) => value,
    };
    Some((member, value))
}

fn backoff(value: Value, notes: &mut Vec<&'static str>) -> Option<Value> {
    match value {
        Value::Number(ms) => Some(json!({"type": "fixed", "delay": ms})),
        Value::Object(mut members) => {
            match members.get("type").and_then(Value::as_str) {
                Some("fixed") => {}
                Some("exponential") => notes.push(note::EXPONENTIAL),
                _ => notes.push(note::BACKOFF_TYPE),
            }
            // Bull retries at once, and BullMQ does not defend itself.
            if !members.get("delay").is_some_and(Value::is_number) {
                members.insert("delay".into(), 0.into());
            }
            Some(Value::Object(members))
        }
        _ => None,
    }
}

/// docs/wire/bull-4.md 7.3 in the forms of docs/wire/bullmq.md 2.3.
fn retention(value: Value, notes: &mut Vec<&'static str>) -> Value {
    let put = match &value {
        Value::String(text) => !text.is_empty(),
        Value::Number(n) if n.as_f64().is_some_and(|n| n < 0.0) => false,
        Value::Object(members) if members.is_empty() => false,
        _ => return value,
    };
    notes.push(note::RETENTION);
    Value::Bool(put)
}

/// Whole and in range; the order of those out of range among themselves is lost.
fn priority(value: Option<&Value>, notes: &mut Vec<&'static str>) -> u64 {
    let given = value.and_then(Value::as_f64).unwrap_or(0.0);
    if given == 0.0 {
        return 0;
    }
    notes.push(note::PRIORITIZED);
    let put = given.ceil().clamp(1.0, PRIORITY_MAX as f64);
    if (put - given).abs() > f64::EPSILON {
        notes.push(note::PRIORITY);
    }
    put as u64
}

/// What the options of an iteration say beside those of its scheduler; the scheduler's template is what remains without
/// them.
fn become_iteration(id: &str, opts: &mut Map<String, Value>, series: &mut Carried) {
    const OF_ONE: [&str; 5] = ["repeat", "jobId", "delay", "timestamp", "prevMillis"];
    let mut template = opts.clone();
    template.retain(|member, _| !OF_ONE.contains(&member.as_str()));
    if !template.is_empty() {
        series.record.push(("opts", Value::Object(template).to_string()));
    }
    if series.repeat.contains_key("every") {
        opts.remove("prevMillis");
    }
    opts.insert("repeat".into(), Value::Object(series.repeat.clone()));
    opts.insert("repeatJobKey".into(), series.scheduler.as_str().into());
    opts.insert("jobId".into(), id.into());
}
