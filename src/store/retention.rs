//! Removing finished jobs that are older or more than is to be kept: in small steps, by one process at a time.
//!
//! Owns: one step. Must never know: when steps are made (`worker::retention`).

use std::time::Duration;

use redis::Value;

use super::{Store, StoreError, array, integer, text};

/// Jobs that one step looks at at most: about a millisecond of Redis' time, for which everybody else waits. It ends sooner
/// where they take longer or are large.
pub const STEP_JOBS: usize = 50;

/// What is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Completed jobs.
    Completed,
    /// Failed jobs.
    Failed,
    /// Syncs that came to their end, with what is kept of their items and their entry in the history.
    Syncs,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Syncs => "runs",
        }
    }
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Of what.
    pub what: What,
    /// Jobs that ended so long ago go; `None` = at any age they stay.
    pub age: Option<Duration>,
    /// So many stay at most, the newest; `None` = any number.
    pub count: Option<u64>,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Jobs that were removed.
    pub removed: u64,
    /// Where the next one goes on; `None` = nothing is left to look at.
    pub next: Option<String>,
}

impl Store {
    /// Makes one step, from where the one before ended (`None` = at the oldest). `holder` names the process, whose turn then
    /// lasts for `turn` more. `None` = it is another's turn, nothing was written.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn retain(
        &self,
        holder: &str,
        turn: Duration,
        rule: &Rule,
        from: Option<&str>,
    ) -> Result<Option<Step>, StoreError> {
        let or_empty = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let script = &self.scripts.retain;
        let mut call = script.call(&self.keys);
        call.arg(holder).arg(turn.as_millis() as u64).arg(rule.what.as_str());
        call.arg(or_empty(rule.age.map(|age| age.as_millis() as u64))).arg(or_empty(rule.count));
        call.arg(from.unwrap_or("")).arg(STEP_JOBS);
        let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter();
        let mut next = || reply.next().unwrap_or(Value::Nil);
        if integer(&next())? != 0 {
            return Ok(None);
        }
        let (removed, from) = (integer(&next())?.max(0).cast_unsigned(), text(next())?);
        Ok(Some(Step { removed, next: (!from.is_empty()).then_some(from) }))
    }
}
