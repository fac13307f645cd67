//! Job ids, and which of them nobody should choose.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Longest id that our own `add` accepts, in bytes.
pub const ID_BYTES_MAX: usize = 256;

/// Names that are keys of a queue. A job with such an id would overwrite the queue's own key, or be taken
/// for an existing job and dropped (docs/wire/bull-4.md 1; measured: `active` stops a Bull queue for good).
pub const RESERVED: &[&str] = &[
    "wait", "paused", "meta-paused", "meta", "active", "delayed", "priority", "prioritized", "completed", "failed",
    "stalled", "stalled-check", "limiter", "repeat", "id", "de", "pc", "events", "marker", "drained", "metrics",
    "waiting-children", "x",
];

/// The id of a job within its queue: text, whatever the producer chose.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct JobId(Arc<str>);

impl JobId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks an id that a person or program wants *us* to add. Ids of foreign producers are taken as they are.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::job::JobId;
    /// assert!(JobId::checked("order-7").is_ok());
    /// assert!(JobId::checked("active").unwrap_err().contains("reserved"));
    /// assert!(JobId::checked("12").unwrap_err().contains("integer"));
    /// ```
    pub fn checked(text: &str) -> Result<Self, String> {
        let shown = text.escape_debug().to_string();
        let problem = if text.trim().is_empty() {
            "an id must not be blank"
        } else if text.len() > ID_BYTES_MAX {
            "an id has at most 256 bytes"
        } else if RESERVED.contains(&text) {
            "this word is reserved: it is a key of the queue itself"
        } else if text.bytes().all(|b| b.is_ascii_digit()) {
            "an integer would collide with the ids that the queue counts out itself"
        } else if text.contains([':', '{', '}']) {
            "':', '{' and '}' have a meaning in Redis keys"
        } else if text.chars().any(char::is_control) {
            "an id has no control characters"
        } else {
            return Ok(Self::from(text));
        };
        Err(format!("job id \"{}\": {problem}", shown.chars().take(64).collect::<String>()))
    }
}

impl From<&str> for JobId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for JobId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}
