//! Keeps the other threads of the process awake while handlers run.
//!
//! A runtime has one thread at a time that looks at clocks and sockets. One that is called from there to a function which
//! then blocks it takes both along, and all other threads sleep on: no limit of any run would be kept. A thread that is
//! woken looks who looks, and takes over.
//!
//! Owns: that, and saying so when no thread is left. Called by the lease thread at each of its ticks.

use std::time::{Duration, Instant};

/// So long may no other thread do anything until it is said that all are blocked.
const BLOCKED_TOLD_AFTER: Duration = Duration::from_secs(1);

/// The last wake-up.
#[derive(Default)]
pub(super) struct Nudge {
    last: Option<(tokio::task::JoinHandle<()>, Instant)>,
    told: bool,
}

impl Nudge {
    /// Wakes one of the threads of `others`, unless the last one that was woken has not come to it yet.
    pub(super) fn give(&mut self, others: &tokio::runtime::Handle) {
        match &self.last {
            Some((last, given)) if !last.is_finished() => {
                if given.elapsed() > BLOCKED_TOLD_AFTER && !std::mem::replace(&mut self.told, true) {
                    tracing::error!(
                        "all threads of this process are blocked by handlers: what blocks belongs into spawn_blocking"
                    );
                }
            }
            _ => {
                self.last = Some((others.spawn(std::future::ready(())), Instant::now()));
                self.told = false;
            }
        }
    }
}
