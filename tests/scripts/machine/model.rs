//! A queue as it must be: every key of it, and the moves that all acts are made of.

use std::collections::{BTreeMap, BTreeSet};

/// Which library's queue it is. `BullMQ` 5 pauses in another way than 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    Bull,
    Five,
    Six,
}

pub type Fields = BTreeMap<String, String>;
pub type Scores = BTreeMap<String, f64>;

/// Points that `metrics:*:data` keeps.
pub const METRICS_POINTS: u64 = 2;
pub const LANE: &str = "lane";
/// Who acts, in the words of the audit log.
pub const WHO: &str = "by=kim from=cli@shop why=because";

#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    pub(super) fields: Fields,
    pub(super) points: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Model {
    pub flavour: Flavour,
    pub now: i64,
    /// Job hashes, by id.
    pub jobs: BTreeMap<String, Fields>,
    pub logs: BTreeMap<String, Vec<String>>,
    /// Our records of jobs.
    pub records: BTreeMap<String, Fields>,
    pub locks: BTreeMap<String, String>,
    /// `wait`, or `paused` while the queue is and its library moves the list.
    pub line: Vec<String>,
    pub active: Vec<String>,
    pub delayed: Scores,
    pub completed: Scores,
    pub failed: Scores,
    /// Bull's `priority`, which ranks members of the line; `BullMQ`'s `prioritized`, which is a place.
    pub ranked: Scores,
    pub stalled: BTreeSet<String>,
    pub leases: BTreeSet<String>,
    /// `leases:stalled`.
    pub noted: Fields,
    pub suspects: Fields,
    pub counter: i64,
    pub fence: u64,
    pub pc: Option<u64>,
    pub paused: bool,
    pub checked: Option<i64>,
    pub meta: Fields,
    pub marker: Scores,
    pub(super) metrics: [Metrics; 2],
    pub events: Vec<String>,
    pub audit: Vec<String>,
    pub wake_ups: Vec<String>,
    /// The last request of the lane was answered with a record, so that it may be sent again.
    pub remembered: bool,
    pub(super) has_reply: bool,
}

#[allow(clippy::needless_pass_by_value, reason = "short at its many callers")]
pub fn text(value: impl ToString) -> String {
    value.to_string()
}

/// Members in Redis' order: by score, then by name.
pub fn in_order(scores: &Scores) -> Vec<String> {
    let mut all: Vec<(&String, f64)> = scores.iter().map(|(id, score)| (id, *score)).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
    all.into_iter().map(|(id, _)| id.clone()).collect()
}

impl Model {
    pub fn new(flavour: Flavour, now: i64) -> Self {
        let mut meta = Fields::new();
        if flavour == Flavour::Five {
            meta.insert(text("version"), text("bullmq:5.81.5"));
        }
        Self {
            flavour,
            now,
            jobs: BTreeMap::new(),
            logs: BTreeMap::new(),
            records: BTreeMap::new(),
            locks: BTreeMap::new(),
            line: Vec::new(),
            active: Vec::new(),
            delayed: Scores::new(),
            completed: Scores::new(),
            failed: Scores::new(),
            ranked: Scores::new(),
            stalled: BTreeSet::new(),
            leases: BTreeSet::new(),
            noted: Fields::new(),
            suspects: Fields::new(),
            counter: 0,
            fence: 0,
            pc: None,
            paused: false,
            checked: None,
            meta,
            marker: Scores::new(),
            metrics: Default::default(),
            events: Vec::new(),
            audit: Vec::new(),
            wake_ups: Vec::new(),
            remembered: false,
            has_reply: false,
        }
    }

    pub fn is_bull(&self) -> bool {
        self.flavour == Flavour::Bull
    }

    pub fn field(&self, id: &str, name: &str) -> Option<&str> {
        self.jobs.get(id)?.get(name).map(String::as_str)
    }

