//! Names of keys and of connections.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest queue name that our own commands accept, in bytes.
pub const QUEUE_NAME_BYTES_MAX: usize = 128;

/// The two bases of a queue's keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Prefix of the queue, `bull` unless configured.
    pub prefix: Arc<str>,
    /// Name of the queue.
    pub queue: Arc<str>,
    /// `P` of the specification: `<prefix>:<queue>:`.
    pub base: Arc<str>,
    /// `X` of the specification: `<prefix>::x:<queue>::`, our own records. The empty second segment can be no
    /// queue, and Bull's clean-up calls do not see it.
    pub extra: Arc<str>,
}

impl Keys {
    /// The keys of one queue.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = bullock::wire::Keys::new("bull", "woo:customers");
    /// assert_eq!(&*keys.base, "bull:woo:customers:");
    /// assert_eq!(&*keys.extra, "bull::x:woo:customers::");
    /// ```
    pub fn new(prefix: &str, queue: &str) -> Self {
        Self {
            prefix: prefix.into(),
            queue: queue.into(),
            base: format!("{prefix}:{queue}:").into(),
            extra: format!("{prefix}::x:{queue}::").into(),
        }
    }

    /// A key of Bull's.
    pub fn of(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.base)
    }

    /// A key of ours.
    pub fn extra_of(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.extra)
    }

    /// The name that a worker's connection bears, so that `queue.getWorkers()` and dashboards find it
    /// (docs/wire/bull-4.md 12.5). The suffix tells our processes apart; Bull compares the beginning only.
    pub fn client_name(&self, worker: &str) -> String {
        let tail: String = worker.chars().map(|c| if c.is_ascii_graphic() { c } else { '-' }).collect();
        format!("{}:{}:{tail}", self.prefix, STANDARD.encode(self.queue.as_bytes()))
    }
}

/// Checks a queue name or prefix that a person typed. Names in Redis are taken as they are.
///
/// # Examples
///
/// ```
/// use bullock::wire::keys::check_name;
/// assert!(check_name("queue", "woo:customers").is_ok());
/// assert!(check_name("queue", "{shop}:orders").is_ok());
/// assert!(check_name("queue", "a*").is_err());
/// ```
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    let expected = "1 to 128 of A-Z a-z 0-9 . _ - : and at most one whole {tag}";
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    let tag_ok = match (name.find('{'), name.find('}')) {
        (None, None) => true,
        (Some(open), Some(close)) => {
            open + 1 < close && name.matches('{').count() == 1 && name.matches('}').count() == 1
        }
        _ => false,
    };
    let chars_ok = name.chars().all(|c| plain(c) || c == '{' || c == '}');
    if name.is_empty() || name.len() > QUEUE_NAME_BYTES_MAX || !tag_ok || !chars_ok {
        let shown: String = name.escape_debug().take(60).collect();
        return Err(format!("{what} \"{shown}\": expected {expected}"));
    }
    Ok(())
}
