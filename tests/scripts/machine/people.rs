//! What people do to jobs and queues. Each act that changed something leaves a line in the audit log.

use bullock::store::cancel::Cancelled;
use bullock::store::control::{Removed, Retried};
use bullock::store::force_done::Forced;
use bullock::store::zombies::Sort;

use super::model::{Flavour, Model, in_order, text};
use super::step::Step;

/// Silent or overdue for longer is a zombie.
pub const ZOMBIE_MS: i64 = 30_000;

/// The sorts of zombies that there may be.
pub const SORTS: [Sort; 3] = [Sort::ActiveWithoutLease, Sort::Overdue, Sort::Silent];

/// The token of Node workers.
pub const NODE: &str = "a uuid";

/// The result of a job that a person declares done.
pub fn forced_result() -> String {
    serde_json::json!({"forced": true, "by": "kim", "reason": "because"}).to_string()
}

impl Model {
    /// Jobs to which this could happen.
    pub fn possible(&self, step: &Step) -> Vec<String> {
        let can = |id: &&String| match step {
            Step::PromoteJob { .. } => self.delayed.contains_key(*id),
            Step::Retry { .. } => self.failed.contains_key(*id),
            Step::NodeRemoves { .. } => self.records.contains_key(*id) && !self.is_held(id),
            Step::NodeStarts { .. } => self.active.contains(id) && !self.is_held(id),
            Step::Mend { sort, .. } => self.is_zombie(SORTS[usize::from(*sort)], id),
            _ => false,
        };
        self.jobs.keys().filter(can).cloned().collect()
    }

    pub fn promote_one(&mut self, id: &str) -> bool {
        if self.delayed.remove(id).is_none() {
            return false;
        }
        self.queue_up(id, self.number(id, "priority"), false);
        self.mark_ready();
        self.emit("waiting", &format!("jobId={id} prev=delayed"));
        self.set(id, "delay", 0);
        self.note("promote", id, "delayed", self.state(id).unwrap_or(""));
        true
    }

    pub fn pause(&mut self, pause: bool) -> bool {
        let changed = self.paused != pause;
        self.paused = pause;
        if pause {
            self.meta.insert(text("paused"), text(1));
            self.marker.clear();
        } else {
            self.meta.remove("paused");
            if !self.line.is_empty() || (!self.is_bull() && !self.ranked.is_empty()) {
                self.mark_ready();
            } else {
                self.mark_delayed();
            }
        }
        self.emit(if pause { "paused" } else { "resumed" }, "");
        if changed {
            self.note(if pause { "pause" } else { "resume" }, "", "", "");
        }
        changed
    }

    pub fn retry(&mut self, id: &str, lifo: bool) -> Retried {
        if !self.jobs.contains_key(id) {
            return Retried::NotFound;
        }
        if self.is_held(id) {
            return Retried::Running;
        }
        if self.failed.remove(id).is_none() {
            return Retried::NotFailed;
        }
        self.unset(id, &["finishedOn", "processedOn", "failedReason"]);
        self.revive(id);
        let ranks = self.flavour == Flavour::Six;
        let priority = if ranks { self.number(id, "priority") } else { 0 };
        self.queue_up(id, priority, lifo);
        if self.is_bull() {
            self.set(id, "retriedOn", self.now);
        }
        self.mark_ready();
        self.trim();
        self.emit("waiting", &format!("jobId={id} prev=failed"));
        self.note("retry", id, "failed", self.state(id).unwrap_or(""));
        Retried::Done
    }

    /// Its crashes and the reason start anew.
    fn revive(&mut self, id: &str) {
        self.suspects.remove(id);
        if let Some(record) = self.records.get_mut(id) {
            let gone =
                ["reason", "buried_at", "crashes", "own_crashes", "crashed_run", "cancel", "cancelled"];
            record.retain(|name, _| !gone.contains(&name.as_str()) && !name.starts_with("crash:"));
        }
        self.records.retain(|_, record| !record.is_empty());
    }

    pub fn retry_all(&mut self) -> usize {
        let all = in_order(&self.failed);
        for id in &all {
            self.failed.remove(id);
            self.unset(id, &["finishedOn", "processedOn", "failedReason"]);
            self.revive(id);
            self.push(id, false);
            self.mark_ready();
            self.trim();
            self.emit("waiting", &format!("jobId={id} prev=failed"));
        }
        if !all.is_empty() {
            self.note("retry-all", "", "", "");
        }
        all.len()
    }

