//! One attempt: a handler at work, and what stops it.
//!
//! Owns: from the call of the handler to how the run ends. Must never know: how an end is written. Called by
//! `executor`, once a job is decoded and its handler has a turn.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::HandlerSpec;
use super::executor::Run;
use super::finisher::End;
use super::limits::Limits;
use super::run_writer::Writer;
use crate::handler::{Context, Pulse, RunInfo, StopReason, Stopping};
use crate::job::outcome::{Failure, Outcome, ReasonClass};
use crate::store::cancel::CancelMark;

/// How long a handler that was told to stop may still take to notice, before its future is dropped.
const STOP_NOTICE: Duration = Duration::from_millis(500);

/// So long after its limits a run that nobody has stopped loses its lease.
const OVERDUE: Duration = Duration::from_secs(2);

/// A handler at work. Dropped, it is aborted: a future goes at its next await, and with it its sockets and processes.
struct Work(AbortOnDropHandle<Outcome>);

impl Work {
    /// Waits for what it answers. May be dropped and called again.
    async fn outcome(&mut self) -> Outcome {
        match (&mut self.0).await {
            Ok(outcome) => outcome,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => Outcome::Failed(Failure::panicked(&*panic)),
                // The runtime stops: there is nobody left to write anything.
                Err(_) => Outcome::EndedElsewhere,
            },
        }
    }
}

/// Why a run was stopped from outside.
enum Stopped {
    LeaseLost,
    Elsewhere,
    Cancelled,
    HandBack,
    Limit(Failure),
}

