//! What runs do to the queue: they begin, tell, and end.

use bullock::store::finish::Verdict;
use bullock::wire::bull::low_bits;

use super::model::{Model, text};
use super::step::{Back, Failure, Report};

pub const DELAY_MS: i64 = 25_000;
pub const DEFERRALS_MAX: i64 = 2;
/// Attempts that each job has, for the event that they are used up.
pub const ATTEMPTS: u32 = 3;

impl Model {
    /// What a write of this run is answered.
    pub fn verdict(&self, id: &str, token: &str) -> Verdict {
        match self.locks.get(id) {
            _ if !self.jobs.contains_key(id) => Verdict::JobGone,
            Some(holder) if holder == token => Verdict::Done,
            _ => Verdict::LeaseLost,
        }
    }

    /// A run that holds its job lets go of it.
    fn release(&mut self, id: &str) {
        self.locks.remove(id);
        self.stalled.remove(id);
        self.leases.remove(id);
        self.noted.remove(id);
        self.active.retain(|other| other != id);
    }

    pub fn complete(&mut self, id: &str, token: &str, keep: bool) -> Verdict {
        self.remembered = false;
        let verdict = self.verdict(id, token);
        if verdict != Verdict::Done {
            return verdict;
        }
        self.trim();
        self.release(id);
        self.suspects.remove(id);
        self.emit("completed", &format!("jobId={id} returnvalue=1 prev=active"));
        if keep {
            self.set(id, "returnvalue", 1);
            self.set(id, "finishedOn", self.now);
            if !self.is_bull() {
                self.set(id, "atm", self.number(id, "atm") + 1);
            }
            self.completed.insert(text(id), self.now as f64);
        } else {
            self.delete(id);
        }
        self.count(0, 1);
        self.tell_drained();
        self.remember();
        verdict
    }

    /// After the last end: nothing waits or runs any more.
    pub fn tell_drained(&mut self) {
        let waits = !self.line.is_empty() && self.line_name() == "wait";
        if !waits && self.active.is_empty() && self.ranked.is_empty() {
            self.emit("drained", "");
        }
    }

