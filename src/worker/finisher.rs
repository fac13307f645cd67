//! Writes outcomes: at once when no call is under way, gathered while one is.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::lease::Lease;
use super::parents;
use super::trouble::jittered;
use super::{Ended, Follower, Queue, RunEnd, journal, token};
use crate::job::Job;
use crate::job::backoff::Strategies;
use crate::job::options::Keep;
use crate::job::outcome::{Failure, Fate, ReasonClass, ReturnValue, fate};
use crate::store::finish::{Completion, FailedRun, HandedBack, Verdict};
use crate::store::{BATCH_MAX, Lane, StoreError, fitting};
use crate::wire::bull;

/// A run that has ended, with the guard of its lease: renewal goes on until the outcome is in Redis.
pub(super) struct Finished {
    pub job: Arc<Job>,
    pub token: Arc<str>,
    pub lease: Lease,
    pub end: End,
    pub started: Instant,
    /// How long the job waited for its first attempt; `None` = this was a later one.
    pub waited: Option<Duration>,
    /// Whose job it is, once that is known.
    pub org: Arc<OnceLock<Arc<str>>>,
    /// Who follows the run, if anybody does.
    pub follower: Option<Box<dyn Follower>>,
    /// The HTTP status that its backend answered with.
    pub status: Option<u16>,
    /// Freed once the end is in Redis, where the next claim must not come first.
    #[expect(dead_code, reason = "held, and never looked at")]
    pub slot: Option<OwnedSemaphorePermit>,
}

/// What is to be written.
pub(super) enum End {
    Completed(Option<ReturnValue>),
    Failed {
        failure: Failure,
        fate: Fate,
    },
    HandBack {
        delay: Option<Duration>,
        rest: Duration,
        most: Option<u32>,
        why: String,
    },
    /// It waits in `delayed` until a person resumes it.
    Paused,
    /// Into `waiting-children`; handed back if no child is pending.
    WaitForChildren {
        most: u32,
    },
    LeaseLost,
    Elsewhere,
}

impl End {
    pub(super) fn hand_back() -> Self {
        Self::HandBack { delay: None, rest: Duration::ZERO, most: None, why: "the worker stops".into() }
    }

    pub(super) fn undecodable(problem: String) -> Self {
        Self::Failed {
            failure: Failure::new(ReasonClass::Undecodable, problem).permanent(),
            fate: Fate::Bury,
        }
    }

    /// Decides the fate of a failed job. A backoff type that nobody defined buries it with both messages (quirk Q8).
    pub(super) fn failed(job: &Job, mut failure: Failure, strategies: &Strategies) -> Self {
        match fate(&job.opts, job.attempt(), &failure, strategies) {
            Ok(fate) => Self::Failed { failure, fate },
            Err(unknown) => {
                failure.message = format!("{} ({unknown})", failure.message);
                Self::Failed { failure, fate: Fate::Bury }
            }
        }
    }
}

/// Receives outcomes until no run is left.
pub(super) async fn run(queue: Arc<Queue>, mut outcomes: mpsc::Receiver<Finished>) {
    let worker = token::clean_name(&queue.options.name);
    let lane = |what: &str| Lane::new(format!("{}:{what}", token::make(&worker, 1).remove(0)));
    let (mut complete, mut fail, mut back) = (lane("complete"), lane("fail"), lane("back"));
    // What the last round left to write: jobs that were deferred too often, or completed before their children, fail
    // instead; those that have no children to wait for are handed back.
    let mut batch = Vec::new();
    loop {
        if batch.is_empty() {
            tokio::select! {
                biased;
                _ = outcomes.recv_many(&mut batch, BATCH_MAX) => {}
                () = queue.runs_done.cancelled() => outcomes.recv_many_now(&mut batch),
            }
        }
        if batch.is_empty() {
            return;
        }
        let (mut completed, mut failed, mut handed_back) = (Vec::new(), Vec::new(), Vec::new());
        let mut waiting = Vec::new();
        for finished in batch.drain(..) {
            match finished.end {
                End::Completed(_) => completed.push(finished),
                End::Failed { .. } => failed.push(finished),
                End::HandBack { .. } | End::Paused => handed_back.push(finished),
                End::WaitForChildren { .. } => waiting.push(finished),
                End::LeaseLost => note(&queue, &finished, Ended::LeaseLost),
                End::Elsewhere => {
                    queue.observer.released(&finished.job.queue);
                    follow_end(&finished, finished.lease.ended_as(), finished.started.elapsed());
                    tracing::info!(queue = &*finished.job.queue, job_id = %finished.job.id, "ended by its callback");
                }
            }
        }
        // Nothing is left of failures: whatever Redis says of one, it is its end.
        let (refused, _, again, childless) = tokio::join!(
            write(&queue, &mut complete, completed, Kind::Complete),
            write(&queue, &mut fail, failed, Kind::Fail),
            write(&queue, &mut back, handed_back, Kind::HandBack),
            parents::wait(&queue, waiting),
        );
        batch = refused.into_iter().chain(again).chain(childless).collect();
    }
}

