//! Where a job is, what we call that, and which steps lead from where to where.
//!
//! Owns: the two vocabularies ([`State`] is the queue's, [`Status`] is ours) and the table of transitions. Must
//! never know: how a state is stored or who moves a job. Called by everything that shows or moves jobs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use Event::{
    Add, Cancel, ChildrenDone, Claim, Complete, Defer, Fail, ForceDone, HandBack, Pause, Promote, Recover,
    Remove, Reprocess, Resume, Retry, RetryLater, RetryNow, StallOut, WaitForChildren,
};
use State::{Active, Completed, Delayed, Failed, Paused, Prioritized, Waiting, WaitingChildren};

/// The queue's own word for where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In line.
    Waiting,
    /// In line by priority (`BullMQ`; Bull keeps such jobs among the waiting).
    Prioritized,
    /// To be run later: scheduled, or between two attempts.
    Delayed,
    /// A worker has it.
    Active,
    /// Its children come first (`BullMQ`).
    WaitingChildren,
    /// Done.
    Completed,
    /// Failed for good: the dead letters.
    Failed,
    /// In line while the queue is paused (Bull 4, `BullMQ` up to 5).
    Paused,
}

/// All states.
pub const STATES: [State; 8] =
    [Waiting, Prioritized, Delayed, Active, WaitingChildren, Completed, Failed, Paused];

/// Words of other tools and of earlier systems, accepted in questions and never answered.
#[rustfmt::skip]
const OLD_WORDS: &[(&str, State)] = &[
    ("wait", Waiting), ("queued", Waiting), ("pending", Waiting),
    ("scheduled", Delayed), ("retrying", Delayed),
    ("in_progress", Active), ("in-progress", Active), ("processing", Active), ("running", Active), ("started", Active),
    ("waiting_children", WaitingChildren),
    ("complete", Completed), ("done", Completed), ("finished", Completed), ("success", Completed),
    ("succeeded", Completed),
    ("error", Failed), ("failure", Failed), ("dead", Failed),
];

/// A word that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown state {0:?}: expected waiting, prioritized, delayed, active, waiting-children, completed, failed or paused"
)]
pub struct UnknownState(pub String);

