//! What a queue's `meta` says of limits for all its workers, and how many schedulers it has.

use redis::Value;

use super::job::number;
use super::{Store, StoreError, array, integer, text};

/// Limits for all workers together; `None` = none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueLimits {
    /// Jobs that run at a time (`BullMQ`).
    pub concurrency: Option<u64>,
    /// Jobs that begin within `duration_ms` (`BullMQ`).
    pub max: Option<u64>,
    /// That time, ms.
    pub duration_ms: Option<u64>,
    /// Schedulers, or repeatable jobs.
    pub schedulers: u64,
}

impl Store {
    /// Reads them.
    pub async fn limits(&self) -> Result<QueueLimits, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(self.keys.of("meta")).arg("concurrency").arg("max").arg("duration");
        pipe.cmd("ZCARD").arg(self.keys.of("repeat"));
        let mut replies = self.connection.pipeline(&pipe, 2).await?.into_iter();
        let limits = replies.next().and_then(|reply| array(reply).ok()).unwrap_or_default();
        let mut limits = limits.into_iter().map(|value| match value {
            Value::Nil => None,
            value => text(value).ok().map(|text| number(Some(&text)).max(0).cast_unsigned()),
        });
        let mut next = || limits.next().flatten();
        let (concurrency, max, duration_ms) = (next(), next(), next());
        let schedulers = replies.next().and_then(|reply| integer(&reply).ok()).unwrap_or(0);
        Ok(QueueLimits { concurrency, max, duration_ms, schedulers: schedulers.max(0).cast_unsigned() })
    }
}
