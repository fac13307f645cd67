//! What queues, prefixes and workers may be called.
//!
//! Must never know: where the names come from. The rules are wide enough for what Node producers use and narrow enough
//! that no name can be a pattern, break a line or leave its place in a key.

use super::limits::{PREFIX_BYTES_MAX, QUEUE_NAME_BYTES_MAX, WORKER_NAME_BYTES_MAX};

/// What a queue's name consists of, for `expected …`.
pub(super) const QUEUE_NAME: &str =
    "1 to 128 bytes of letters, digits, spaces inside and . _ - : @ + /, at most one {tag}";
/// What a prefix consists of.
pub(super) const PREFIX: &str = "1 to 128 bytes of A-Z a-z 0-9 . _ - :, at most one {tag}";
/// What a worker's name consists of.
pub(super) const WORKER_NAME: &str = "1 to 128 bytes of A-Z a-z 0-9 . _ -";

/// Why a queue cannot have this name, and what to do.
pub(super) fn queue_name_fault(name: &str) -> Option<(&'static str, &'static str)> {
    let rename = "use the name that the producer passes to new Queue(…)";
    if name.is_empty() {
        return Some(("name is empty", rename));
    }
    if name.len() > QUEUE_NAME_BYTES_MAX {
        return Some(("name is too long", rename));
    }
    if name.contains(['*', '?', '[', ']', '\\']) {
        return Some((
            "name is a pattern",
            "name each queue in a table of its own; patterns are not matched",
        ));
    }
    if name.chars().any(char::is_control) {
        return Some(("name holds a control character", rename));
    }
    if name.split('/').any(|part| part == ".." || part == ".") {
        return Some(("name is a path", rename));
    }
    tag_fault(name).map(|fault| (fault, rename)).or_else(|| {
        let allowed = |c: char| c.is_alphanumeric() || " ._-:@+/{}".contains(c);
        let odd = !name.chars().all(allowed) || name.trim() != name;
        odd.then_some(("name holds a character that is not allowed", rename))
    })
}

/// Why a prefix cannot be this.
pub(super) fn prefix_fault(prefix: &str) -> Option<&'static str> {
    if prefix.is_empty() {
        return Some("is empty");
    }
    if prefix.len() > PREFIX_BYTES_MAX {
        return Some("is too long");
    }
    tag_fault(prefix).map(|fault| fault.strip_prefix("name ").unwrap_or(fault)).or_else(|| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:{}".contains(c);
        (!prefix.chars().all(allowed)).then_some("holds a character that is not allowed")
    })
}

/// Why a worker cannot be called this: the name becomes a part of tokens and keys.
pub(super) fn worker_name_fault(name: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() {
        return Some("is empty");
    }
    if name.len() > WORKER_NAME_BYTES_MAX {
        return Some("is too long");
    }
    (!name.chars().all(allowed)).then_some("holds a character that is not allowed")
}

/// A hash tag, which keeps the keys of a queue in one slot of a Cluster, must be whole and alone.
fn tag_fault(name: &str) -> Option<&'static str> {
    let (open, close) = (name.matches('{').count(), name.matches('}').count());
    match (open, close, name.find('{'), name.find('}')) {
        (0, 0, ..) => None,
        (1, 1, Some(open), Some(close)) if open + 1 < close => None,
        (1 | 0, 1, ..) | (1, 0, ..) => Some("name holds half a {tag}"),
        _ => Some("name holds more than one {tag}"),
    }
}
