//! Bounded reads for people: counts, lists, one job.

use redis::Value;
use serde::{Deserialize, Serialize};

pub(super) use super::discovery::escape_glob;
pub use super::discovery::queues;
use super::{Store, StoreError, array, bytes, convert, integer, text};
use crate::wire::Dialect;
use crate::wire::hash::JobView;

/// Most jobs on one page.
pub const PAGE_MAX: usize = 200;

/// What is shown of a scheduler's record: never its template, which holds a job's data.
pub(super) const SCHEDULER_FIELDS: [&str; 8] =
    ["name", "every", "pattern", "tz", "offset", "limit", "endDate", "ic"];

/// A repeatable job of Bull, or a job scheduler of `BullMQ`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeatable {
    /// Bull's key, which says all; the scheduler's id.
    pub key: String,
    /// When it is due next, ms since the epoch.
    pub next_ms: i64,
    /// Of a scheduler: some fields of its record (docs/wire/bullmq.md 8.1), as stored.
    pub record: Vec<(&'static str, String)>,
}

/// How many jobs are in each state, read in one transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// In `wait`.
    pub waiting: u64,
    /// In `prioritized`; `None` = this dialect has no such state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prioritized: Option<u64>,
    /// In `paused`; `BullMQ` 6 leaves it empty.
    pub paused: u64,
    /// In `active`.
    pub active: u64,
    /// In `delayed`.
    pub delayed: u64,
    /// In `waiting-children`; `None` = this dialect has no such state.
    #[serde(rename = "waiting-children", skip_serializing_if = "Option::is_none")]
    pub waiting_children: Option<u64>,
    /// In `completed`.
    pub completed: u64,
    /// In `failed`.
    pub failed: u64,
}

impl Counts {
    /// Jobs that a worker could take now, if the queue is not paused.
    pub fn in_line(&self) -> u64 {
        self.waiting + self.paused + self.prioritized.unwrap_or(0)
    }
}

/// The order in which the libraries derive a state (docs/wire/bull-4.md 1.1, docs/wire/bullmq.md 1.2), each with its
/// key. The keys that one of them lacks do not exist there.
const SETS: [(&str, &str); 5] = [
    ("completed", "completed"),
    ("failed", "failed"),
    ("delayed", "delayed"),
    ("prioritized", "prioritized"),
    ("waiting-children", "waiting-children"),
];
const LISTS: [(&str, &str); 3] = [("active", "active"), ("waiting", "wait"), ("paused", "paused")];

impl Store {
    /// Counts of all states, and whether the queue is paused.
    pub async fn counts(&self) -> Result<(Counts, bool), StoreError> {
        let mut pipe = redis::pipe();
        pipe.atomic();
        for list in ["wait", "paused", "active"] {
            pipe.cmd("LLEN").arg(self.keys.of(list));
        }
        for set in ["delayed", "completed", "failed", "prioritized", "waiting-children"] {
            pipe.cmd("ZCARD").arg(self.keys.of(set));
        }
        let own_states = match self.dialect() {
            Dialect::Bull => {
                pipe.cmd("EXISTS").arg(self.keys.of("meta-paused"));
                false
            }
            Dialect::BullMq => {
                pipe.cmd("HEXISTS").arg(self.keys.of("meta")).arg("paused");
                true
            }
        };
        let n: Vec<u64> = self.connection.atomic(&pipe).await?;
        let at = |i: usize| n.get(i).copied().unwrap_or(0);
        let counts = Counts {
            waiting: at(0),
            prioritized: own_states.then(|| at(6)),
            paused: at(1),
            active: at(2),
            delayed: at(3),
            waiting_children: own_states.then(|| at(7)),
            completed: at(4),
            failed: at(5),
        };
        Ok((counts, at(8) == 1))
    }

    /// Ids of one state, next to run (or newest finished) first.
    pub async fn ids(&self, state: &str, offset: usize, limit: usize) -> Result<Vec<String>, StoreError> {
        let limit = limit.min(PAGE_MAX);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (first, last) = (offset.cast_signed(), (offset + limit - 1).cast_signed());
        let cmd = match state {
            "waiting" | "paused" => {
                let key = self.keys.of(if state == "waiting" { "wait" } else { "paused" });
                let mut cmd = redis::cmd("LRANGE");
                cmd.arg(key).arg(-(last + 1)).arg(-(first + 1));
                let mut ids: Vec<String> = self.connection.query(&cmd).await?;
                ids.reverse();
                return Ok(ids);
            }
            "active" => redis::cmd("LRANGE").arg(self.keys.of("active")).arg(first).arg(last).clone(),
            "delayed" | "prioritized" | "waiting-children" => {
                redis::cmd("ZRANGE").arg(self.keys.of(state)).arg(first).arg(last).clone()
            }
            finished => redis::cmd("ZREVRANGE").arg(self.keys.of(finished)).arg(first).arg(last).clone(),
        };
        self.connection.query(&cmd).await
    }

