//! One job as all commands show it: its hash, where it is, and our word for how it does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::error::shown;
use crate::cli::output::Tone;
use crate::cli::time::duration;
use crate::job::state::{Facts, State, Status, status};
use crate::store::look::{Holder, Mark};
use crate::store::{Store, StoreError};
use crate::wire::hash::JobView;

/// Cells of the progress bar in a list.
const BAR_CELLS: u64 = 5;

/// A job with everything that is known of it.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Record {
    pub(in crate::cli) view: JobView,
    /// `None` = its hash is there, but no list names it ("stuck", as Bull says).
    pub(in crate::cli) state: Option<State>,
    pub(in crate::cli) mark: Mark,
}

impl Record {
    /// Reads one job; `None` = there is no such job.
    pub(in crate::cli) async fn read(store: &Store, id: &str) -> Result<Option<Self>, StoreError> {
        let mut found = store.job(id).await?;
        // The lists are asked one after the other: a job that moved meanwhile is found at the second look.
        if matches!(&found, Some((_, "stuck"))) {
            found = store.job(id).await?;
        }
        let Some((view, state)) = found else { return Ok(None) };
        let mark = store.marks(&[id.to_owned()]).await?.pop().unwrap_or_default();
        Ok(Some(Self { view, state: state.parse().ok(), mark }))
    }

    /// A job as the admin API shows it: in a list, or alone.
    pub(in crate::cli) fn of_api(mut job: Value) -> Self {
        let number = |name: &str| job[name].as_i64();
        // A worker of another kind gives no name; the API tells a lease that never ends by a very long one.
        let holder = job["leaseMs"].as_u64().map(|ms| Holder {
            token: job["worker"]
                .as_str()
                .map_or_else(|| "node".into(), |name| format!("{name}:{}", "0".repeat(32))),
            left: (ms < u64::MAX >> 12).then(|| Duration::from_millis(ms)),
        });
        let mark =
            Mark { holder, reason: job["reason"].as_str().map(str::to_owned), due_ms: number("dueOn") };
        let state = job["state"].as_str().and_then(|word| word.parse().ok());
        if let Value::Object(members) = &mut job {
            // What is null is not there; bodies may be null themselves, which is what they are without.
            members.retain(|_, value| !value.is_null());
        }
        let mut view: JobView = serde_json::from_value(job).unwrap_or_default();
        if view.progress.is_null() {
            view.progress = 0.into();
        }
        Self { view, state, mark }
    }

    /// Reads jobs that one state's list named; those that are gone meanwhile are left out.
    pub(in crate::cli) async fn read_all(
        store: &Store,
        state: State,
        ids: &[String],
    ) -> Result<Vec<Self>, StoreError> {
        let views = store.jobs(ids).await?;
        let ids: Vec<String> = views.iter().map(|view| view.id.clone()).collect();
        let marks = store.marks(&ids).await?;
        Ok(views.into_iter().zip(marks).map(|(view, mark)| Self { view, state: Some(state), mark }).collect())
    }

    /// Our word for how it does.
    pub(in crate::cli) fn status(&self) -> Option<Status> {
        let failed_items = |value: &Value| value.get("failed").and_then(Value::as_u64).unwrap_or(0);
        Some(status(&Facts {
            state: self.state?,
            attempts_made: u32::try_from(self.view.attempts_made.max(0)).unwrap_or(u32::MAX),
            leased: self.mark.holder.is_some(),
            cancelled: self.mark.reason.as_deref() == Some("cancelled"),
            failed_items: failed_items(&self.view.progress).max(failed_items(&self.view.returnvalue)),
        }))
    }

    /// The word for the status, `stuck` when there is none.
    pub(in crate::cli) fn status_word(&self) -> String {
        self.status()
            .and_then(|status| json!(status).as_str().map(str::to_owned))
            .unwrap_or_else(|| "stuck".into())
    }

