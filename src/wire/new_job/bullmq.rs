//! A job to add, encoded as npm `bullmq` encodes it (docs/wire/bullmq.md 2.1, 3).

use serde_json::{Map, Value, json};

use super::{Deduplication, NewJob, Parent, is_nothing, number_text, plain_text};

/// The largest priority.
pub const PRIORITY_MAX: u64 = 2_097_151;

/// Options that are stored under a short name: public, stored.
const SHORT: [(&str, &str); 6] = [
    ("deduplication", "de"),
    ("failParentOnFailure", "fpof"),
    ("continueParentOnFailure", "cpof"),
    ("ignoreDependencyOnFailure", "idof"),
    ("removeDependencyOnFailure", "rdof"),
    ("keepLogs", "kl"),
];

/// What a failed child does to its parent, as its options say; at most one of them.
const PARENT_FLAGS: [&str; 4] = ["fpof", "cpof", "idof", "rdof"];

impl NewJob {
    /// Encodes what a producer passes, for a `BullMQ` queue. Options bear `BullMQ`'s public names; they are stored under
    /// its short ones, without members that are null, with `attempts` (0 if missing) and with a `backoff` that is an
    /// object. `debounce`, the older word for `deduplication`, is taken for it.
    ///
    /// # Errors
    ///
    /// Says which option is wrong, and what is expected: what `BullMQ`'s own producer refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::wire::NewJob;
    /// use serde_json::json;
    /// let opts = json!({"backoff": 1000, "keepLogs": 5}).as_object().unwrap().clone();
    /// let job = NewJob::bullmq("mail", &json!({"to": "a"}), opts).unwrap();
    /// assert_eq!(job.opts_head, r#"{"attempts":0,"backoff":{"type":"fixed","delay":1000},"kl":5}"#);
    /// let opts = json!({"jobId": "12"}).as_object().unwrap().clone();
    /// assert!(NewJob::bullmq("mail", &json!({}), opts).is_err());
    /// ```
    pub fn bullmq(name: &str, data: &Value, opts: Map<String, Value>) -> Result<Self, String> {
        let mut job = Self::template(name, data, opts)?;
        let mut opts = Map::from_iter([("attempts".to_owned(), Value::from(0))]);
        if let Ok(Value::Object(given)) = serde_json::from_str(&job.opts_head) {
            opts.extend(given);
        }
        job.opts_head = Value::Object(opts).to_string();
        Ok(job)
    }

    /// The same without the default of `attempts`: what a scheduler makes its iterations from.
    pub fn template(name: &str, data: &Value, opts: Map<String, Value>) -> Result<Self, String> {
        let opts = stored(opts)?;
        check(&opts)?;
        let data = if data.is_null() { "{}".into() } else { data.to_string() };
        if let Some(limit) = opts.get("sizeLimit").and_then(Value::as_f64)
            && data.len() as f64 > limit
        {
            return Err(format!("data of {} bytes: sizeLimit is {limit}", data.len()));
        }
        let number = |member: &str| opts.get(member).and_then(Value::as_f64);
        Ok(Self {
            id: opts.get("jobId").and_then(plain_text),
            name: name.to_owned(),
            data,
            opts_head: Value::Object(opts.clone()).to_string(),
            opts_tail: String::new(),
            timestamp: number("timestamp").map(|ms| ms as i64),
            delay: number_text(number("delay").unwrap_or(0.0).max(0.0)),
            priority: number_text(number("priority").unwrap_or(0.0)),
            lifo: opts.get("lifo").and_then(Value::as_bool).unwrap_or(false),
            deduplication: opts.get("de").and_then(Deduplication::of),
            parent: opts.get("parent").map(|parent| parent_of(parent, &opts)).transpose()?,
            has_children: false,
        })
    }

    /// Puts the job below a parent: `queue_key` is `<prefix>:<queue>` of the parent's queue.
    ///
    /// # Errors
    ///
    /// A job that has a parent cannot be deduplicated.
    pub fn below(mut self, queue_key: &str, id: &str) -> Result<Self, String> {
        let mut opts: Map<String, Value> = serde_json::from_str(&self.opts_head).unwrap_or_default();
        opts.insert("parent".into(), json!({"id": id, "queue": queue_key}));
        check(&opts)?;
        self.parent = Some(parent_of(&opts["parent"], &opts)?);
        self.opts_head = Value::Object(opts).to_string();
        Ok(self)
    }
}

