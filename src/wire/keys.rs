//! Names of keys and of connections.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest queue name that our own commands accept, in bytes.
pub const QUEUE_NAME_BYTES_MAX: usize = 128;

/// Stands before the name of a worker in the name of its connection.
const NAMED: &str = ":w:";

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

    /// The name that a worker's connection bears, so that `queue.getWorkers()` and dashboards find it and tell our
    /// processes apart. It is `BullMQ`'s form (docs/wire/bullmq.md 10.4), which serves Bull as well: Bull compares the
    /// beginning only (docs/wire/bull-4.md 12.5).
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = bullock::wire::Keys::new("bull", "näme q");
    /// assert_eq!(keys.client_name("alpha"), "bull:bsOkbWUgcQ==:w:alpha");
    /// ```
    pub fn client_name(&self, worker: &str) -> String {
        let tail: String = worker.chars().map(|c| if c.is_ascii_graphic() { c } else { '-' }).collect();
        format!("{}{NAMED}{tail}", self.unnamed_client())
    }

    /// The worker that a connection of this name belongs to: its own name, or an empty one where it gave none. `None` =
    /// it belongs to no worker of this queue. Bull itself compares the beginning only, which takes the workers of
    /// "abcd" for those of "abc".
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = bullock::wire::Keys::new("bull", "q");
    /// assert_eq!(keys.worker_of("bull:cQ==:w:alpha"), Some("alpha"));
    /// assert_eq!(keys.worker_of("bull:cQ=="), Some(""));
    /// assert_eq!(keys.worker_of("bull:cQ==:qe"), None);
    /// ```
    pub fn worker_of<'a>(&self, client: &'a str) -> Option<&'a str> {
        let rest = client.strip_prefix(&self.unnamed_client())?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix(NAMED) }
    }

    /// The slot of a Cluster that all keys of the queue are in, if they are in one: the text between braces decides.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::wire::Keys;
    /// assert_eq!(Keys::new("bull", "{shop}:orders").slot(), Keys::new("bull", "{shop}:dead").slot());
    /// assert_ne!(Keys::new("{bull}", "orders").slot(), None);
    /// assert_eq!(Keys::new("bull", "orders").slot(), None);
    /// ```
    pub fn slot(&self) -> Option<u16> {
        let (_, rest) = self.base.split_once('{')?;
        let tag = rest.split_once('}')?.0;
        (!tag.is_empty()).then(|| crc16(tag.as_bytes()) % 16_384)
    }

    fn unnamed_client(&self) -> String {
        format!("{}:{}", self.prefix, STANDARD.encode(self.queue.as_bytes()))
    }
}

/// The checksum that Redis Cluster makes slots of (XMODEM).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |mut crc, byte| {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
        crc
    })
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
