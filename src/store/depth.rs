//! How much work a queue holds and how long it has waited: a bounded read for metrics and scaling.

use std::time::Duration;

use redis::Value;

use super::inspect::Counts;
use super::{Store, StoreError, array, bytes};
use crate::wire::bull;

/// What a queue holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Jobs by state.
    pub counts: Counts,
    /// Is the queue paused?
    pub paused: bool,
    /// How long the job that has waited longest has done so; `None` = nothing waits. Only both ends of what waits
    /// are looked at: a job in the middle can be older where priorities are used.
    pub oldest_waiting: Option<Duration>,
}

impl Store {
    /// Counts, pause and age, in three round trips whatever the size of the queue.
    pub async fn depth(&self) -> Result<Depth, StoreError> {
        let (counts, paused) = self.counts().await?;
        let oldest_waiting = if counts.in_line() == 0 { None } else { self.oldest_age().await? };
        Ok(Depth { counts, paused, oldest_waiting })
    }

    /// How many delayed jobs are due and not in line yet, and Redis' time, ms.
    pub async fn due(&self) -> Result<(u64, i64), StoreError> {
        let now_ms = self.time_ms().await?;
        let mut call = redis::cmd("ZCOUNT");
        // The score is the time and a counter below it (docs/wire/bull-4.md 4.2).
        call.arg(self.keys.of("delayed")).arg("-inf").arg((now_ms + 1) * 4096 - 1);
        Ok((self.connection.query(&call).await?, now_ms))
    }

    /// How many jobs have ever completed and failed, where the queue's own metrics are kept.
    pub async fn ended(&self) -> Result<(Option<u64>, Option<u64>), StoreError> {
        let mut pipe = redis::pipe();
        for state in ["completed", "failed"] {
            pipe.cmd("HGET").arg(self.keys.of(&format!("metrics:{state}"))).arg("count");
        }
        let mut replies = self.connection.pipeline(&pipe, 2).await?.into_iter();
        let mut next =
            || bytes(replies.next()?).and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
        Ok((next(), next()))
    }

    async fn oldest_age(&self) -> Result<Option<Duration>, StoreError> {
        let mut pipe = redis::pipe();
        for list in ["wait", "paused"] {
            for end in [0, -1] {
                pipe.cmd("LINDEX").arg(self.keys.of(list)).arg(end);
            }
        }
        for end in [0, -1] {
            pipe.cmd("ZRANGE").arg(self.keys.of("prioritized")).arg(end).arg(end);
        }
        let ids = self.connection.pipeline(&pipe, 6).await?.into_iter();
        let ids: Vec<Vec<u8>> = ids
            .flat_map(|reply| match reply {
                Value::Array(ids) => ids,
                id => vec![id],
            })
            .filter_map(bytes)
            .collect();
        if ids.is_empty() {
            return Ok(None);
        }
        let mut pipe = redis::pipe();
        for id in &ids {
            let key = [self.keys.base.as_bytes(), id].concat();
            pipe.cmd("HMGET").arg(key).arg("timestamp").arg("delay").arg("processedOn");
        }
        let replies = self.connection.pipeline(&pipe, ids.len()).await?;
        let now_ms = self.time_ms().await?;
        let since = replies.into_iter().filter_map(waiting_since).min();
        Ok(since.map(|since| Duration::from_millis((now_ms - since).max(0).cast_unsigned())))
    }
}

/// When a job began to wait, ms: when it was added, was due, or was last run, whichever came last.
fn waiting_since(fields: Value) -> Option<i64> {
    let mut fields = array(fields).ok()?.into_iter().map(bytes);
    let mut next = || fields.next().flatten().map(|text| bull::integer(Some(&text)));
    let (added, delay, last_run) = (next()?, next().unwrap_or(0), next().unwrap_or(0));
    Some(added.saturating_add(delay).max(last_run))
}
