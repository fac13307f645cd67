//! Which webhooks have come: a record of each for a while, so that one that comes again adds nothing although its job is gone.
//!
//! Owns: that record. Must never know: how webhooks are signed. Called by `admin`. Written once the job is there: whoever dies in
//! between adds it under the same id again, which changes nothing.

use std::time::Duration;

use super::{Store, StoreError};

impl Store {
    /// Has a webhook come whose job has this id?
    ///
    /// # Errors
    /// Those of every call.
    pub async fn webhook_is_known(&self, id: &str) -> Result<bool, StoreError> {
        self.connection.query(redis::cmd("EXISTS").arg(self.webhook_key(id))).await
    }

    /// Notes that it has come.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn know_webhook(&self, id: &str, how_long: Duration) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(self.webhook_key(id)).arg(1).arg("PX").arg(how_long.as_millis().max(1) as u64);
        self.connection.query(&command).await
    }

    fn webhook_key(&self, id: &str) -> String {
        self.keys.extra_of(&format!("hook:{id}"))
    }
}
