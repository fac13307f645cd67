//! Prolonging leases.

use super::{Store, StoreError, convert};

impl Store {
    /// Prolongs the leases of all `runs` (id, token) in one call. Answers the positions (from 0) of those that hold
    /// their job no longer.
    pub async fn renew(&self, lease_ms: u64, runs: &[(&str, &str)]) -> Result<Vec<usize>, StoreError> {
        let mut lost = Vec::new();
        for (chunk_index, chunk) in runs.chunks(super::BATCH_MAX).enumerate() {
            let script = &self.scripts.renew;
            let mut call = script.call(&self.keys);
            call.arg(lease_ms);
            for (id, token) in chunk {
                call.arg(*id).arg(*token);
            }
            let positions: Vec<usize> = convert(script.run(&self.connection, &call).await?)?;
            lost.extend(positions.into_iter().map(|position| chunk_index * super::BATCH_MAX + position - 1));
        }
        Ok(lost)
    }
}
