//! Waiting for work without polling and without moving a job (docs on why: a blocking command whose future is dropped,
//! or whose reply is lost, must not have claimed anything).

use std::time::Duration;

use super::{Connection, Store, StoreError};

/// The server-side block. Short, so that a dead peer is noticed soon.
pub const BLOCK: Duration = Duration::from_secs(1);
/// The client's own deadline for it: one second more, then the socket is replaced.
pub const BLOCK_DEADLINE: Duration = Duration::from_secs(2);

impl Store {
    /// Waits until something waits, or [`BLOCK`] is over. `BLMOVE wait wait RIGHT RIGHT` moves an id to where it is:
    /// it wakes us and leaves order and other blocked workers alone. Claim afterwards whatever this answers.
    ///
    /// `blocking` must be a connection of its own: everything behind a blocked command waits with it.
    pub async fn wait_for_work(&self, blocking: &Connection) -> Result<bool, StoreError> {
        let wait = self.keys.of("wait");
        let mut call = redis::cmd("BLMOVE");
        call.arg(&wait).arg(&wait).arg("RIGHT").arg("RIGHT").arg(BLOCK.as_secs());
        let id: Option<Vec<u8>> = blocking.query(&call).await?;
        Ok(id.is_some())
    }
}