    pub fn fail(&mut self, id: &str, token: &str, how: Failure, lifo: bool, keep: bool) -> Verdict {
        self.remembered = false;
        let verdict = self.verdict(id, token);
        if verdict != Verdict::Done {
            return verdict;
        }
        let counter = if self.is_bull() { "attemptsMade" } else { "atm" };
        let made = self.number(id, counter) + i64::from(!matches!(how, Failure::Unrun));
        self.trim();
        self.release(id);
        self.suspects.remove(id);
        if matches!(how, Failure::Again) && !self.is_bull() {
            let due = self.due();
            self.bring_due(&due);
        }
        self.set(id, "failedReason", "boom");
        self.set(id, "stacktrace", r#"["Error: boom"]"#);
        self.set(id, counter, made);
        let now = self.now;
        if !matches!(how, Failure::Unrun) {
            let attempt = format!(r#"{{"at":{now},"worker":"w"}}"#);
            self.record(id).insert(format!("attempt:{made}"), attempt);
        }
        match how {
            Failure::Again => {
                self.queue_up(id, self.number(id, "priority"), lifo);
                self.emit("waiting", &format!("jobId={id} prev=active"));
                self.mark_ready();
            }
            Failure::Delayed => self.put_off(id),
            Failure::ForGood | Failure::Cancelled | Failure::Unrun => self.bury(id, how, made, keep),
        }
        self.remember();
        verdict
    }

    fn bury(&mut self, id: &str, how: Failure, made: i64, keep: bool) {
        let (now, mark) = (self.now, self.recorded(id, "cancel").map(str::to_owned));
        let class = if matches!(how, Failure::Cancelled) { "cancelled" } else { "error" };
        let record = self.record(id);
        record.extend([(text("reason"), text(class)), (text("buried_at"), text(now))]);
        if let (Some(mark), "cancelled") = (mark, class) {
            record.remove("cancel");
            record.insert(text("cancelled"), mark);
        }
        if keep {
            self.set(id, "finishedOn", now);
            self.unset(id, &["defa"]);
            self.failed.insert(text(id), now as f64);
        } else {
            self.delete(id);
        }
        self.emit("failed", &format!("jobId={id} failedReason=boom prev=active"));
        if made >= i64::from(ATTEMPTS) {
            self.emit("retries-exhausted", &format!("jobId={id} attemptsMade={made}"));
        }
        self.count(1, 1);
        self.tell_drained();
    }

    fn put_off(&mut self, id: &str) {
        let due = self.now + DELAY_MS;
        if !self.is_bull() {
            self.set(id, "delay", DELAY_MS);
        }
        self.delay(id, due, low_bits(id));
        self.trim();
        self.emit("delayed", &format!("jobId={id} delay={due}"));
        self.mark_delayed();
    }

    pub fn hand_back(&mut self, id: &str, token: &str, how: Back) -> Verdict {
        self.remembered = false;
        let verdict = self.verdict(id, token);
        if verdict != Verdict::Done {
            return verdict;
        }
        if matches!(how, Back::Deferred) {
            let deferrals = self.recorded(id, "deferrals").map_or(0, |text| text.parse::<i64>().unwrap());
            if deferrals >= DEFERRALS_MAX {
                return Verdict::DeferredTooOften;
            }
            self.record(id).insert(text("deferrals"), text(deferrals + 1));
            self.suspects.remove(id);
        } else {
            self.stand_in_line(id);
        }
        self.release(id);
        let priority = self.number(id, "priority");
        if !matches!(how, Back::ToWaiting) {
            self.put_off(id);
        } else if self.is_bull() {
            self.queue_up(id, priority, true);
        } else {
            if priority > 0 {
                self.ranked.insert(text(id), priority as f64 * 4_294_967_296.0);
            } else {
                self.push(id, true);
            }
            self.trim();
            self.emit("waiting", &format!("jobId={id} prev=active"));
            self.mark_ready();
        }
        self.remember();
        verdict
    }

    /// Still a suspect, but no run of it is under way.
    pub fn stand_in_line(&mut self, id: &str) {
        if self.runs_alone(id) {
            self.suspects.insert(text(id), String::new());
        }
    }

    pub fn report(&mut self, id: &str, token: &str, what: Report) -> Verdict {
        let verdict = self.verdict(id, token);
        if verdict != Verdict::Done {
            return verdict;
        }
        let now = self.now;
        match what {
            Report::Progress(value) => {
                self.set(id, "progress", value);
                self.trim();
                self.emit("progress", &format!("jobId={id} data={value}"));
            }
            Report::Log => {
                let lines = self.logs.entry(text(id)).or_default();
                lines.push(text("line"));
                lines.drain(..lines.len().saturating_sub(2));
            }
            Report::Checkpoint(value) => {
                let record = self.record(id);
                if record.insert(text("checkpoint"), text(value)) != Some(text(value)) {
                    record.remove("own_crashes"); // it has moved on since
                    self.suspects.remove(id);
                }
            }
            Report::Beat | Report::Moved => {
                let record = self.record(id);
                if record.insert(text("beat:token"), text(token)).as_deref() != Some(token) {
                    record.remove("moved");
                }
                record.insert(text("beat"), text(now));
                if matches!(what, Report::Moved) {
                    record.insert(text("moved"), text(now));
                }
            }
            Report::Data(value) => self.set(id, "data", value),
        }
        verdict
    }

    /// Whether the lease was prolonged.
    pub fn renew(&mut self, id: &str, token: &str) -> bool {
        let held = self.locks.get(id).is_some_and(|holder| holder == token);
        if held {
            self.stalled.remove(id);
        }
        held
    }
}
