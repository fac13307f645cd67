//! Leases: one thread renews them all, on a runtime and a connection of its own, so that no handler can starve it.
//!
//! A lease is tied to its run by a guard ([`Lease`]): when the guard goes, renewal ends. The holder gives up first: a
//! run whose lease could not be renewed in time is told to stop before Redis would give the job away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Observer, Options, Stop};
use crate::job::JobId;
use crate::store::{Store, StoreError};

/// How often the thread looks at its own clock. A process that was stopped and goes on notices within this time.
const TICK: Duration = Duration::from_millis(200);

/// Pause before a renewal that failed is sent again.
const AGAIN: Duration = Duration::from_millis(500);

/// All leases that this process holds on one queue.
pub(super) struct Leases {
    store: Store,
    held: Mutex<HashMap<u64, Held>>,
    next_key: std::sync::atomic::AtomicU64,
}

struct Held {
    id: JobId,
    token: Arc<str>,
    /// When Redis will have given the job away, by our own monotonic clock: counted from before the request was sent.
    until: Instant,
    lost: CancellationToken,
    /// Fires when somebody else ended the run with its token (a callback).
    ended: CancellationToken,
}

/// The guard of one run's lease.
pub(super) struct Lease {
    leases: Arc<Leases>,
    key: u64,
    /// Fires when the lease is lost.
    pub lost: CancellationToken,
    /// Fires when somebody else ended the run with its token.
    pub ended: CancellationToken,
}

impl Leases {
    /// Registers a lease that Redis granted to a request sent at `sent`.
    pub(super) fn hold(
        self: &Arc<Self>,
        id: JobId,
        token: Arc<str>,
        sent: Instant,
        lease: Duration,
    ) -> Lease {
        let key = self.next_key.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (lost, ended) = (CancellationToken::new(), CancellationToken::new());
        self.lock()
            .insert(key, Held { id, token, until: sent + lease, lost: lost.clone(), ended: ended.clone() });
        Lease { leases: Arc::clone(self), key, lost, ended }
    }

