//! What can be changed about jobs that wait, and about a queue, on `BullMQ` queues only.

use super::script::in_dialect;
use super::{Store, StoreError, integer};
use crate::wire::new_job::PRIORITY_MAX;

/// Answer to a change of a job's delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Done.
    Done,
    /// There is no such job.
    NotFound,
    /// It is not delayed.
    NotDelayed,
}

/// Answer to taking a child from its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detached {
    /// Done; if it was the last one that the parent waited for, the parent goes on.
    Done,
    /// There is no such job.
    NotFound,
    /// It has no parent.
    NoParent,
    /// Its parent does not exist.
    ParentMissing,
}

/// Limits for all workers of a queue together; `None` = no limit of that kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// Most jobs that begin within `duration_ms`.
    pub max: u64,
    /// That time, ms.
    pub duration_ms: u64,
}

impl Store {
    /// Makes a delayed job due in `delay_ms` from now.
    pub async fn change_delay(&self, id: &str, delay_ms: u64) -> Result<Changed, StoreError> {
        let script = in_dialect(&self.scripts.change_delay, "way to change a delay")?;
        let mut call = script.call(&self.keys);
        call.arg(id).arg(delay_ms);
        Ok(match integer(&script.run(&self.connection, &call).await?)? {
            0 => Changed::Done,
            -1 => Changed::NotFound,
            _ => Changed::NotDelayed,
        })
    }

    /// Gives a job another priority (0 = none); `lifo` puts it ahead of those of the same one. False = there is no such
    /// job.
    pub async fn change_priority(&self, id: &str, priority: u64, lifo: bool) -> Result<bool, StoreError> {
        if priority > PRIORITY_MAX {
            return Err(StoreError::Invalid(format!("priority {priority}: expected at most {PRIORITY_MAX}")));
        }
        let script = in_dialect(&self.scripts.change_priority, "way to change a priority")?;
        let mut call = script.call(&self.keys);
        call.arg(id).arg(priority).arg(u8::from(lifo));
        Ok(integer(&script.run(&self.connection, &call).await?)? == 0)
    }

    /// Moves up to `most` delayed jobs to waiting now, those due first; answers how many.
    pub async fn promote_all(&self, most: usize) -> Result<usize, StoreError> {
        let script = in_dialect(&self.scripts.promote_all, "way to promote all jobs")?;
        let mut done = 0;
        while done < most {
            let wanted = (most - done).min(super::BATCH_MAX);
            let mut call = script.call(&self.keys);
            call.arg(wanted);
            let moved = integer(&script.run(&self.connection, &call).await?)? as usize;
            done += moved;
            if moved < wanted {
                break;
            }
        }
        Ok(done)
    }

    /// Takes a child from its parent: it stays, and the parent waits for it no more.
    pub async fn remove_child_dependency(&self, id: &str) -> Result<Detached, StoreError> {
        let script = in_dialect(&self.scripts.remove_child_dependency, "parents")?;
        let mut call = script.call(&self.keys);
        call.arg(id);
        Ok(match integer(&script.run(&self.connection, &call).await?)? {
            0 => Detached::Done,
            1 => Detached::NoParent,
            -1 => Detached::NotFound,
            _ => Detached::ParentMissing,
        })
    }

    /// Removes the children of a job that are still to run, with what is below them; answers how many jobs went.
    pub async fn remove_unprocessed_children(&self, id: &str) -> Result<usize, StoreError> {
        let script = in_dialect(&self.scripts.remove_unprocessed_children, "parents")?;
        let mut call = script.call(&self.keys);
        call.arg(id);
        Ok(integer(&script.run(&self.connection, &call).await?)? as usize)
    }

    /// Limits how many jobs of the queue run at a time, over all workers; `None` = as many as they take.
    pub async fn set_global_concurrency(&self, concurrency: Option<u64>) -> Result<(), StoreError> {
        self.set_limits(&[("concurrency", concurrency)]).await
    }

    /// Limits how many jobs of the queue begin within a time, over all workers.
    pub async fn set_global_rate_limit(&self, limit: Option<RateLimit>) -> Result<(), StoreError> {
        let (max, duration) = (limit.map(|l| l.max), limit.map(|l| l.duration_ms));
        self.set_limits(&[("max", max), ("duration", duration)]).await
    }

    /// Lets workers that have a rate limit take no job for `hold_ms`; `None` lets them go on at once.
    pub async fn rate_limit(&self, hold_ms: Option<u64>) -> Result<(), StoreError> {
        self.set_limits(&[("hold", hold_ms)]).await
    }

    async fn set_limits(&self, limits: &[(&str, Option<u64>)]) -> Result<(), StoreError> {
        let script = in_dialect(&self.scripts.limits, "limits for all workers")?;
        let mut call = script.call(&self.keys);
        for (name, limit) in limits {
            call.arg(*name).arg(limit.map(|n| n.to_string()).unwrap_or_default());
        }
        script.run(&self.connection, &call).await?;
        Ok(())
    }
}
