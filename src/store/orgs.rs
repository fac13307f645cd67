//! Turns between organisations and limits by key: what the workers of a queue agree on, and the index that they share.
//!
//! Owns: the terms as the scripts read them, and keeping the index. Must never know: the config, who runs the jobs. Called
//! by `app`, and by `worker` through the store that it is given. The design is in docs/orgs.md.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::discovery::escape_glob;
use super::{Store, StoreError, integer};

/// Jobs that one call puts into the index: it takes less than 5 ms.
const INDEXED_MOST: usize = 200;
/// What outlives its queue: the log, where its jobs were moved to, and answers, which end by themselves.
const KEPT: &[&str] = &["audit", "move", "reply:"];
/// Keys that one step looks at.
const SCANNED: usize = 1000;

/// How jobs of one queue share it. All workers of the queue must be set alike; where they are not, those that started last
/// decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turns {
    /// Where jobs of foreign producers carry their organisation: a path inside the data. A sync's own comes first.
    pub org: Option<Vec<String>>,
    /// Organisations take turns.
    pub fair: bool,
    /// Limits by key.
    pub limits: Vec<KeyLimit>,
}

/// A limit that each value of a key has for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLimit {
    /// What it is called in Redis; unique in its queue.
    pub label: String,
    /// The key: a path inside the data; `None` = the organisation.
    pub path: Option<Vec<String>>,
    /// Which jobs it counts.
    pub names: Names,
    /// So many run at once.
    pub running: Option<u64>,
    /// So many begin …, in any time of this length.
    pub rate: Option<(u64, Duration)>,
}

/// Names of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Names {
    /// All.
    #[default]
    Any,
    /// These.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

impl Turns {
    /// Is there nothing to share?
    pub fn is_empty(&self) -> bool {
        !self.fair && self.limits.is_empty()
    }

    /// As the scripts read it. The same terms are the same text.
    fn to_json(&self) -> String {
        let limits: Vec<Value> = self.limits.iter().map(|limit| limit.to_json(self.org.as_ref())).collect();
        let mut all = Map::from_iter([("fair".into(), self.fair.into()), ("limits".into(), limits.into())]);
        if let Some(org) = &self.org {
            all.insert("org".into(), json!(org));
        }
        Value::Object(all).to_string()
    }
}

impl KeyLimit {
    fn to_json(&self, org: Option<&Vec<String>>) -> Value {
        let mut all = Map::from_iter([("label".into(), json!(self.label))]);
        // A limit on the path of the organisation counts what was said at a sync's start, too.
        if let Some(path) = self.path.as_ref().filter(|path| Some(*path) != org) {
            all.insert("path".into(), json!(path));
        }
        match &self.names {
            Names::Any => {}
            Names::Only(names) => drop(all.insert("names".into(), json!(names))),
            Names::Except(names) => drop(all.insert("except".into(), json!(names))),
        }
        if let Some(running) = self.running {
            all.insert("running".into(), running.into());
        }
        if let Some((max, per)) = self.rate {
            all.insert("max".into(), max.into());
            all.insert("per".into(), (per.as_millis().max(1) as u64).into());
        }
        Value::Object(all)
    }
}

impl Store {
    /// How this queue is shared; `None` = its jobs are claimed in its own order.
    pub fn turns(&self) -> Option<&Turns> {
        self.turns.as_deref()
    }

    /// Says the terms anew: those of others are replaced, and the index begins anew if they were different.
    pub(super) async fn say_turns(&self, turns: &Turns) -> Result<bool, StoreError> {
        self.call_index(&turns.to_json()).await
    }

    /// Puts some more waiting jobs into the index. True = more is left.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn index_turns(&self, says: bool) -> Result<bool, StoreError> {
        let Some(turns) = &self.turns else { return Ok(false) };
        if says { self.say_turns(turns).await } else { self.call_index("").await }
    }

    async fn call_index(&self, terms: &str) -> Result<bool, StoreError> {
        let script = &self.scripts.index_turns;
        let mut call = script.call(&self.keys);
        call.arg(terms).arg(INDEXED_MOST);
        Ok(integer(&script.run(&self.connection, &call).await?)? == 1)
    }

    /// Deletes what is left of a queue that is gone: what is kept by organisation and under idempotency keys, the index, history,
    /// watermarks. A step at a time; each is one command that takes Redis less than 1 ms.
    pub(super) async fn forget_rest(&self) -> Result<(), StoreError> {
        let base = &self.keys.extra;
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(format!("{}*", escape_glob(base))).arg("COUNT").arg(SCANNED);
            let (next, keys): (String, Vec<Vec<u8>>) = self.connection.query(&scan).await?;
            let goes = |key: &&Vec<u8>| {
                let name = key.strip_prefix(base.as_bytes()).unwrap_or_default();
                !KEPT.iter().any(|start| name.starts_with(start.as_bytes()))
            };
            let found: Vec<&Vec<u8>> = keys.iter().filter(goes).collect();
            if !found.is_empty() {
                let _: u64 = self.connection.query(redis::cmd("UNLINK").arg(found)).await?;
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }
}
