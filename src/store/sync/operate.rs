//! What people do to syncs: pause, resume, the failed items once more.

use redis::Value;

use crate::store::actor::Actor;
use crate::store::script::Script;
use crate::store::{Store, StoreError, array, integer, text};

/// Answer to a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paused {
    /// It will stop after the batch under way, or not begin; the state it is in.
    Done(String),
    /// It was paused before: nothing was written.
    Already(String),
    /// It has ended: nothing was written; the state it is in.
    Ended(String),
    /// There is no such job.
    NotFound,
}

/// Answer to a resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// It goes on; the state it was in.
    Done(String),
    /// Nothing was in its way: nothing was written; the state it is in.
    NotPaused(String),
    /// It has completed: nothing was written.
    Completed,
    /// A run holds it: nothing was written.
    Running,
    /// It has no data to run.
    NoBody,
    /// There is no such job.
    NotFound,
}

/// Answer to a retry of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetriedItems {
    /// So many are pushed again; the state the job was in.
    Done(String, u64),
    /// It has not ended: nothing was written; the state it is in, and how many of these items have failed so far.
    NotEnded(String, u64),
    /// None of these items is among the failed ones that are kept: nothing was written.
    NothingFailed,
    /// It has no data to run.
    NoBody,
    /// The job is no sync, or has never committed.
    NoSync,
    /// There is no such job.
    NotFound,
}

impl Store {
    /// Pauses a sync: it stops after the batch under way and waits in `delayed` until it is resumed. No attempt is spent.
    /// Handlers that are no syncs do not look.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn pause_sync(&self, actor: &Actor, id: &str) -> Result<Paused, StoreError> {
        let (code, state, _) = self.act_on_sync(&self.scripts.sync_pause, actor, id, &[]).await?;
        Ok(match code {
            1 => Paused::Done(state),
            2 => Paused::Already(state),
            -1 => Paused::Ended(state),
            _ => Paused::NotFound,
        })
    }

    /// Lets a sync go on from its last commit that is paused, has failed, or was cancelled.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn resume_sync(&self, actor: &Actor, id: &str) -> Result<Resumed, StoreError> {
        let (code, state, _) = self.act_on_sync(&self.scripts.sync_resume, actor, id, &[]).await?;
        Ok(match code {
            1 => Resumed::Done(state),
            2 => Resumed::NotPaused(state),
            -1 => Resumed::Completed,
            -3 => Resumed::NoBody,
            -5 => Resumed::Running,
            _ => Resumed::NotFound,
        })
    }

    /// Gives the failed items of a sync that has ended their tries anew, and puts its job back to waiting. No ids = all.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn retry_items(
        &self,
        actor: &Actor,
        id: &str,
        items: &[String],
    ) -> Result<RetriedItems, StoreError> {
        let (code, state, count) = self.act_on_sync(&self.scripts.sync_retry_items, actor, id, items).await?;
        Ok(match code {
            1 => RetriedItems::Done(state, count),
            -1 => RetriedItems::NotEnded(state, count),
            -2 => RetriedItems::NothingFailed,
            -3 => RetriedItems::NoBody,
            -4 => RetriedItems::NoSync,
            _ => RetriedItems::NotFound,
        })
    }

    /// Sends one act; answers its code, the state the job was in, and a count.
    async fn act_on_sync(
        &self,
        script: &Script,
        actor: &Actor,
        id: &str,
        items: &[String],
    ) -> Result<(i64, String, u64), StoreError> {
        let mut call = script.call(&self.keys);
        call.arg(&actor.args()).arg(id).arg(items);
        let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter();
        let code = integer(&reply.next().unwrap_or(Value::Nil))?;
        let state = reply.next().map(text).transpose()?.unwrap_or_default();
        let count = reply.next().map_or(Ok(0), |count| integer(&count))?;
        Ok((code, state, count.max(0).cast_unsigned()))
    }
}
