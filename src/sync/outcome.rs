//! What is told of a sync: its progress while it runs, its result at the end.
//!
//! Owns: the two shapes. Must never know: how they are stored. Called by the loop.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::options::OnExhausted;
use super::plan::Plan;
use crate::job::outcome::{Failure, Outcome, ReasonClass, ReturnValue};
use crate::job::progress::with_percent;

/// Shortest time between two writes of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// The rate is that of so much time.
const RATE_OVER: Duration = Duration::from_secs(10);

/// Progress, at most four times a second, with the rate of late.
#[derive(Debug)]
pub(super) struct Teller {
    told: Option<Instant>,
    /// Where the count stood, and when: the oldest within [`RATE_OVER`].
    marks: std::collections::VecDeque<(Instant, u64)>,
}

impl Teller {
    pub(super) fn new(processed: u64) -> Self {
        Self { told: None, marks: [(Instant::now(), processed)].into() }
    }

    /// The progress to write now; `None` = it was written just before, and this is not the last.
    pub(super) fn progress(&mut self, plan: &Plan, batch_size: usize, last: bool) -> Option<String> {
        let now = Instant::now();
        if !last && self.told.is_some_and(|told| now - told < PROGRESS_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(with_percent(self.counts(plan, batch_size, now)).to_string())
    }

    fn counts(&mut self, plan: &Plan, batch_size: usize, now: Instant) -> Value {
        let counts = &plan.counts;
        self.marks.push_back((now, counts.processed));
        while self.marks.len() > 2 && self.marks.get(1).is_some_and(|(at, _)| now - *at >= RATE_OVER) {
            self.marks.pop_front();
        }
        let rate = self.marks.front().map_or(0.0, |(since, from)| {
            let seconds = (now - *since).as_secs_f64();
            if seconds > 0.0 { counts.processed.saturating_sub(*from) as f64 / seconds } else { 0.0 }
        });
        let left = plan.total.map(|total| total.saturating_sub(counts.processed));
        let eta_s = left.filter(|_| rate > 0.0).map(|left| (left as f64 / rate).ceil() as u64);
        json!({
            "total": plan.total,
            "processed": counts.processed,
            "successful": counts.successful,
            "failed": counts.failed,
            "skipped": counts.skipped,
            "retrying": counts.retrying,
            "batch": plan.batches + plan.retry_batches,
            "batches": plan.batches_in_all(batch_size),
            "rate": (rate * 10.0).round() / 10.0,
            "eta_s": eta_s,
            "metadata": {"pages": plan.pages, "duplicates": counts.duplicates, "started_at": plan.started_at},
        })
    }
}

/// How a run ends whose items have all come to their end.
pub(super) fn state(plan: &Plan, on_exhausted: OnExhausted) -> &'static str {
    match on_exhausted {
        _ if plan.counts.failed == 0 => "completed",
        OnExhausted::Partial => "partial",
        OnExhausted::Fail => "failed",
    }
}

/// What is told of it.
pub(super) fn summary(plan: &Plan, on_exhausted: OnExhausted) -> Value {
    let counts = &plan.counts;
    json!({
        "state": state(plan, on_exhausted),
        "total": counts.processed,
        "processed": counts.processed,
        "successful": counts.successful,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "duplicates": counts.duplicates,
        "batches": plan.batches + plan.retry_batches,
        "actionRequired": counts.failed > 0,
    })
}

/// The end of such a run.
pub(super) fn end(plan: &Plan, on_exhausted: OnExhausted) -> Outcome {
    let counts = &plan.counts;
    if counts.failed > 0 && on_exhausted == OnExhausted::Fail {
        let text = format!("{} of {} items failed", counts.failed, counts.processed);
        return Outcome::Failed(Failure::new(ReasonClass::Error, text).permanent());
    }
    Outcome::Completed(ReturnValue::of(&summary(plan, on_exhausted)).ok())
}
