//! What a worker tells to whoever counts: the metrics of the admin server, a test, nobody.

use std::sync::Arc;
use std::time::Duration;

use crate::job::Job;
use crate::job::trace::TraceContext;

/// How a run ended, in the words of the metric `bullock_jobs_finished_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// It completed.
    Completed,
    /// It failed for good.
    Failed,
    /// Somebody cancelled it: it failed for good by a person's word.
    Cancelled,
    /// It failed and will be tried again.
    Retried,
    /// It was put off without spending an attempt.
    Deferred,
    /// Its lease was lost: nothing of it was written.
    LeaseLost,
    /// It was given back at shutdown.
    HandedBack,
}

impl Ended {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Retried => "retried",
            Self::Deferred => "deferred",
            Self::LeaseLost => "lease_lost",
            Self::HandedBack => "handed_back",
        }
    }
}

/// How a run ended, as a [`Follower`] is told.
#[derive(Debug)]
pub struct RunEnd<'a> {
    /// `None` = a callback ended it, and this process did not see how.
    pub ended: Option<Ended>,
    /// The class and the text of its failure.
    pub error: Option<(&'static str, &'a str)>,
    /// How long it ran.
    pub ran: Duration,
}

/// Follows one run to its end: a span of a trace. Dropped without an end, the run was given up with its process.
pub trait Follower: Send + Sync + 'static {
    /// Where the run is in its trace, for its backend to go on from; `None` = in none.
    fn context(&self) -> Option<&Arc<TraceContext>>;
    /// It ended.
    fn ended(&self, end: &RunEnd<'_>);
}

/// Hears what happens. Called on the hot path: must be quick and must not block.
pub trait Observer: Send + Sync + 'static {
    /// A run began, so long after the job was added (or was due).
    fn started(&self, queue: &str, name: &str, waited: Duration) {
        let _ = (queue, name, waited);
    }
    /// Who follows the run that begins now, if anybody does.
    fn follow(&self, job: &Job, worker: &str) -> Option<Box<dyn Follower>> {
        let _ = (job, worker);
        None
    }
    /// A run ended.
    fn ended(&self, queue: &str, name: &str, ended: Ended, ran: Duration, attempt: u32) {
        let _ = (queue, name, ended, ran, attempt);
    }
    /// A run was ended by somebody else, who has counted its end.
    fn released(&self, queue: &str) {
        let _ = queue;
    }
    /// So many leases were renewed, so many were lost.
    fn renewed(&self, queue: &str, renewed: usize, lost: usize) {
        let _ = (queue, renewed, lost);
    }
    /// So many jobs were taken back from dead workers.
    fn recovered(&self, queue: &str, jobs: usize) {
        let _ = (queue, jobs);
    }
    /// A handler answered, or failed to: `class` as in `2xx`, `error`; is it healthy?
    fn handler_answered(&self, handler: &str, class: &str, healthy: bool, took: Duration) {
        let _ = (handler, class, healthy, took);
    }
    /// So many ends of runs were written, and too few replicas confirmed them in time.
    fn unconfirmed(&self, queue: &str, runs: u64) {
        let _ = (queue, runs);
    }
    /// Redis became reachable (true) or stopped being so (false), seen from one queue; the reason with it.
    fn redis(&self, queue: &str, problem: Option<&str>) {
        let _ = (queue, problem);
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {}