/// The options as they are stored.
fn stored(opts: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut stored = Map::new();
    for (name, value) in opts {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("debounce", value) => drop(stored.insert("de".into(), without_nulls(value))),
            ("telemetry", value) => {
                for (member, short) in [("metadata", "tm"), ("omitContext", "omc")] {
                    if let Some(value) = value.get(member).filter(|value| !value.is_null()) {
                        stored.insert(short.into(), value.clone());
                    }
                }
            }
            ("backoff", Value::Number(ms)) => {
                stored.insert("backoff".into(), json!({"type": "fixed", "delay": ms}));
            }
            ("repeat", _) => {
                return Err("repeat: a BullMQ queue has job schedulers for that, and BullMQ 6 would run this job once: \
                            upsert a scheduler instead"
                    .into());
            }
            (name, value) => {
                let short = SHORT.iter().find(|(public, _)| *public == name).map_or(name, |(_, short)| short);
                stored.insert(short.to_owned(), without_nulls(value));
            }
        }
    }
    Ok(stored)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect(),
        ),
        other => other,
    }
}

/// What `BullMQ`'s producer refuses.
fn check(opts: &Map<String, Value>) -> Result<(), String> {
    match opts.get("jobId") {
        None => {}
        Some(Value::String(id)) => check_id(id)?,
        Some(other) => return Err(format!("jobId {other}: expected text")),
    }
    if let Some(priority) = opts.get("priority")
        && !priority.as_f64().is_some_and(|n| n.fract() == 0.0 && (0.0..=PRIORITY_MAX as f64).contains(&n))
    {
        return Err(format!("priority {priority}: expected a whole number from 0 (none) to {PRIORITY_MAX}"));
    }
    for member in ["delay", "timestamp"] {
        if let Some(ms) = opts.get(member)
            && !ms.as_f64().is_some_and(|ms| ms >= 0.0)
        {
            return Err(format!("{member} {ms}: expected milliseconds, at least 0"));
        }
    }
    if let Some(jitter) = opts.get("backoff").and_then(|backoff| backoff.get("jitter"))
        && !jitter.as_f64().is_some_and(|jitter| (0.0..=1.0).contains(&jitter))
    {
        return Err(format!("backoff.jitter {jitter}: expected a number from 0 to 1"));
    }
    let flags: Vec<&str> =
        PARENT_FLAGS.into_iter().filter(|flag| opts.get(*flag).is_some_and(|v| !is_nothing(v))).collect();
    if flags.len() > 1 {
        let named: Vec<&str> = SHORT
            .into_iter()
            .filter_map(|(public, short)| flags.contains(&short).then_some(public))
            .collect();
        return Err(format!("{}: only one of them can be set", named.join(" and ")));
    }
    if let Some(de) = opts.get("de") {
        if Deduplication::of(de).is_none() {
            return Err("deduplication: expected an object with an id".into());
        }
        if opts.contains_key("parent") {
            return Err("deduplication and parent: a child cannot be deduplicated".into());
        }
    }
    Ok(())
}

fn check_id(id: &str) -> Result<(), String> {
    let shown = id.escape_debug();
    if id.is_empty() || id == "0" || id.starts_with("0:") {
        return Err(format!("job id \"{shown}\": BullMQ keeps it for itself"));
    }
    if id.parse::<i128>().is_ok_and(|n| n.to_string() == id) {
        return Err(format!("job id \"{shown}\": whole numbers are the queue's own ids"));
    }
    let segments = id.split(':').count();
    if segments != 1 && segments != 3 {
        return Err(format!("job id \"{shown}\": expected no colon, or exactly two"));
    }
    Ok(())
}

/// The two fields of a child's hash, from the option `parent` (`{"id", "queue"}`).
fn parent_of(parent: &Value, opts: &Map<String, Value>) -> Result<Parent, String> {
    let (Some(id), Some(queue)) =
        (parent.get("id").and_then(plain_text), parent.get("queue").and_then(Value::as_str))
    else {
        return Err(format!("parent {parent}: expected {{\"id\", \"queue\"}}, queue being <prefix>:<name>"));
    };
    let mut members =
        Map::from_iter([("id".to_owned(), Value::from(&*id)), ("queueKey".to_owned(), queue.into())]);
    for flag in PARENT_FLAGS {
        if opts.get(flag).is_some_and(|value| !is_nothing(value)) {
            members.insert(flag.into(), true.into());
        }
    }
    Ok(Parent { key: format!("{queue}:{id}"), json: Value::Object(members).to_string() })
}

impl Deduplication {
    /// Reads the option; `None` without an id.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let is = |member: &str| value.get(member).is_some_and(|value| !is_nothing(value));
        Some(Self {
            id: value.get("id").and_then(plain_text).filter(|id| !id.is_empty())?,
            ttl_ms: value.get("ttl").and_then(Value::as_u64),
            extend: is("extend"),
            replace: is("replace"),
            keep_last_if_active: is("keepLastIfActive"),
            reschedule: is("reschedule"),
        })
    }
}
