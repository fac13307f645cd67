//! One walk over the keys of a prefix, sorted by queue.

use std::collections::{BTreeMap, HashSet};

use crate::store::inspect::queues;
use crate::store::{Connection, StoreError};
use crate::wire::Dialect;
use crate::wire::doctor::keys::{KeyOf, key_of};

/// Keys asked for at a time.
const SCAN_COUNT: usize = 1000;
/// What stands between the prefix and a queue's name in the names of our own records.
const OWN: &[u8] = b":x:";

/// The keys of one queue, as bytes behind its two bases.
#[derive(Debug, Default)]
pub struct Found {
    /// Behind `<prefix>:<queue>:`.
    keys: Vec<Vec<u8>>,
    /// Behind `<prefix>::x:<queue>::`.
    own: Vec<Vec<u8>>,
}

impl Found {
    /// Has it no key at all?
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.own.is_empty()
    }

    /// What keys of one kind are about.
    pub(super) fn of<'a>(
        &'a self,
        dialect: Dialect,
        pick: impl Fn(KeyOf<'a>) -> Option<&'a [u8]> + 'a,
    ) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.keys.iter().filter_map(move |key| pick(key_of(dialect, key)))
    }

    /// The ids of jobs that keys and records speak of.
    pub(super) fn ids(&self, dialect: Dialect) -> HashSet<&[u8]> {
        let of_keys = self.of(dialect, |key| match key {
            KeyOf::Job(id) | KeyOf::Lock(id) => Some(id),
            KeyOf::Family(_) | KeyOf::Dedup(_) | KeyOf::Parked(_) | KeyOf::Other => None,
        });
        of_keys.chain(self.own.iter().filter_map(|key| key.strip_prefix(&b"job:"[..]))).collect()
    }

    /// The largest number that is the id of a job.
    pub(super) fn largest_number(&self) -> u64 {
        let numbers = self.keys.iter().filter_map(|key| std::str::from_utf8(key).ok()?.parse::<u64>().ok());
        numbers.filter(|n| *n < 1 << 53).max().unwrap_or(0)
    }
}

/// Walks over the keys of a prefix and sorts them by queue: those named, or all that there are. SCAN only: other clients
/// are served between two steps.
pub async fn scan(
    connection: &Connection,
    prefix: &str,
    wanted: &[String],
) -> Result<BTreeMap<String, Found>, StoreError> {
    let mut names: HashSet<String> = real(connection, prefix, queues(connection, prefix).await?).await?;
    names.extend(wanted.iter().cloned());
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for name in names.iter().filter(|name| wanted.is_empty() || wanted.contains(*name)) {
        found.insert(name.clone(), Found::default());
    }
    let mut cursor = "0".to_owned();
    let (pattern, head) = (format!("{}:*", escaped(prefix)), format!("{prefix}:"));
    loop {
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
        let (next, keys): (String, Vec<Vec<u8>>) = connection.query(&cmd).await?;
        for key in keys {
            let Some(rest) = key.strip_prefix(head.as_bytes()) else { continue };
            sort_in(rest, &names, &mut found);
        }
        if next == "0" {
            break;
        }
        cursor = next;
    }
    for queue in found.values_mut() {
        for keys in [&mut queue.keys, &mut queue.own] {
            // SCAN may show a key twice.
            keys.sort_unstable();
            keys.dedup();
        }
    }
    Ok(found)
}

/// Puts one key, without the prefix, where it belongs. Names of Bull queues may have colons: the longest one wins.
fn sort_in(rest: &[u8], names: &HashSet<String>, found: &mut BTreeMap<String, Found>) {
    if let Some(own) = rest.strip_prefix(OWN) {
        let Some(end) = own.windows(2).position(|pair| pair == b"::") else { return };
        let name = String::from_utf8_lossy(&own[..end]);
        if let Some(queue) = found.get_mut(&*name) {
            queue.own.push(own[end + 2..].to_vec());
        }
        return;
    }
    let ends = rest.iter().enumerate().rev().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    let owner = ends
        .filter_map(|at| Some((at, std::str::from_utf8(&rest[..at]).ok()?)))
        .find(|(_, name)| names.contains(*name));
    let Some((at, name)) = owner else { return };
    if let Some(queue) = found.get_mut(name) {
        queue.keys.push(rest[at + 1..].to_vec());
    }
}

/// Drops what only looks like a queue: `<queue>:<id>:failed` is a hash of a flow, and no queue `<queue>:<id>`.
async fn real(
    connection: &Connection,
    prefix: &str,
    names: Vec<String>,
) -> Result<HashSet<String>, StoreError> {
    const SIGNS: [&str; 8] =
        ["failed", "id", "meta", "wait", "completed", "delayed", "prioritized", "waiting-children"];
    let mut real = HashSet::new();
    for name in names {
        let mut pipe = redis::pipe();
        for key in SIGNS {
            pipe.cmd("TYPE").arg(format!("{prefix}:{name}:{key}"));
        }
        let types = connection.pipeline(&pipe, SIGNS.len()).await?;
        let types: Vec<String> =
            types.into_iter().filter_map(|reply| crate::store::text(reply).ok()).collect();
        let of_a_flow = types.first().is_some_and(|kind| kind == "hash");
        let others = types.iter().skip(1).any(|kind| kind != "none");
        if others || !of_a_flow {
            real.insert(name);
        }
    }
    Ok(real)
}

/// Text that matches itself in a pattern.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| if "*?[]\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}
