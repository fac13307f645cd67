//! Taking jobs back from dead workers, and moving delayed jobs that are due.

use super::{Store, StoreError, array, convert, text};
use crate::job::JobId;

/// What a sweep over our own leases did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Ms until the next lease runs out; `None` = there is none.
    pub next_in_ms: Option<u64>,
    /// Jobs that wait again, with how often a worker died on them.
    pub jobs: Vec<(JobId, u32)>,
}

/// What Bull's own check did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stalled {
    /// Jobs that stalled too often and failed.
    pub failed: Vec<JobId>,
    /// Jobs that wait again.
    pub recovered: Vec<JobId>,
}

/// What a scan of the delayed jobs did.
#[derive(Debug, Default, PartialEq)]
pub struct Promoted {
    /// Jobs moved to waiting.
    pub moved: u64,
    /// Ms until the next one is due; `None` = none is delayed.
    pub next_in_ms: Option<u64>,
    /// When that is, ms since the epoch by Redis' clock.
    pub next_due_ms: Option<f64>,
}

impl Store {
    /// Recovers the jobs whose leases of ours ran out.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        self.recover_beside(&[]).await
    }

    /// [`Store::recover`], telling besides what was no crash. `survived`: runs (id, token) that lost their lease in a worker that
    /// lives, at most [`super::BATCH_MAX`]; their jobs are no suspects for it.
    pub async fn recover_beside(&self, survived: &[(&str, &str)]) -> Result<Recovered, StoreError> {
        let script = &self.scripts.recover;
        let mut call = script.call(&self.keys);
        for (id, token) in survived {
            call.arg(*id).arg(*token);
        }
        let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter();
        let next_in_ms = reply.next().map(text).transpose()?.and_then(|ms| ms.parse().ok());
        let mut jobs = Vec::new();
        while let (Some(id), Some(crashes)) = (reply.next(), reply.next()) {
            jobs.push((text(id)?.into(), convert(crashes)?));
        }
        Ok(Recovered { next_in_ms, jobs })
    }

    /// Bull's two-pass check; effective once per `interval_ms` for the whole queue, whoever calls.
    pub async fn stalled(&self, interval_ms: u64, max_stalled: u32) -> Result<Stalled, StoreError> {
        let script = &self.scripts.stalled;
        let mut call = script.call(&self.keys);
        call.arg(interval_ms).arg(max_stalled);
        let (failed, recovered): (Vec<String>, Vec<String>) =
            convert(script.run(&self.connection, &call).await?)?;
        Ok(Stalled {
            failed: failed.into_iter().map(JobId::from).collect(),
            recovered: recovered.into_iter().map(JobId::from).collect(),
        })
    }

    /// Moves up to [`super::BATCH_MAX`] due jobs from `delayed` to waiting.
    pub async fn promote(&self, token: &str) -> Result<Promoted, StoreError> {
        let script = &self.scripts.promote;
        let mut call = script.call(&self.keys);
        call.arg(token).arg(super::BATCH_MAX);
        let (moved, next, due): (u64, String, String) = convert(script.run(&self.connection, &call).await?)?;
        Ok(Promoted { moved, next_in_ms: next.parse().ok(), next_due_ms: due.parse().ok() })
    }
}
