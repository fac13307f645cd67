//! Takes one claimed job to its end: decodes it, finds its handler, waits for its turn, and passes the outcome on.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::finisher::{End, Finished};
use super::lease::Lease;
use super::{Queue, journal, scheduler, schedules};
use crate::job::options::Timeout;
use crate::job::outcome::{Failure, ReasonClass};
use crate::job::trace::TraceContext;
use crate::job::{Job, JobId};
use crate::store::claim::ClaimedJob;

/// A claimed job on its way to its handler.
pub(super) struct Claim {
    pub job: ClaimedJob,
    pub token: Arc<str>,
    pub lease: Lease,
    pub slot: OwnedSemaphorePermit,
    /// Redis' time of the claim, ms.
    pub now_ms: i64,
}

pub(super) async fn run(queue: Arc<Queue>, claim: Claim) {
    let started = Instant::now();
    let org = Arc::new(OnceLock::new());
    let Claim { job, token, lease, slot, now_ms } = claim;
    let ClaimedJob { id, fence, fields, suspect, .. } = job;
    let size = fields.data.as_ref().map_or(0, Vec::len);
    let decoded = if size > queue.payload_max {
        Err(format!("data of {size} bytes; payload_max is {}", queue.payload_max))
    } else {
        let dialect = queue.store.dialect();
        dialect.decode(&queue.store.keys().queue, id.clone(), fields).map_err(|error| error.to_string())
    };
    let status = AtomicU16::new(0);
    let (job, follower, end) = match decoded {
        Err(problem) => {
            let job = unreadable(&queue, id);
            queue.observer.started(&job.queue, &job.name, Duration::ZERO);
            let follower = queue.observer.follow(&job, &queue.options.name);
            (job, follower, End::undecodable(problem))
        }
        Ok(job) => {
            let job = Arc::new(job);
            queue.observer.started(&job.queue, &job.name, waited(&job, now_ms));
            let follower = queue.observer.follow(&job, &queue.options.name);
            let trace = follower.as_ref().and_then(|follower| follower.context());
            journal::started(&queue, &job, trace.map(|trace| &**trace));
            if !job.opts.misread.is_empty() {
                let fields = job.opts.misread.join(", ");
                tracing::warn!(queue = &*job.queue, job_id = %job.id, fields, "of a wrong type: read as the queue's own library reads them");
            }
            let run = Run {
                queue: &queue,
                job: &job,
                token: &token,
                fence,
                lease: &lease,
                now_ms,
                suspect,
                org: &org,
                trace,
                status: &status,
            };
            let end =
                if job.comes_again() { Box::pin(run.with_successor()).await } else { run.to_its_end().await };
            (job, follower, end)
        }
    };
    lease.run_is_over();
    // A job that goes back must be back before the next claim, or another overtakes it; a completed one need not. With
    // one slot the next job must not even be claimed: people rely on one after the other, as Redis shows it.
    let early = queue.concurrency > 1 && matches!(end, End::Completed(_));
    let (slot_until_written, slot) = if early { (None, Some(slot)) } else { (Some(slot), None) };
    let waited = (job.attempts_made == 0).then(|| waited(&job, now_ms));
    let status = Some(status.load(Ordering::Relaxed)).filter(|status| *status > 0);
    let finished =
        Finished { job, token, lease, end, started, waited, org, follower, status, slot: slot_until_written };
    // Holds the slot until the finisher has room: a Redis that does not take outcomes gets no new claims.
    let _ = queue.finished.send(finished).await;
    drop(slot);
}

/// Stands for a job that could not be decoded: only its id is known.
fn unreadable(queue: &Queue, id: JobId) -> Arc<Job> {
    Arc::new(Job {
        queue: Arc::clone(&queue.store.keys().queue),
        id,
        name: "__default__".into(),
        data: crate::job::Data::Text("".into()),
        opts: crate::job::Options::default(),
        opts_text: "{}".into(),
        timestamp: 0,
        attempts_made: 0,
        stacktrace: None,
        progress: None,
        checkpoint: None,
        attempts_started: 0,
        deferred: None,
        scheduler: None,
        parent_key: None,
    })
}

