//! Hears of cancels while their jobs run: one reader for each Redis server of the process.
//!
//! Owns: the wait for wake-ups. What a wake-up says is never believed: the runs it names are looked at by an early
//! renewal ([`Leases::look`]), which reads the truth. So a wake-up that is lost costs one beat of the leases, one that
//! comes twice or too late nothing. Must never know: what a run does when it is told. Started by the lease thread, on
//! its runtime: handlers that block their threads cannot keep us from hearing.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::lease::{Beat, Leases};
use super::trouble::jittered;
use crate::store::StoreError;
use crate::store::cancel::{CancelMark, WakeUps};
use crate::store::wakeup::BLOCK_DEADLINE;
use crate::wire::Keys;

/// What one run has heard of a cancel.
#[derive(Debug, Default)]
pub(super) struct Cancel {
    mark: OnceLock<CancelMark>,
    asked: CancellationToken,
    /// No grace is left.
    killed: CancellationToken,
}

impl Cancel {
    /// Tells the run. Asked again it may only become harder.
    pub(super) fn tell(&self, mark: CancelMark) {
        let kill = mark.kill;
        // Whoever came first has cancelled it.
        let _ = self.mark.set(mark);
        if kill {
            self.killed.cancel();
        }
        self.asked.cancel();
    }

    /// By whom and why, once it was asked for.
    pub(super) fn mark(&self) -> Option<&CancelMark> {
        self.mark.get()
    }

    /// Waits until it is asked for.
    pub(super) async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Waits until it is asked for without a grace.
    pub(super) async fn killed(&self) {
        self.killed.cancelled().await;
    }
}

/// Starts a reader for each server, also for those of queues that are added later.
pub(super) async fn run(beat: Arc<Beat>) {
    let (mut readers, mut served) = (JoinSet::new(), HashSet::new());
    loop {
        let added = beat.added();
        for leases in beat.queues() {
            if served.insert(Arc::clone(&leases.server)) {
                readers.spawn(read(Arc::clone(&beat), leases));
            }
        }
        added.await;
    }
}

/// Reads the wake-ups of one server for ever, on a connection like that of `first`, a queue of its.
async fn read(beat: Arc<Beat>, first: Arc<Leases>) {
    let server = Arc::clone(&first.server);
    let mut wake_ups = WakeUps::on(first.store.connection().sibling(None, BLOCK_DEADLINE));
    let mut times = 0;
    loop {
        let mut queues = beat.queues();
        queues.retain(|leases| leases.server == server);
        match hear(&mut wake_ups, &queues).await {
            Ok(heard) => {
                if std::mem::take(&mut times) > 0 {
                    tracing::info!("cancels are heard of at once again");
                }
                for (leases, ids) in heard {
                    let beat = Arc::clone(&beat);
                    // Not awaited: a slow server must not keep us from the next one.
                    tokio::spawn(async move { leases.look(&ids, &beat).await });
                }
            }
            Err(error) => {
                times += 1;
                if times == 1 {
                    tracing::warn!(%error, "cancels are heard of by the renewal of leases only");
                }
                wake_ups.reset().await;
                tokio::time::sleep(jittered(times)).await;
            }
        }
    }
}

/// One wait: the queues that have wake-ups, each with the ids of their jobs.
async fn hear(
    wake_ups: &mut WakeUps,
    queues: &[Arc<Leases>],
) -> Result<Vec<(Arc<Leases>, HashSet<String>)>, StoreError> {
    let keys: Vec<&Keys> = queues.iter().map(|leases| leases.store.keys()).collect();
    let mut heard: Vec<(Arc<Leases>, HashSet<String>)> = Vec::new();
    for (position, id) in wake_ups.next(&keys).await? {
        let leases = &queues[position];
        match heard.iter_mut().find(|(known, _)| Arc::ptr_eq(known, leases)) {
            Some((_, ids)) => drop(ids.insert(id)),
            None => heard.push((Arc::clone(leases), HashSet::from([id]))),
        }
    }
    Ok(heard)
}
