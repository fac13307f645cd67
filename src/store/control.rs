//! A person's acts on jobs and queues.

use super::act::Terms;
use super::{Store, StoreError, array, convert, integer, text};
use crate::job::JobId;
use crate::wire::Dialect;

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
    /// `prioritized`; `BullMQ` only.
    Prioritized,
    /// `waiting-children`; `BullMQ` only.
    WaitingChildren,
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
            Self::Prioritized => "prioritized",
            Self::WaitingChildren => "waiting-children",
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
    /// It runs: it has a lock; or a job below it does.
    Running,
    /// There is no such job.
    NotFound,
    /// A scheduler has planned it: it goes with its scheduler.
    Planned,
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
        self.send_retry(token, id, lifo, &["failed", "0"]).await
    }

    /// Puts one job that has ended, well or not, back to waiting; its attempts are counted anew if asked. `BullMQ` only.
    pub async fn reprocess(
        &self,
        token: &str,
        id: &str,
        completed: bool,
        count_anew: bool,
    ) -> Result<Retried, StoreError> {
        if self.scripts.dialect() == Dialect::Bull {
            return Err(StoreError::NotInDialect(
                "way to run a completed job again or count its attempts anew",
            ));
        }
        let state = if completed { "completed" } else { "failed" };
        self.send_retry(token, id, false, &[state, if count_anew { "1" } else { "0" }]).await
    }

    async fn send_retry(
        &self,
        token: &str,
        id: &str,
        lifo: bool,
        rest: &[&str],
    ) -> Result<Retried, StoreError> {
        let mut act = self.act(&self.scripts.retry);
        act.arg(token).arg(id).arg(u8::from(lifo)).arg(rest);
        let terms = Terms { what: "retry", job: id, done: "1", ..Terms::default() };
        Ok(match integer(&act.run(terms).await?)? {
            1 => Retried::Done,
            0 => Retried::NotFound,
            -1 => Retried::Running,
            -3 => Retried::NoBody,
            _ => Retried::NotFailed,
        })
    }

    /// Puts up to `most` of the oldest failed jobs back to waiting; answers how many.
    pub async fn retry_all(&self, most: usize) -> Result<usize, StoreError> {
        let (mut done, mut passed_over) = (0, 0);
        while done < most {
            let wanted = (most - done).min(super::BATCH_MAX);
            let mut act = self.act(&self.scripts.retry_all);
            act.arg(wanted).arg(passed_over);
            let terms = Terms { what: "retry-all", done: "+", ..Terms::default() };
            let (taken, left): (usize, usize) = convert(act.run(terms).await?)?;
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
        let mut act = self.act(&self.scripts.promote_job);
        act.arg(token).arg(id);
        let terms = Terms { what: "promote", job: id, done: "0", ..Terms::default() };
        Ok(integer(&act.run(terms).await?)? == 0)
    }

    /// Pauses (or resumes) the queue for all workers; false = it was so already.
    pub async fn pause(&self, pause: bool) -> Result<bool, StoreError> {
        let mut act = self.act(&self.scripts.pause);
        act.arg(u8::from(pause));
        let what = if pause { "pause" } else { "resume" };
        let terms = Terms { what, done: "1", ..Terms::default() };
        Ok(integer(&act.run(terms).await?)? == 1)
    }

    /// Removes jobs that nobody runs. Bull asks whether their debounce keys go as well; in `BullMQ` they always do, and
    /// `with_more` is whether the jobs below them go, as in Node unless it is told otherwise.
    pub async fn remove(&self, ids: &[&str], with_more: bool) -> Result<Vec<Removed>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        // Each gets its own line in the audit log.
        let together = if self.actor.is_some() { 1 } else { super::BATCH_MAX };
        for chunk in ids.chunks(together) {
            let mut act = self.act(&self.scripts.remove);
            act.arg(u8::from(with_more)).arg(chunk);
            let terms = Terms { what: "remove", job: chunk[0], done: "1", ..Terms::default() };
            for code in array(act.run(terms).await?)? {
                all.push(match integer(&code)? {
                    1 => Removed::Done,
                    0 => Removed::Running,
                    -8 => Removed::Planned,
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
        if self.scripts.dialect() == Dialect::Bull
            && matches!(state, CleanState::Prioritized | CleanState::WaitingChildren)
        {
            return Err(StoreError::NotInDialect("such state"));
        }
        let (mut cursor, mut ids) = ("0".to_owned(), Vec::new());
        loop {
            let left = if limit == 0 { 0 } else { limit - ids.len() };
            let mut act = self.act(&self.scripts.clean);
            act.arg(state.as_str()).arg(grace_ms).arg(left).arg(&cursor).arg(ids.len());
            let terms = Terms { what: "clean", done: "#", ..Terms::default() };
            let mut reply = array(act.run(terms).await?)?.into_iter();
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
        self.send_empty(true).await
    }

    /// The same without the delayed ones. `BullMQ` only.
    pub async fn drain(&self) -> Result<usize, StoreError> {
        match self.scripts.dialect() {
            Dialect::Bull => Err(StoreError::NotInDialect("way to drain without the delayed jobs")),
            Dialect::BullMq => self.send_empty(false).await,
        }
    }

    async fn send_empty(&self, with_delayed: bool) -> Result<usize, StoreError> {
        let mut done = 0;
        loop {
            let mut act = self.act(&self.scripts.empty);
            act.arg(super::BATCH_MAX).arg(u8::from(with_delayed));
            let terms = Terms { what: "drain", done: "+", ..Terms::default() };
            let got = integer(&act.run(terms).await?)? as usize;
            done += got;
            if got < super::BATCH_MAX {
                return Ok(done);
            }
        }
    }

    /// Pauses the queue and deletes it with everything in it.
    pub async fn obliterate(&self, force: bool) -> Result<Obliterated, StoreError> {
        self.pause(true).await?;
        loop {
            let mut act = self.act(&self.scripts.obliterate);
            act.arg(u8::from(force)).arg(super::BATCH_MAX);
            let terms = Terms { what: "obliterate", done: "0", ..Terms::default() };
            match integer(&act.run(terms).await?)? {
                1 => {}
                0 => {
                    self.forget_rest().await?;
                    return Ok(Obliterated::Done);
                }
                -2 => return Ok(Obliterated::JobsRunning),
                code => {
                    return Err(StoreError::Unavailable(format!("the queue was resumed meanwhile ({code})")));
                }
            }
        }
    }
}
