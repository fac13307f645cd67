//! What a move did, for people and for programs.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::place::Place;
use crate::cli::output::{Output, Part, Tone};
use crate::store::inspect::Counts;
use crate::store::moving::{Left, Tally};

/// States in the order of a job's life.
const STATES: [&str; 5] = ["waiting", "prioritized", "delayed", "failed", "completed"];
/// Jobs that are named for people, of each reason.
const NAMED: usize = 20;

pub(super) struct Report<'a> {
    pub(super) from: &'a Place,
    pub(super) to: &'a Place,
    pub(super) dry: bool,
    pub(super) tally: &'a Tally,
    /// What is in the source now.
    pub(super) source: Counts,
    /// Completed jobs were asked for.
    pub(super) completed: bool,
    pub(super) in_all: Vec<(String, u64)>,
    pub(super) took: Duration,
}

impl Report<'_> {
    pub(super) fn print(&self, out: &Output) -> std::io::Result<()> {
        out.page(&self.parts(), &self.json())?;
        if self.dry {
            out.note("nothing was written");
        } else if self.tally.paused {
            out.note(&format!("{} is paused now, as {} is: bullock queue resume", self.to, self.from));
        }
        Ok(())
    }

    fn moved(&self, state: &str) -> u64 {
        self.tally.moved.get(state).copied().unwrap_or(0)
    }

    fn completed_left(&self) -> u64 {
        if self.completed { 0 } else { self.source.completed }
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![
            Part::field("from", self.from),
            Part::field("to", self.to),
            Part::field(if self.dry { "would move" } else { "moved" }, self.tally.total()),
        ];
        parts.extend(STATES.into_iter().map(|state| Part::field(state, self.moved(state))));
        if self.tally.dropped > 0 {
            parts.push(Part::field("dropped, their series has moved", self.tally.dropped));
        }
        let in_all: u64 = self.in_all.iter().map(|(_, count)| count).sum();
        if in_all > 0 {
            parts.push(Part::field("moved by all runs", in_all));
        }
        let bad = |n: u64| if n > 0 { Tone::Bad } else { Tone::Plain };
        let staying = self.tally.staying();
        parts.push(Part::Field("stay", staying.to_string(), bad(staying)));
        parts.push(Part::Field("still run", self.source.active.to_string(), bad(self.source.active)));
        if self.completed_left() > 0 {
            let left = format!("{}, taken along with --completed", self.completed_left());
            parts.push(Part::field("completed in the source", left));
        }
        if !self.tally.schedulers.is_empty() {
            let line = |(id, (name, how)): (&String, &(String, String))| format!("{id}  {name}  {how}");
            parts.push(Part::Block("job schedulers", self.tally.schedulers.iter().map(line).collect()));
        }
        if !self.tally.notes.is_empty() {
            let lines = self.tally.notes.iter();
            let lines =
                lines.map(|(note, noted)| format!("{}: {note} (such as {})", noted.count, noted.example));
            parts.push(Part::Block("said in another way", lines.collect()));
        }
        for (reason, left) in &self.tally.left {
            parts.push(Part::Block(reason.words(), lines(left)));
        }
        parts
    }

    fn json(&self) -> Value {
        let moved: Map<String, Value> =
            STATES.into_iter().map(|state| (state.to_owned(), self.moved(state).into())).collect();
        let in_all: Map<String, Value> =
            self.in_all.iter().map(|(state, count)| (state.clone(), (*count).into())).collect();
        let schedulers = self.tally.schedulers.iter();
        let schedulers: Vec<Value> =
            schedulers.map(|(id, (name, how))| json!({"id": id, "name": name, "repeat": how})).collect();
        let notes = self.tally.notes.iter();
        let notes: Vec<Value> = notes
            .map(|(note, noted)| json!({"what": note, "jobs": noted.count, "example": noted.example}))
            .collect();
        let left: Map<String, Value> = self
            .tally
            .left
            .iter()
            .map(|(reason, left)| (reason.code().to_owned(), left_json(left)))
            .collect();
        json!({
            "from": self.from.to_string(), "to": self.to.to_string(), "dryRun": self.dry, "moved": moved,
            "movedByAllRuns": in_all, "dropped": self.tally.dropped, "schedulers": schedulers, "translated": notes,
            "left": left, "active": self.source.active, "completedLeft": self.completed_left(),
            "targetPaused": self.tally.paused, "tookMs": self.took.as_millis() as u64,
        })
    }
}

fn lines(left: &Left) -> Vec<String> {
    let line =
        |(id, why): &(String, String)| if why.is_empty() { id.clone() } else { format!("{id}  {why}") };
    let mut lines: Vec<String> = left.jobs.iter().take(NAMED).map(line).collect();
    let more = left.count.saturating_sub(lines.len() as u64);
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines
}

fn left_json(left: &Left) -> Value {
    let jobs = left.jobs.iter();
    let jobs: Vec<Value> = jobs
        .map(|(id, why)| if why.is_empty() { json!({"id": id}) } else { json!({"id": id, "why": why}) })
        .collect();
    json!({"count": left.count, "jobs": jobs})
}
