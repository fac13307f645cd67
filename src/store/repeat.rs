//! Repeatable jobs: registering them, their next occurrence, removing them.

use super::enqueue::{Enqueued, push_job};
use super::{Store, StoreError, array, integer, text};
use crate::wire::NewJob;

impl Store {
    /// Registers `key` as due at `due` (ms, as its id spells it) and adds the occurrence, in one step. `successor_of`: the id of
    /// the claimed occurrence that `token` holds; answers `None` if it holds it no longer, or if the repeatable was
    /// removed meanwhile.
    pub async fn repeat(
        &self,
        token: &str,
        successor_of: Option<&str>,
        key: &str,
        due: &str,
        job: &NewJob,
    ) -> Result<Option<Enqueued>, StoreError> {
        let script = &self.scripts.repeat;
        let mut call = script.call(&self.keys);
        call.arg(token).arg(successor_of.unwrap_or("")).arg(key).arg(due);
        push_job(&mut call, job);
        let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter();
        let (Some(id), Some(existed)) = (reply.next(), reply.next()) else { return Ok(None) };
        Ok(Some(Enqueued { id: text(id)?.into(), existed: integer(&existed)? == 1 }))
    }

    /// Removes a repeatable and its delayed occurrence. `occurrence_prefix` is the occurrence id without its due time.
    pub async fn repeat_remove(&self, key: &str, occurrence_prefix: &str) -> Result<bool, StoreError> {
        let script = &self.scripts.repeat_remove;
        let mut call = script.call(&self.keys);
        call.arg(key).arg(occurrence_prefix);
        Ok(integer(&script.run(&self.connection, &call).await?)? == 1)
    }
}
