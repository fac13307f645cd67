//! Claims jobs for the free slots of a queue, and waits without polling when there are none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::suspects::Turn;
use super::{Queue, executor, opener, token};
use crate::store::claim::{ClaimRequest, Claimed};
use crate::store::wakeup::Wakeup;
use crate::store::{BATCH_MAX, Lane, StoreError};

/// First and longest pause after an error; jittered in between.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Longest rest of a queue before it is looked at again: whoever asked for it may have thought better of it.
const REST_MAX: Duration = Duration::from_secs(30);
/// Pause of a queue with a key of the wrong type, or without rights: a person must act.
const PAUSE_HALTED: Duration = Duration::from_secs(5);

pub(super) async fn run(queue: Arc<Queue>, wakeup: Wakeup) {
    let worker = token::clean_name(&queue.options.name);
    let lane = Lane::new(format!("{}:claim", token::make(&worker, 1).remove(0)));
    let mut fetcher =
        Fetcher { worker, lane, busy: false, trouble: Trouble::default(), wake_trouble: 0, queue, wakeup };
    let mut runs = tokio::task::JoinSet::new();
    let stop = fetcher.queue.stop.clone();
    // Named connections are how Node sees workers: one that is busy from its start must be seen too. An error here is
    // met again, and told, where the connection is used.
    let named = fetcher.wakeup.clone();
    tokio::spawn(async move { named.open().await.ok() });
    opener::run(&fetcher.queue, &fetcher.wakeup).await;
    while !stop.is_asked() {
        tokio::select! {
            () = stop.asked() => break,
            // Not dropped half-way: a claim whose reply nobody reads would leave jobs to their leases.
            slots = fetcher.free_slots() => fetcher.fill(slots, &mut runs).await,
        }
        while runs.try_join_next().is_some() {}
    }
    while runs.join_next().await.is_some() {}
    fetcher.queue.runs_done.cancel();
}

struct Fetcher {
    queue: Arc<Queue>,
    wakeup: Wakeup,
    worker: String,
    lane: Lane,
    /// Something was claimed since `drained` was last published.
    busy: bool,
    trouble: Trouble,
    /// Failures of the blocking connection alone: claims go on, at a slower beat.
    wake_trouble: u32,
}

impl Fetcher {
    /// Waits for a free slot and takes all that are free.
    async fn free_slots(&self) -> tokio::sync::OwnedSemaphorePermit {
        let slots = Arc::clone(&self.queue.slots);
        #[allow(clippy::expect_used, reason = "the semaphore lives as long as the queue and is never closed")]
        let mut first = Arc::clone(&slots).acquire_owned().await.expect("slots are never closed");
        let more = slots.available_permits().min(BATCH_MAX - 1);
        if more > 0
            && let Ok(rest) = slots.try_acquire_many_owned(more as u32)
        {
            first.merge(rest);
        }
        first
    }

    /// Claims for these slots, and starts what it got. With nothing to do it waits for work.
    async fn fill(
        &mut self,
        mut slots: tokio::sync::OwnedSemaphorePermit,
        runs: &mut tokio::task::JoinSet<()>,
    ) {
        let tokens = token::make(&self.worker, slots.num_permits());
        self.lane.next();
        let mut turn = Turn::take();
        let Some((claimed, sent)) = self.claim(&tokens, turn.is_some()).await else { return };
        self.busy = (self.busy || !claimed.jobs.is_empty()) && !claimed.drained;
        let got = claimed.jobs.len();
        let (rest_ms, now_ms) = (claimed.rest_ms, claimed.now_ms);
        for job in claimed.jobs {
            let Some(slot) = slots.split(1) else { break };
            let token: Arc<str> = tokens[job.token_index].as_str().into();
            let mut lease =
                self.queue.leases.hold(job.id.clone(), Arc::clone(&token), sent, self.queue.options.lease);
            if job.suspect.is_some() {
                lease.turn = turn.take().map(Turn::used);
            }
            runs.spawn(executor::run(
                Arc::clone(&self.queue),
                executor::Claim { job, token, lease, slot, now_ms },
            ));
        }
        drop((slots, turn));
        if rest_ms > 0 {
            tokio::select! {
                // The next one's turn has come.
                () = Turn::freed() => {}
                () = self.sleep(Duration::from_millis(rest_ms).min(REST_MAX)) => {}
            }
        } else if got < tokens.len() {
            self.wait_for_work().await;
        }
    }

