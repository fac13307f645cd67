//! The verdict, as one line of JSON for programs and a summary for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bullock::wire::Dialect;
use serde_json::{Value, json};

use crate::judge::{Class, Finding, History, Judgement};
use crate::locks::tales;
use crate::run::Options;

/// So many findings are told in full.
const TOLD: usize = 5;

/// What became of a run.
pub(crate) struct Verdict {
    pub options: Options,
    pub history: History,
    pub judgement: Judgement,
    /// From the last fault to the last job's end.
    pub drained: Duration,
    /// Workers of ours that ended by themselves or not with 0.
    pub ended: Vec<String>,
    /// Node producers that ended by themselves and were started again: how, and their last words. No fault of ours.
    pub producers_ended: Vec<String>,
}

impl Verdict {
    pub(crate) fn is_passed(&self) -> bool {
        self.judgement.is_clean() && self.ended.is_empty()
    }

    /// One line.
    pub(crate) fn json(&self) -> Value {
        let (history, judgement) = (&self.history, &self.judgement);
        let mut line = json!({
            "passed": self.is_passed(),
            "seed": self.options.seed,
            "commit": std::env::var("CHAOS_COMMIT").ok(),
            "seconds": self.options.ms / 1000,
            "dialect": match self.options.dialect { Dialect::Bull => "bull", Dialect::BullMq => "bullmq" },
            "mixed": self.options.mixed,
            "sentinel": self.options.sentinel,
            "crash_limit": if self.options.default_crash_limit { "default" } else { "1000" },
            "workers": self.options.workers,
            "cut": self.options.cut.map(|guard| format!("{guard:?}")),
            "added": history.added.len(),
            "acknowledged": history.added.iter().filter(|added| added.was_acknowledged).count(),
            "completed": judgement.completed,
            "failed": judgement.failed,
            "runs": history.runs.len(),
            "rerun": judgement.rerun,
            "duplicated": judgement.duplicated,
            "recovered": judgement.recovered,
            "late_starts": judgement.late_starts,
        });
        for (class, name) in Class::ALL {
            line[name] = judgement.count(class).into();
        }
        line["by_node_workers"] = judgement.by_peers().into();
        line["workers_ended"] = self.ended.len().into();
        line["producers_ended"] = self.producers_ended.len().into();
        line["drained_ms"] = (self.drained.as_millis() as u64).into();
        line["faults"] = self.faults();
        line
    }

    fn faults(&self) -> Value {
        let mut counts = BTreeMap::new();
        for planned in self.options.schedule() {
            *counts.entry(planned.fault.name()).or_insert(0) += 1;
        }
        json!(counts)
    }

    /// For people: the seed, and when it did not go well the schedule and the history of the jobs it is about.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!("{}\n", self.json());
        for what in &self.producers_ended {
            let _ = writeln!(text, "a producer was started again: {what}");
        }
        if self.is_passed() {
            return text;
        }
        let _ = writeln!(text, "seed {} did not pass. Its faults:", self.options.seed);
        for planned in self.options.schedule() {
            let _ = writeln!(text, "  {planned}");
        }
        for what in &self.ended {
            let _ = writeln!(text, "{what}");
        }
        let findings: Vec<&Finding> = self.judgement.findings.iter().filter(|one| !one.by_peer).collect();
        for finding in findings.iter().take(TOLD) {
            let _ = writeln!(text, "\n{finding}");
            text.push_str(&self.history_of(&finding.job));
        }
        if findings.len() > TOLD {
            let _ = writeln!(text, "\nand {} more:", findings.len() - TOLD);
            for finding in &findings[TOLD..] {
                let _ = writeln!(text, "{finding}");
            }
        }
        text
    }

    /// All that happened to one job, in order, with the faults of that time.
    fn history_of(&self, job: &str) -> String {
        let mut lines: Vec<(f64, String)> = Vec::new();
        let Some(added) = self.history.added.iter().find(|added| added.design.id == job) else {
            return String::new();
        };
        let zero = added.at as f64;
        lines.push((zero, format!("added: {:?}, acknowledged: {}", added.design, added.was_acknowledged)));
        for run in self.history.runs.iter().filter(|run| run.job == job) {
            let token = run.token.as_deref().unwrap_or("its lock");
            lines.push((
                run.start as f64,
                format!("{} begins attempt {} with {token} ({})", run.id, run.attempt, run.by),
            ));
            match run.end {
                Some((at, how)) => lines.push((at as f64, format!("{} ends: {how:?}", run.id))),
                None => lines.push((run.start as f64, format!("{} never ends", run.id))),
            }
        }
        for seen in self.history.seen.iter().filter(|seen| seen.job == job) {
            let (by, began) = (seen.script.unwrap_or("a foreign script"), seen.began - zero);
            lines.push((seen.at, format!("redis: {:?} by {by}, begun at {began:.1}", seen.what)));
        }
        let last = lines.iter().map(|(at, _)| *at).fold(zero, f64::max);
        for fault in &self.history.faults {
            if fault.to as f64 >= zero - 3000.0 && fault.from as f64 <= last + 3000.0 {
                lines.push((fault.from as f64, format!("fault begins: {}", fault.what.trim())));
                lines.push((fault.to as f64, format!("fault ends: {}", fault.what.trim())));
            }
        }
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut text: String = lines
            .iter()
            .fold(String::new(), |text, (at, what)| text + &format!("  {:>9.1} ms  {what}\n", at - zero));
        let stands = self.history.standing.jobs.get(job);
        let _ = writeln!(text, "  in the end: {stands:?}");
        if let Some(tale) = tales(&self.history.seen).get(job) {
            for grant in &tale.grants {
                let _ = writeln!(text, "  lease: {grant:?}");
            }
        }
        text
    }
}
