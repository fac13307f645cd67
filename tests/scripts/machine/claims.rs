//! Jobs come in, and runs begin.

use super::model::{Model, in_order, text};

impl Model {
    /// Adds a job; says whether it existed.
    pub fn add(&mut self, id: Option<&str>, delay_ms: i64, priority: i64, lifo: bool) -> (String, bool) {
        self.counter += 1;
        while id.is_none() && self.jobs.contains_key(&text(self.counter)) {
            self.counter += 1;
        }
        let id = id.map_or_else(|| text(self.counter), str::to_owned);
        if self.jobs.contains_key(&id) {
            self.trim();
            self.emit("duplicated", &format!("jobId={id}"));
            return (id, true);
        }
        let fields = [
            ("name", text("x")),
            ("data", text("{}")),
            ("opts", text("{}")),
            ("timestamp", text(self.now)),
            ("delay", text(delay_ms)),
            ("priority", text(priority)),
        ];
        self.jobs.insert(id.clone(), fields.map(|(name, value)| (text(name), value)).into());
        self.emit("added", &format!("jobId={id} name=x"));
        self.trim();
        if delay_ms > 0 {
            let due = self.now + delay_ms;
            self.delay(&id, due, self.counter % 4096);
            self.emit("delayed", &format!("jobId={id} delay={due}"));
            self.mark_delayed();
        } else {
            self.queue_up(&id, priority, lifo);
            self.emit("waiting", &format!("jobId={id}"));
            self.mark_ready();
        }
        (id, false)
    }

    /// Claims: which jobs, in turn.
    pub fn claim(&mut self, tokens: &[String], may_take_suspect: bool) -> Vec<String> {
        self.remembered = false;
        if self.is_bull() {
            self.claim_bull(tokens, may_take_suspect)
        } else {
            self.claim_bullmq(tokens, may_take_suspect)
        }
    }

    fn claim_bull(&mut self, tokens: &[String], mut may_take_suspect: bool) -> Vec<String> {
        if self.paused {
            return Vec::new();
        }
        let mut taken = Vec::new();
        for id in self.line.iter().rev() {
            let suspect = self.runs_alone(id);
            if taken.len() < tokens.len() && (!suspect || may_take_suspect) {
                may_take_suspect &= !suspect;
                taken.push(id.clone());
            }
        }
        if taken.is_empty() {
            return taken;
        }
        self.fence += taken.len() as u64;
        self.line.retain(|id| !taken.contains(id));
        taken.retain(|id| {
            self.ranked.remove(id);
            !self.ends_instead(id)
        });
        for (id, token) in taken.iter().zip(tokens) {
            self.start(id, token);
        }
        self.remember();
        taken
    }

    fn claim_bullmq(&mut self, tokens: &[String], mut may_take_suspect: bool) -> Vec<String> {
        let due = self.due();
        let has_line = !self.line.is_empty() && self.line_name() == "wait";
        if !due.is_empty() || has_line || !self.ranked.is_empty() {
            self.fence += tokens.len() as u64;
        }
        self.bring_due(&due);
        if self.paused {
            return Vec::new();
        }
        let (mut claimed, mut passed, mut examined, mut dry) = (Vec::new(), Vec::new(), 0, false);
        while !dry && claimed.len() < tokens.len() {
            let n = tokens.len() - claimed.len();
            let mut turn: Vec<String> = self.line.iter().rev().cloned().collect();
            turn.extend(in_order(&self.ranked));
            turn.retain(|id| !passed.contains(id));
            turn.truncate(n);
            dry = turn.len() < n;
            examined += turn.len();
            for id in turn {
                let suspect = self.runs_alone(&id);
                if suspect && !may_take_suspect {
                    passed.push(id);
                    continue;
                }
                may_take_suspect &= !suspect;
                self.line.retain(|other| *other != id);
                self.ranked.remove(&id);
                if !self.ends_instead(&id) {
                    self.start(&id, &tokens[claimed.len()]);
                    self.emit("active", &format!("jobId={id} prev=waiting"));
                    claimed.push(id);
                }
            }
        }
        if dry {
            self.pc = None;
        }
        if examined > 0 {
            self.mark_ready();
        }
        if !claimed.is_empty() {
            self.remember();
        }
        claimed
    }

    /// Cancelled while it ran, and given back since: it ends here.
    fn ends_instead(&mut self, id: &str) -> bool {
        let mark = self.recorded(id, "cancel").filter(|_| self.field(id, "processedOn").is_some());
        let Some(mark) = mark.map(str::to_owned) else { return false };
        self.end_cancelled(id, &mark, "waiting");
        true
    }

    fn start(&mut self, id: &str, token: &str) {
        let ran = ["attemptsMade", "processedOn", "atm", "ats"].map(|name| self.field(id, name).is_some());
        let ran = if self.is_bull() { ran[0] || ran[1] } else { ran[2] || ran[3] };
        if ran {
            self.note_stalls(id);
        }
        if self.runs_alone(id) {
            self.suspects.insert(text(id), text(token));
        }
        if !self.is_bull() {
            self.set(id, "ats", self.number(id, "ats") + 1);
        }
        self.set(id, "processedOn", self.now);
        self.locks.insert(text(id), text(token));
        self.active.insert(0, text(id));
        self.stalled.remove(id);
        self.leases.insert(text(id));
    }

    fn note_stalls(&mut self, id: &str) {
        let counter = if self.is_bull() { "stalledCounter" } else { "stc" };
        if let Some(stalls) = self.field(id, counter).map(str::to_owned) {
            self.noted.insert(text(id), stalls);
        }
    }

    /// The claim is sent again: which of its jobs are still held.
    pub fn claim_again(&mut self, claimed: &[(String, String)]) -> Vec<String> {
        let held = claimed.iter().filter(|(id, token)| self.locks.get(id) == Some(token));
        let held: Vec<String> = held.map(|(id, _)| id.clone()).collect();
        for id in &held {
            self.note_stalls(id);
        }
        held
    }
}
