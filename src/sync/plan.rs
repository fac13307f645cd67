//! The plan of a sync: where to go on, and the counters. Committed with every batch; the next attempt starts from it.
//!
//! Owns: what is stored and how it is counted. Must never know: sources, sinks, Redis. Called by the loop.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a commit stores of a sync. The script of `retry-items` finds its counters by their order: `commits` first, those of
/// [`Counts`] last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Commits so far.
    pub commits: u64,
    /// What the source is asked with next; `null` = its first page.
    pub cursor: Value,
    /// The source has no further page.
    pub exhausted: bool,
    /// Pages that were read to their end.
    pub pages: u64,
    /// Batches that were pushed for the first time; their numbers are 1 to this.
    pub batches: u64,
    /// The same for batches of items that are pushed again.
    pub retry_batches: u64,
    /// Items of the batch that is being pushed again: after a crash it is this batch that is pushed, under the same key.
    pub pending: Vec<String>,
    /// Items in one batch, once the sink has refused larger ones.
    pub batch_size: Option<usize>,
    /// How many items there are in all, if the source has said so.
    pub total: Option<u64>,
    /// When the first attempt began, ms since the epoch, by Redis' clock.
    pub started_at: i64,
    /// Where the watermark stood then: all attempts of a run ask the source with the same.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub since: Value,
    /// Where the source says that it stands, as it said last.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub watermark: Value,
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Items by what became of them. An item that waits to be pushed again is processed only when it has come to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Came to their end, well or not.
    pub processed: u64,
    /// The sink took them.
    pub successful: u64,
    /// Failed as often as an item may.
    pub failed: u64,
    /// The sink passed them over.
    pub skipped: u64,
    /// Wait to be pushed again.
    pub retrying: u64,
    /// Named by the source more than once, and pushed once.
    pub duplicates: u64,
}

impl Plan {
    /// The plan of a job that has none yet.
    pub fn new(now_ms: i64) -> Self {
        Self { started_at: now_ms, ..Self::default() }
    }

    /// Reads a stored plan.
    ///
    /// # Errors
    /// The text is no plan: somebody else wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("the stored plan cannot be read: {error}"))
    }

    /// The members that are not as in `before`, with what they are now. One after the other these give the plan again.
    pub fn changes_since(&self, before: &Self) -> Value {
        let (Ok(Value::Object(now)), Ok(Value::Object(then))) =
            (serde_json::to_value(self), serde_json::to_value(before))
        else {
            return Value::Null;
        };
        now.into_iter().filter(|(name, value)| then.get(name) != Some(value)).collect()
    }

    /// Batches that there will be, by what is known now.
    pub fn batches_in_all(&self, batch_size: usize) -> Option<u64> {
        let left = self.total?.saturating_sub(self.counts.processed + self.counts.retrying);
        Some(self.batches + self.retry_batches + left.div_ceil(batch_size.max(1) as u64))
    }
}
