//! Whether a run of chaos went well: every job that was added against what became of it, in the words of Jepsen's
//! queue checker (lost, duplicated, unexpected, recovered), and every rule that a lease has.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use bullock::wire::Dialect;

use crate::job::Design;
use crate::locks::{Tale, tales};
use crate::monitor::Seen;
use crate::recorder::{As, Run};
use crate::scan::Standing;

/// What can be wrong with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// Its add was acknowledged, and it has no end.
    Lost,
    /// Nobody added it.
    Unexpected,
    /// It is in several states, or several times in one.
    TwoStates,
    /// Meant to succeed, it is among the failed.
    WronglyDead,
    /// Meant to fail, it is among the completed.
    WronglyCompleted,
    /// Its hash says what did not happen: a result or a failure of no run, or a failure that was none of its attempts.
    Dirty,
    /// Its attempts are miscounted.
    WrongAttempts,
    /// It ran again, and no expired lease says why.
    Unexplained,
    /// A run wrote that did not hold the job.
    StaleWrite,
    /// A lock was taken while another run held it.
    DoubleLease,
    /// It ran before it was due.
    Early,
    /// Something is left over although nothing moves.
    Leftover,
}

impl Class {
    pub(crate) const ALL: [(Class, &'static str); 12] = [
        (Class::Lost, "lost"),
        (Class::Unexpected, "unexpected"),
        (Class::TwoStates, "two_states"),
        (Class::WronglyDead, "wrongly_dead"),
        (Class::WronglyCompleted, "wrongly_completed"),
        (Class::Dirty, "dirty"),
        (Class::WrongAttempts, "wrong_attempts"),
        (Class::Unexplained, "unexplained"),
        (Class::StaleWrite, "stale_writes"),
        (Class::DoubleLease, "double_leases"),
        (Class::Early, "early"),
        (Class::Leftover, "leftovers"),
    ];
}

/// Something found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub class: Class,
    pub job: String,
    pub why: String,
    /// A worker of npm `bull` or `bullmq` did it: counted, and no fault of ours.
    pub by_peer: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = if self.by_peer { " (by a Node worker)" } else { "" };
        write!(out, "{:?}{peer}: job {}: {}", self.class, self.job, self.why)
    }
}

/// A job that was added, or may have been.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub design: Design,
    /// When it was first sent, ms.
    pub at: i64,
    pub was_acknowledged: bool,
}

/// A fault as it was.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub what: String,
    pub from: i64,
    pub to: i64,
}

/// All that is known of a run of chaos.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub dialect: Dialect,
    pub added: Vec<Added>,
    pub runs: Vec<Run>,
    pub seen: Vec<Seen>,
    pub faults: Vec<Happened>,
    pub standing: Standing,
}

/// The judgement.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub findings: Vec<Finding>,
    /// Runs that repeated an attempt, each because a lease had expired.
    pub rerun: usize,
    /// Jobs whose effect happened more than once: an attempt whose handler came to its end twice.
    pub duplicated: usize,
    /// Jobs whose add was never acknowledged, and which were there all the same.
    pub recovered: usize,
    /// Runs that began when their lease was over.
    pub late_starts: usize,
    pub completed: usize,
    pub failed: usize,
}

impl Judgement {
    /// How often a class was found, and was ours.
    pub(crate) fn count(&self, class: Class) -> usize {
        self.findings.iter().filter(|finding| finding.class == class && !finding.by_peer).count()
    }

    /// How much was found that Node workers did.
    pub(crate) fn by_peers(&self) -> usize {
        self.findings.iter().filter(|finding| finding.by_peer).count()
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.by_peer)
    }

    pub(super) fn found(&mut self, class: Class, job: &str, by_peer: bool, why: String) {
        self.findings.push(Finding { class, job: job.to_owned(), why, by_peer });
    }
}

/// One job with everything about it.
pub(super) struct Case<'a> {
    pub history: &'a History,
    pub added: &'a Added,
    pub runs: Vec<&'a Run>,
    pub tale: &'a Tale,
}

/// Judges.
pub(crate) fn judge(history: &History) -> Judgement {
    let mut judgement = Judgement::default();
    let tales = tales(&history.seen);
    let nothing = Tale::default();
    let mut runs = HashMap::<&str, Vec<&Run>>::new();
    for run in &history.runs {
        runs.entry(&run.job).or_default().push(run);
    }
    let added: BTreeMap<&str, &Added> =
        history.added.iter().map(|added| (added.design.id.as_str(), added)).collect();
    for (id, stands) in &history.standing.jobs {
        if !added.contains_key(id.as_str()) {
            let why = format!("nobody added it; it is in {:?}", stands.states);
            judgement.found(Class::Unexpected, id, false, why);
        }
    }
    for run in runs.keys().filter(|run| !added.contains_key(*run)) {
        judgement.found(Class::Unexpected, run, false, "it ran, and nobody added it".into());
    }
    for (id, added) in added {
        let runs = runs.remove(id).unwrap_or_default();
        let case = Case { history, added, runs, tale: tales.get(id).unwrap_or(&nothing) };
        case.stands(&mut judgement);
        case.ran(&mut judgement);
    }
    for leftover in &history.standing.leftovers {
        judgement.found(Class::Leftover, "-", false, leftover.clone());
    }
    judgement
}

