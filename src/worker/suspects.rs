//! One suspect at a time: jobs whose worker died run again beside others, but never two of them in one process.
//!
//! Owns: this process's only place for a suspect, and the runs that it lost while it was alive. Must never know: which
//! jobs are suspects (Redis says so). The fetcher takes the place, a run keeps it until its end is written, the recoverer
//! tells which leases were lost without a crash.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::job::JobId;

/// Most lost runs that are remembered: what is forgotten only stays a suspect until it ends.
const LOST_MAX: usize = 10_000;

/// One for the process, however many workers it holds: it is the process that dies.
static PLACE: LazyLock<(Arc<Semaphore>, Notify)> =
    LazyLock::new(|| (Arc::new(Semaphore::new(1)), Notify::new()));

/// The place of this process's suspect, while somebody has it.
#[derive(Debug)]
pub(super) struct Turn {
    permit: Option<OwnedSemaphorePermit>,
    /// A suspect really runs in it: others may be waiting for its end.
    used: bool,
}

impl Turn {
    /// Takes the place, if it is free.
    pub(super) fn take() -> Option<Self> {
        let permit = Arc::clone(&PLACE.0).try_acquire_owned().ok()?;
        Some(Self { permit: Some(permit), used: false })
    }

    /// A suspect runs in it from now on.
    #[must_use]
    pub(super) fn used(mut self) -> Self {
        self.used = true;
        self
    }

    /// Resolves when a suspect of this process has ended.
    pub(super) async fn freed() {
        PLACE.1.notified().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.permit.take());
        if self.used {
            PLACE.1.notify_waiters();
        }
    }
}

/// Runs of one queue that lost their lease in this living process: what Redis took for a crash was none.
#[derive(Debug, Default)]
pub(super) struct Survived(Mutex<Vec<(JobId, Arc<str>)>>);

impl Survived {
    /// Notes one.
    pub(super) fn note(&self, id: &JobId, token: &Arc<str>) {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.len() < LOST_MAX {
            lost.push((id.clone(), Arc::clone(token)));
        }
    }

    /// Takes up to `most`, oldest first.
    pub(super) fn take(&self, most: usize) -> Vec<(JobId, Arc<str>)> {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = most.min(lost.len());
        lost.drain(..most).collect()
    }

    /// Puts back what could not be told.
    pub(super) fn put_back(&self, mut told: Vec<(JobId, Arc<str>)>) {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.append(&mut lost);
        *lost = told;
    }
}
