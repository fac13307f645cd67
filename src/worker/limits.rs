//! The clocks that stop a run: the producer's `timeout`, the handler's `run_limit` and `no_progress`.
//!
//! Owns: when they are over, and in which words. Must never know: what stopping a run takes. Called by `executor`.

use std::time::{Duration, Instant};

use super::HandlerSpec;
use super::run_writer::Writer;
use crate::handler::Pulse;
use crate::job::options::Timeout;
use crate::job::outcome::{Failure, ReasonClass};

pub(super) struct Limits {
    pub begun: Instant,
    timeout: Option<Duration>,
    run_limit: Option<Duration>,
    no_progress: Option<Duration>,
}

impl Limits {
    /// They count from now.
    pub(super) fn start(timeout: &Timeout, spec: &HandlerSpec) -> Self {
        let timeout = match timeout {
            Timeout::Ms(ms) => Some(Duration::from_millis(*ms)),
            Timeout::None | Timeout::Bad(_) => None,
        };
        Self { begun: Instant::now(), timeout, run_limit: spec.run_limit, no_progress: spec.no_progress }
    }

    /// The longest that the run can take, whatever it does.
    pub(super) fn longest(&self) -> Option<Duration> {
        [self.timeout, self.run_limit].into_iter().flatten().min()
    }

    /// Resolves when a limit goes by; never, if there is none.
    pub(super) async fn passed(&self, pulse: &Pulse, writer: &Writer) -> Failure {
        if self.longest().is_none() && self.no_progress.is_none() {
            return std::future::pending().await;
        }
        loop {
            let (now, moved) = (Instant::now(), pulse.read().progress);
            let over = |limit: Option<Duration>, since: Instant| limit.filter(|limit| since + *limit <= now);
            if let Some(limit) = over(self.timeout, self.begun) {
                // Bull's own words, which producers match on (docs/wire/bull-4.md 3).
                let text = format!("Promise timed out after {} milliseconds", limit.as_millis());
                return Failure::new(ReasonClass::Timeout, text);
            }
            if let Some(limit) = over(self.run_limit, self.begun) {
                let text = format!("the run went on for longer than its limit of {limit:?}");
                return Failure::new(ReasonClass::Timeout, text);
            }
            if let Some(limit) = over(self.no_progress, moved) {
                // Callbacks may have come to any process: what they moved is in Redis. While it is away none can land,
                // and their absence says nothing; the look itself must not outlast the limit by much.
                match tokio::time::timeout(LOOK_MAX, writer.moved()).await {
                    Ok(Ok(ago)) if ago.is_some_and(|ago| ago < limit) => {
                        let ago = ago.unwrap_or_default();
                        pulse.progress_at(Instant::now().checked_sub(ago).unwrap_or(now));
                        continue;
                    }
                    _ => {}
                }
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

/// Longest wait for the answer whether callbacks moved the job.
const LOOK_MAX: Duration = Duration::from_millis(250);