    pub fn remove(&mut self, id: &str) -> Removed {
        if !self.jobs.contains_key(id) {
            return Removed::NotFound;
        }
        if self.is_held(id) {
            return Removed::Running;
        }
        let (state, place) = (self.state(id).unwrap_or(""), self.place(id).unwrap_or("unknown"));
        self.leave_places(id);
        self.leases.remove(id);
        self.delete(id);
        self.trim();
        self.emit("removed", &format!("jobId={id} prev={place}"));
        self.note("remove", id, state, "");
        Removed::Done
    }

    /// A Node worker runs it: one in line, or one that its check has taken from a dead worker. Says whether it could, and
    /// how often that check has found it dead.
    pub fn node_starts(&mut self, id: &str) -> Option<i64> {
        let counter = if self.is_bull() { "stalledCounter" } else { "stc" };
        let in_line = self.line.iter().any(|other| other == id) && !self.paused;
        let dead = self.active.iter().any(|other| other == id) && !self.is_held(id);
        if !in_line && !dead {
            return None;
        }
        let stalls = self.number(id, counter) + i64::from(dead);
        if dead {
            self.set(id, counter, stalls);
        }
        self.line.retain(|other| other != id);
        self.active.retain(|other| other != id);
        if self.is_bull() {
            self.ranked.remove(id);
        } else {
            self.set(id, "ats", self.number(id, "ats") + 1);
        }
        self.set(id, "processedOn", self.now);
        self.active.insert(0, text(id));
        self.locks.insert(text(id), text(NODE));
        self.stalled.remove(id);
        Some(stalls)
    }

    /// A Node program removes it; says whether it could.
    pub fn node_removes(&mut self, id: &str) -> bool {
        if self.is_held(id) || !self.jobs.contains_key(id) {
            return false;
        }
        self.leave_places(id);
        self.jobs.remove(id);
        self.logs.remove(id);
        true
    }

    pub fn cancel(&mut self, id: &str, kill: bool) -> Cancelled {
        let what = if kill { "kill" } else { "cancel" };
        if !self.jobs.contains_key(id) {
            return Cancelled::NotFound;
        }
        if self.completed.contains_key(id) {
            return Cancelled::Completed;
        }
        if self.failed.contains_key(id) {
            let before = self.recorded(id, "reason") == Some("cancelled");
            return if before { Cancelled::Before } else { Cancelled::Failed };
        }
        let act = if kill { r#","act":"kill""# } else { "" };
        let mark = format!(r#"{{"at":{},"by":"kim","from":"cli@shop","why":"because"{act}}}"#, self.now);
        if self.is_held(id) {
            self.wake_ups.push(format!("job={id} act={what}"));
            if self.recorded(id, "cancel").is_some_and(|before| !kill || before.contains("kill")) {
                return Cancelled::ToldBefore;
            }
            self.record(id).insert(text("cancel"), mark);
            self.note(what, id, "active", "active");
            let ours = self.locks[id] != NODE && self.leases.contains(id);
            return if ours { Cancelled::Told } else { Cancelled::Marked };
        }
        let Some(was) = self.state(id) else { return Cancelled::Stuck };
        self.leave_places(id);
        self.stalled.remove(id);
        self.leases.remove(id);
        self.noted.remove(id);
        self.end_cancelled(id, &mark, was);
        self.note(what, id, was, "failed");
        Cancelled::Done
    }

    pub fn take_from_run(&mut self, id: &str, act: &str) {
        if self.locks.remove(id).is_some() {
            self.wake_ups.push(format!("job={id} act={act}"));
        }
        self.leases.remove(id);
        self.noted.remove(id);
        self.stalled.remove(id);
    }

    pub fn force_done(&mut self, id: &str) -> Forced {
        if !self.jobs.contains_key(id) {
            return Forced::NotFound;
        }
        if self.completed.contains_key(id) {
            let forced =
                self.field(id, "returnvalue").is_some_and(|text| text.starts_with(r#"{"forced":true"#));
            return if forced { Forced::Already } else { Forced::Completed };
        }
        let was = self.place(id).unwrap_or("stuck");
        self.take_from_run(id, "force-done");
        self.leave_places(id);
        self.unset(id, &["failedReason", "stacktrace", "defa"]);
        if let Some(record) = self.records.get_mut(id) {
            record.retain(|name, _| name != "reason" && name != "buried_at");
        }
        self.records.retain(|_, record| !record.is_empty());
        let result = forced_result();
        self.set(id, "returnvalue", &result);
        self.set(id, "finishedOn", self.now);
        self.completed.insert(text(id), self.now as f64);
        self.trim();
        self.emit("completed", &format!("jobId={id} returnvalue={result} prev={was}"));
        if was == "active" {
            self.tell_drained();
        }
        self.note("force-done", id, was, "completed");
        Forced::Done(text(was))
    }
}
