//! Ending runs: complete, fail, hand back. Each takes a batch and answers for each job by itself.

use redis::{Cmd, Value};

use super::dead_letter;
use super::script::in_dialect;
use super::{Lane, Store, StoreError, array, integer};
use crate::job::options::Keep;
use crate::wire::{Dialect, bull, event};

/// How long a reply is kept for a request that is sent again. The caller passes the lease: after it nobody may ask.
pub type ReplyKeptMs = u64;

/// Where the runs begin in the arguments of `complete`, and how many arguments each has.
const COMPLETE_FIRST: usize = 8;
const COMPLETE_STRIDE: usize = 3;

/// What Redis said to one write of a run (docs/wire/bull-4.md 13.1, docs/wire/bullmq.md 11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Done,
    /// The job's hash is gone.
    JobGone,
    /// The lock is missing, or another run's: nothing was written.
    LeaseLost,
    /// The lock was ours, but the id was not in `active`: the lock is gone, nothing else was written.
    NotActive,
    /// Deferred more often than allowed: nothing was written, the run still holds the job.
    DeferredTooOften,
    /// A parent whose children are not done cannot complete: nothing was written, the run still holds the job.
    ChildrenPending,
    /// A parent of a child that failed and takes it along cannot complete: nothing was written, the run still holds the job.
    ChildFailed,
}

impl Verdict {
    pub(super) fn of(code: i64) -> Self {
        match code {
            -1 => Self::JobGone,
            -2 | -6 => Self::LeaseLost,
            -3 => Self::NotActive,
            -4 => Self::ChildrenPending,
            -9 => Self::ChildFailed,
            -8 => Self::DeferredTooOften,
            _ => Self::Done,
        }
    }
}

/// What became of a parent that asked to wait for its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitForChildren {
    /// It waits now; the run has ended.
    Moved,
    /// No child is pending: nothing was written, the run still holds the job.
    NothingPending,
    /// Nothing was written, or only the lock let go ([`Verdict::NotActive`]).
    Refused(Verdict),
}

/// A run that ended well.
#[derive(Debug)]
pub struct Completion<'a> {
    /// Job id.
    pub id: &'a str,
    /// The run's token.
    pub token: &'a str,
    /// The result as JSON text; `None` = no result.
    pub result: Option<&'a str>,
    /// What becomes of the job.
    pub keep: Keep,
    /// The job's debounce id, if it has one. (`BullMQ` reads it from the hash.)
    pub debounce_id: Option<&'a str>,
    /// How many fields the hash of a plain job has while it runs, as its claim told
    /// ([`plain_fields`](super::claim::ClaimedJob::plain_fields)); `None` = it is not known to be plain.
    pub plain_fields: Option<u8>,
}

/// A run that failed.
#[derive(Debug)]
pub struct FailedRun<'a> {
    /// Job id.
    pub id: &'a str,
    /// The run's token.
    pub token: &'a str,
    /// What becomes of the job.
    pub fate: crate::job::outcome::Fate,
    /// Failures including this one, if it spends an attempt.
    pub attempts_made: u32,
    /// False = the job was not run: its attempts stay as they are, and no attempt is recorded.
    pub spends_attempt: bool,
    /// Tries that the job has in all (`BullMQ` tells when they are used up).
    pub attempts: u32,
    /// The job's options as stored: what a copy in a dead-letter queue keeps of them.
    pub opts: &'a str,
    /// Stored unchanged; `None` = the failure had no message.
    pub message: Option<&'a str>,
    /// The whole new `stacktrace`.
    pub stacktrace: &'a str,
    /// What becomes of the job when it is buried.
    pub keep: Keep,
    /// The job's debounce id, if it has one. (`BullMQ` reads it from the hash.)
    pub debounce_id: Option<&'a str>,
    /// Retry at the consumer end.
    pub lifo: bool,
    /// Reason class.
    pub class: &'static str,
    /// Members of the attempt record after its time, such as `"worker":"w-1"}`; empty = no record.
    pub record: String,
}

