//! One value inside a job's data, by its path, such as its organisation.
//!
//! Owns: what is a value there. Must never know: what the value is for. Called by the worker; lua/include/turns.lua reads
//! data by the same rules.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Data;

/// Longer data are not looked into.
const DATA_BYTES_MAX: usize = 1024 * 1024;

impl Data {
    /// The text, number or truth at a path, as text; `None` = there is none, or an empty text, a list, an object.
    ///
    /// ```
    /// use bullock::job::Data;
    /// let data = |text: &str| Data::Json(serde_json::from_str::<Box<serde_json::value::RawValue>>(text).unwrap().into());
    /// let path = ["shop".to_owned(), "id".to_owned()];
    /// assert_eq!(data(r#"{"shop": {"id": "acme"}}"#).value_at(&path).as_deref(), Some("acme"));
    /// assert_eq!(data(r#"{"shop": {"id": 7}}"#).value_at(&path).as_deref(), Some("7"));
    /// assert_eq!(data(r#"{"shop": {"id": ""}}"#).value_at(&path), None);
    /// assert_eq!(data(r#"{"shop": []}"#).value_at(&path), None);
    /// ```
    pub fn value_at(&self, path: &[String]) -> Option<String> {
        let Self::Json(raw) = self else { return None };
        let mut found: &RawValue = raw;
        if found.get().len() > DATA_BYTES_MAX {
            return None;
        }
        for name in path {
            // Only what stands beside the path is scanned, and nothing is built of it.
            let members: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(found.get()).ok()?;
            found = members.get(name.as_str())?;
        }
        match serde_json::from_str(found.get()).ok()? {
            Value::String(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Number(number) => number.as_f64().map(|number| number.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}
