//! The queues that this process works, as the server needs to know them.
//!
//! Owns: what callbacks are decided by. Must never know: routes. Filled by `app`, also while the server runs.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::job::backoff::Strategies;
use crate::job::options::Keep;
use crate::store::Store;

/// What callbacks need to know of one queue: the same as its worker.
#[derive(Clone)]
pub struct QueueOptions {
    /// The queue, on a connection of the server's own.
    pub store: Store,
    /// Jobs that this process runs at once.
    pub concurrency: u64,
    /// How often a handler must show life; told in every answer.
    pub heartbeat: Duration,
    /// How long the reply to a write is kept for a second sending: the lease.
    pub reply_kept: Duration,
    /// Points of Bull's metrics; 0 = none.
    pub metrics_points: u64,
    /// What becomes of completed jobs whose producer said nothing.
    pub keep_completed: Keep,
    /// What becomes of failed jobs whose producer said nothing.
    pub keep_failed: Keep,
    /// How long figures are kept; zero = there is no history.
    pub history: Duration,
    /// Longest wait that a `retryAfterMs` may ask for.
    pub retry_after_max: Duration,
    /// Backoff types that producers name.
    pub strategies: Arc<Strategies>,
}

impl QueueOptions {
    /// A queue with the worker's defaults.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            concurrency: 1,
            heartbeat: Duration::from_mins(1),
            reply_kept: Duration::from_secs(15),
            metrics_points: 0,
            keep_completed: Keep::All,
            keep_failed: Keep::All,
            history: Duration::ZERO,
            retry_after_max: Duration::from_hours(1),
            strategies: Arc::default(),
        }
    }
}

/// The queues that a server knows. Clones share them; further ones may come while it serves.
#[derive(Clone, Default)]
pub struct Queues(Arc<RwLock<HashMap<Arc<str>, QueueOptions>>>);

impl Queues {
    /// Adds one. Its name must be new.
    pub fn add(&self, queue: QueueOptions) {
        let name = Arc::clone(&queue.store.keys().queue);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, queue);
    }

    pub(super) fn get(&self, name: &str) -> Option<QueueOptions> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn all(&self) -> Vec<QueueOptions> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