impl Run<'_> {
    /// Runs the handler to its end, or to what stops it.
    pub(super) async fn work(&self, spec: &HandlerSpec) -> End {
        let limits = Limits::start(&self.job.opts.timeout, spec);
        self.lease.renew_until(limits.longest().map(|limit| limits.begun + limit + OVERDUE));
        let end = self.watch(spec, &limits).await;
        // From here on it is Redis that may take its time.
        self.lease.renew_until(None);
        end
    }

    async fn watch(&self, spec: &HandlerSpec, limits: &Limits) -> End {
        let cancelled = CancellationToken::new();
        let writer = Arc::new(Writer::new(self, cancelled.clone()));
        let mut context = Context::new(self.info(limits), cancelled.clone(), Arc::clone(&writer) as _);
        context.draining = self.queue.stop.draining();
        let (pulse, stopping) = (context.pulse.clone(), context.stopping.clone());
        let handler = Arc::clone(&spec.handler);
        let job = Arc::clone(self.job);
        let shown = self.shown();
        // On a task of its own: a function that blocks its thread must not keep us from looking at the clock. The call
        // itself is inside, so that a handler that panics before its first await is caught too.
        let mut work = Work(AbortOnDropHandle::new(tokio::spawn(
            async move { handler.run(job, context).await }.instrument(shown),
        )));
        let stopped = tokio::select! {
            biased;
            outcome = work.outcome() => {
                writer.flush().await;
                self.tell_answer(spec, &pulse, limits.begun, &outcome);
                // A handler that gives up because a write was refused: by nobody's callback, but for want of the lease.
                let refused = cancelled.is_cancelled() && !self.lease.ended.is_cancelled();
                if refused && outcome == Outcome::EndedElsewhere {
                    return End::LeaseLost;
                }
                return self.end(outcome, spec);
            }
            () = self.lease.ended.cancelled() => Stopped::Elsewhere,
            () = self.lease.lost.cancelled() => Stopped::LeaseLost,
            () = cancelled.cancelled() => Stopped::LeaseLost,
            () = self.lease.cancel.asked() => Stopped::Cancelled,
            () = self.queue.stop.grace_over() => Stopped::HandBack,
            failure = limits.passed(&pulse, &writer) => Stopped::Limit(failure),
        };
        if matches!(stopped, Stopped::Elsewhere) {
            // Its own backend ended it: nobody is to be told to stop.
            return End::Elsewhere;
        }
        stopping.say(self.reason(&stopped));
        cancelled.cancel();
        if matches!(stopped, Stopped::Cancelled) {
            return self.await_cancelled(work, &writer, &stopping).await;
        }
        let last = tokio::time::timeout(STOP_NOTICE, work.outcome()).await;
        match (stopped, last) {
            (Stopped::Elsewhere, _) => End::Elsewhere,
            (Stopped::Limit(failure), _) => self.failed(failure),
            (Stopped::HandBack, Ok(Outcome::Completed(result))) => End::Completed(result),
            (Stopped::HandBack, _) => End::hand_back(),
            (Stopped::LeaseLost | Stopped::Cancelled, _) => End::LeaseLost,
        }
    }

    /// Why a run is stopped, as its handler is told.
    fn reason(&self, stopped: &Stopped) -> StopReason {
        match stopped {
            Stopped::LeaseLost | Stopped::Elsewhere => StopReason::LeaseLost,
            Stopped::HandBack => StopReason::ShuttingDown,
            Stopped::Limit(failure) => StopReason::Limit(failure.message.clone()),
            Stopped::Cancelled => {
                let mark = self.lease.cancel.mark().cloned().unwrap_or_default();
                StopReason::Cancelled { by: mark.by, why: mark.why }
            }
        }
    }

    /// The job was cancelled, and the handler knows: it may take the grace to end by itself. What it answers counts for
    /// nothing, unless it says that the work is done: then it is.
    async fn await_cancelled(&self, mut work: Work, writer: &Writer, stopping: &Stopping) -> End {
        let mut last = tokio::select! {
            biased;
            outcome = work.outcome() => Some(outcome),
            () = self.lease.ended.cancelled() => return End::Elsewhere,
            () = self.lease.lost.cancelled() => return End::LeaseLost,
            () = self.lease.cancel.killed() => None,
            () = self.queue.stop.grace_over() => None,
            () = tokio::time::sleep(self.queue.options.cancel_grace) => None,
        };
        if last.is_none() {
            stopping.end_grace();
            last = tokio::time::timeout(STOP_NOTICE, work.outcome()).await.ok();
        }
        writer.flush().await;
        match last {
            Some(Outcome::Completed(result)) => End::Completed(result),
            _ => self.cancelled(),
        }
    }

    /// Failed for good, as the scripts would have it of a job that nobody runs.
    pub(super) fn cancelled(&self) -> End {
        let text = self.lease.cancel.mark().map_or_else(String::new, CancelMark::text);
        self.failed(Failure::new(ReasonClass::Cancelled, text).permanent())
    }

    /// What every line of the log says that comes from within the handler of a followed run.
    fn shown(&self) -> tracing::Span {
        let (Some(trace), job) = (self.trace, self.job) else { return tracing::Span::none() };
        let (trace_id, span_id) = (trace.trace_id_text(), trace.span_id_text());
        // At the level that is never switched off: the lines below it have their own.
        tracing::error_span!("run", queue = &*job.queue, job_id = %job.id, job_name = &*job.name, trace_id, span_id)
    }

    /// Tells how the handler answered: by HTTP status where there is one.
    fn tell_answer(&self, spec: &HandlerSpec, pulse: &Pulse, begun: Instant, outcome: &Outcome) {
        self.status.store(pulse.status().unwrap_or_default(), Ordering::Relaxed);
        let class = match (pulse.status(), outcome) {
            (Some(100..=199), _) => "1xx",
            (Some(200..=299), _)
            | (
                None,
                Outcome::Completed(_)
                | Outcome::WaitForChildren
                | Outcome::Paused
                | Outcome::HandedBack
                | Outcome::EndedElsewhere,
            ) => "2xx",
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
        let callback = self.queue.options.callback_base.as_ref().map(|base| {
            let (queue, id) = (percent(&keys.queue), percent(self.job.id.as_str()));
            format!("{}/api/v1/queues/{queue}/jobs/{id}", base.trim_end_matches('/')).into()
        });
        RunInfo {
            key: None,
            trace: self.trace.map(Arc::clone),
            token: Arc::clone(self.token),
            fence: self.fence,
            worker: self.queue.options.name.as_str().into(),
            prefix: Arc::clone(&keys.prefix),
            deadline_ms: limits.longest().map(|limit| self.now_ms + limit.as_millis() as i64),
            callback,
        }
    }

    fn end(&self, outcome: Outcome, spec: &HandlerSpec) -> End {
        match outcome {
            Outcome::Completed(result) => End::Completed(result),
            // It ended by itself just when somebody cancelled it: it must not be tried again.
            Outcome::EndedElsewhere => End::Elsewhere,
            _ if self.lease.cancel.mark().is_some() => self.cancelled(),
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
            Outcome::Paused => End::Paused,
            Outcome::HandedBack => End::hand_back(),
            Outcome::WaitForChildren => End::WaitForChildren { most: spec.max_deferrals },
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
