//! Telling a process to claim nothing more, and to claim again. The fact is in Redis: any process can ask for it, and no
//! claim that comes after it takes a job.

use serde_json::Value;

use super::actor::Actor;
use super::inspect::fields_of;
use super::{Store, StoreError, integer};

/// Longest name of a worker, bytes.
const NAME_BYTES_MAX: usize = 256;

/// A worker that was told to claim nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietWorker {
    /// Its name, as its tokens carry it.
    pub name: String,
    /// When it was told, ms.
    pub at_ms: i64,
    /// By whom, from where and why.
    pub actor: Actor,
}

impl Store {
    /// Tells a worker to claim nothing more of this queue: what it has it finishes. It is over when the process is resumed
    /// or started anew. Answers whether it was told just now.
    ///
    /// # Errors
    /// A name that no worker has; and those of every call.
    pub async fn quiet_worker(&self, actor: &Actor, worker: &str) -> Result<bool, StoreError> {
        self.tell_worker(actor, worker, true).await
    }

    /// Lets a worker claim again; it does so within a second. Answers whether it was quiet.
    ///
    /// # Errors
    /// As for [`Store::quiet_worker`].
    pub async fn resume_worker(&self, actor: &Actor, worker: &str) -> Result<bool, StoreError> {
        self.tell_worker(actor, worker, false).await
    }

    async fn tell_worker(&self, actor: &Actor, worker: &str, quiet: bool) -> Result<bool, StoreError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if worker.is_empty() || worker.len() > NAME_BYTES_MAX || !worker.chars().all(plain) {
            let expected =
                format!("worker {worker:?}: expected 1 to {NAME_BYTES_MAX} letters, digits and ._-");
            return Err(StoreError::Invalid(expected));
        }
        let script = &self.scripts.quiet;
        let mut call = script.call(&self.keys);
        call.arg(u8::from(quiet)).arg(worker).arg(&actor.args());
        Ok(integer(&script.run(&self.connection, &call).await?)? == 1)
    }

    /// The workers that were told to claim nothing more of this queue, in no order. Some may be gone for good.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn quiet_workers(&self) -> Result<Vec<QuietWorker>, StoreError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.keys.extra_of("quiet"));
        let read = |(name, told): (String, String)| {
            let told: Value = serde_json::from_str(&told).unwrap_or_default();
            let text = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            QuietWorker {
                name,
                at_ms: told.get("at").and_then(Value::as_i64).unwrap_or(0),
                actor: Actor { by: text("by"), from: text("from"), why: text("why") },
            }
        };
        Ok(fields_of(self.connection.send(&command).await?)?.into_iter().map(read).collect())
    }
}
