//! What the callbacks of a handler need to know of a run that goes on elsewhere.

use std::time::Duration;

use redis::Value;

use super::{Store, StoreError, array, bytes};
use crate::job::Options;
use crate::wire::bull;

/// Most active jobs that are searched for the owner of a foreign token.
const ACTIVE_SEARCHED_MAX: isize = 200;

/// What ending a run takes from its job.
#[derive(Debug, Clone)]
pub struct CallbackJob {
    /// The job's name.
    pub name: String,
    /// Its options; the defaults if they cannot be read (then no handler was run with them).
    pub opts: Options,
    /// Its options as stored.
    pub opts_text: String,
    /// Failed attempts before this run.
    pub attempts_made: u32,
    /// `stacktrace` as stored.
    pub stacktrace: Option<String>,
    /// Its debounce id.
    pub debounce_id: Option<String>,
    /// How long the run has gone on, by Redis' clock.
    pub ran: Duration,
}

/// Who holds a job, seen from somebody who shows a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The run of this token.
    ThisRun,
    /// Nobody: it has ended, waits, or its lease ran out.
    Nobody,
    /// Another run.
    AnotherRun,
    /// Another run, and the token is that of another job that runs now.
    OtherJobsToken,
}

impl Store {
    /// Reads what ending a run takes; `None` = there is no such job.
    pub async fn callback_job(&self, id: &str) -> Result<Option<CallbackJob>, StoreError> {
        let mut pipe = redis::pipe();
        let hash = pipe.cmd("HMGET").arg(self.keys.of(id));
        for field in ["name", "opts", "attemptsMade", "stacktrace", "deid", "processedOn", "data", "atm"] {
            hash.arg(field);
        }
        let replies = self.connection.pipeline(&pipe, 1).await?;
        // A key of another type is no job.
        let Some(fields) = replies.into_iter().next().and_then(|reply| array(reply).ok()) else {
            return Ok(None);
        };
        if fields.iter().all(|field| matches!(field, Value::Nil)) {
            return Ok(None);
        }
        let now_ms = self.time_ms().await?;
        let mut fields = fields.into_iter().map(bytes);
        let mut next = || fields.next().flatten();
        let mut text = || next().and_then(|bytes| String::from_utf8(bytes).ok());
        let (name, opts, attempts_made) = (text(), text(), text());
        let (stacktrace, debounce_id, started) = (text(), text(), text());
        // BullMQ's own name for it comes last, behind `data`, which only shows that there is a job.
        let attempts_made = attempts_made.or_else(|| [text(), text()].into_iter().nth(1).flatten());
        let number = |text: Option<String>| bull::integer(text.as_deref().map(str::as_bytes));
        Ok(Some(CallbackJob {
            name: name.unwrap_or_else(|| "__default__".into()),
            opts: opts
                .as_ref()
                .and_then(|text| self.scripts.dialect().options(text).ok())
                .unwrap_or_default(),
            opts_text: opts.unwrap_or_default(),
            attempts_made: number(attempts_made).clamp(0, i64::from(u32::MAX)) as u32,
            stacktrace,
            debounce_id,
            ran: Duration::from_millis((now_ms - number(started)).max(0).cast_unsigned()),
        }))
    }

    /// Says who holds a job. Only explains a refusal: the refusal itself is decided inside the scripts.
    pub async fn holder(&self, id: &str, token: &str) -> Result<Holder, StoreError> {
        let lock_of = |id: &str| redis::cmd("GET").arg(self.keys.of(&format!("{id}:lock"))).clone();
        let holder: Option<String> = self.connection.query(&lock_of(id)).await?;
        match holder {
            None => return Ok(Holder::Nobody),
            Some(holder) if holder == token => return Ok(Holder::ThisRun),
            Some(_) => {}
        }
        let mut active = redis::cmd("LRANGE");
        active.arg(self.keys.of("active")).arg(0).arg(ACTIVE_SEARCHED_MAX - 1);
        let ids: Vec<String> = self.connection.query(&active).await?;
        if ids.is_empty() {
            return Ok(Holder::AnotherRun);
        }
        let mut locks = redis::cmd("MGET");
        for id in &ids {
            locks.arg(self.keys.of(&format!("{id}:lock")));
        }
        let locks: Vec<Option<String>> = self.connection.query(&locks).await?;
        let found = locks.iter().flatten().any(|lock| lock == token);
        Ok(if found { Holder::OtherJobsToken } else { Holder::AnotherRun })
    }
}
