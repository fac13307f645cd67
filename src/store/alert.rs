//! Which alerts are under way: a fact in Redis, so that of many processes one tells of each change, and a restart tells of
//! nothing twice.

use redis::Value;

use super::{Store, StoreError, integer, text};

impl Store {
    /// Notes that an alert has begun (`since_ms`). True = it had not: this process is the one to tell of it.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn begin_alert(&self, alert: &str, since_ms: i64) -> Result<bool, StoreError> {
        let mut command = redis::cmd("HSETNX");
        command.arg(self.keys.extra_of("alerts")).arg(alert).arg(since_ms);
        Ok(integer(&self.connection.send(&command).await?)? == 1)
    }

    /// Notes that an alert is over. `Some` = since when it was under way (ms): this process is the one to tell of it.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn end_alert(&self, alert: &str) -> Result<Option<i64>, StoreError> {
        let key = self.keys.extra_of("alerts");
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(&key).arg(alert);
        pipe.cmd("HDEL").arg(&key).arg(alert);
        let mut replies = self.connection.pipeline(&pipe, 2).await?.into_iter();
        let (since, gone) = (replies.next().unwrap_or(Value::Nil), replies.next().unwrap_or(Value::Nil));
        if integer(&gone)? != 1 {
            return Ok(None);
        }
        Ok(Some(text(since).ok().and_then(|since| since.parse().ok()).unwrap_or(0)))
    }
}
