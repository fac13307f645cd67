//! Replaying and purging dead letters: one script for each batch, one operation for all that one filter means.
//!
//! Owns: the batch, and the record of an operation that makes it resumable. Must never know: filters and rates (the
//! command's). Called by `cli` and `admin`.

use super::actor::Actor;
use super::dead_letter;
use super::script::Script;
use super::{Store, StoreError, array, convert, integer};
use crate::wire::Keys;

/// What a bulk operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Back to waiting, or to another queue.
    Replay,
    /// Deleted.
    Purge,
}

impl Act {
    /// The word in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Purge => "purge",
        }
    }
}

/// A bulk operation that was begun. Whoever asks for the same one goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub act: Act,
    /// Its name: the same for the same question.
    pub id: String,
    /// When it began, ms by Redis' clock: what fails later is not meant.
    pub began_ms: i64,
    /// Jobs done so far, by whomever.
    pub done: u64,
    /// Who began it, if it was gone on with.
    pub begun_by: Option<String>,
    /// It does no more than so many in all.
    pub most: Option<u64>,
}

/// What became of one dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// Done.
    Done,
    /// There is no such job.
    NotFound,
    /// It runs.
    Running,
    /// It is not failed, or not any more: somebody was faster.
    NotFailed,
    /// It has no data to run.
    NoBody,
    /// Its data is not what it was when it was read.
    Changed,
    /// The operation is over, or has done as many as it may.
    Enough,
}

impl Replayed {
    fn of(code: i64) -> Self {
        match code {
            1 => Self::Done,
            -1 => Self::Running,
            -2 => Self::NotFailed,
            -3 => Self::NoBody,
            -5 => Self::Changed,
            -7 => Self::Enough,
            _ => Self::NotFound,
        }
    }
}

/// One dead letter to replay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// Its id.
    pub id: String,
    /// Its data must still be this text; empty = whatever it is.
    pub expected: String,
    /// Its new data (JSON text); empty = as it is.
    pub data: String,
    /// Its new options (JSON text); empty = as they are.
    pub opts: String,
    /// For another queue: the options it has, to be copied.
    pub copy: Option<Copied>,
}

/// What a copy in another queue says of the dead letter it is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// Options as stored.
    pub opts: String,
    /// Reason class.
    pub class: String,
    /// The error's text.
    pub error: String,
    /// Attempts made.
    pub attempts_made: i64,
    /// When it failed, ms.
    pub failed_ms: i64,
}

impl Store {
    /// Begins an operation, or goes on with the same one.
    pub async fn begin(&self, act: Act, id: &str, actor: &Actor) -> Result<Operation, StoreError> {
        let (began, done, by) = self.operation("begin", act, id, actor, None).await?;
        let began_ms = began.parse().map_err(|_| StoreError::Protocol(format!("a time: {began}")))?;
        let begun_by = Some(by).filter(|by| !by.is_empty());
        Ok(Operation {
            act,
            id: id.to_owned(),
            began_ms,
            done: done.parse().unwrap_or(0),
            begun_by,
            most: None,
        })
    }

    /// Ends an operation: the same question asked again is a new one. Answers how many jobs it has done in all.
    pub async fn end(&self, operation: &Operation, actor: &Actor) -> Result<u64, StoreError> {
        let (_, done, _) =
            self.operation("end", operation.act, &operation.id, actor, Some(operation.began_ms)).await?;
        Ok(done.parse().unwrap_or(0))
    }

    async fn operation(
        &self,
        what: &str,
        act: Act,
        id: &str,
        actor: &Actor,
        began_ms: Option<i64>,
    ) -> Result<(String, String, String), StoreError> {
        let script = &self.scripts.operation;
        let mut call = script.call(&self.keys);
        call.arg(what).arg(id).arg(act.as_str()).arg(&actor.args());
        call.arg(began_ms.map(|ms| ms.to_string()).unwrap_or_default());
        convert(script.run(&self.connection, &call).await?)
    }

    /// Replays a batch, at most [`super::BATCH_MAX`]; to another queue of the same dialect, if `to` names one. Without an
    /// operation each job has its own entry in the audit log.
    pub async fn replay(
        &self,
        operation: Option<&Operation>,
        to: Option<&Keys>,
        actor: &Actor,
        jobs: &[Replay],
    ) -> Result<Vec<Replayed>, StoreError> {
        let script = &self.scripts.replay;
        let mut call = match to {
            Some(other) => script.call_with(&self.keys, other),
            None => script.call(&self.keys),
        };
        push_head(&mut call, operation, actor);
        for job in jobs {
            call.arg(&job.id).arg(&job.expected).arg(&job.data).arg(&job.opts);
            let copy = job.copy.as_ref().filter(|_| to.is_some());
            let (opts, from) = copy
                .map(|copied| dead_letter::copy_of_replayed(&self.keys.queue, &job.id, copied))
                .unwrap_or_default();
            call.arg(opts).arg(from);
        }
        self.codes(script, &call).await
    }

    /// Deletes a batch of dead letters.
    pub async fn purge(
        &self,
        operation: Option<&Operation>,
        actor: &Actor,
        ids: &[&str],
    ) -> Result<Vec<Replayed>, StoreError> {
        let script = &self.scripts.purge;
        let mut call = script.call(&self.keys);
        push_head(&mut call, operation, actor);
        call.arg(ids);
        self.codes(script, &call).await
    }

    async fn codes(&self, script: &Script, call: &redis::Cmd) -> Result<Vec<Replayed>, StoreError> {
        let codes = array(script.run(&self.connection, call).await?)?;
        codes.iter().map(|code| integer(code).map(Replayed::of)).collect()
    }
}

fn push_head(call: &mut redis::Cmd, operation: Option<&Operation>, actor: &Actor) {
    match operation {
        Some(operation) => {
            let most = operation.most.map(|most| most.to_string()).unwrap_or_default();
            call.arg(&operation.id).arg(operation.began_ms).arg(most)
        }
        None => call.arg("").arg("").arg(""),
    };
    call.arg(&actor.args());
}
