//! The next occurrence of a repeatable job, scheduled when one is claimed and before its handler runs.

use super::Queue;
use crate::job::Job;
use crate::job::repeat;
use crate::wire::NewJob;

/// Schedules the successor of a claimed occurrence. A schedule that cannot be computed, or a Redis that does not answer,
/// must not keep the occurrence itself from running: it is said in the log (quirk Q13).
pub(super) async fn schedule_next(queue: &Queue, job: &Job, token: &str, now_ms: i64) {
    let (name, id) = (&*job.queue, &job.id);
    let next = match repeat::successor(&job.name, &job.opts_text, now_ms, queue.options.zone) {
        Ok(Some(next)) => next,
        Ok(None) => return,
        Err(error) => {
            tracing::error!(queue = name, job_id = %id, %error, "this repeatable job has no next occurrence");
            return;
        }
    };
    let new_job = NewJob::occurrence(&job.name, job.data.as_str(), &next);
    // Twice, because a lost reply is normal and adding the same occurrence again is harmless.
    for last in [false, true] {
        match queue.store.repeat(token, true, &next.key, next.due_text(), &new_job).await {
            Ok(_) => return,
            Err(error) if last => {
                tracing::error!(queue = name, job_id = %id, %error, "the next occurrence was not scheduled");
            }
            Err(_) => {}
        }
    }
}
