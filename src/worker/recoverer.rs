//! Takes jobs back from workers that died: ours by their leases, Node's by Bull's own check.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Queue;
use super::trouble::{self, Trouble};
use crate::store::recover::Recovered;
use crate::store::{BATCH_MAX, StoreError};

/// Bull's `stalledInterval`: the guard in Redis makes the check effective once per interval for all workers.
const STALLED_INTERVAL: Duration = Duration::from_secs(30);

pub(super) async fn run(queue: Arc<Queue>) {
    tokio::select! {
        () = queue.stop.asked() => return,
        () = queue.store.settled() => {}
    }
    let mut trouble = Trouble::of("recover");
    let mut next_check = Instant::now();
    while !queue.stop.is_asked() {
        let step = sweep(&queue, &mut next_check).await;
        trouble::rest(&queue, &mut trouble, step).await;
    }
}

/// Takes back what dead workers held, and tells what this one lost without dying.
async fn recover(queue: &Queue) -> Result<Recovered, StoreError> {
    let lost = queue.survived.take(BATCH_MAX);
    let survived: Vec<(&str, &str)> = lost.iter().map(|(id, token)| (id.as_str(), &**token)).collect();
    let recovered = queue.store.recover_beside(&survived).await;
    if recovered.is_err() {
        queue.survived.put_back(lost);
    }
    recovered
}

/// One sweep; answers when the next is due: at the earliest expiry, at most the configured time apart.
async fn sweep(queue: &Queue, next_check: &mut Instant) -> Result<Duration, StoreError> {
    let name = &*queue.store.keys().queue;
    let recovered = recover(queue).await?;
    for (id, crashes) in &recovered.jobs {
        tracing::warn!(queue = name, job_id = %id, crashes, "recovered: its worker died");
    }
    if !recovered.jobs.is_empty() {
        queue.observer.recovered(name, recovered.jobs.len());
    }
    if Instant::now() >= *next_check {
        *next_check = Instant::now() + STALLED_INTERVAL;
        let interval_ms = STALLED_INTERVAL.as_millis() as u64;
        let stalled = queue.store.stalled(interval_ms, queue.options.max_stalled).await?;
        for id in &stalled.recovered {
            tracing::warn!(queue = name, job_id = %id, "recovered: it stalled");
        }
        for id in &stalled.failed {
            tracing::error!(queue = name, job_id = %id, "failed: it stalled more often than allowed");
        }
    }
    // One ms past the expiry: at it, the lock is still there.
    let left = recovered.next_in_ms.map(|ms| Duration::from_millis(ms + 1));
    Ok(left.map_or(queue.options.sweep, |left| left.min(queue.options.sweep)))
}
