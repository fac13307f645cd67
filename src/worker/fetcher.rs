//! Claims jobs for the free slots of a queue, and waits without polling when there are none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::suspects::Turn;
use super::trouble::{Trouble, jittered, pause};
use super::{Queue, executor, opener, token};
use crate::store::claim::{ClaimRequest, Claimed};
use crate::store::finish::HandedBack;
use crate::store::wakeup::Wakeup;
use crate::store::{BATCH_MAX, Lane, StoreError};

/// Longest pause between two claims while nobody can wake us.
const ASK_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Longest pause between two tries to give jobs back while the worker stops.
const GIVE_BACK_PAUSE_MAX: Duration = Duration::from_millis(500);
/// Longest rest of a queue before it is looked at again: whoever asked for it may have thought better of it.
const REST_MAX: Duration = Duration::from_secs(30);

pub(super) async fn run(queue: Arc<Queue>, wakeup: Wakeup) {
    let worker = token::clean_name(&queue.options.name);
    let lane = Lane::new(format!("{}:claim", token::make(&worker, 1).remove(0)));
    let mut fetcher =
        Fetcher { worker, lane, busy: false, trouble: Trouble::of("claim"), wake_trouble: 0, queue, wakeup };
    let mut runs = tokio::task::JoinSet::new();
    let stop = fetcher.queue.stop.clone();
    // Named connections are how Node sees workers: one that is busy from its start must be seen too. An error here is
    // met again, and told, where the connection is used.
    let named = fetcher.wakeup.clone();
    tokio::spawn(async move { named.open().await.ok() });
    opener::run(&fetcher.queue, &fetcher.wakeup).await;
    opener::hear_anew(&fetcher.queue, &fetcher.worker).await;
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
        let Some((mut claimed, mut sent, doubtful)) = self.claim(&tokens, turn.is_some()).await else {
            return;
        };
        if self.queue.stop.is_asked() {
            return self.give_back(&claimed, &tokens).await;
        }
        if let Some(first_sent) = doubtful {
            sent = self.held_since(&mut claimed, &tokens, first_sent).await;
        }
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

    /// One claim, sent again with the same number until Redis has answered it: the jobs, when that was sent, and, if an
    /// earlier answer may have been lost, when that was. `None` = stop, or halted.
    ///
    /// A stop does not end it while an answer may be lost: what was claimed must be given back.
    async fn claim(
        &mut self,
        tokens: &[String],
        may_take_suspect: bool,
    ) -> Option<(Claimed, Instant, Option<Instant>)> {
        let mut doubtful: Option<Instant> = None;
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
                    return Some((claimed, sent, doubtful));
                }
                Err(error) => {
                    let wait = self.trouble.met(&self.queue, &error);
                    self.queue.ready.send_if_modified(|ready| std::mem::replace(ready, false));
                    if matches!(error, StoreError::Unavailable(_)) {
                        doubtful.get_or_insert(sent);
                    }
                    if !self.queue.stop.is_asked() {
                        pause(&self.queue, wait).await;
                    } else if doubtful.is_some_and(|first| first.elapsed() < self.queue.options.lease) {
                        tokio::time::sleep(wait.min(GIVE_BACK_PAUSE_MAX)).await;
                    }
                    let holds_jobs = doubtful.is_some_and(|first| first.elapsed() < self.queue.options.lease);
                    if self.queue.stop.is_asked() && !holds_jobs {
                        return None;
                    }
                }
            }
        }
    }

    /// Since when the leases last of jobs whose claim may have been answered before. Renewed where that is long ago; jobs
    /// that were lost meanwhile are left out.
    async fn held_since(&self, claimed: &mut Claimed, tokens: &[String], first_sent: Instant) -> Instant {
        let lease = self.queue.options.lease;
        if claimed.jobs.is_empty() || first_sent.elapsed() < lease / 4 {
            return first_sent;
        }
        let sent = Instant::now();
        let held: Vec<(&str, &str)> =
            claimed.jobs.iter().map(|job| (job.id.as_str(), &*tokens[job.token_index])).collect();
        let Ok(renewed) = self.queue.store.renew(lease.as_millis() as u64, &held).await else {
            return first_sent;
        };
        let mut position = 0;
        claimed.jobs.retain(|_| {
            position += 1;
            !renewed.lost.contains(&(position - 1))
        });
        sent
    }

    /// Gives back what was claimed while the worker stops: nothing of it was started.
    async fn give_back(&self, claimed: &Claimed, tokens: &[String]) {
        let lease = self.queue.options.lease;
        let runs: Vec<HandedBack<'_>> = claimed
            .jobs
            .iter()
            .map(|job| HandedBack {
                id: job.id.as_str(),
                token: &tokens[job.token_index],
                delay_ms: None,
                held: false,
                max_deferrals: None,
            })
            .collect();
        if runs.is_empty() {
            return;
        }
        let mut lane = Lane::new(format!("{}:back", token::make(&self.worker, 1).remove(0)));
        lane.next();
        let (began, mut times) = (Instant::now(), 0);
        while let Err(error) = self.queue.store.hand_back(&lane, lease.as_millis() as u64, 0, &runs).await {
            if !error.may_pass() || began.elapsed() >= lease {
                let (queue, jobs) = (&*self.queue.store.keys().queue, runs.len());
                tracing::warn!(queue, jobs, %error, "claimed jobs could not be given back: they wait for the end of their leases");
                return;
            }
            times += 1;
            tokio::time::sleep(jittered(times).min(GIVE_BACK_PAUSE_MAX)).await;
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
                pause(&self.queue, jittered(self.wake_trouble).min(ASK_PAUSE_MAX)).await;
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
