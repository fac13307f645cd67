//! Which queues there are: nobody keeps a list of them, so all keys of a prefix are looked through, step by step.

use std::collections::BTreeSet;

use super::{Connection, StoreError};

/// Endings of keys of which every queue has one.
const QUEUE_SUFFIXES: &[&str] =
    &[":id", ":meta", ":wait", ":failed", ":completed", ":delayed", ":prioritized", ":waiting-children"];
/// Keys that one step looks at.
const STEP: usize = 1000;

/// A look through all keys of a prefix, a step at a time.
#[derive(Debug, Clone)]
pub struct Discovery {
    prefix: String,
    pattern: String,
    cursor: String,
    found: Names,
}

/// Names that the keys of a prefix tell.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Queues; some may only look like one.
    pub queues: BTreeSet<String>,
    /// Queues that have an audit log, some of which may be gone.
    pub audited: BTreeSet<String>,
}

impl Discovery {
    /// Before the first step.
    pub fn new(prefix: &str) -> Self {
        let pattern = format!("{}:*", escape_glob(prefix));
        Self { prefix: prefix.to_owned(), pattern, cursor: "0".to_owned(), found: Names::default() }
    }

    /// One command. `Some` = that was the last step: all queues. The next step begins anew.
    pub async fn step(&mut self, connection: &Connection) -> Result<Option<Names>, StoreError> {
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(&self.cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(STEP);
        let (next, keys): (String, Vec<Vec<u8>>) = connection.query(&cmd).await?;
        for key in keys.iter().filter_map(|key| std::str::from_utf8(key).ok()) {
            if let Some(queue) = queue_of(&self.prefix, key) {
                self.found.queues.insert(queue.to_owned());
            } else if let Some(queue) = audited_of(&self.prefix, key) {
                self.found.audited.insert(queue.to_owned());
            }
        }
        self.cursor = next;
        Ok((self.cursor == "0").then(|| std::mem::take(&mut self.found)))
    }

    /// What this look has found so far.
    pub fn so_far(&self) -> &Names {
        &self.found
    }
}

/// The queue that a key says there is.
fn queue_of<'a>(prefix: &str, key: &'a str) -> Option<&'a str> {
    let rest = key.strip_prefix(prefix)?.strip_prefix(':')?;
    // An empty segment is ours (`::x:`) or another program's; `<queue>:metrics:completed` is a part of its metrics.
    if rest.starts_with(':') || rest.ends_with(":metrics:completed") || rest.ends_with(":metrics:failed") {
        return None;
    }
    QUEUE_SUFFIXES.iter().find_map(|suffix| rest.strip_suffix(suffix))
}

/// The queue whose audit log this key is.
fn audited_of<'a>(prefix: &str, key: &'a str) -> Option<&'a str> {
    key.strip_prefix(prefix)?.strip_prefix("::x:")?.strip_suffix("::audit")
}

/// Names of the queues under a prefix, found by their counters and `meta` keys, sorted.
pub async fn queues(connection: &Connection, prefix: &str) -> Result<Vec<String>, StoreError> {
    let mut discovery = Discovery::new(prefix);
    loop {
        if let Some(names) = discovery.step(connection).await? {
            return Ok(names.queues.into_iter().collect());
        }
    }
}

/// Text that matches itself in a Redis pattern.
pub(super) fn escape_glob(text: &str) -> String {
    text.chars().flat_map(|c| if "*?[]\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}
