//! What people do about zombies, and about many jobs at once.

use bullock::store::control::CleanState;
use bullock::store::zombies::{Acted, Sort};

use super::model::{Flavour, Model, WHO, in_order, text};
use super::people::ZOMBIE_MS;

impl Model {
    /// Is it a zombie of this sort?
    pub fn is_zombie(&self, sort: Sort, id: &str) -> bool {
        let active = self.active.iter().any(|other| other == id);
        let beat =
            self.records.get(id).and_then(|record| record.get("beat")).map_or(0, |ms| ms.parse().unwrap());
        match sort {
            Sort::Silent => {
                let sign = self.number(id, "processedOn").max(beat);
                active && self.is_held(id) && sign <= self.now - ZOMBIE_MS
            }
            Sort::Overdue => {
                self.delayed.get(id).is_some_and(|score| score / 4096.0 <= (self.now - ZOMBIE_MS) as f64)
            }
            _ => active && !self.is_held(id),
        }
    }

    pub fn mend(&mut self, id: &str, requeue: bool, sort: Sort, from_live_runs: bool) -> Acted {
        if !self.jobs.contains_key(id) || !self.is_zombie(sort, id) {
            return Acted::Gone;
        }
        if self.is_held(id) && !from_live_runs {
            return Acted::Held;
        }
        let was = self.place(id).unwrap_or("");
        self.take_from_run(id, "kill");
        self.leave_places(id);
        if requeue {
            self.unset(id, &["finishedOn", "returnvalue"]);
            if was == "delayed" {
                self.set(id, "delay", 0);
            }
            self.push(id, true);
            self.mark_ready();
            self.emit("waiting", &format!("jobId={id} prev={was}"));
        } else {
            self.fail_whole(id);
        }
        let now_in = if requeue { self.line_name() } else { "failed" };
        let act = if requeue { "requeue" } else { "fail" };
        self.audit.push(format!("what=zombies {act} job={id} was={was} is={now_in} {WHO}"));
        Acted::Done(text(was), text(now_in))
    }

    fn fail_whole(&mut self, id: &str) {
        let now = self.now;
        self.set(id, "failedReason", "because");
        self.set(id, "finishedOn", now);
        self.unset(id, &["defa"]);
        if self.field(id, "stacktrace").is_none() {
            self.set(id, "stacktrace", "[]");
        }
        self.record(id).extend([(text("reason"), text("crashed")), (text("buried_at"), text(now))]);
        self.failed.insert(text(id), now as f64);
        self.emit("failed", &format!("jobId={id} failedReason=because prev=active"));
    }

    pub fn drain(&mut self) -> usize {
        let mut all: Vec<String> = self.line.drain(..).collect();
        all.extend(std::mem::take(&mut self.delayed).into_keys());
        let ranked = std::mem::take(&mut self.ranked).into_keys();
        all.extend(ranked.filter(|_| self.flavour != Flavour::Bull));
        for id in &all {
            self.leases.remove(id);
            self.delete(id);
        }
        if !all.is_empty() {
            self.note("drain", "", "", "");
        }
        all.len()
    }

    /// Deletes what is older than now, in turn.
    pub fn clean(&mut self, state: CleanState) -> Vec<String> {
        let of_list = |list: &Vec<String>| list.iter().rev().cloned().collect::<Vec<_>>();
        let candidates = match state {
            CleanState::Completed => in_order(&self.completed),
            CleanState::Failed => in_order(&self.failed),
            CleanState::Delayed => in_order(&self.delayed),
            CleanState::Active => of_list(&self.active),
            CleanState::Wait if self.line_name() == "wait" => of_list(&self.line),
            CleanState::Paused if self.line_name() == "paused" => of_list(&self.line),
            _ => Vec::new(),
        };
        let finished = matches!(state, CleanState::Completed | CleanState::Failed);
        let mut gone = Vec::new();
        for id in candidates {
            let ended = self.completed.get(&id).or(self.failed.get(&id)).filter(|_| finished);
            let told = ["finishedOn", "processedOn", "timestamp"].map(|name| self.number(&id, name));
            let told = told.into_iter().find(|ms| *ms > 0).unwrap_or(0);
            let time = if self.is_bull() { told } else { ended.map_or(told, |ms| *ms as i64) };
            let too_new = if self.is_bull() { time >= self.now } else { time > self.now };
            if self.is_held(&id) || too_new {
                continue;
            }
            self.leave_places(&id);
            self.leases.remove(&id);
            self.delete(&id);
            gone.push(id);
        }
        self.emit("cleaned", &format!("count={}", gone.len()));
        if !gone.is_empty() {
            self.note("clean", "", "", "");
        }
        gone
    }
}