    /// Tells the run with this token that it has been ended by somebody else.
    pub(super) fn ended_elsewhere(&self, token: &str) {
        if let Some(held) = self.lock().values().find(|held| &*held.token == token) {
            held.ended.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the runs whose time is over. Returns how many.
    fn give_up_expired(&self, now: Instant) -> usize {
        let expired: Vec<CancellationToken> =
            self.lock().values().filter(|held| held.until <= now).map(|held| held.lost.clone()).collect();
        expired.iter().filter(|lost| !lost.is_cancelled()).map(CancellationToken::cancel).count()
    }

    /// False = Redis did not take it.
    async fn renew(&self, lease: Duration, observer: &dyn Observer) -> bool {
        let runs: Vec<(u64, JobId, Arc<str>)> = {
            let held = self.lock();
            held.iter()
                .filter(|(_, held)| !held.lost.is_cancelled())
                .map(|(key, held)| (*key, held.id.clone(), Arc::clone(&held.token)))
                .collect()
        };
        if runs.is_empty() {
            return true;
        }
        let sent = Instant::now();
        let pairs: Vec<(&str, &str)> = runs.iter().map(|(_, id, token)| (id.as_str(), &**token)).collect();
        let queue = &self.store.keys().queue;
        match self.store.renew(lease.as_millis() as u64, &pairs).await {
            Ok(lost) => {
                let mut held = self.lock();
                for (position, (key, id, _)) in runs.iter().enumerate() {
                    // A run may have ended meanwhile: then its lock is gone because it is finished.
                    let Some(entry) = held.get_mut(key) else { continue };
                    if lost.contains(&position) {
                        tracing::warn!(queue = &**queue, job_id = %id, "lease lost: the handler is told to stop");
                        entry.lost.cancel();
                    } else {
                        entry.until = sent + lease;
                    }
                }
                observer.renewed(queue, runs.len() - lost.len(), lost.len());
                true
            }
            // Said once per change of state by the fetcher; the deadline decides what becomes of the runs.
            Err(error) => {
                tracing::debug!(queue = &**queue, %error, "leases not renewed");
                false
            }
        }
    }
}

impl Lease {
    /// How long Redis still keeps the job for this run, at least.
    pub(super) fn remaining(&self) -> Duration {
        let held = self.leases.lock();
        held.get(&self.key)
            .map_or(Duration::ZERO, |held| held.until.saturating_duration_since(Instant::now()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.key);
    }
}

/// All runs of this process, for those who end one from elsewhere.
#[derive(Clone)]
pub struct Runs(Arc<Mutex<Vec<Arc<Leases>>>>);

impl Runs {
    /// Tells the run with this token that a callback has ended it: its slot becomes free.
    pub fn ended_elsewhere(&self, queue: &str, token: &str) {
        for leases in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if &*leases.store.keys().queue == queue {
                leases.ended_elsewhere(token);
            }
        }
    }
}

/// The thread.
pub(super) struct Thread {
    queues: Arc<Mutex<Vec<Arc<Leases>>>>,
    stop: CancellationToken,
}

impl Thread {
    /// Starts the thread. Should it end before it is told to, `worker` is asked to stop: nobody would renew.
    pub(super) fn start(
        options: &Options,
        observer: &Arc<dyn Observer>,
        worker: Stop,
    ) -> Result<Self, StoreError> {
        let thread = Self { queues: Arc::default(), stop: CancellationToken::new() };
        let (queues, stop) = (Arc::clone(&thread.queues), thread.stop.clone());
        let (lease, renew, observer) = (options.lease, options.renew, Arc::clone(observer));
        let failed = |error: std::io::Error| {
            StoreError::Unavailable(format!("the lease thread cannot start: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let sentry = Sentry { told: stop.clone(), worker };
        std::thread::Builder::new()
            .name("leases".into())
            .spawn(move || {
                let _sentry = sentry;
                runtime.block_on(beat(&queues, &stop, lease, renew, observer));
            })
            .map_err(failed)?;
        Ok(thread)
    }

    pub(super) fn add_queue(&self, store: Store) -> Arc<Leases> {
        let leases = Arc::new(Leases { store, held: Mutex::default(), next_key: 0.into() });
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&leases));
        leases
    }

    pub(super) fn runs(&self) -> Runs {
        Runs(Arc::clone(&self.queues))
    }
}

/// Notices when the thread ends by itself, as after a panic.
struct Sentry {
    told: CancellationToken,
    worker: Stop,
}

impl Drop for Sentry {
    fn drop(&mut self) {
        if !self.told.is_cancelled() {
            tracing::error!("the lease thread ended early: stopping");
            self.worker.ask();
        }
    }
}

/// Ends with its owner: also when a program drops its runtime without stopping the worker.
impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn beat(
    queues: &Mutex<Vec<Arc<Leases>>>,
    stop: &CancellationToken,
    lease: Duration,
    renew: Duration,
    observer: Arc<dyn Observer>,
) {
    let tick = TICK.min(renew / 2).max(Duration::from_millis(1));
    let mut next_renewal = Instant::now() + renew;
    // One renewal of a queue at a time: a slow server must not pile them up, nor hold up the other queues.
    let mut under_way: HashMap<usize, tokio::task::JoinHandle<()>> = HashMap::new();
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(tick) => {}
        }
        let all: Vec<Arc<Leases>> = queues.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = Instant::now();
        for leases in &all {
            let gone = leases.give_up_expired(now);
            if gone > 0 {
                let queue = &*leases.store.keys().queue;
                tracing::warn!(queue, runs = gone, "leases ran out unrenewed: the handlers are told to stop");
                observer.renewed(queue, 0, gone);
            }
        }
        if now < next_renewal {
            continue;
        }
        next_renewal = now + renew;
        for (index, leases) in all.into_iter().enumerate() {
            if under_way.get(&index).is_some_and(|task| !task.is_finished()) {
                continue;
            }
            let observer = Arc::clone(&observer);
            // A server that comes back is met at once: the next beat might be too late for some.
            let again = AGAIN.min(renew / 2);
            let renewing = async move {
                while !leases.renew(lease, &*observer).await {
                    tokio::select! {
                        () = tokio::time::sleep(again) => {}
                        () = leases.store.connection().mended() => {}
                    }
                }
            };
            under_way.insert(index, tokio::spawn(renewing));
        }
    }
}