    /// One job with the state it is in; `None` = there is no such job.
    pub async fn job(&self, id: &str) -> Result<Option<(JobView, &'static str)>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(self.keys.of(id));
        for (_, set) in SETS {
            pipe.cmd("ZSCORE").arg(self.keys.of(set)).arg(id);
        }
        for (_, list) in LISTS {
            pipe.cmd("LPOS").arg(self.keys.of(list)).arg(id);
        }
        let mut replies = self.connection.pipeline(&pipe, 1 + SETS.len() + LISTS.len()).await?.into_iter();
        let fields = fields_of(replies.next().unwrap_or(Value::Nil))?;
        if fields.is_empty() {
            return Ok(None);
        }
        let state = replies
            .zip(SETS.iter().chain(&LISTS))
            .find(|(reply, _)| !matches!(reply, Value::Nil))
            .map_or("stuck", |(_, (state, _))| state);
        Ok(Some((self.view(id, &fields), state)))
    }

    /// Many jobs at once; those whose hash is gone are left out.
    pub async fn jobs(&self, ids: &[String]) -> Result<Vec<JobView>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.cmd("HGETALL").arg(self.keys.of(id));
        }
        let replies = self.connection.pipeline(&pipe, ids.len()).await?;
        let mut jobs = Vec::with_capacity(ids.len());
        for (id, reply) in ids.iter().zip(replies) {
            let fields = fields_of(reply)?;
            if !fields.is_empty() {
                jobs.push(self.view(id, &fields));
            }
        }
        Ok(jobs)
    }

    pub(super) fn view(&self, id: &str, fields: &[(String, String)]) -> JobView {
        let view = JobView::read(id, fields);
        match self.dialect() {
            Dialect::Bull => view,
            Dialect::BullMq => view.with_long_names(),
        }
    }

    /// Log lines from `offset`, and how many there are in all.
    pub async fn logs(
        &self,
        id: &str,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<String>, u64), StoreError> {
        let key = self.keys.of(&format!("{id}:logs"));
        let mut pipe = redis::pipe();
        pipe.cmd("LRANGE").arg(&key).arg(offset).arg(offset + limit.max(1) - 1);
        pipe.cmd("LLEN").arg(&key);
        let mut replies = self.connection.pipeline(&pipe, 2).await?.into_iter();
        let lines = convert(replies.next().unwrap_or(Value::Nil))?;
        Ok((lines, integer(&replies.next().unwrap_or(Value::Int(0)))?.max(0).cast_unsigned()))
    }

    /// Our own record of a job: attempts, reason class, crashes (`X job:<id>`).
    pub async fn record(&self, id: &str) -> Result<Vec<(String, String)>, StoreError> {
        let mut cmd = redis::cmd("HGETALL");
        cmd.arg(self.keys.extra_of(&format!("job:{id}")));
        fields_of(self.connection.send(&cmd).await?)
    }

    /// Registered repeatables, or job schedulers, in the order in which they are due next; at most [`PAGE_MAX`].
    pub async fn repeatables(&self) -> Result<Vec<Repeatable>, StoreError> {
        let mut cmd = redis::cmd("ZRANGE");
        cmd.arg(self.keys.of("repeat")).arg(0).arg(PAGE_MAX - 1).arg("WITHSCORES");
        let found: Vec<(String, f64)> = self.connection.query(&cmd).await?;
        if self.dialect() == Dialect::Bull || found.is_empty() {
            let bare = |(key, next)| Repeatable { key, next_ms: next as i64, record: Vec::new() };
            return Ok(found.into_iter().map(bare).collect());
        }
        let mut pipe = redis::pipe();
        for (key, _) in &found {
            pipe.cmd("HMGET").arg(self.keys.of(&format!("repeat:{key}"))).arg(&SCHEDULER_FIELDS);
        }
        let replies = self.connection.pipeline(&pipe, found.len()).await?;
        let read = |((key, next), reply)| {
            // A record that is no hash shows as one without fields.
            let values: Vec<Option<String>> = convert(reply).unwrap_or_default();
            let named = SCHEDULER_FIELDS.into_iter().zip(values);
            let record = named.filter_map(|(field, value)| Some((field, value?))).collect();
            Repeatable { key, next_ms: next as i64, record }
        };
        Ok(found.into_iter().zip(replies).map(read).collect())
    }

    /// Names of the connections of this queue's workers, Node's and ours.
    pub async fn worker_names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for master in self.connection.to_each_master().await? {
            let list: String = master.query(redis::cmd("CLIENT").arg("LIST")).await?;
            let found = list
                .lines()
                .filter_map(|line| line.split(' ').find_map(|part| part.strip_prefix("name=")))
                .filter(|name| self.keys.worker_of(name).is_some());
            names.extend(found.map(str::to_owned));
        }
        Ok(names)
    }
}

pub(super) fn fields_of(reply: Value) -> Result<Vec<(String, String)>, StoreError> {
    let pairs: Vec<(Value, Value)> = match reply {
        Value::Map(pairs) => pairs,
        Value::Nil => Vec::new(),
        other => {
            let mut items = array(other)?.into_iter();
            let mut pairs = Vec::new();
            while let (Some(field), Some(value)) = (items.next(), items.next()) {
                pairs.push((field, value));
            }
            pairs
        }
    };
    pairs
        .into_iter()
        .map(|(field, value)| {
            let value = bytes(value).unwrap_or_default();
            Ok((text(field)?, String::from_utf8_lossy(&value).into_owned()))
        })
        .collect()
}
