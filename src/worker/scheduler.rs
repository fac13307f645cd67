//! The next occurrence of a repeatable job, scheduled when one is claimed and before its handler runs.

use super::Queue;
use super::lease::Lease;
use super::trouble::jittered;
use crate::job::Job;
use crate::store::StoreError;
use crate::store::repeat::Successor;

/// Schedules the successor of a claimed occurrence. A schedule that cannot be computed must not keep the occurrence
/// itself from running: it is said in the log (quirk Q13). Answers what Redis did not take: see [`insist`].
pub(super) async fn schedule_next(queue: &Queue, job: &Job, token: &str, now_ms: i64) -> Option<Successor> {
    let successor = match queue.store.successor(job, now_ms, queue.options.zone) {
        Ok(successor) => successor?,
        Err(error) => {
            tracing::error!(queue = &*job.queue, job_id = %job.id, %error, "this repeatable job has no next occurrence");
            return None;
        }
    };
    match add(queue, job, token, &successor).await {
        Ok(()) => None,
        Err(_) => Some(successor),
    }
}

/// Sends a successor until Redis takes it, beside the handler: without it the chain would end for ever. Given up when
/// the lease is lost, because the run that comes after schedules too; adding one occurrence twice is harmless.
pub(super) async fn insist(queue: &Queue, job: &Job, token: &str, lease: &Lease, successor: Successor) {
    let mut times = 0;
    loop {
        match add(queue, job, token, &successor).await {
            Ok(()) => return,
            Err(error) if !error.is_transient() => {
                tracing::error!(queue = &*job.queue, job_id = %job.id, %error, "the next occurrence was not scheduled");
                return;
            }
            Err(_) => times += 1,
        }
        tokio::select! {
            () = lease.lost.cancelled() => return,
            () = tokio::time::sleep(jittered(times)) => {}
        }
    }
}

async fn add(queue: &Queue, job: &Job, token: &str, successor: &Successor) -> Result<(), StoreError> {
    queue.store.add_successor(token, job, successor).await.map(|_| ())
}
