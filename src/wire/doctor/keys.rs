//! The keys of a queue with their types, and what a key below the queue's name is.

use crate::wire::Dialect;

/// Keys of every queue, with the types that they must have.
const SHARED: &[(&str, &str)] = &[
    ("wait", "list"),
    ("paused", "list"),
    ("active", "list"),
    ("delayed", "zset"),
    ("completed", "zset"),
    ("failed", "zset"),
    ("stalled", "set"),
    ("stalled-check", "string"),
    ("id", "string"),
    ("meta", "hash"),
    ("limiter", "string"),
    ("repeat", "zset"),
    ("metrics:completed", "hash"),
    ("metrics:failed", "hash"),
    ("metrics:completed:data", "list"),
    ("metrics:failed:data", "list"),
];
const BULL: &[(&str, &str)] = &[("priority", "zset"), ("meta-paused", "string"), ("limiter:index", "hash")];
const BULLMQ: &[(&str, &str)] = &[
    ("prioritized", "zset"),
    ("waiting-children", "zset"),
    ("pc", "string"),
    ("marker", "zset"),
    ("events", "stream"),
];
/// Our own, below the other base.
pub const EXTRA: &[(&str, &str)] = &[
    ("version", "string"),
    ("fence", "string"),
    ("leases", "set"),
    ("leases:stalled", "hash"),
    ("audit", "stream"),
    ("cancel", "stream"),
];

/// The keys that a queue of this dialect may have, with their types.
pub fn types(dialect: Dialect) -> impl Iterator<Item = (&'static str, &'static str)> {
    let own = match dialect {
        Dialect::Bull => BULL,
        Dialect::BullMq => BULLMQ,
    };
    SHARED.iter().chain(own).copied()
}

/// What a key below the queue's base is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOf<'a> {
    /// A job, or one of the queue's own keys.
    Job(&'a [u8]),
    /// The lock of a job.
    Lock(&'a [u8]),
    /// Children of a job, or what became of them.
    Family(&'a [u8]),
    /// The owner of a deduplication id.
    Dedup(&'a [u8]),
    /// A payload that waits for the owner of a deduplication id to end.
    Parked(&'a [u8]),
    /// Not looked at: logs.
    Other,
}

/// Sorts a key by what stands behind the queue's base.
///
/// # Examples
///
/// ```
/// use bullock::wire::Dialect;
/// use bullock::wire::doctor::keys::{KeyOf, key_of};
/// assert_eq!(key_of(Dialect::Bull, b"7:lock"), KeyOf::Lock(b"7"));
/// assert_eq!(key_of(Dialect::BullMq, b"a:b:dependencies"), KeyOf::Family(b"a:b"));
/// assert_eq!(key_of(Dialect::Bull, b"a:failed"), KeyOf::Job(b"a:failed"));
/// ```
pub fn key_of(dialect: Dialect, key: &[u8]) -> KeyOf<'_> {
    if let Some(id) = key.strip_suffix(b":lock") {
        return KeyOf::Lock(id);
    }
    if key.ends_with(b":logs") {
        return KeyOf::Other;
    }
    if let Some(id) = key.strip_prefix(b"de:") {
        return KeyOf::Dedup(id);
    }
    if dialect == Dialect::BullMq {
        if let Some(id) = key.strip_prefix(b"dn:") {
            return KeyOf::Parked(id);
        }
        for suffix in [&b":dependencies"[..], b":processed", b":unsuccessful", b":failed"] {
            if let Some(id) = key.strip_suffix(suffix)
                && !key.starts_with(b"metrics:")
            {
                return KeyOf::Family(id);
            }
        }
    }
    KeyOf::Job(key)
}
