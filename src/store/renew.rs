//! Prolonging leases.

use redis::Value;

use super::cancel::CancelMark;
use super::{Store, StoreError, convert, integer, text};

/// What a renewal found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Positions (from 0) of the runs that hold their job no longer.
    pub lost: Vec<usize>,
    /// Positions of those whose job somebody has cancelled, with what was said.
    pub cancelled: Vec<(usize, CancelMark)>,
}

impl Store {
    /// Prolongs the leases of all `runs` (id, token) in one call.
    pub async fn renew(&self, lease_ms: u64, runs: &[(&str, &str)]) -> Result<Renewed, StoreError> {
        let mut all = Renewed::default();
        for (chunk_index, chunk) in runs.chunks(super::BATCH_MAX).enumerate() {
            let script = &self.scripts.renew;
            let mut call = script.call(&self.keys);
            call.arg(lease_ms);
            for (id, token) in chunk {
                call.arg(*id).arg(*token);
            }
            let (lost, marks): (Vec<usize>, Vec<Value>) =
                convert(script.run(&self.connection, &call).await?)?;
            let first = chunk_index * super::BATCH_MAX;
            all.lost.extend(lost.into_iter().map(|position| first + position - 1));
            let mut marks = marks.into_iter();
            while let (Some(position), Some(mark)) = (marks.next(), marks.next()) {
                let position = first + integer(&position)?.max(1) as usize - 1;
                all.cancelled.push((position, CancelMark::read(&text(mark)?)));
            }
        }
        Ok(all)
    }
}
