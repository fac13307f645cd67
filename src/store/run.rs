//! What a run writes while it works. Each write carries the run's token; a stale one changes nothing.

use std::time::Duration;

use redis::Value;

use super::finish::Verdict;
use super::{Store, StoreError, array, bytes, integer};
use crate::wire::bull;

/// The token of a person's act, which needs no lock.
pub const OPERATOR: &str = "0";

impl Store {
    /// Stores and publishes progress (JSON text).
    pub async fn progress(&self, id: &str, token: &str, json: &str) -> Result<Verdict, StoreError> {
        let script = &self.scripts.progress;
        let mut call = script.call(&self.keys);
        call.arg(id).arg(token).arg(json);
        Ok(Verdict::of(integer(&script.run(&self.connection, &call).await?)?))
    }

    /// Appends lines to the job's log, and keeps the newest `keep` (0 = all).
    pub async fn log(
        &self,
        id: &str,
        token: &str,
        keep: u64,
        lines: &[String],
    ) -> Result<Verdict, StoreError> {
        let script = &self.scripts.log;
        let mut call = script.call(&self.keys);
        call.arg(id).arg(token).arg(keep);
        for line in lines {
            call.arg(line);
        }
        Ok(Verdict::of(integer(&script.run(&self.connection, &call).await?)?))
    }

    /// Replaces the job's data (JSON text).
    pub async fn update_data(&self, id: &str, token: &str, json: &str) -> Result<Verdict, StoreError> {
        let script = &self.scripts.update_data;
        let mut call = script.call(&self.keys);
        call.arg(id).arg(token).arg(json);
        Ok(Verdict::of(integer(&script.run(&self.connection, &call).await?)?))
    }

    /// Stores a checkpoint (JSON text), notes a callback's sign of life, or both.
    pub async fn checkpoint(
        &self,
        id: &str,
        token: &str,
        json: Option<&str>,
        beat: bool,
    ) -> Result<Verdict, StoreError> {
        self.send_checkpoint(id, token, json.unwrap_or(""), u8::from(beat)).await
    }

    /// Notes that a callback has moved the job, which is a sign of life too.
    pub async fn moved(&self, id: &str, token: &str) -> Result<Verdict, StoreError> {
        self.send_checkpoint(id, token, "", 2).await
    }

    async fn send_checkpoint(
        &self,
        id: &str,
        token: &str,
        json: &str,
        sign: u8,
    ) -> Result<Verdict, StoreError> {
        let script = &self.scripts.checkpoint;
        let mut call = script.call(&self.keys);
        call.arg(id).arg(token).arg(json).arg(sign);
        Ok(Verdict::of(integer(&script.run(&self.connection, &call).await?)?))
    }

    /// How long ago a callback last gave a sign of life for this run, by Redis' clock. `Err` inside: the token does not
    /// hold the job any more, because a callback ended it or because the lease was lost.
    pub async fn last_callback(
        &self,
        id: &str,
        token: &str,
    ) -> Result<Result<Option<Duration>, Verdict>, StoreError> {
        self.last_sign(id, token, "beat").await
    }

    /// The same for the last callback that moved the job.
    pub async fn last_moved(
        &self,
        id: &str,
        token: &str,
    ) -> Result<Result<Option<Duration>, Verdict>, StoreError> {
        self.last_sign(id, token, "moved").await
    }

    async fn last_sign(
        &self,
        id: &str,
        token: &str,
        sign: &str,
    ) -> Result<Result<Option<Duration>, Verdict>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(self.keys.of(&format!("{id}:lock")));
        pipe.cmd("HMGET").arg(self.keys.extra_of(&format!("job:{id}"))).arg(sign).arg("beat:token");
        pipe.cmd("TIME");
        let mut replies = self.connection.pipeline(&pipe, 3).await?.into_iter();
        if replies.next().and_then(bytes).as_deref() != Some(token.as_bytes()) {
            return Ok(Err(Verdict::LeaseLost));
        }
        let (Some(record), Some(time)) = (replies.next(), replies.next()) else { return Ok(Ok(None)) };
        let mut record = array(record)?.into_iter().map(bytes);
        let (Some(Some(beat)), Some(Some(by))) = (record.next(), record.next()) else { return Ok(Ok(None)) };
        if by != token.as_bytes() {
            return Ok(Ok(None));
        }
        let age_ms = redis_time_ms(time)? - bull::integer(Some(&beat));
        Ok(Ok(Some(Duration::from_millis(age_ms.max(0).cast_unsigned()))))
    }

    /// Redis' time in ms since the epoch.
    pub async fn time_ms(&self) -> Result<i64, StoreError> {
        redis_time_ms(self.connection.send(&redis::cmd("TIME")).await?)
    }
}

pub(super) fn redis_time_ms(reply: Value) -> Result<i64, StoreError> {
    let mut parts = array(reply)?.into_iter().map(bytes);
    let mut next = || bull::integer(parts.next().flatten().as_deref());
    let (seconds, micros) = (next(), next());
    Ok(seconds * 1000 + micros / 1000)
}
