//! The shape of progress: a number, or counts.

use serde_json::Value;

/// Adds the numeric member `progress` (percent) that other dashboards draw, to progress given as counts
/// `{total, processed, …}`. Anything else, and an object that has it already, is left as it is.
///
/// # Examples
///
/// ```
/// use serde_json::json;
/// let value = bullock::job::progress::with_percent(json!({"total": 200, "processed": 50}));
/// assert_eq!(value["progress"], 25);
/// ```
pub fn with_percent(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value
        && !members.contains_key("progress")
        && let (Some(total), Some(processed)) =
            (members.get("total").and_then(Value::as_f64), members.get("processed").and_then(Value::as_f64))
        && total > 0.0
    {
        let percent = (processed / total * 100.0).clamp(0.0, 100.0).floor() as u64;
        members.insert("progress".into(), percent.into());
    }
    value
}
