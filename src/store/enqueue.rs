//! Adding jobs.

use redis::Cmd;

use super::{Store, StoreError, array, integer, text};
use crate::job::JobId;
use crate::wire::NewJob;

/// What became of a job to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id, or the id of the job that stands for it.
    pub id: JobId,
    /// A job of this id (or debounce id) existed: nothing was written.
    pub existed: bool,
}

impl Store {
    /// Adds jobs in order, in calls of at most [`super::BATCH_MAX`]. `token` names the sender in events.
    pub async fn enqueue(&self, token: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        let mut all = Vec::with_capacity(jobs.len());
        for chunk in jobs.chunks(super::BATCH_MAX) {
            let script = &self.scripts.enqueue;
            let mut call = script.call(&self.keys);
            call.arg(token);
            for job in chunk {
                push_job(&mut call, job);
            }
            let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter().skip(1);
            while let (Some(id), Some(existed)) = (reply.next(), reply.next()) {
                all.push(Enqueued { id: text(id)?.into(), existed: integer(&existed)? == 1 });
            }
        }
        Ok(all)
    }
}

/// The eleven arguments of one job.
pub(super) fn push_job(call: &mut Cmd, job: &NewJob) {
    call.arg(job.id.as_deref().unwrap_or("")).arg(&job.name).arg(&job.data);
    call.arg(&job.opts_head).arg(&job.opts_tail);
    match job.timestamp {
        Some(ms) => call.arg(ms),
        None => call.arg(""),
    };
    call.arg(&job.delay).arg(&job.priority).arg(u8::from(job.lifo));
    match &job.debounce {
        Some((id, Some(ttl))) => call.arg(id).arg(ttl),
        Some((id, None)) => call.arg(id).arg(""),
        None => call.arg("").arg(""),
    };
}