/// A run that is given back.
#[derive(Debug)]
pub struct HandedBack<'a> {
    /// Job id.
    pub id: &'a str,
    /// The run's token.
    pub token: &'a str,
    /// Into `delayed` for so many ms; `None` = to the consumer end of waiting.
    pub delay_ms: Option<u64>,
    /// Into `delayed` for as long as a person has paused it; if he has not (any more), to the consumer end of waiting.
    pub held: bool,
    /// Most deferrals of one job; `None` = this one is not counted.
    pub max_deferrals: Option<u32>,
}

impl Store {
    /// Completes runs. `metrics_points` 0 = no metrics.
    pub async fn complete(
        &self,
        lane: &Lane,
        kept: ReplyKeptMs,
        metrics_points: u64,
        runs: &[Completion<'_>],
    ) -> Result<Vec<Verdict>, StoreError> {
        let script = &self.scripts.complete;
        let mut call = script.call(&self.keys);
        call.arg(&lane.name).arg(lane.request).arg(kept).arg(metrics_points).arg(runs.len());
        // An argument costs as much as a command: what most runs have not stands behind them.
        let bull = self.dialect() == Dialect::Bull;
        let texts: Vec<_> = runs.iter().map(|run| event::completed_val(run.id, run.result)).collect();
        // BullMQ's event is made of the result as it is.
        let has_texts = bull && texts.iter().any(|text| text != "=");
        let has_rules = |run: &Completion<'_>| run.keep != Keep::All || (bull && run.debounce_id.is_some());
        let behind = COMPLETE_FIRST + runs.len() * COMPLETE_STRIDE;
        push_position(&mut call, if bull { has_texts.then_some(behind) } else { plain_fields_of(runs) });
        let rules_at = behind + if has_texts { runs.len() } else { 0 };
        push_position(&mut call, runs.iter().any(has_rules).then_some(rules_at));
        for run in runs {
            call.arg(run.id).arg(run.token).arg(run.result.unwrap_or("null"));
        }
        for text in texts.iter().filter(|_| has_texts) {
            call.arg(&**text);
        }
        for (index, run) in runs.iter().enumerate().filter(|(_, run)| has_rules(run)) {
            call.arg(index + 1);
            if bull {
                push_keep(&mut call, run.keep).arg(run.debounce_id.unwrap_or(""));
            } else {
                push_keep_with_limit(&mut call, run.keep);
            }
        }
        verdicts(self.end_runs(script, &call, runs.len()).await?)
    }

    /// Fails runs: back to waiting, into `delayed`, or for good.
    pub async fn fail(
        &self,
        lane: &Lane,
        kept: ReplyKeptMs,
        metrics_points: u64,
        runs: &[FailedRun<'_>],
    ) -> Result<Vec<Verdict>, StoreError> {
        use crate::job::outcome::Fate;
        let script = &self.scripts.fail;
        let mut call = match &self.dead_letter {
            Some(other) => script.call_with(&self.keys, other),
            None => script.call(&self.keys),
        };
        call.arg(&lane.name).arg(lane.request).arg(kept).arg(metrics_points);
        for run in runs {
            let (fate, delay) = match run.fate {
                Fate::Bury if !run.spends_attempt => ("unrun", 0),
                Fate::Bury => ("bury", 0),
                Fate::RetryNow => ("retry", 0),
                Fate::Delay(ms) => ("delay", ms),
            };
            call.arg(run.id).arg(run.token).arg(fate).arg(delay);
            match self.dialect() {
                Dialect::Bull => {
                    call.arg(bull::low_bits(run.id))
                        .arg(run.attempts_made)
                        .arg(run.message.unwrap_or("null"));
                    call.arg(run.stacktrace).arg(event::failed(run.id, run.message));
                    push_keep(&mut call, run.keep).arg(run.debounce_id.unwrap_or("")).arg(u8::from(run.lifo));
                }
                Dialect::BullMq => {
                    call.arg(run.message.unwrap_or("")).arg(run.stacktrace);
                    push_keep_with_limit(&mut call, run.keep).arg(u8::from(run.lifo)).arg(run.attempts);
                }
            }
            let copy = self.dead_letter.is_some() && run.fate == Fate::Bury;
            let (opts, from) =
                if copy { dead_letter::copy_of(&self.keys.queue, run) } else { Default::default() };
            call.arg(run.class).arg(&run.record).arg(opts).arg(from);
        }
        verdicts(self.end_runs(script, &call, runs.len()).await?)
    }

    /// Moves a running job among the parents that wait for their children; `child` = only if this one (its full key) is
    /// pending. `BullMQ` only.
    ///
    /// # Errors
    /// [`StoreError::NotInDialect`] on a Bull 4 queue, besides those of every call.
    pub async fn wait_for_children(
        &self,
        id: &str,
        token: &str,
        child: Option<&str>,
    ) -> Result<WaitForChildren, StoreError> {
        let script = in_dialect(&self.scripts.waiting_children, "flows")?;
        let mut call = script.call(&self.keys);
        call.arg(id).arg(token).arg(child.unwrap_or(""));
        Ok(match integer(&script.run(&self.connection, &call).await?)? {
            0 => WaitForChildren::Moved,
            1 => WaitForChildren::NothingPending,
            code => WaitForChildren::Refused(Verdict::of(code)),
        })
    }

    /// Gives runs back without spending an attempt. `rest_ms` > 0 makes the whole queue rest that long.
    pub async fn hand_back(
        &self,
        lane: &Lane,
        kept: ReplyKeptMs,
        rest_ms: u64,
        runs: &[HandedBack<'_>],
    ) -> Result<Vec<Verdict>, StoreError> {
        let script = &self.scripts.hand_back;
        let mut call = script.call(&self.keys);
        call.arg(&lane.name).arg(lane.request).arg(kept).arg(rest_ms);
        for run in runs {
            call.arg(run.id).arg(run.token);
            match run.delay_ms {
                _ if run.held => call.arg("hold"),
                Some(ms) => call.arg(ms),
                None => call.arg(""),
            };
            if self.dialect() == Dialect::Bull {
                call.arg(bull::low_bits(run.id));
            }
            match run.max_deferrals {
                Some(most) => call.arg(most),
                None => call.arg(""),
            };
        }
        verdicts(self.end_runs(script, &call, runs.len()).await?)
    }
}

/// How many fields each hash has, if all runs are of plain jobs: nothing else is read of those.
fn plain_fields_of(runs: &[Completion<'_>]) -> Option<usize> {
    let first = runs.first()?.plain_fields?;
    runs.iter().all(|run| run.plain_fields == Some(first)).then_some(usize::from(first))
}

/// Where something stands in the arguments; '' = nowhere.
fn push_position(call: &mut Cmd, at: Option<usize>) {
    match at {
        Some(at) => call.arg(at),
        None => call.arg(""),
    };
}

/// Two arguments: count ('' = all, 0 = none) and age in seconds ('' = any).
fn push_keep(call: &mut Cmd, keep: Keep) -> &mut Cmd {
    match keep {
        Keep::All => call.arg("").arg(""),
        Keep::None => call.arg(0).arg(""),
        Keep::Some { count, age_s, .. } => {
            push_or_empty(call, count);
            push_or_empty(call, age_s)
        }
    }
}

/// The same, and how many may go by their age at a time ('' = 1000).
pub(super) fn push_keep_with_limit(call: &mut Cmd, keep: Keep) -> &mut Cmd {
    let limit = match keep {
        Keep::Some { limit, .. } => limit,
        Keep::All | Keep::None => None,
    };
    push_or_empty(push_keep(call, keep), limit)
}

fn push_or_empty<T: redis::ToRedisArgs>(call: &mut Cmd, value: Option<T>) -> &mut Cmd {
    match value {
        Some(value) => call.arg(value),
        None => call.arg(""),
    }
}

fn verdicts(reply: Value) -> Result<Vec<Verdict>, StoreError> {
    array(reply)?.iter().map(|value| integer(value).map(Verdict::of)).collect()
}
