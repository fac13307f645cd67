//! Looking over a whole queue and saying what is wrong with it; mending that by written rules (docs/doctor.md).
//!
//! Reads are bounded: pages and batches of at most [`super::BATCH_MAX`] ids, and SCAN instead of KEYS. What a first,
//! quick look finds suspicious is read again at one instant, and what may be so for a moment in a sound queue must be so
//! twice, [`SETTLE`] apart. Owns: reading and mending. Must never know: what a person sees (`cli::doctor`).

mod around;
mod bodies;
mod family;
pub(super) mod jobs;
pub mod queue;
mod repair;
mod scan;

use std::time::Duration;

pub use repair::{Mended, Sort};
pub use scan::{Found, scan};

use super::{Opened, Store, StoreError};
use crate::wire::doctor::{Class, Fault, JobFacts};

/// How long a fault that may pass must last.
pub const SETTLE: Duration = Duration::from_secs(2);
/// Most faults of one class that are read again, and so counted exactly, in one look; fewer where lists are very long.
pub const CONFIRMED_MAX: usize = 10_000;

/// One fault of a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The job, or what else it is about; empty = the queue.
    pub id: Vec<u8>,
    /// What is wrong.
    pub fault: Fault,
    /// The job's facts when it was last looked at.
    pub facts: Option<Box<JobFacts>>,
}

impl Finding {
    fn about(id: impl Into<Vec<u8>>, fault: Fault) -> Self {
        Self { id: id.into(), fault, facts: None }
    }

    /// Is it the same fault, seen again with nothing having happened meanwhile?
    fn is_same_as(&self, other: &Self) -> bool {
        let began = |finding: &Self| {
            finding
                .facts
                .as_ref()
                .map(|job| (job.processed_on.clone(), job.ats.clone(), job.lock.token.clone()))
        };
        self.id == other.id && self.fault == other.fault && began(self) == began(other)
    }

    /// The id as text; bytes that are none are shown as such.
    pub fn shown_id(&self) -> String {
        String::from_utf8_lossy(&self.id).into_owned()
    }
}

/// What was found in one queue.
#[derive(Debug, Default)]
pub struct Report {
    /// Jobs that were looked at.
    pub jobs: usize,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
    /// Classes of which there may be more than were read again.
    pub more: Vec<Class>,
}

impl Store {
    /// Looks over this queue. `found` is what [`scan`] found of it; `settle` is how long a fault that may pass must last,
    /// [`SETTLE`] unless nobody works the queue.
    ///
    /// # Errors
    /// Those of reading; a key of a wrong type is a finding and no error.
    pub async fn doctor(&self, found: &Found, settle: Duration) -> Result<Report, StoreError> {
        let layout = match self.look().await? {
            Opened::Ready(_, layout) | Opened::Otherwise(_, layout) => layout,
            Opened::Undecided => return self.leftovers(found).await,
            Opened::NewerLayout(_) => return Ok(Report::default()),
        };
        if layout.is_mixed() {
            let fault = Fault::without_rule(Class::MixedLayout, layout.describe());
            return Ok(Report { findings: vec![Finding::about("", fault)], ..Report::default() });
        }
        let mut report = Report::default();
        report.findings.extend(self.newer_version().await?);
        report.findings.extend(self.faults_of_queue(found).await?);
        let (jobs, suspects) = self.suspects(found).await?;
        report.jobs = jobs;
        let (first, more) = self.confirm(suspects).await?;
        report.more = more;
        let mut passing: Vec<Finding> = Vec::new();
        for finding in first {
            if finding.fault.class.may_pass() { passing.push(finding) } else { report.findings.push(finding) }
        }
        let around = self.around(found).await?;
        if !passing.is_empty() || around.iter().any(|finding| finding.fault.class.may_pass()) {
            tokio::time::sleep(settle).await;
            let suspects = passing.iter().map(|finding| (finding.id.clone(), finding.fault.class)).collect();
            let (again, _) = self.confirm(suspects).await?;
            let again_around = self.around(found).await?;
            passing.extend(around);
            let seen: Vec<Finding> = again.into_iter().chain(again_around).collect();
            let lasting = lasting(passing, &seen);
            report.findings.extend(lasting);
        } else {
            report.findings.extend(around);
        }
        report.findings.sort_by(|a, b| (a.fault.class, &a.id).cmp(&(b.fault.class, &b.id)));
        report.findings.dedup();
        Ok(report)
    }
}

/// Those of the first look that were still so at the second.
fn lasting(first: Vec<Finding>, second: &[Finding]) -> Vec<Finding> {
    let mut by_id: std::collections::HashMap<&[u8], Vec<&Finding>> = std::collections::HashMap::new();
    for finding in second {
        by_id.entry(&finding.id).or_default().push(finding);
    }
    let still = |finding: &Finding| {
        by_id.get(&*finding.id).is_some_and(|all| all.iter().any(|other| other.is_same_as(finding)))
    };
    first.into_iter().filter(still).collect()
}
