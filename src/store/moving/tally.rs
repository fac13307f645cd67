//! What became of the jobs of a move.

use std::collections::{BTreeMap, BTreeSet};

use super::page::Prepared;
use crate::store::StoreError;

/// States that jobs are moved in, as people call them.
pub(super) const STATES: [&str; 5] = ["waiting", "prioritized", "delayed", "failed", "completed"];
/// Jobs of one reason that are named; the rest is counted.
const NAMED_MAX: usize = 1000;

/// Why a job is still in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The target has a job, or logs, of this id.
    Conflict,
    /// `BullMQ` cannot have a job of this id.
    Id,
    /// Its options cannot be said in `BullMQ`.
    Options,
    /// Its data is not JSON.
    Data,
    /// Its id is listed, and there is nothing to run.
    NoBody,
    /// Its key is no hash.
    WrongType,
    /// A repeatable job that has ended, or whose next occurrence somebody removed: Bull adds none either.
    Ended,
    /// It has a lock although it waits, or its options changed in this moment: the next pass sees it again.
    Busy,
}

impl Reason {
    /// The word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Id => "id",
            Self::Options => "options",
            Self::Data => "data",
            Self::NoBody => "no_body",
            Self::WrongType => "wrong_type",
            Self::Ended => "ended",
            Self::Busy => "busy",
        }
    }

    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Conflict => "the target has another job of this id",
            Self::Id => "BullMQ keeps this id for itself",
            Self::Options => "BullMQ has no word for it",
            Self::Data => "its data cannot be read",
            Self::NoBody => "there is nothing to run",
            Self::WrongType => "its key is no hash",
            Self::Ended => "a repeatable job without a next occurrence",
            Self::Busy => "somebody holds or changes it",
        }
    }
}

/// Jobs that stay for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// How many.
    pub count: u64,
    /// The first thousand, each with what is wrong with it, if more can be said than the reason.
    pub jobs: Vec<(String, String)>,
}

/// Jobs that something was said of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub example: String,
}

/// What became of the jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Moved, or when dry would be, by state.
    pub moved: BTreeMap<&'static str, u64>,
    /// Occurrences that were dropped because their series goes on in the target.
    pub dropped: u64,
    /// Not moved.
    pub left: BTreeMap<Reason, Left>,
    /// What was said in another way.
    pub notes: BTreeMap<&'static str, Noted>,
    /// Series that were met: scheduler id, name of the job, how it repeats.
    pub schedulers: BTreeMap<String, (String, String)>,
    /// The target was paused because the source is.
    pub paused: bool,
    /// Bull's keys of these series.
    series: BTreeSet<String>,
}

impl Tally {
    /// Those that stay are counted anew in every pass.
    pub(super) fn begin(&mut self) {
        self.left.clear();
    }

    /// All that was moved.
    pub fn total(&self) -> u64 {
        self.moved.values().sum()
    }

    /// Jobs that were found in the source and stay there, whoever looks again.
    pub fn staying(&self) -> u64 {
        let stays = |reason: &Reason| !matches!(reason, Reason::Ended | Reason::Busy);
        self.left.iter().filter(|(reason, _)| stays(reason)).map(|(_, left)| left.count).sum()
    }

    pub(super) fn leave(&mut self, reason: Reason, id: String, why: String) {
        let left = self.left.entry(reason).or_default();
        left.count += 1;
        if left.jobs.len() < NAMED_MAX {
            left.jobs.push((id, why));
        }
    }

    /// A repeatable job that has no pending occurrence.
    pub(super) fn ended(&mut self, key: String) {
        self.leave(Reason::Ended, key, String::new());
    }

    /// The same when nothing was moved: those that would go on are in the tally.
    pub(super) fn would_be_ended(&mut self, key: String) {
        if !self.series.contains(&key) {
            self.ended(key);
        }
    }

    /// Counts a job by the script's code; false = it is still in the source.
    pub(super) fn count(&mut self, place: &str, job: &Prepared, code: i64) -> Result<bool, StoreError> {
        let reason = match code {
            0 => {
                self.moved(place, job);
                return Ok(true);
            }
            // A worker was faster, or it is listed twice.
            1 => return Ok(true),
            4 => {
                self.dropped += 1;
                return Ok(true);
            }
            2 | 3 => Reason::Busy,
            -1 => Reason::Conflict,
            -2 => Reason::NoBody,
            -3 => Reason::WrongType,
            -4 => Reason::Id,
            other => return Err(StoreError::Protocol(format!("move answered {other}"))),
        };
        self.leave(reason, job.id.clone(), String::new());
        Ok(false)
    }

    fn moved(&mut self, place: &str, job: &Prepared) {
        let state = match place {
            "wait" | "paused" if job.job.priority > 0 => "prioritized",
            "delayed" => "delayed",
            "failed" => "failed",
            "completed" => "completed",
            _ => "waiting",
        };
        *self.moved.entry(state).or_default() += 1;
        for note in &job.job.notes {
            let noted = self.notes.entry(note).or_insert_with(|| Noted { count: 0, example: job.id.clone() });
            noted.count += 1;
        }
        if let Some(series) = job.job.series.as_ref().filter(|_| !matches!(place, "failed" | "completed")) {
            self.series.insert(series.key.clone());
            let text = |member: &str| series.repeat.get(member).map(ToString::to_string);
            let how = text("every").or_else(|| series.repeat.get("pattern")?.as_str().map(str::to_owned));
            let entry = (job.name.clone(), how.unwrap_or_default());
            self.schedulers.insert(series.scheduler.clone(), entry);
        }
    }
}
