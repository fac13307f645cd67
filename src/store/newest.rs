//! Names and times of the newest jobs of a state, without their bodies: what figures are made of.

use std::sync::LazyLock;

use redis::Value;

use super::job::{mark, number};
use super::look::Holder;
use super::script::Script;
use super::search::key_of;
use super::{Store, StoreError, array, integer, text};
use crate::job::state::State;

static READ: LazyLock<Script> =
    LazyLock::new(|| Script::new("read_newest", include_str!("../../lua/read/newest.lua"), None));

/// Most jobs of one call.
pub const NEWEST_MAX: usize = 500;
/// Minutes of metrics that are read.
pub const MINUTES_MAX: usize = 1440;

/// A job, in short.
#[derive(Debug, Clone)]
pub struct Brief {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was added, ms.
    pub added_ms: i64,
    /// Its delay, ms.
    pub delay_ms: i64,
    /// When it was last started, ms.
    pub started_ms: Option<i64>,
    /// When it ended, ms.
    pub ended_ms: Option<i64>,
    /// The text of its failure, cut.
    pub failed_reason: String,
    /// The reason class of a dead letter.
    pub reason: Option<String>,
    /// Who runs it.
    pub holder: Option<Holder>,
}

/// Jobs per minute, as Bull and `BullMQ` count them when told to.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// The minute of the newest figure, ms.
    pub minute_ms: i64,
    /// Figures, newest first.
    pub counts: Vec<u64>,
}

impl Store {
    /// The newest jobs of a state, after `skip` of them. Answers Redis' time (ms) as well.
    pub async fn newest(
        &self,
        state: State,
        skip: usize,
        count: usize,
    ) -> Result<(i64, Vec<Brief>), StoreError> {
        let mut call = READ.call(&self.keys);
        call.arg(key_of(state)).arg(skip).arg(count.clamp(1, NEWEST_MAX));
        let mut reply = array(READ.run(&self.connection, &call).await?)?.into_iter();
        let now_ms = reply.next().as_ref().map(integer).transpose()?.unwrap_or_default();
        Ok((now_ms, reply.map(brief).collect::<Result<_, _>>()?))
    }

    /// Figures per minute of jobs that completed, and of those that failed; `None` = nobody counts them.
    pub async fn series(&self) -> Result<Option<(Series, Series)>, StoreError> {
        let mut pipe = redis::pipe();
        for name in ["completed", "failed"] {
            pipe.cmd("HGET").arg(self.keys.of(&format!("metrics:{name}"))).arg("prevTS");
            let data = self.keys.of(&format!("metrics:{name}:data"));
            pipe.cmd("LRANGE").arg(data).arg(0).arg(MINUTES_MAX - 1);
        }
        let mut replies = self.connection.pipeline(&pipe, 4).await?.into_iter();
        let mut one = || {
            let minute = replies.next().and_then(|reply| text(reply).ok());
            let counts = replies.next().and_then(|reply| array(reply).ok()).unwrap_or_default();
            let counts = counts.into_iter().filter_map(|n| text(n).ok());
            Series {
                minute_ms: number(minute.as_deref()),
                counts: counts.map(|n| number(Some(&n)).max(0).cast_unsigned()).collect(),
            }
        };
        let (completed, failed) = (one(), one());
        Ok((completed.minute_ms > 0 || failed.minute_ms > 0).then_some((completed, failed)))
    }
}

fn brief(reply: Value) -> Result<Brief, StoreError> {
    let mut reply = array(reply)?.into_iter();
    let mut next = || reply.next().unwrap_or(Value::Nil);
    let (id, name) = (text(next())?, text(next())?);
    let mut ms = || Ok::<_, StoreError>(Some(number(Some(&text(next())?))).filter(|ms| *ms > 0));
    let (added, delay, started, ended) = (ms()?, ms()?, ms()?, ms()?);
    let (failed_reason, reason) = (text(next())?, text(next())?);
    let (lock, left) = (next(), next());
    let lock = if matches!(&lock, Value::BulkString(token) if token.is_empty()) { Value::Nil } else { lock };
    let mark = mark(lock, &left, Some(reason));
    Ok(Brief {
        id,
        name: if name.is_empty() { "__default__".into() } else { name },
        added_ms: added.unwrap_or(0),
        delay_ms: delay.unwrap_or(0),
        started_ms: started,
        ended_ms: ended,
        failed_reason,
        reason: mark.reason,
        holder: mark.holder,
    })
}