impl State {
    /// The word in Redis, CLI, API and page.
    pub fn as_str(self) -> &'static str {
        match self {
            Waiting => "waiting",
            Prioritized => "prioritized",
            Delayed => "delayed",
            Active => "active",
            WaitingChildren => "waiting-children",
            Completed => "completed",
            Failed => "failed",
            Paused => "paused",
        }
    }

    /// Has the job come to its end?
    pub fn is_finished(self) -> bool {
        matches!(self, Completed | Failed)
    }

    /// What may happen to a job in this state.
    pub fn events(self) -> impl Iterator<Item = Event> {
        let mut seen = Vec::new();
        TRANSITIONS.iter().filter(move |(from, ..)| *from == Some(self)).filter_map(move |(_, event, _)| {
            let new = !seen.contains(event);
            seen.push(*event);
            new.then_some(*event)
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    /// Takes the states' own words and the old ones, in any case.
    ///
    /// ```
    /// use bullock::job::state::State;
    /// assert_eq!("PROCESSING".parse(), Ok(State::Active));
    /// ```
    fn from_str(word: &str) -> Result<Self, UnknownState> {
        let own = STATES.iter().find(|state| state.as_str().eq_ignore_ascii_case(word)).copied();
        let old =
            || OLD_WORDS.iter().find(|(old, _)| old.eq_ignore_ascii_case(word)).map(|(_, state)| *state);
        own.or_else(old).ok_or_else(|| UnknownState(word.to_owned()))
    }
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the table below says what each does
#[rustfmt::skip]
pub enum Event {
    Add, Claim, Complete, Fail, RetryNow, RetryLater, Defer, HandBack, Recover, StallOut, WaitForChildren, ChildrenDone,
    Promote, Pause, Resume, Retry, Reprocess, Cancel, ForceDone, Remove,
}

/// From where, by what, to where. No state before = the job is new, none after = it is gone. The same event
/// leads to several states where the queue decides: paused or not, with priority or without.
#[rustfmt::skip]
pub const TRANSITIONS: &[(Option<State>, Event, Option<State>)] = &[
    (None, Add, Some(Waiting)), (None, Add, Some(Prioritized)), (None, Add, Some(Delayed)),
    (None, Add, Some(Paused)), (None, Add, Some(WaitingChildren)),
    (Some(Waiting), Claim, Some(Active)), (Some(Prioritized), Claim, Some(Active)),
    // One attempt and its end.
    (Some(Active), Complete, Some(Completed)), (Some(Active), Complete, None),
    (Some(Active), Fail, Some(Failed)), (Some(Active), Fail, None),
    (Some(Active), RetryNow, Some(Waiting)), (Some(Active), RetryNow, Some(Prioritized)),
    (Some(Active), RetryNow, Some(Paused)), (Some(Active), RetryLater, Some(Delayed)),
    // The handler says "not now" (Retry-After), or the worker stops: no attempt is spent.
    (Some(Active), Defer, Some(Delayed)), (Some(Active), Defer, Some(Waiting)), (Some(Active), Defer, Some(Paused)),
    (Some(Active), HandBack, Some(Waiting)), (Some(Active), HandBack, Some(Prioritized)),
    (Some(Active), HandBack, Some(Paused)),
    // Its worker died: back in line, or failed when that happened too often.
    (Some(Active), Recover, Some(Waiting)), (Some(Active), Recover, Some(Prioritized)),
    (Some(Active), Recover, Some(Paused)),
    (Some(Active), StallOut, Some(Failed)), (Some(Active), StallOut, None),
    (Some(Active), WaitForChildren, Some(WaitingChildren)),
    (Some(WaitingChildren), ChildrenDone, Some(Waiting)), (Some(WaitingChildren), ChildrenDone, Some(Prioritized)),
    (Some(WaitingChildren), ChildrenDone, Some(Paused)), (Some(WaitingChildren), Fail, Some(Failed)),
    // Due by the clock or by hand.
    (Some(Delayed), Promote, Some(Waiting)), (Some(Delayed), Promote, Some(Prioritized)),
    (Some(Delayed), Promote, Some(Paused)),
    (Some(Waiting), Pause, Some(Paused)), (Some(Paused), Resume, Some(Waiting)),
    // By operators.
    (Some(Failed), Retry, Some(Waiting)), (Some(Failed), Retry, Some(Prioritized)), (Some(Failed), Retry, Some(Paused)),
    (Some(Completed), Reprocess, Some(Waiting)), (Some(Completed), Reprocess, Some(Prioritized)),
    (Some(Completed), Reprocess, Some(Paused)),
    // At once where no run holds the job; a run that does ends by `Fail`. None after = `removeOnFail`.
    (Some(Waiting), Cancel, Some(Failed)), (Some(Waiting), Cancel, None),
    (Some(Prioritized), Cancel, Some(Failed)), (Some(Prioritized), Cancel, None),
    (Some(Paused), Cancel, Some(Failed)), (Some(Paused), Cancel, None),
    (Some(Delayed), Cancel, Some(Failed)), (Some(Delayed), Cancel, None),
    (Some(WaitingChildren), Cancel, Some(Failed)), (Some(WaitingChildren), Cancel, None),
    (Some(Active), Cancel, Some(Failed)), (Some(Active), Cancel, None),
    (Some(Active), ForceDone, Some(Completed)), (Some(Waiting), ForceDone, Some(Completed)),
    (Some(Delayed), ForceDone, Some(Completed)), (Some(Failed), ForceDone, Some(Completed)),
    (Some(Prioritized), ForceDone, Some(Completed)), (Some(Paused), ForceDone, Some(Completed)),
    (Some(WaitingChildren), ForceDone, Some(Completed)),
    (Some(Waiting), Remove, None), (Some(Prioritized), Remove, None), (Some(Delayed), Remove, None),
    (Some(WaitingChildren), Remove, None), (Some(Completed), Remove, None), (Some(Failed), Remove, None),
    (Some(Paused), Remove, None),
];

/// Our word for how a job does, the same in every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // [`status`] says what each means
#[rustfmt::skip]
pub enum Status { Queued, Scheduled, Running, Retrying, Completed, Partial, Failed, Cancelled, Stalled }

/// What [`status`] is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Where the job is.
    pub state: State,
    /// Failed attempts so far. Counts only while the job is in line: a slow Bull worker may have raised it on a
    /// job that is done (quirk Q1).
    pub attempts_made: u32,
    /// A live lock or a recent heartbeat.
    pub leased: bool,
    /// Our mark that somebody cancelled it.
    pub cancelled: bool,
    /// `failed` of the progress or the result.
    pub failed_items: u64,
}

/// The one place that computes the status.
pub fn status(facts: &Facts) -> Status {
    match facts.state {
        Active if facts.leased => Status::Running,
        Active => Status::Stalled,
        Waiting | Prioritized | Paused | Delayed if facts.attempts_made > 0 => Status::Retrying,
        Delayed => Status::Scheduled,
        Waiting | Prioritized | Paused | WaitingChildren => Status::Queued,
        Completed if facts.failed_items > 0 => Status::Partial,
        Completed => Status::Completed,
        Failed if facts.cancelled => Status::Cancelled,
        Failed => Status::Failed,
    }
}
