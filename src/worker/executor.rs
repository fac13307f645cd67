//! Runs one job: decodes it, finds its handler, keeps its limits, and passes the outcome on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::finisher::{End, Finished};
use super::lease::Lease;
use super::run_writer::Writer;
use super::{HandlerSpec, Queue, scheduler};
use crate::handler::{Context, Pulse, RunInfo};
use crate::job::options::Timeout;
use crate::job::outcome::{Failure, Outcome, ReasonClass};
use crate::job::{Job, JobId};
use crate::store::claim::ClaimedJob;

/// How long a handler that was told to stop may still take to notice, before its future is dropped.
const STOP_NOTICE: Duration = Duration::from_millis(500);

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
    let Claim { job, token, lease, slot, now_ms } = claim;
    let ClaimedJob { id, fence, fields, .. } = job;
    let size = fields.data.as_ref().map_or(0, Vec::len);
    let decoded = if size > queue.payload_max {
        Err(format!("data of {size} bytes; payload_max is {}", queue.payload_max))
    } else {
        let dialect = queue.store.dialect();
        dialect.decode(&queue.store.keys().queue, id.clone(), fields).map_err(|error| error.to_string())
    };
    let (job, end) = match decoded {
        Err(problem) => {
            let job = unreadable(&queue, id);
            queue.observer.started(&job.queue, &job.name, Duration::ZERO);
            (job, End::undecodable(problem))
        }
        Ok(job) => {
            let job = Arc::new(job);
            queue.observer.started(&job.queue, &job.name, waited(&job, now_ms));
            tracing::info!(queue = &*job.queue, job_id = %job.id, job_name = &*job.name, attempt = job.attempt(), "started");
            if !job.opts.misread.is_empty() {
                let fields = job.opts.misread.join(", ");
                tracing::warn!(queue = &*job.queue, job_id = %job.id, fields, "of a wrong type: read as the queue's own library reads them");
            }
            let run = Run { queue: &queue, job: &job, token: &token, fence, lease: &lease, now_ms };
            let end = if job.comes_again() { run.with_successor().await } else { run.to_its_end().await };
            (job, end)
        }
    };
    // A job that goes back must be back before the next claim, or another overtakes it; a completed one need not. With
    // one slot the next job must not even be claimed: people rely on one after the other, as Redis shows it.
    let early = queue.concurrency > 1 && matches!(end, End::Completed(_));
    let (slot_until_written, slot) = if early { (None, Some(slot)) } else { (Some(slot), None) };
    let finished = Finished { job, token, lease, end, started, slot: slot_until_written };
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

struct Run<'a> {
    queue: &'a Arc<Queue>,
    job: &'a Arc<Job>,
    token: &'a Arc<str>,
    fence: u64,
    lease: &'a Lease,
    now_ms: i64,
}

/// Why a run was stopped from outside.
enum Stopped {
    LeaseLost,
    Elsewhere,
    HandBack,
    Limit(Failure),
}

