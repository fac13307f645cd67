//! A stored job hash as people look at it: every field as it stands, nothing thrown away.

use serde::Serialize;
use serde_json::Value;

/// A job as stored, for the CLI and the API. Field names equal `job.toJSON()` in Node.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
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
    /// Failed attempts.
    pub attempts_made: i64,
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
            attempts_made: number("attemptsMade").unwrap_or(0),
            processed_on: number("processedOn"),
            finished_on: number("finishedOn"),
            retried_on: number("retriedOn"),
            returnvalue: json("returnvalue").unwrap_or(Value::Null),
            failed_reason: get("failedReason").map(str::to_owned),
            stacktrace: get("stacktrace")
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
        }
    }
}
