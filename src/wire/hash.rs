//! A stored job hash as people look at it: every field as it stands, nothing thrown away.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A job as stored, for the CLI and the API. Field names equal `job.toJSON()` in Node.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobView {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The data; text that is not JSON is shown as text.
    pub data: Value,
    /// The options.
    pub opts: Value,
    /// Progress: a number or any JSON; 0 when there was none.
    pub progress: Value,
    /// Added at, ms.
    pub timestamp: Option<i64>,
    /// The delay of the last add, ms.
    pub delay: Option<i64>,
    /// Attempts that came to an end: in Bull those that failed, in `BullMQ` the last, good one too.
    pub attempts_made: i64,
    /// Attempts that were begun (`BullMQ`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_started: Option<i64>,
    /// How often its worker died (`BullMQ`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalled_counter: Option<i64>,
    /// Name of the worker that took it last (`BullMQ`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processed_by: Option<String>,
    /// Key of its parent (`BullMQ`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_key: Option<String>,
    /// Its parent, and what its end means there (`BullMQ`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Value>,
    /// The scheduler that made it (`BullMQ`).
    #[serde(skip_serializing_if = "Option::is_none", alias = "schedulerId")]
    pub repeat_job_key: Option<String>,
    /// What stands for it in deduplication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deduplication_id: Option<String>,
    /// It fails with this text when it is taken next (`BullMQ`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred_failure: Option<String>,
    /// Last start, ms.
    pub processed_on: Option<i64>,
    /// End, ms.
    pub finished_on: Option<i64>,
    /// The last manual retry, ms.
    pub retried_on: Option<i64>,
    /// The result.
    pub returnvalue: Value,
    /// The text of the last failure.
    pub failed_reason: Option<String>,
    /// Stack traces, oldest first.
    pub stacktrace: Vec<String>,
}

impl JobView {
    /// Reads all fields of a hash.
    pub fn read(id: &str, fields: &[(String, String)]) -> Self {
        let get =
            |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let number = |name: &str| get(name).map(|text| super::bull::integer(Some(text.as_bytes())));
        let owned = |name: &str| get(name).map(str::to_owned);
        let json = |name: &str| {
            get(name)
                .map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
        };
        Self {
            id: id.to_owned(),
            name: get("name").unwrap_or("__default__").to_owned(),
            data: json("data").unwrap_or(Value::Null),
            opts: json("opts").unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            progress: json("progress").unwrap_or_else(|| 0.into()),
            timestamp: number("timestamp"),
            delay: number("delay"),
            attempts_made: number("attemptsMade").or(number("atm")).unwrap_or(0),
            attempts_started: number("ats"),
            stalled_counter: number("stalledCounter").or(number("stc")),
            processed_by: owned("pb"),
            parent_key: owned("parentKey"),
            parent: json("parent"),
            repeat_job_key: owned("rjk"),
            deduplication_id: owned("deid"),
            deferred_failure: owned("defa"),
            processed_on: number("processedOn"),
            finished_on: number("finishedOn"),
            retried_on: number("retriedOn"),
            returnvalue: json("returnvalue").unwrap_or(Value::Null),
            failed_reason: owned("failedReason"),
            stacktrace: get("stacktrace")
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
        }
    }

    /// The same with the short names of `BullMQ`'s options (docs/wire/bullmq.md 2.1) written out, as Node shows them.
    #[must_use]
    pub fn with_long_names(mut self) -> Self {
        let Value::Object(opts) = &mut self.opts else { return self };
        for (short, long) in LONG_NAMES {
            if let Some(value) = opts.shift_remove(*short) {
                opts.insert((*long).to_owned(), value);
            }
        }
        let telemetry: serde_json::Map<String, Value> = [("tm", "metadata"), ("omc", "omitContext")]
            .iter()
            .filter_map(|(short, long)| Some(((*long).to_owned(), opts.shift_remove(*short)?)))
            .collect();
        if !telemetry.is_empty() {
            opts.insert("telemetry".into(), telemetry.into());
        }
        self
    }
}

/// Options that `BullMQ` stores under short names, and their public ones.
const LONG_NAMES: &[(&str, &str)] = &[
    ("de", "deduplication"),
    ("fpof", "failParentOnFailure"),
    ("cpof", "continueParentOnFailure"),
    ("idof", "ignoreDependencyOnFailure"),
    ("rdof", "removeDependencyOnFailure"),
    ("kl", "keepLogs"),
];