/// `recv_many` that does not wait.
trait ReceiveNow {
    fn recv_many_now(&mut self, batch: &mut Vec<Finished>);
}

impl ReceiveNow for mpsc::Receiver<Finished> {
    fn recv_many_now(&mut self, batch: &mut Vec<Finished>) {
        while let Ok(finished) = self.try_recv() {
            batch.push(finished);
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Complete,
    Fail,
    HandBack,
}

/// Sends outcomes in calls of a size that Redis reads well within the response time-out.
async fn write(queue: &Queue, lane: &mut Lane, mut batch: Vec<Finished>, kind: Kind) -> Vec<Finished> {
    let mut left = Vec::new();
    while !batch.is_empty() {
        let rest = batch.split_off(fitting(batch.iter().map(size)));
        left.append(&mut write_call(queue, lane, batch, kind).await);
        batch = rest;
    }
    left
}

/// What an outcome adds to a call.
fn size(finished: &Finished) -> usize {
    match &finished.end {
        End::Completed(Some(result)) => result.as_str().len(),
        _ => 0,
    }
}

/// Sends one call, again and again with the same number, until Redis has answered or every lease has run out.
async fn write_call(queue: &Queue, lane: &mut Lane, batch: Vec<Finished>, kind: Kind) -> Vec<Finished> {
    lane.next();
    let mut times = 0;
    loop {
        match send(queue, lane, &batch, kind).await {
            Ok(verdicts) => {
                let unconfirmed = queue.store.take_unconfirmed();
                if unconfirmed > 0 {
                    queue.observer.unconfirmed(&queue.store.keys().queue, unconfirmed);
                    tracing::warn!(
                        queue = &*queue.store.keys().queue,
                        jobs = unconfirmed,
                        "ends of jobs are written, and too few replicas have confirmed them: a failover may undo them"
                    );
                }
                let settled = batch.into_iter().zip(verdicts);
                return settled.filter_map(|(finished, verdict)| settle(queue, finished, verdict)).collect();
            }
            Err(error) if error.may_pass() && batch.iter().any(|f| !f.lease.remaining().is_zero()) => {
                times += 1;
                if times == 1 {
                    tracing::warn!(queue = &*queue.store.keys().queue, %error, jobs = batch.len(),
                        "outcomes are kept and sent again until their leases end");
                }
                tokio::select! {
                    () = tokio::time::sleep(jittered(times).min(queue.options.renew)) => {}
                    () = queue.store.connection().mended() => {}
                }
            }
            Err(error) => {
                for finished in &batch {
                    tracing::error!(queue = &*finished.job.queue, job_id = %finished.job.id, %error,
                        "the outcome could not be written; the job may run again");
                    note(queue, finished, Ended::LeaseLost);
                }
                return Vec::new();
            }
        }
    }
}

async fn send(
    queue: &Queue,
    lane: &Lane,
    batch: &[Finished],
    kind: Kind,
) -> Result<Vec<Verdict>, StoreError> {
    let kept = queue.options.lease.as_millis() as u64;
    match kind {
        Kind::Complete => {
            let runs: Vec<_> = batch.iter().map(|finished| completion(queue, finished)).collect();
            queue.store.complete(lane, kept, queue.metrics_points, &runs).await
        }
        Kind::Fail => {
            let traces: Vec<String> = batch.iter().map(stacktrace).collect();
            let runs: Vec<_> =
                batch.iter().zip(&traces).map(|(f, trace)| failed_run(queue, f, trace)).collect();
            queue.store.fail(lane, kept, queue.metrics_points, &runs).await
        }
        Kind::HandBack => {
            let mut rest_ms = 0;
            let runs: Vec<_> = batch
                .iter()
                .map(|finished| {
                    let (delay, most) = match &finished.end {
                        End::HandBack { delay, rest, most, .. } => {
                            rest_ms = rest_ms.max(rest.as_millis() as u64);
                            (*delay, *most)
                        }
                        _ => (None, None),
                    };
                    HandedBack {
                        id: finished.job.id.as_str(),
                        token: &finished.token,
                        delay_ms: delay.map(|delay| delay.as_millis() as u64),
                        held: matches!(finished.end, End::Paused),
                        max_deferrals: most,
                    }
                })
                .collect();
            queue.store.hand_back(lane, kept, rest_ms, &runs).await
        }
    }
}

fn completion<'a>(queue: &Queue, finished: &'a Finished) -> Completion<'a> {
    let result = match &finished.end {
        End::Completed(Some(result)) => Some(result.as_str()),
        _ => None,
    };
    Completion {
        id: finished.job.id.as_str(),
        token: &finished.token,
        result,
        keep: finished.job.opts.remove_on_complete.unwrap_or(queue.keep_completed),
        debounce_id: finished.job.opts.debounce_id.as_deref(),
        plain_fields: finished.lease.plain_fields,
    }
}

