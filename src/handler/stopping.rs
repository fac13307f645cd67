//! Why a handler is to stop.
//!
//! Owns: the reasons, and the one place where a run is told its own. Must never know: who decides that. Written by
//! `worker::executor`, read by handlers through [`Context`](super::Context).

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why a run is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The job is another run's, or has ended: nothing of this run will be written.
    LeaseLost,
    /// Somebody cancelled the job: it will not be tried again.
    Cancelled {
        /// Who; empty = not said.
        by: String,
        /// The reason given; empty = none.
        why: String,
    },
    /// The worker stops: the job goes back, and is run again elsewhere.
    ShuttingDown,
    /// A limit went by; the text says which.
    Limit(String),
}

impl StopReason {
    /// The word for it, as backends are told.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::LeaseLost => "lease-lost",
            Self::Cancelled { .. } => "cancelled",
            Self::ShuttingDown => "shutting-down",
            Self::Limit(_) => "limit",
        }
    }
}

/// What a run is told beside that it should stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stopping(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reason: OnceLock<StopReason>,
    /// The time to end by itself is over.
    hard: CancellationToken,
}

impl Stopping {
    /// Says why. The first reason stays.
    pub fn say(&self, reason: StopReason) {
        let _ = self.0.reason.set(reason);
    }

    /// Why, once it was said.
    pub fn reason(&self) -> Option<&StopReason> {
        self.0.reason.get()
    }

    /// Says that the time to end by itself is over. The future is dropped soon after.
    pub fn end_grace(&self) {
        self.0.hard.cancel();
    }

    /// Waits for the end of that time. Of a job that was cancelled it is in the worker's hand (`cancel_grace`).
    pub async fn grace_ended(&self) {
        self.0.hard.cancelled().await;
    }
}
