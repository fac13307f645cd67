//! What happens by itself: jobs fall due, workers are found dead.

use super::model::{Model, in_order, text};
use super::people::NODE;

/// Of a job whose worker died, and that runs as before.
const DIED_ONCE: &str = "1";

impl Model {
    /// Delayed jobs that are due, in turn.
    pub fn due(&self) -> Vec<String> {
        let last = if self.is_bull() { self.now * 4096 } else { (self.now + 1) * 4096 - 1 } as f64;
        let mut due = in_order(&self.delayed);
        due.retain(|id| self.delayed[id] <= last);
        due
    }

    /// Moves them to waiting.
    pub fn bring_due(&mut self, due: &[String]) {
        for id in due {
            self.delayed.remove(id);
            self.queue_up(id, self.number(id, "priority"), false);
            self.set(id, "delay", 0);
            self.emit("waiting", &format!("jobId={id} prev=delayed"));
        }
        if !due.is_empty() {
            self.mark_ready();
        }
    }

    /// Our sweep. `order`: in which turn the jobs were taken back, which is nobody's promise. Answers who must be.
    pub fn recover(&mut self, order: &[String], survived: Option<(&str, &str)>) -> Vec<String> {
        let dead: Vec<String> = self.leases.iter().filter(|id| !self.is_held(id)).cloned().collect();
        let (mut taken, mut cancelled) = (Vec::new(), Vec::new());
        let nodes = self.locks.iter().filter(|(id, token)| *token == NODE && self.leases.contains(*id));
        for id in nodes.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.stand_in_line(&id);
            self.leases.remove(&id);
            self.noted.remove(&id);
        }
        for id in &dead {
            if !self.active.contains(id) {
                // somebody has ended or removed it
            } else if !self.is_as_claimed(id) {
                self.stand_in_line(id);
            } else if let Some(mark) = self.recorded(id, "cancel").map(str::to_owned) {
                cancelled.push((id.clone(), mark));
            } else {
                taken.push(id.clone());
            }
            self.leases.remove(id);
            self.noted.remove(id);
        }
        for (id, mark) in cancelled {
            self.leave_active(&id);
            self.end_cancelled(&id, &mark, "active");
        }
        for id in order.iter().filter(|id| taken.contains(id)) {
            self.leave_active(id);
            self.take_back(id);
            self.note_crash(id);
        }
        if let Some((id, token)) = survived {
            self.absolve(id, token);
        }
        let (jobs, completed, failed) = (&self.jobs, &self.completed, &self.failed);
        self.suspects
            .retain(|id, _| jobs.contains_key(id) && !completed.contains_key(id) && !failed.contains_key(id));
        taken
    }

    /// Nobody else has counted a stall since.
    fn is_as_claimed(&self, id: &str) -> bool {
        let noted = self.noted.get(id).map(String::as_str);
        if !self.is_bull() {
            return self.field(id, "stc") == noted;
        }
        self.field(id, "stalledCounter") == noted
            || (noted.is_none() && self.field(id, "retriedOn").is_some())
    }

    fn leave_active(&mut self, id: &str) {
        self.active.retain(|other| other != id);
        self.stalled.remove(id);
    }

    fn take_back(&mut self, id: &str) {
        self.push(id, true);
        self.mark_ready();
        self.emit("waiting", &format!("jobId={id} prev=active"));
        self.emit("stalled", &format!("jobId={id}"));
    }

    /// Two workers in a row died with it: a process runs one of those at a time.
    pub fn runs_alone(&self, id: &str) -> bool {
        self.suspects.get(id).is_some_and(|state| state != DIED_ONCE)
    }

    fn note_crash(&mut self, id: &str) {
        let before = self.suspects.get(id).cloned();
        self.suspects.insert(text(id), before.as_ref().map_or_else(|| text(DIED_ONCE), |_| String::new()));
        let token = before.filter(|token| !token.is_empty() && token != DIED_ONCE);
        let now = self.now;
        let record = self.record(id);
        let number = |name: &str| record.get(name).map_or(0, |text| text.parse::<u32>().unwrap());
        let (crashes, own_crashes) = (number("crashes") + 1, number("own_crashes") + 1);
        record.insert(text("crashes"), text(crashes));
        let worker = token.as_ref().map_or(text("null"), |_| text("\"w\""));
        let own = token.is_some();
        record.insert(format!("crash:{crashes}"), format!(r#"{{"at":{now},"worker":{worker},"own":{own}}}"#));
        if let Some(token) = token {
            record.extend([(text("own_crashes"), text(own_crashes)), (text("crashed_run"), token)]);
        }
    }

    /// A worker that lost its lease lives: it was no crash.
    fn absolve(&mut self, id: &str, token: &str) {
        let own = self.recorded(id, "own_crashes").map_or(0, |text| text.parse::<i64>().unwrap());
        let charged = self
            .records
            .get(id)
            .is_some_and(|record| record.get("crashed_run").is_some_and(|run| run == token));
        if charged {
            let record = self.records.get_mut(id).expect("it was charged");
            record.remove("crashed_run");
            record.insert(text("own_crashes"), text((own - 1).max(0)));
        } else if own == 0 {
            self.suspects.remove(id);
        }
    }

    /// The library's own two-pass check. Answers who must have failed, and who must be taken back.
    pub fn check_stalled(&mut self, order: &[String], most: i64) -> (Vec<String>, Vec<String>) {
        self.checked = Some(self.now);
        if !self.events.is_empty() {
            self.trim();
        }
        let counter = if self.is_bull() { "stalledCounter" } else { "stc" };
        let (mut failed, mut taken) = (Vec::new(), Vec::new());
        for id in std::mem::take(&mut self.stalled) {
            if self.leases.contains(&id) || self.is_held(&id) || !self.active.contains(&id) {
                continue;
            }
            self.active.retain(|other| *other != id);
            if let Some(mark) = self.recorded(&id, "cancel").map(str::to_owned) {
                self.end_cancelled(&id, &mark, "active");
                continue;
            }
            let stalls = self.number(&id, counter) + 1;
            self.set(&id, counter, stalls);
            let text = "job stalled more than allowable limit";
            if stalls > most && self.is_bull() {
                self.set(&id, "failedReason", text);
                self.set(&id, "finishedOn", self.now);
                self.failed.insert(id.clone(), self.now as f64);
                failed.push(id);
                continue;
            }
            if stalls > most {
                self.set(&id, "defa", text);
            }
            taken.push(id);
        }
        for id in order.iter().filter(|id| taken.contains(id)) {
            self.take_back(id);
        }
        self.stalled = self.active.iter().cloned().collect();
        (failed, taken)
    }

    /// A job that left its place ends as cancelled.
    pub fn end_cancelled(&mut self, id: &str, mark: &str, was: &str) {
        let (now, reason) = (self.now, "cancelled by kim: because");
        self.set(id, "failedReason", reason);
        self.set(id, "finishedOn", now);
        self.unset(id, &["defa"]);
        let record = self.record(id);
        record.remove("cancel");
        record.extend([
            (text("reason"), text("cancelled")),
            (text("buried_at"), text(now)),
            (text("cancelled"), text(mark)),
        ]);
        self.failed.insert(text(id), now as f64);
        self.count_cancelled();
        self.emit("failed", &format!("jobId={id} failedReason={reason} prev={was}"));
    }
}