fn stacktrace(finished: &Finished) -> String {
    let End::Failed { failure, .. } = &finished.end else { return "[]".into() };
    let job = &finished.job;
    bull::stacktrace_with(job.stacktrace.as_deref(), &failure.stack_entry(), job.opts.stack_trace_limit)
}

fn failed_run<'a>(queue: &Queue, finished: &'a Finished, stacktrace: &'a str) -> FailedRun<'a> {
    let job = &finished.job;
    let (failure, fate) = match &finished.end {
        End::Failed { failure, fate } => (Some(failure), *fate),
        _ => (None, Fate::Bury),
    };
    let class = failure.map_or(ReasonClass::Error, |failure| failure.class).as_str();
    let spends_attempt = failure.is_none_or(|failure| failure.spends_attempt);
    let message = failure.map(|failure| failure.message.as_str());
    let record = serde_json::json!({
        "worker": queue.options.name, "class": class, "ran_ms": finished.started.elapsed().as_millis() as u64,
        "message": message.map(|text| text.chars().take(1000).collect::<String>()),
    });
    FailedRun {
        id: job.id.as_str(),
        token: &finished.token,
        fate,
        attempts_made: if spends_attempt { job.attempt() } else { job.attempts_made },
        spends_attempt,
        opts: &job.opts_text,
        attempts: job.opts.attempts,
        message,
        stacktrace,
        keep: if fate == Fate::Bury {
            job.opts.remove_on_fail.unwrap_or(queue.keep_failed)
        } else {
            Keep::All
        },
        debounce_id: finished.job.opts.debounce_id.as_deref(),
        lifo: job.opts.lifo,
        class,
        record: record.to_string().trim_start_matches('{').to_owned(),
    }
}

/// Says how a run ended, as Redis has it. A job that was deferred too often fails like any other attempt: that is
/// what is left to write.
fn settle(queue: &Queue, finished: Finished, verdict: Verdict) -> Option<Finished> {
    if let (Verdict::DeferredTooOften, End::HandBack { most, why, .. }) = (verdict, &finished.end) {
        let message = format!("deferred more than {} times, last: {why}", most.unwrap_or_default());
        let failure = Failure::new(ReasonClass::Error, message);
        let end = End::failed(&finished.job, failure, &queue.options.strategies);
        return Some(Finished { end, ..finished });
    }
    if let Some(message) = parents::refused(&finished.job, verdict, "moveToFinished") {
        let failure = Failure::new(ReasonClass::Error, message);
        let end = End::failed(&finished.job, failure, &queue.options.strategies);
        return Some(Finished { end, ..finished });
    }
    let ended = match (verdict, &finished.end) {
        (Verdict::Done, End::Completed(_)) => Ended::Completed,
        (Verdict::Done, End::Failed { failure, fate: Fate::Bury })
            if failure.class == ReasonClass::Cancelled =>
        {
            Ended::Cancelled
        }
        (Verdict::Done, End::Failed { fate: Fate::Bury, .. }) => Ended::Failed,
        (Verdict::Done, End::Failed { .. }) => Ended::Retried,
        (Verdict::Done, End::HandBack { most: Some(_), .. } | End::Paused) => Ended::Deferred,
        (Verdict::Done, _) => Ended::HandedBack,
        _ => Ended::LeaseLost,
    };
    note(queue, &finished, ended);
    None
}

pub(super) fn note(queue: &Queue, finished: &Finished, ended: Ended) {
    if ended == Ended::LeaseLost {
        queue.survived.note(&finished.job.id, &finished.token);
    }
    let (job, ran) = (&finished.job, finished.started.elapsed());
    queue.observer.ended(&job.queue, &job.name, ended, ran, job.attempt());
    queue.history.count(finished, ended, ran);
    follow_end(finished, Some(ended), ran);
    journal::ended(queue, finished, ended, ran);
}

/// Whoever follows the run hears how it ended; `None` = by a callback to another process.
fn follow_end(finished: &Finished, ended: Option<Ended>, ran: Duration) {
    let Some(follower) = &finished.follower else { return };
    let error = match (&finished.end, ended) {
        (End::Failed { failure, .. }, Some(Ended::Failed | Ended::Cancelled | Ended::Retried)) => {
            Some((failure.class.as_str(), failure.message.as_str()))
        }
        (End::Elsewhere, Some(Ended::Failed | Ended::Retried)) => {
            Some((ReasonClass::Error.as_str(), "its callback told of a failure"))
        }
        (_, Some(Ended::LeaseLost)) => Some((Ended::LeaseLost.as_str(), "nothing of this run was written")),
        _ => None,
    };
    follower.ended(&RunEnd { ended, error, ran });
}
