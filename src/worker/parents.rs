//! Runs that end because their job must wait for its children. Called by the finisher.

use std::time::Duration;

use super::finisher::{End, Finished, note};
use super::trouble::jittered;
use super::{Ended, Queue};
use crate::job::Job;
use crate::job::outcome::{Failure, ReasonClass};
use crate::store::StoreError;
use crate::store::finish::{Verdict, WaitForChildren};

/// Moves each job among the waiting parents. What is left to write are other ends: of jobs without pending children,
/// which run again, and of those that cannot wait, which fail.
pub(super) async fn wait(queue: &Queue, runs: Vec<Finished>) -> Vec<Finished> {
    let mut left = Vec::new();
    for finished in runs {
        left.extend(wait_one(queue, finished).await);
    }
    left
}

async fn wait_one(queue: &Queue, finished: Finished) -> Option<Finished> {
    let End::WaitForChildren { most } = finished.end else { return Some(finished) };
    let mut times = 0;
    let answer = loop {
        let answer = queue.store.wait_for_children(finished.job.id.as_str(), &finished.token, None).await;
        match answer {
            // Sent again after an answer that was lost, it finds the lease gone: the job has moved.
            Err(error) if error.is_transient() && !finished.lease.remaining().is_zero() => {
                times += 1;
                tokio::time::sleep(jittered(times).min(queue.options.renew)).await;
            }
            answer => break answer,
        }
    };
    let failure = match answer {
        Ok(WaitForChildren::Moved) => {
            note(queue, &finished, Ended::Deferred);
            return None;
        }
        Ok(WaitForChildren::NothingPending) => {
            let why = "it has no pending child to wait for".into();
            let end = End::HandBack { delay: None, rest: Duration::ZERO, most: Some(most), why };
            return Some(Finished { end, ..finished });
        }
        Ok(WaitForChildren::Refused(verdict)) => {
            let message = refused(&finished.job, verdict, "moveToWaitingChildren");
            message.map(|message| Failure::new(ReasonClass::Error, message))
        }
        Err(error @ StoreError::NotInDialect(_)) => Some(
            Failure::new(ReasonClass::Error, format!("it cannot wait for children: {error}")).permanent(),
        ),
        Err(error) => {
            tracing::error!(queue = &*finished.job.queue, job_id = %finished.job.id, %error,
                "the outcome could not be written; the job may run again");
            None
        }
    };
    let Some(failure) = failure else {
        note(queue, &finished, Ended::LeaseLost);
        return None;
    };
    let end = End::failed(&finished.job, failure, &queue.options.strategies);
    Some(Finished { end, ..finished })
}

/// Why a parent may not end or wait yet, in `BullMQ`'s own words: its worker fails such a run too.
pub(super) fn refused(job: &Job, verdict: Verdict, call: &str) -> Option<String> {
    let id = &job.id;
    match verdict {
        Verdict::ChildrenPending => Some(format!("Job {id} has pending dependencies. {call}")),
        Verdict::ChildFailed => {
            Some(format!("Cannot complete job {id} because it has at least one failed child. {call}"))
        }
        _ => None,
    }
}