    /// One claim, sent again with the same number until Redis has answered it. `None` = stop, or halted.
    async fn claim(&mut self, tokens: &[String], may_take_suspect: bool) -> Option<(Claimed, Instant)> {
        loop {
            let sent = Instant::now();
            let request = ClaimRequest {
                lease_ms: self.queue.options.lease.as_millis() as u64,
                busy: self.busy,
                worker: &self.worker,
                limiter: self.queue.limiter.as_ref(),
                tokens,
                may_take_suspect,
            };
            match self.queue.store.claim(&self.lane, &request).await {
                Ok(claimed) => {
                    self.trouble.over(&self.queue);
                    self.queue.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
                    return Some((claimed, sent));
                }
                Err(error) => {
                    let pause = self.trouble.met(&self.queue, &error);
                    self.queue.ready.send_if_modified(|ready| std::mem::replace(ready, false));
                    self.sleep(pause).await;
                    if self.queue.stop.is_asked() {
                        return None;
                    }
                }
            }
        }
    }

    async fn wait_for_work(&mut self) {
        let stop = self.queue.stop.clone();
        tokio::select! {
            // Dropped half-way it could still take the wake-up of another worker.
            () = stop.asked() => self.wakeup.reset().await,
            // No job is lost when this is dropped: a wake-up moves none.
            woken = self.wakeup.wait() => {
                let Err(error) = woken else {
                    self.wake_trouble = 0;
                    return;
                };
                self.wakeup.reset().await;
                self.wake_trouble += 1;
                if self.wake_trouble == 1 {
                    let queue = &*self.queue.store.keys().queue;
                    tracing::warn!(queue, %error, "waiting for work falls back to asking now and then");
                }
                self.sleep(jittered(self.wake_trouble)).await;
            }
        }
    }

    async fn sleep(&self, pause: Duration) {
        tokio::select! {
            () = self.queue.stop.asked() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One log line per change of state, and a growing, jittered pause.
#[derive(Default)]
pub(super) struct Trouble {
    /// The kind of error that is known already, and how often it was met in a row.
    known: Option<(std::mem::Discriminant<StoreError>, u32)>,
}

impl Trouble {
    /// Notes an error; answers how long to pause.
    pub(super) fn met(&mut self, queue: &Queue, error: &StoreError) -> Duration {
        let kind = std::mem::discriminant(error);
        let times = match self.known {
            Some((known, times)) if known == kind => times + 1,
            _ => {
                let (name, text) = (&*queue.store.keys().queue, error.to_string());
                tracing::error!(queue = name, error = %text, "no jobs are taken until this is over");
                queue.observer.redis(name, Some(&text));
                1
            }
        };
        self.known = Some((kind, times));
        if error.is_transient() { jittered(times) } else { PAUSE_HALTED }
    }

    /// Notes that all is well.
    pub(super) fn over(&mut self, queue: &Queue) {
        if self.known.take().is_some() {
            tracing::info!(queue = &*queue.store.keys().queue, "jobs are taken again");
            queue.observer.redis(&queue.store.keys().queue, None);
        }
    }
}

/// Full jitter over a doubling pause: workers that lost the same server must not come back together.
pub(super) fn jittered(times: u32) -> Duration {
    let ceiling = PAUSE_MAX.min(PAUSE_FIRST * 2u32.saturating_pow(times.min(10)));
    let mut byte = [0u8; 2];
    // Without a random source the pause is only not jittered.
    let spread = getrandom::fill(&mut byte).map_or(1.0, |()| f64::from(u16::from_ne_bytes(byte)) / 65535.0);
    PAUSE_FIRST / 4 + ceiling.mul_f64(spread)
}