impl Case<'_> {
    fn id(&self) -> &str {
        &self.added.design.id
    }

    /// Did a Node worker run it at all? What npm `bull` makes of a lost reply (a failure in a completed job's hash) or of a
    /// forgotten script (an attempt that is not counted) is not ours to answer for; runs without Node are judged
    /// without this excuse.
    fn has_peer(&self) -> bool {
        self.runs.iter().any(|run| run.by == "node")
    }

    /// Where the job is, and what its hash says.
    fn stands(&self, judgement: &mut Judgement) {
        let design = &self.added.design;
        let Some(stands) = self.history.standing.jobs.get(self.id()) else {
            if self.added.was_acknowledged {
                judgement.found(Class::Lost, self.id(), false, "it is nowhere".into());
            }
            return;
        };
        if !self.added.was_acknowledged {
            judgement.recovered += 1;
        }
        match stands.states.as_slice() {
            ["completed" | "failed"] if stands.fields.is_empty() => {
                judgement.found(Class::Lost, self.id(), false, "its hash is gone".into());
            }
            ["completed"] => {
                judgement.completed += 1;
                if design.is_doomed() {
                    let why = "every attempt was to fail".into();
                    judgement.found(Class::WronglyCompleted, self.id(), false, why);
                }
                self.is_as_designed(judgement, "returnvalue", As::Done);
            }
            ["failed"] => {
                judgement.failed += 1;
                if design.is_doomed() {
                    self.is_as_designed(judgement, "failedReason", As::Failed);
                } else {
                    let why = format!("it was to succeed; {:?}", stands.fields.get("failedReason"));
                    judgement.found(Class::WronglyDead, self.id(), self.has_peer(), why);
                }
            }
            [] => {
                let why = "its hash is in no state".into();
                judgement.found(Class::Lost, self.id(), false, why);
            }
            [state] => {
                let why = format!("it has no end: it is in {state}");
                judgement.found(Class::Lost, self.id(), false, why);
            }
            several => {
                let why = format!("it is in {several:?}");
                judgement.found(Class::TwoStates, self.id(), false, why);
            }
        }
    }

    /// The hash of a job that ended as it was to: `field` must come from a run that ended so.
    fn is_as_designed(&self, judgement: &mut Judgement, field: &str, how: As) {
        let design = &self.added.design;
        let fields = &self.history.standing.jobs[self.id()].fields;
        let by_peer = self.has_peer();
        let run_of = |field: &str| {
            let run = crate::monitor::run_in(fields.get(field)?)?;
            self.runs.iter().find(|one| one.id == run)
        };
        match run_of(field) {
            Some(run) if run.end.is_some_and(|(_, end)| end == how) => {}
            other => {
                let why = format!("{field} {:?} is of {other:?}", fields.get(field));
                judgement.found(Class::Dirty, self.id(), by_peer, why);
            }
        }
        // What failed attempts left stays, as in Bull; but each must be one that was to fail.
        if how == As::Done && fields.contains_key("failedReason") {
            let is_designed = run_of("failedReason").is_some_and(|run| run.attempt <= design.fails);
            if !is_designed {
                let why = format!("completed, with failedReason {:?}", fields["failedReason"]);
                judgement.found(Class::Dirty, self.id(), by_peer, why);
            }
        }
        if how == As::Failed && fields.contains_key("returnvalue") {
            let why = format!("failed, with returnvalue {:?}", fields["returnvalue"]);
            judgement.found(Class::Dirty, self.id(), by_peer, why);
        }
        let (name, wanted) = match self.history.dialect {
            // Failures alone are counted; BullMQ counts runs that came to an end.
            Dialect::Bull => ("attemptsMade", design.fails.min(design.attempts)),
            Dialect::BullMq => ("atm", design.runs()),
        };
        let made = fields.get(name).map_or(Ok(0), |text| text.parse::<u64>());
        if made != Ok(wanted) {
            let why = format!("{name} is {:?}, {wanted} are designed", fields.get(name));
            judgement.found(Class::WrongAttempts, self.id(), by_peer, why);
        }
    }
}