impl Run<'_> {
    /// A repeatable job's occurrence: the next one is scheduled first. If Redis does not take it, that goes on beside
    /// the handler, and for as long as a lease lasts after it.
    async fn with_successor(&self) -> End {
        let Some(successor) = scheduler::schedule_next(self.queue, self.job, self.token, self.now_ms).await
        else {
            return self.to_its_end().await;
        };
        let insist = scheduler::insist(self.queue, self.job, self.token, self.lease, successor);
        tokio::pin!(insist);
        let run = self.to_its_end();
        tokio::pin!(run);
        tokio::select! {
            () = &mut insist => run.await,
            end = &mut run => {
                if tokio::time::timeout(self.queue.options.lease, insist).await.is_err() {
                    tracing::error!(queue = &*self.job.queue, job_id = %self.job.id, "the next occurrence was not scheduled");
                }
                end
            }
        }
    }

    async fn to_its_end(&self) -> End {
        // A process that stood still may find its lease gone before the lease thread says so.
        if self.lease.remaining().is_zero() {
            return End::LeaseLost;
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
        let found = self.queue.handlers.get(&*self.job.name).or_else(|| self.queue.handlers.get("*"));
        let Some((spec, limit)) = found else {
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
                };
                if turn.is_none() {
                    return End::hand_back();
                }
                turn
            }
        };
        if self.lease.remaining().is_zero() {
            return End::LeaseLost;
        }
        self.work(spec).await
    }

    async fn work(&self, spec: &HandlerSpec) -> End {
        let cancelled = CancellationToken::new();
        let timeout = match self.job.opts.timeout {
            Timeout::Ms(ms) => Some(Duration::from_millis(ms)),
            Timeout::None | Timeout::Bad(_) => None,
        };
        let limits = Limits {
            begun: Instant::now(),
            timeout,
            run_limit: spec.run_limit,
            no_progress: spec.no_progress,
        };
        let writer = Arc::new(Writer::new(
            self.queue.store.clone(),
            self.job.id.clone(),
            Arc::clone(self.token),
            cancelled.clone(),
        ));
        let context = Context::new(self.info(&limits), cancelled.clone(), Arc::clone(&writer) as _);
        let pulse = context.pulse.clone();
        let handler = Arc::clone(&spec.handler);
        let job = Arc::clone(self.job);
        // The call itself is inside, so that a handler that panics before its first await is caught too.
        let work = AssertUnwindSafe(async move { handler.run(job, context).await }).catch_unwind();
        tokio::pin!(work);
        let stopped = tokio::select! {
            biased;
            outcome = &mut work => {
                writer.flush().await;
                self.tell_answer(spec, &pulse, limits.begun, outcome.as_ref().ok());
                // A handler that gives up because a write was refused: by nobody's callback, but for want of the lease.
                let refused = cancelled.is_cancelled() && !self.lease.ended.is_cancelled();
                if refused && matches!(outcome, Ok(Outcome::EndedElsewhere)) {
                    return End::LeaseLost;
                }
                return self.end(outcome.unwrap_or_else(|panic| Outcome::Failed(Failure::panicked(&*panic))), spec);
            }
            () = self.lease.ended.cancelled() => Stopped::Elsewhere,
            () = self.lease.lost.cancelled() => Stopped::LeaseLost,
            () = cancelled.cancelled() => Stopped::LeaseLost,
            () = self.queue.stop.grace_over() => Stopped::HandBack,
            failure = limits.passed(&pulse) => Stopped::Limit(failure),
        };
        if matches!(stopped, Stopped::Elsewhere) {
            // Its own backend ended it: nobody is to be told to stop.
            return End::Elsewhere;
        }
        cancelled.cancel();
        let last = tokio::time::timeout(STOP_NOTICE, &mut work).await;
        match (stopped, last) {
            (Stopped::LeaseLost, _) => End::LeaseLost,
            (Stopped::Elsewhere, _) => End::Elsewhere,
            (Stopped::Limit(failure), _) => self.failed(failure),
            (Stopped::HandBack, Ok(Ok(Outcome::Completed(result)))) => End::Completed(result),
            (Stopped::HandBack, _) => End::hand_back(),
        }
    }

    /// Tells how the handler answered: by HTTP status where there is one.
    fn tell_answer(&self, spec: &HandlerSpec, pulse: &Pulse, begun: Instant, outcome: Option<&Outcome>) {
        let class = match (pulse.status(), outcome) {
            (Some(100..=199), _) => "1xx",
            (Some(200..=299), _)
            | (None, Some(Outcome::Completed(_) | Outcome::WaitForChildren | Outcome::EndedElsewhere)) => {
                "2xx"
            }
            (Some(300..=399), _) => "3xx",
            (Some(400..=499), _) => "4xx",
            (Some(_), _) => "5xx",
            (None, _) => "error",
        };
        self.queue.observer.handler_answered(
            spec.handler.label(),
            class,
            spec.handler.is_healthy(),
            begun.elapsed(),
        );
    }

    fn info(&self, limits: &Limits) -> RunInfo {
        let keys = self.queue.store.keys();
        let longest = [limits.timeout, limits.run_limit].into_iter().flatten().min();
        let callback = self.queue.options.callback_base.as_ref().map(|base| {
            let (queue, id) = (percent(&keys.queue), percent(self.job.id.as_str()));
            format!("{}/api/v1/queues/{queue}/jobs/{id}", base.trim_end_matches('/')).into()
        });
        RunInfo {
            token: Arc::clone(self.token),
            fence: self.fence,
            worker: self.queue.options.name.as_str().into(),
            prefix: Arc::clone(&keys.prefix),
            key: None,
            deadline_ms: longest.map(|limit| self.now_ms + limit.as_millis() as i64),
            callback,
        }
    }

    fn end(&self, outcome: Outcome, spec: &HandlerSpec) -> End {
        match outcome {
            Outcome::Completed(result) => End::Completed(result),
            Outcome::Failed(failure) => self.failed(failure),
            Outcome::Deferred { after, why } => End::HandBack {
                delay: Some(after),
                rest: Duration::ZERO,
                most: Some(spec.max_deferrals),
                why,
            },
            Outcome::Throttled { after, why } => {
                End::HandBack { delay: None, rest: after, most: Some(spec.max_deferrals), why }
            }
            Outcome::WaitForChildren => End::WaitForChildren { most: spec.max_deferrals },
            Outcome::EndedElsewhere => End::Elsewhere,
        }
    }

    fn failed(&self, failure: Failure) -> End {
        End::failed(self.job, failure, &self.queue.options.strategies)
    }
}

/// The clocks that stop a run.
struct Limits {
    begun: Instant,
    timeout: Option<Duration>,
    run_limit: Option<Duration>,
    no_progress: Option<Duration>,
}

impl Limits {
    /// Resolves when a limit goes by; never, if there is none.
    async fn passed(&self, pulse: &Pulse) -> Failure {
        if self.timeout.is_none() && self.run_limit.is_none() && self.no_progress.is_none() {
            return std::future::pending().await;
        }
        loop {
            let (now, moved) = (Instant::now(), pulse.read().progress);
            let over =
                |limit: Option<Duration>, since: Instant| limit.is_some_and(|limit| since + limit <= now);
            if over(self.timeout, self.begun) {
                let ms = self.timeout.unwrap_or_default().as_millis();
                // Bull's own words, which producers match on (docs/wire/bull-4.md 3).
                return Failure::new(
                    ReasonClass::Timeout,
                    format!("Promise timed out after {ms} milliseconds"),
                );
            }
            if over(self.run_limit, self.begun) {
                let limit = self.run_limit.unwrap_or_default();
                return Failure::new(
                    ReasonClass::Timeout,
                    format!("the run went on for longer than its limit of {limit:?}"),
                );
            }
            if over(self.no_progress, moved) {
                let limit = self.no_progress.unwrap_or_default();
                return Failure::new(ReasonClass::NoProgress, format!("no progress for {limit:?}"));
            }
            let next = [
                self.timeout.map(|limit| self.begun + limit),
                self.run_limit.map(|limit| self.begun + limit),
                self.no_progress.map(|limit| moved + limit),
            ];
            if let Some(next) = next.into_iter().flatten().min() {
                tokio::time::sleep_until(next.into()).await;
            }
        }
    }
}

/// A path segment: unreserved characters stay, all else is percent-encoded.
fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