    pub fn number(&self, id: &str, name: &str) -> i64 {
        self.field(id, name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    #[allow(clippy::needless_pass_by_value, reason = "short at its many callers")]
    pub fn set(&mut self, id: &str, name: &str, value: impl ToString) {
        self.jobs.entry(text(id)).or_default().insert(text(name), value.to_string());
    }

    pub fn unset(&mut self, id: &str, names: &[&str]) {
        if let Some(fields) = self.jobs.get_mut(id) {
            fields.retain(|name, _| !names.contains(&name.as_str()));
        }
    }

    pub fn is_held(&self, id: &str) -> bool {
        self.locks.contains_key(id)
    }

    pub fn remember(&mut self) {
        (self.remembered, self.has_reply) = (true, true);
    }

    /// What `BullMQ` says in its event log.
    pub fn emit(&mut self, event: &str, words: &str) {
        if !self.is_bull() {
            self.events.push(format!("event={event} {words}").trim_end().to_owned());
        }
    }

    /// Whoever trims the event log writes how long it may be.
    pub fn trim(&mut self) {
        if !self.is_bull() {
            self.meta.entry(text("opts.maxLenEvents")).or_insert_with(|| text(10000));
        }
    }

    pub fn note(&mut self, what: &str, id: &str, was: &str, is: &str) {
        self.audit.push(format!("what={what} job={id} was={was} is={is} {WHO}"));
    }

    pub fn mark_ready(&mut self) {
        if !self.is_bull() && !self.paused {
            self.marker.insert(text("0"), 0.0);
        }
    }

    pub fn mark_delayed(&mut self) {
        if self.is_bull() {
            return;
        }
        if let Some(first) = in_order(&self.delayed).first() {
            self.marker.insert(text("1"), self.delayed[first] / 4096.0);
        }
    }

    /// `wait` or `paused`.
    pub fn line_name(&self) -> &'static str {
        if self.paused && self.flavour != Flavour::Six { "paused" } else { "wait" }
    }

    pub fn push(&mut self, id: &str, at_consumers_end: bool) {
        let at = if at_consumers_end { self.line.len() } else { 0 };
        self.line.insert(at, text(id));
    }

    /// Among the waiting ones, by its priority or at an end.
    pub fn queue_up(&mut self, id: &str, priority: i64, at_consumers_end: bool) {
        if priority == 0 {
            self.push(id, at_consumers_end);
        } else if self.is_bull() {
            self.ranked.insert(text(id), priority as f64);
            let ahead = self.ranked.values().filter(|rank| **rank <= priority as f64).count();
            let at = self.line.len().checked_sub(ahead - 1).expect("all that are ranked are in line");
            self.line.insert(at, text(id));
        } else {
            let count = self.pc.map_or(1, |count| count + 1);
            self.pc = Some(count);
            self.ranked.insert(text(id), priority as f64 * 4_294_967_296.0 + count as f64);
        }
    }

    /// Into `delayed`; `low` are the low bits of a Bull score.
    pub fn delay(&mut self, id: &str, due: i64, low: i64) {
        let lowest = (due * 4096) as f64;
        let last = self.delayed.values().copied().filter(|score| (lowest..lowest + 4096.0).contains(score));
        let free = last.fold(lowest, |free, score| f64::max(free, score + 1.0));
        self.delayed.insert(text(id), if self.is_bull() { lowest + low as f64 } else { free });
    }

    /// Out of every place.
    pub fn leave_places(&mut self, id: &str) {
        self.line.retain(|other| other != id);
        self.active.retain(|other| other != id);
        for set in [&mut self.delayed, &mut self.completed, &mut self.failed, &mut self.ranked] {
            set.remove(id);
        }
    }

    /// Where it is, as the libraries name it.
    pub fn state(&self, id: &str) -> Option<&'static str> {
        let sets = [("completed", &self.completed), ("failed", &self.failed), ("delayed", &self.delayed)];
        for (name, set) in sets {
            if set.contains_key(id) {
                return Some(name);
            }
        }
        if !self.is_bull() && self.ranked.contains_key(id) {
            return Some("prioritized");
        }
        let within = |list: &Vec<String>| list.iter().any(|other| other == id);
        if within(&self.active) {
            return Some("active");
        }
        within(&self.line).then(|| if self.line_name() == "wait" { "waiting" } else { "paused" })
    }

    /// The same by the name of the key.
    pub fn place(&self, id: &str) -> Option<&'static str> {
        self.state(id).map(|state| if state == "waiting" { "wait" } else { state })
    }

    /// The job of our record is the one that is there now.
    fn is_about(&self, id: &str) -> bool {
        let of = self.records.get(id).and_then(|record| record.get("of"));
        of.is_none() || self.field(id, "timestamp").is_none_or(|added| Some(added) == of.map(String::as_str))
    }

    /// A field of our record, if that is about this job.
    pub fn recorded(&self, id: &str, name: &str) -> Option<&str> {
        let record = self.records.get(id).filter(|_| self.is_about(id))?;
        record.get(name).map(String::as_str)
    }

    /// Our record, to be written to.
    pub fn record(&mut self, id: &str) -> &mut Fields {
        if !self.is_about(id) {
            self.records.remove(id);
        }
        let added = self.field(id, "timestamp").map(str::to_owned);
        self.records.entry(text(id)).or_insert_with(|| added.map(|ms| (text("of"), ms)).into_iter().collect())
    }

    pub fn delete(&mut self, id: &str) {
        self.jobs.remove(id);
        self.logs.remove(id);
        self.records.remove(id);
    }

    /// Adds to the metrics of 0 completed, 1 failed jobs.
    pub fn count(&mut self, kind: usize, done: i64) {
        if done == 0 {
            return;
        }
        let now = self.now;
        let Metrics { fields, points } = &mut self.metrics[kind];
        let number = |fields: &Fields, name: &str| fields.get(name).map_or(0, |text| text.parse().unwrap());
        let before: i64 = number(fields, "count");
        fields.insert(text("count"), text(before + done));
        let Some(last) = fields.get("prevTS").map(|text| text.parse::<i64>().unwrap()) else {
            fields.extend([(text("prevTS"), text(now)), (text("prevCount"), text(0))]);
            return;
        };
        let minutes = (now / 60_000 - last / 60_000).min(METRICS_POINTS.cast_signed());
        if minutes < 1 {
            return;
        }
        points.insert(0, text(before - number(fields, "prevCount")));
        (1..minutes).for_each(|_| points.insert(0, text(0)));
        points.truncate(METRICS_POINTS as usize);
        fields.extend([(text("prevTS"), text(now)), (text("prevCount"), text(before))]);
    }

    /// A cancel that no run hears: it is counted where the queue keeps metrics.
    pub fn count_cancelled(&mut self) {
        if let Some(count) = self.metrics[1].fields.get_mut("count") {
            *count = text(count.parse::<i64>().unwrap() + 1);
        }
    }
}