/// How long the job waited: since it was added, or since its first run was due. Retries count from nothing known.
fn waited(job: &Job, now_ms: i64) -> Duration {
    let added = Some(job.timestamp).filter(|ms| *ms > 0);
    let since = job.opts.prev_millis.or(added).unwrap_or(now_ms);
    Duration::from_millis((now_ms - since).max(0).cast_unsigned())
}

pub(super) struct Run<'a> {
    pub queue: &'a Arc<Queue>,
    pub job: &'a Arc<Job>,
    pub token: &'a Arc<str>,
    pub fence: u64,
    pub lease: &'a Lease,
    pub now_ms: i64,
    /// Crashes that the job is charged with, if it is a suspect.
    pub suspect: Option<u32>,
    /// Whose job it is, once that is known.
    pub org: &'a Arc<OnceLock<Arc<str>>>,
    /// Where it is in its trace, if it is followed.
    pub trace: Option<&'a Arc<TraceContext>>,
    /// The HTTP status that its backend answered with; 0 = none.
    pub status: &'a AtomicU16,
}

impl Run<'_> {
    /// A repeatable job's occurrence: the next one is scheduled first. If Redis does not take it, that goes on beside
    /// the handler, and for as long as a lease lasts after it.
    async fn with_successor(&self) -> End {
        let Some(successor) = scheduler::schedule_next(self.queue, self.job, self.token, self.now_ms).await
        else {
            return self.in_turn().await;
        };
        let insist = scheduler::insist(self.queue, self.job, self.token, self.lease, successor);
        tokio::pin!(insist);
        let run = self.in_turn();
        tokio::pin!(run);
        tokio::select! {
            () = &mut insist => run.await,
            end = &mut run => {
                self.lease.run_is_over();
                if tokio::time::timeout(self.queue.options.lease, insist).await.is_err() {
                    tracing::error!(queue = &*self.job.queue, job_id = %self.job.id, "the next occurrence was not scheduled");
                }
                end
            }
        }
    }

    /// What is due before the one before it has ended does what its schedule says.
    async fn in_turn(&self) -> End {
        match schedules::instead_of(self.queue, self.job).await {
            Some(end) => end,
            None => self.to_its_end().await,
        }
    }

    async fn to_its_end(&self) -> End {
        // A process that stood still may find its lease gone before the lease thread says so.
        if self.lease.remaining().is_zero() {
            return End::LeaseLost;
        }
        if let Some(crashes) = self.suspect.filter(|crashes| *crashes >= self.queue.options.crash_limit) {
            return self.failed(Failure::crashed(crashes));
        }
        if let Some(why) = &self.job.deferred {
            // Decided before this run: it ends as every tool of BullMQ expects, and no handler sees it.
            let mut failure = Failure::new(ReasonClass::Error, &**why).permanent();
            failure.stack = Some(format!("UnrecoverableError: {why}"));
            return self.failed(failure);
        }
        if self.queue.options.max_started.is_some_and(|most| self.job.attempts_started > most) {
            // In BullMQ's own words.
            let text = "job started more than allowable limit";
            let mut failure = Failure::new(ReasonClass::Crashed, text).permanent();
            failure.stack = Some(format!("UnrecoverableError: {text}"));
            return self.failed(failure);
        }
        let Some((spec, limit)) = self.queue.handler(&self.job.name) else {
            let message = format!("Missing process handler for job type {}", self.job.name);
            return self.failed(Failure::new(ReasonClass::NoHandler, message));
        };
        if let Timeout::Bad(value) = &self.job.opts.timeout {
            let message = format!("Expected `milliseconds` to be a positive number, got `{value}`");
            return self.failed(Failure::new(ReasonClass::Error, message));
        }
        let _turn = match limit {
            None => None,
            Some(limit) => {
                let turn = tokio::select! {
                    turn = Arc::clone(limit).acquire_owned() => turn.ok(),
                    () = self.queue.stop.asked() => None,
                    () = self.lease.lost.cancelled() => None,
                    () = self.lease.cancel.asked() => None,
                };
                if turn.is_none() && self.lease.cancel.mark().is_none() {
                    return End::hand_back();
                }
                turn
            }
        };
        if self.lease.cancel.mark().is_some() {
            return self.cancelled();
        }
        if self.lease.remaining().is_zero() {
            return End::LeaseLost;
        }
        self.work(spec).await
    }

    pub(super) fn failed(&self, failure: Failure) -> End {
        End::failed(self.job, failure, &self.queue.options.strategies)
    }
}