    /// The word for the state, `stuck` when no list names it.
    pub(in crate::cli) fn state_word(&self) -> &'static str {
        self.state.map_or("stuck", State::as_str)
    }

    /// Who runs it; `Node` for a worker that gives no name.
    pub(in crate::cli) fn worker(&self) -> Option<&str> {
        self.mark.holder.as_ref().map(|holder| holder.worker().unwrap_or("Node"))
    }

    /// Who runs it, by name.
    pub(in crate::cli) fn worker_name(&self) -> Option<&str> {
        self.mark.holder.as_ref()?.worker()
    }

    /// `lease held by w-3, 8 s left`.
    pub(in crate::cli) fn lease(&self) -> Option<String> {
        let holder = self.mark.holder.as_ref()?;
        let left = holder.left.map_or_else(
            || "which never expires".to_owned(),
            |left| format!("{} s left", left.as_secs_f64().ceil()),
        );
        Some(format!("lease held by {}, {left}", shown(holder.worker().unwrap_or("a Node worker"))))
    }

    /// `active (lease held by w-3, 8 s left)`, as messages say where a job is.
    pub(in crate::cli) fn whereabouts(&self) -> String {
        match self.lease() {
            Some(lease) => format!("{} ({lease})", self.state_word()),
            None => self.state_word().to_owned(),
        }
    }

    /// Ms of the last run; of one that is under way, up to `now`.
    pub(in crate::cli) fn ran_ms(&self, now_ms: i64) -> Option<i64> {
        let started = self.view.processed_on?;
        match (self.view.finished_on, self.state) {
            (Some(finished), _) => Some(finished - started),
            (None, Some(State::Active)) => Some(now_ms - started),
            _ => None,
        }
    }

    /// Attempts: the one under way or to come, of how many.
    pub(in crate::cli) fn attempts(&self) -> String {
        let made = self.view.attempts_made;
        let of = self.view.opts.get("attempts").and_then(Value::as_i64).unwrap_or(1).max(1);
        let at = match self.state {
            // BullMQ has counted the good one, too.
            Some(State::Completed) if self.view.attempts_started.is_some() => made,
            Some(State::Active | State::Completed) => (made + 1).min(of.max(made)),
            _ => made,
        };
        format!("{at}/{of}")
    }

    /// Attempts that failed.
    pub(in crate::cli) fn failures(&self) -> i64 {
        // BullMQ has counted the good one, too.
        let good = self.state == Some(State::Completed) && self.view.attempts_started.is_some();
        (self.view.attempts_made - i64::from(good)).max(0)
    }

    /// The colour of its status.
    pub(in crate::cli) fn tone(&self) -> Tone {
        tone(self.status())
    }

    /// The fields of `job.toJSON()`, and besides: `state`, `status`, `worker`, `leaseMs`, `dueOn`, `reason`.
    pub(in crate::cli) fn json(&self) -> Value {
        let mut json = serde_json::to_value(&self.view).unwrap_or_default();
        let lease =
            self.mark.holder.as_ref().and_then(|holder| holder.left).map(|left| left.as_millis() as u64);
        json["state"] = self.state_word().into();
        json["status"] = self.status_word().into();
        json["worker"] = self.worker_name().into();
        json["leaseMs"] = lease.into();
        json["dueOn"] = self.mark.due_ms.into();
        json["reason"] = self.mark.reason.clone().into();
        json
    }
}

/// The colour of a status; none = it is stuck.
pub(in crate::cli) fn tone(status: Option<Status>) -> Tone {
    match status {
        Some(Status::Completed) => Tone::Good,
        Some(Status::Failed | Status::Stalled) | None => Tone::Bad,
        Some(Status::Running | Status::Retrying | Status::Partial) => Tone::Busy,
        Some(Status::Queued | Status::Scheduled | Status::Cancelled) => Tone::Plain,
    }
}

/// Progress as counts, when it is given so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli) struct Progress {
    pub(in crate::cli) done: f64,
    pub(in crate::cli) total: f64,
    pub(in crate::cli) failed: u64,
    /// It was a bare number: percent.
    pub(in crate::cli) percent: bool,
}

impl Progress {
    /// Reads `{total, processed, failed}`, or a number from 0 to 100. A job without progress has none.
    pub(in crate::cli) fn read(value: &Value) -> Option<Self> {
        if let Some(done) = value.as_f64() {
            return (done > 0.0).then_some(Self { done, total: 100.0, failed: 0, percent: true });
        }
        let number = |name: &str| value.get(name).and_then(Value::as_f64);
        if let (Some(total), Some(done)) = (number("total"), number("processed")) {
            let failed = value.get("failed").and_then(Value::as_u64).unwrap_or(0);
            return Some(Self { done, total, failed, percent: false });
        }
        number("progress").map(|done| Self { done, total: 100.0, failed: 0, percent: true })
    }

    /// 0 to 1.
    pub(in crate::cli) fn share(&self) -> f64 {
        if self.total > 0.0 { (self.done / self.total).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// `410/500`, or `82%`.
    pub(in crate::cli) fn text(&self) -> String {
        if self.percent { format!("{}%", self.done) } else { format!("{}/{}", self.done, self.total) }
    }

    /// `▓▓▓▓░`.
    pub(in crate::cli) fn bar(&self) -> String {
        let full = (self.share() * BAR_CELLS as f64).floor() as u64;
        (0..BAR_CELLS).map(|cell| if cell < full { '▓' } else { '░' }).collect()
    }
}

/// When a delayed job is due, seen from `now`.
pub(in crate::cli) fn due(due_ms: i64, now_ms: i64) -> String {
    if due_ms > now_ms {
        format!("in {}", duration((due_ms - now_ms + 999) / 1000 * 1000))
    } else {
        format!("due {} ago", duration((now_ms - due_ms) / 1000 * 1000))
    }
}
