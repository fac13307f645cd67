//! What a copy in a dead-letter queue says: which options it keeps, and where it comes from.
//!
//! Owns: the member `deadLetter` of a copy's options, which Node reads as `job.opts.deadLetter`. Must never know: when a
//! job is buried. Called by [`super::finish`], and by `app` at the start.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::finish::FailedRun;
use super::opened::Opened;
use super::replay::Copied;
use super::{Store, StoreError};

/// Options that say how a job is run. Where it stood in line (delay, priority, lifo), who it was (id, repeat, parent,
/// deduplication) and how long it is kept belongs to the first queue. (`kl`, `sizeLimit`: names in `BullMQ`'s hashes.)
const KEPT: [&str; 7] = ["attempts", "backoff", "timeout", "stackTraceLimit", "keepLogs", "kl", "sizeLimit"];

/// The options of the copy up to where it says where it comes from, and that text up to the time of the burial, which the
/// script knows.
pub(super) fn copy_of(queue: &str, run: &FailedRun<'_>) -> (String, String) {
    let from = serde_json::json!({
        "queue": queue, "id": run.id, "reason": run.class, "failedReason": run.message, "attempts": run.attempts_made,
    });
    (kept_of(run.opts), open_end(&from, "buriedAt"))
}

/// The same for a dead letter that is replayed to another queue.
pub(super) fn copy_of_replayed(queue: &str, id: &str, job: &Copied) -> (String, String) {
    let from = serde_json::json!({
        "queue": queue, "id": id, "reason": job.class, "failedReason": job.error, "attempts": job.attempts_made,
        "buriedAt": job.failed_ms,
    });
    (kept_of(&job.opts), open_end(&from, "replayedAt"))
}

fn kept_of(opts: &str) -> String {
    // Options that cannot be read are kept beside the first job.
    let stored: BTreeMap<&str, &RawValue> = serde_json::from_str(opts).unwrap_or_default();
    let mut kept = String::from("{");
    for name in KEPT {
        if let Some(value) = stored.get(name) {
            let _ = write!(kept, "\"{name}\":{value},");
        }
    }
    kept.push_str("\"deadLetter\":");
    kept
}

/// An object that ends with this member, whose value is still to come.
fn open_end(object: &serde_json::Value, member: &str) -> String {
    let text = object.to_string();
    format!("{},\"{member}\":", text.trim_end_matches('}'))
}

impl Store {
    /// Why copies of dead letters cannot go where they are to go: another dialect, or another slot of a Cluster. `None` =
    /// they can, or there is no such queue.
    pub async fn dead_letters_misfit(&self) -> Result<Option<String>, StoreError> {
        let Some(other) = &self.dead_letter else { return Ok(None) };
        if self.keys.slot() != other.slot() || self.keys.slot().is_none() {
            let info = self.connection.query::<String>(redis::cmd("INFO").arg("cluster")).await;
            // Who may not ask is told by the first copy.
            if info.is_ok_and(|info| info.contains("cluster_enabled:1")) {
                return Ok(Some(format!(
                    "dead_letter = \"{}\" is in another slot of the Cluster; expected both names to share a hash tag. hint: \
                     name them {{tag}}:{} and {{tag}}:{}, or give the prefix a tag",
                    other.queue, self.keys.queue, other.queue
                )));
            }
        }
        Self::of(self.connection.clone(), other.clone(), None).differs_from(self).await
    }

    async fn differs_from(self, first: &Self) -> Result<Option<String>, StoreError> {
        let Opened::Ready(dialect, layout) = self.look().await? else { return Ok(None) };
        let same = !first.is_settled() || !layout.exists || dialect == first.dialect();
        Ok((!same).then(|| {
            format!(
                "dead_letter = \"{}\" is a {} queue; expected one of {}, as this queue is. hint: name another",
                self.keys.queue,
                dialect.as_str(),
                first.dialect().as_str()
            )
        }))
    }
}
