//! What may happen, and how often.

use proptest::prelude::*;

/// Steps of one history.
const STEPS: usize = 80;
/// Custom ids that are in play.
pub const IDS: u8 = 4;

/// One thing that happens. `id`: which job; `run`: which of the runs, most often one
/// that holds its job.
#[derive(Debug, Clone)]
pub enum Step {
    /// `id` 0 is a number of the queue.
    Add {
        id: u8,
        delay_s: u8,
        priority: u8,
        lifo: bool,
    },
    Claim {
        wanted: u8,
        may_take_suspect: bool,
    },
    Complete {
        run: u8,
        keep: bool,
    },
    Fail {
        run: u8,
        how: Failure,
        lifo: bool,
        keep: bool,
    },
    HandBack {
        run: u8,
        how: Back,
    },
    /// The request of the last end or claim, sent again.
    SendAgain,
    Renew {
        run: u8,
    },
    Report {
        run: u8,
        what: Report,
    },
    /// The lock runs out: its worker died or sleeps.
    Expire {
        run: u8,
    },
    /// The lease entry vanishes with the lock: as if a Node worker had died.
    ExpireNodes {
        run: u8,
    },
    /// `survived`: this run lost its lease in a worker that lives.
    Recover {
        survived: Option<u8>,
    },
    Stalled,
    Promote,
    PromoteJob {
        id: u8,
    },
    Pause(bool),
    Retry {
        id: u8,
        lifo: bool,
    },
    RetryAll,
    Remove {
        id: u8,
    },
    /// A Node worker runs it: the next in line, or one that its check has taken from a dead worker.
    NodeStarts {
        id: u8,
    },
    /// A Node program removes it, and knows nothing of our records.
    NodeRemoves {
        id: u8,
    },
    Cancel {
        id: u8,
        kill: bool,
    },
    ForceDone {
        id: u8,
    },
    Mend {
        id: u8,
        requeue: bool,
        sort: u8,
        from_live_runs: bool,
    },
    Drain,
    Clean {
        state: u8,
    },
    Later,
}

/// How a run fails.
#[derive(Debug, Clone, Copy)]
pub enum Failure {
    ForGood,
    Cancelled,
    Unrun,
    Again,
    Delayed,
}

/// How a run is given back.
#[derive(Debug, Clone, Copy)]
pub enum Back {
    ToWaiting,
    Delayed,
    /// Because the backend said so: counted, at most twice.
    Deferred,
}

/// What a run tells while it works.
#[derive(Debug, Clone, Copy)]
pub enum Report {
    Progress(u8),
    Log,
    Checkpoint(u8),
    Beat,
    Moved,
    Data(u8),
}

fn failures() -> impl Strategy<Value = Failure> {
    prop_oneof![
        2 => Just(Failure::ForGood),
        1 => Just(Failure::Cancelled),
        1 => Just(Failure::Unrun),
        2 => Just(Failure::Again),
        2 => Just(Failure::Delayed),
    ]
}

fn reports() -> impl Strategy<Value = Report> {
    prop_oneof![
        (0u8..3).prop_map(Report::Progress),
        Just(Report::Log),
        (0u8..2).prop_map(Report::Checkpoint),
        Just(Report::Beat),
        Just(Report::Moved),
        (0u8..3).prop_map(Report::Data),
    ]
}

fn of_a_run() -> impl Strategy<Value = Step> {
    let run = 0u8..8;
    let back = prop_oneof![Just(Back::ToWaiting), Just(Back::Delayed), Just(Back::Deferred)];
    let yes = any::<bool>;
    prop_oneof![
        3 => (run.clone(), yes()).prop_map(|(run, keep)| Step::Complete { run, keep }),
        5 => (run.clone(), failures(), yes(), yes())
            .prop_map(|(run, how, lifo, keep)| Step::Fail { run, how, lifo, keep }),
        3 => (run.clone(), back).prop_map(|(run, how)| Step::HandBack { run, how }),
        2 => Just(Step::SendAgain),
        1 => run.clone().prop_map(|run| Step::Renew { run }),
        4 => (run.clone(), reports()).prop_map(|(run, what)| Step::Report { run, what }),
        5 => run.clone().prop_map(|run| Step::Expire { run }),
        2 => run.prop_map(|run| Step::ExpireNodes { run }),
    ]
}

fn of_a_person() -> impl Strategy<Value = Step> {
    let id = 0..IDS;
    let yes = any::<bool>;
    prop_oneof![
        1 => id.clone().prop_map(|id| Step::PromoteJob { id }),
        2 => yes().prop_map(Step::Pause),
        3 => (id.clone(), yes()).prop_map(|(id, lifo)| Step::Retry { id, lifo }),
        1 => Just(Step::RetryAll),
        1 => id.clone().prop_map(|id| Step::Remove { id }),
        2 => id.clone().prop_map(|id| Step::NodeRemoves { id }),
        4 => id.clone().prop_map(|id| Step::NodeStarts { id }),
        3 => (id.clone(), yes()).prop_map(|(id, kill)| Step::Cancel { id, kill }),
        1 => id.clone().prop_map(|id| Step::ForceDone { id }),
        4 => (id, yes(), 0u8..3, yes())
            .prop_map(|(id, requeue, sort, from_live_runs)| Step::Mend { id, requeue, sort, from_live_runs }),
        1 => Just(Step::Drain),
        1 => (0u8..6).prop_map(|state| Step::Clean { state }),
    ]
}

/// Histories.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = prop_oneof![1 => Just(0), 7 => 1..IDS];
    let add = (id, 0u8..4, 0u8..3, any::<bool>()).prop_map(|(id, delay, priority, lifo)| Step::Add {
        id,
        delay_s: delay.saturating_sub(1) * 25,
        priority,
        lifo,
    });
    let step = prop_oneof![
        8 => add,
        10 => (1u8..4, any::<bool>())
            .prop_map(|(wanted, may_take_suspect)| Step::Claim { wanted, may_take_suspect }),
        24 => of_a_run(),
        6 => prop::option::of(0u8..8).prop_map(|survived| Step::Recover { survived }),
        5 => Just(Step::Stalled),
        3 => Just(Step::Promote),
        16 => of_a_person(),
        5 => Just(Step::Later),
    ];
    prop::collection::vec(step, STEPS)
}
