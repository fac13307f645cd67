//! Bounded reads for people: counts, lists, one job.

use redis::Value;
use serde::Serialize;

use super::{Connection, Store, StoreError, array, bytes, convert, integer, text};
use crate::wire::hash::JobView;

/// Most jobs on one page.
pub const PAGE_MAX: usize = 200;

/// How many jobs are in each state, read in one transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In `wait`.
    pub waiting: u64,
    /// In `paused`.
    pub paused: u64,
    /// In `active`.
    pub active: u64,
    /// In `delayed`.
    pub delayed: u64,
    /// In `completed`.
    pub completed: u64,
    /// In `failed`.
    pub failed: u64,
}

/// The lists and sets that hold jobs, as people name them.
pub const STATES: &[&str] = &["waiting", "paused", "active", "delayed", "completed", "failed"];

/// The order in which Bull itself derives a state (docs/wire/bull-4.md 1.1).
const STATE_ORDER: [&str; 6] = ["completed", "failed", "delayed", "active", "waiting", "paused"];

impl Store {
    /// Counts of all states, and whether the queue is paused.
    pub async fn counts(&self) -> Result<(Counts, bool), StoreError> {
        let mut pipe = redis::pipe();
        pipe.atomic();
        for list in ["wait", "paused", "active"] {
            pipe.cmd("LLEN").arg(self.keys.of(list));
        }
        for set in ["delayed", "completed", "failed"] {
            pipe.cmd("ZCARD").arg(self.keys.of(set));
        }
        pipe.cmd("EXISTS").arg(self.keys.of("meta-paused"));
        let n: Vec<u64> = self.connection.atomic(&pipe).await?;
        let at = |i: usize| n.get(i).copied().unwrap_or(0);
        let counts = Counts {
            waiting: at(0),
            paused: at(1),
            active: at(2),
            delayed: at(3),
            completed: at(4),
            failed: at(5),
        };
        Ok((counts, at(6) == 1))
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
            "delayed" => redis::cmd("ZRANGE").arg(self.keys.of("delayed")).arg(first).arg(last).clone(),
            finished => redis::cmd("ZREVRANGE").arg(self.keys.of(finished)).arg(first).arg(last).clone(),
        };
        self.connection.query(&cmd).await
    }

    /// One job with the state it is in; `None` = there is no such job.
    pub async fn job(&self, id: &str) -> Result<Option<(JobView, &'static str)>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(self.keys.of(id));
        for set in ["completed", "failed", "delayed"] {
            pipe.cmd("ZSCORE").arg(self.keys.of(set)).arg(id);
        }
        for list in ["active", "wait", "paused"] {
            pipe.cmd("LPOS").arg(self.keys.of(list)).arg(id);
        }
        let mut replies = self.connection.pipeline(&pipe, 7).await?.into_iter();
        let fields = fields_of(replies.next().unwrap_or(Value::Nil))?;
        if fields.is_empty() {
            return Ok(None);
        }
        let state = replies
            .zip(STATE_ORDER)
            .find(|(reply, _)| !matches!(reply, Value::Nil))
            .map_or("stuck", |(_, state)| state);
        Ok(Some((JobView::read(id, &fields), state)))
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
                jobs.push(JobView::read(id, &fields));
            }
        }
        Ok(jobs)
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

    /// Registered repeatables with their next due time in ms.
    pub async fn repeatables(&self) -> Result<Vec<(String, f64)>, StoreError> {
        let mut cmd = redis::cmd("ZRANGE");
        cmd.arg(self.keys.of("repeat")).arg(0).arg(PAGE_MAX - 1).arg("WITHSCORES");
        self.connection.query(&cmd).await
    }

    /// Names of the connections of this queue's workers, Node's and ours.
    pub async fn worker_names(&self) -> Result<Vec<String>, StoreError> {
        let list: String = self.connection.query(redis::cmd("CLIENT").arg("LIST")).await?;
        let wanted = self.keys.client_name("");
        let wanted = wanted.trim_end_matches(':');
        Ok(list
            .lines()
            .filter_map(|line| line.split(' ').find_map(|part| part.strip_prefix("name=")))
            // Bull itself compares the beginning only, which takes the workers of "abcd" for those of "abc".
            .filter(|name| {
                name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            })
            .map(str::to_owned)
            .collect())
    }
}

/// Names of the queues under a prefix, found by their counters and `meta` keys, sorted.
pub async fn queues(connection: &Connection, prefix: &str) -> Result<Vec<String>, StoreError> {
    let (mut cursor, mut names) = ("0".to_owned(), std::collections::BTreeSet::new());
    let pattern = format!("{}:*", escape_glob(prefix));
    loop {
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
        let (next, keys): (String, Vec<String>) = connection.query(&cmd).await?;
        for key in keys {
            let Some(rest) = key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(':')) else {
                continue;
            };
            // An empty segment is ours (`::x:`) or another program's.
            if rest.starts_with(':') {
                continue;
            }
            // `<queue>:metrics:completed` is a part of the queue's metrics.
            if rest.ends_with(":metrics:completed") || rest.ends_with(":metrics:failed") {
                continue;
            }
            if let Some(name) = [":id", ":meta", ":wait", ":failed", ":completed", ":delayed"]
                .iter()
                .find_map(|suffix| rest.strip_suffix(suffix))
            {
                names.insert(name.to_owned());
            }
        }
        if next == "0" {
            return Ok(names.into_iter().collect());
        }
        cursor = next;
    }
}

/// Text that matches itself in a Redis pattern.
fn escape_glob(text: &str) -> String {
    text.chars().flat_map(|c| if "*?[]\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

fn fields_of(reply: Value) -> Result<Vec<(String, String)>, StoreError> {
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
