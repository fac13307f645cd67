//! A person's acts on jobs and queues.

use super::{Store, StoreError, array, convert, integer, text};
use crate::job::JobId;

/// States whose jobs [`Store::clean`] deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanState {
    /// `completed`.
    Completed,
    /// `failed`.
    Failed,
    /// `delayed`.
    Delayed,
    /// `wait`.
    Wait,
    /// `active`: only those without a lock.
    Active,
    /// `paused`.
    Paused,
}

impl CleanState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Wait => "wait",
            Self::Active => "active",
            Self::Paused => "paused",
        }
    }
}

/// Answer to a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It waits again.
    Done,
    /// There is no such job.
    NotFound,
    /// It runs.
    Running,
    /// It is not failed.
    NotFailed,
    /// It has no data to run: it was buried for that.
    NoBody,
}

/// Answer to a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Gone.
    Done,
    /// It runs: it has a lock.
    Running,
    /// There is no such job.
    NotFound,
}

/// Answer to an obliteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obliterated {
    /// All is gone.
    Done,
    /// Jobs run, and force was not asked for. The queue stays paused, as in Bull.
    JobsRunning,
}

impl Store {
    /// Puts one failed job back to waiting.
    pub async fn retry(&self, token: &str, id: &str, lifo: bool) -> Result<Retried, StoreError> {
        let script = &self.scripts.retry;
        let mut call = script.call(&self.keys);
        call.arg(token).arg(id).arg(u8::from(lifo));
        Ok(match integer(&script.run(&self.connection, &call).await?)? {
            1 => Retried::Done,
            0 => Retried::NotFound,
            -1 => Retried::Running,
            -3 => Retried::NoBody,
            _ => Retried::NotFailed,
        })
    }

    /// Puts up to `most` of the oldest failed jobs back to waiting; answers how many.
    pub async fn retry_all(&self, most: usize) -> Result<usize, StoreError> {
        let script = &self.scripts.retry_all;
        let (mut done, mut passed_over) = (0, 0);
        while done < most {
            let wanted = (most - done).min(super::BATCH_MAX);
            let mut call = script.call(&self.keys);
            call.arg(wanted).arg(passed_over);
            let (taken, left): (usize, usize) = convert(script.run(&self.connection, &call).await?)?;
            done += taken;
            passed_over += left;
            if taken + left < wanted {
                break;
            }
        }
        Ok(done)
    }

    /// Moves one delayed job to waiting now; false = it is not delayed.
    pub async fn promote_job(&self, token: &str, id: &str) -> Result<bool, StoreError> {
        let script = &self.scripts.promote_job;
        let mut call = script.call(&self.keys);
        call.arg(token).arg(id);
        Ok(integer(&script.run(&self.connection, &call).await?)? == 0)
    }

    /// Pauses (or resumes) the queue for all workers; false = it was so already.
    pub async fn pause(&self, pause: bool) -> Result<bool, StoreError> {
        let script = &self.scripts.pause;
        let mut call = script.call(&self.keys);
        call.arg(u8::from(pause));
        Ok(integer(&script.run(&self.connection, &call).await?)? == 1)
    }

    /// Removes jobs that nobody runs.
    pub async fn remove(&self, ids: &[&str], with_debounce: bool) -> Result<Vec<Removed>, StoreError> {
        let script = &self.scripts.remove;
        let mut all = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(super::BATCH_MAX) {
            let mut call = script.call(&self.keys);
            call.arg(u8::from(with_debounce));
            for id in chunk {
                call.arg(*id);
            }
            for code in array(script.run(&self.connection, &call).await?)? {
                all.push(match integer(&code)? {
                    1 => Removed::Done,
                    0 => Removed::Running,
                    _ => Removed::NotFound,
                });
            }
        }
        Ok(all)
    }

    /// Deletes jobs of one state that are older than `grace_ms`, at most `limit` (0 = all); answers their ids.
    pub async fn clean(
        &self,
        state: CleanState,
        grace_ms: u64,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        let script = &self.scripts.clean;
        let (mut cursor, mut ids) = ("0".to_owned(), Vec::new());
        loop {
            let left = if limit == 0 { 0 } else { limit - ids.len() };
            let mut call = script.call(&self.keys);
            call.arg(state.as_str()).arg(grace_ms).arg(left).arg(&cursor);
            let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter();
            cursor = reply.next().map(text).transpose()?.unwrap_or_default();
            for id in reply {
                ids.push(text(id)?.into());
            }
            if cursor.is_empty() || (limit > 0 && ids.len() >= limit) {
                return Ok(ids);
            }
        }
    }

    /// Deletes all jobs that wait or are delayed; answers how many.
    pub async fn empty(&self) -> Result<usize, StoreError> {
        let script = &self.scripts.empty;
        let mut done = 0;
        loop {
            let mut call = script.call(&self.keys);
            call.arg(super::BATCH_MAX);
            let got = integer(&script.run(&self.connection, &call).await?)? as usize;
            done += got;
            if got < super::BATCH_MAX {
                return Ok(done);
            }
        }
    }

    /// Pauses the queue and deletes it with everything in it.
    pub async fn obliterate(&self, force: bool) -> Result<Obliterated, StoreError> {
        self.pause(true).await?;
        let script = &self.scripts.obliterate;
        loop {
            let mut call = script.call(&self.keys);
            call.arg(u8::from(force)).arg(super::BATCH_MAX);
            match integer(&script.run(&self.connection, &call).await?)? {
                1 => {}
                0 => return Ok(Obliterated::Done),
                -2 => return Ok(Obliterated::JobsRunning),
                code => {
                    return Err(StoreError::Unavailable(format!("the queue was resumed meanwhile ({code})")));
                }
            }
        }
    }
}
