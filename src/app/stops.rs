//! The stops of all workers of a process, asked as one.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::worker::Stop;

/// Asks every worker of the process to stop, those to come included. Clones share it.
#[derive(Clone, Default)]
pub struct Stops(Arc<Inner>);

#[derive(Default)]
struct Inner {
    workers: Mutex<Vec<Stop>>,
    asked: CancellationToken,
}

impl Stops {
    pub(super) fn add(&self, worker: Stop) {
        if self.is_asked() {
            worker.ask();
        }
        self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    /// Asks for the stop; the second call hastens it.
    pub fn ask(&self) {
        self.0.asked.cancel();
        for worker in self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            worker.ask();
        }
    }

    /// Has a stop been asked for?
    pub fn is_asked(&self) -> bool {
        self.0.asked.is_cancelled()
    }

    /// Resolves once a stop has been asked for.
    pub async fn asked(&self) {
        self.0.asked.cancelled().await;
    }
}
