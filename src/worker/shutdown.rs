//! Stopping: ask once and handlers may finish within the grace; ask twice and the grace is over.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::lease;

/// The two facts of a stop, shared by all duties.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Claim no more.
    asked: CancellationToken,
    /// Handlers have had their time: give back what they hold.
    grace_over: CancellationToken,
    grace: Duration,
}

/// How the worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Every job was finished or handed back.
    pub clean: bool,
}

impl Stop {
    pub(super) fn new(grace: Duration) -> Self {
        Self { asked: CancellationToken::new(), grace_over: CancellationToken::new(), grace }
    }

    /// Asks for the stop; the second call hastens it.
    pub fn ask(&self) {
        if self.asked.is_cancelled() {
            self.grace_over.cancel();
        }
        self.asked.cancel();
    }

    /// Has a stop been asked for?
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Fires when the stop is asked for.
    pub(super) fn draining(&self) -> CancellationToken {
        self.asked.clone()
    }

    pub(super) async fn asked(&self) {
        self.asked.cancelled().await;
    }

    pub(super) fn is_grace_over(&self) -> bool {
        self.grace_over.is_cancelled()
    }

    pub(super) async fn grace_over(&self) {
        self.grace_over.cancelled().await;
    }
}

/// Waits for the stop and for the end of all duties. The lease thread goes last: runs need it until they have ended.
pub(super) async fn supervise(stop: Stop, mut tasks: JoinSet<()>, lease_thread: lease::Thread) -> Stopped {
    let mut clean = true;
    tokio::select! {
        // First: all duties end once the stop is asked for.
        biased;
        () = stop.asked() => {}
        // A duty ends by itself only when it panicked: a worker without one of them would lose track of its jobs.
        Some(ended) = tasks.join_next() => {
            tracing::error!(error = ?ended.err(), "a duty of the worker ended early: stopping");
            clean = false;
            stop.ask();
        }
    }
    let grace = stop.clone();
    let timer = tokio::spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(grace.grace) => grace.grace_over.cancel(),
            () = grace.grace_over.cancelled() => {}
        }
    });
    while let Some(ended) = tasks.join_next().await {
        clean &= ended.is_ok();
    }
    timer.abort();
    drop(lease_thread);
    Stopped { clean }
}
