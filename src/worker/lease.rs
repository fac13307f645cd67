//! Leases: one thread renews them all, on a runtime and a connection of its own, so that no handler can starve it.
//!
//! A lease is tied to its run by a guard ([`Lease`]): when the guard goes, renewal ends. The holder gives up first: a
//! run whose lease could not be renewed in time is told to stop before Redis would give the job away.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::canceller::{self, Cancel};
use super::nudge::Nudge;
use super::{Ended, Observer, Options, Stop};
use crate::job::JobId;
use crate::store::{Store, StoreError};

/// How often the thread looks at its own clock. A process that was stopped and goes on notices within this time.
const TICK: Duration = Duration::from_millis(200);

/// Pause before a renewal that failed is sent again.
const AGAIN: Duration = Duration::from_millis(500);

/// All leases that this process holds on one queue.
pub(super) struct Leases {
    pub store: Store,
    /// Names its server: one reader hears of the cancels of all its queues.
    pub server: Arc<str>,
    /// Told when a run has ended, by whom a limit may let another one begin.
    pub ended: Notify,
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
    /// How, as the callback was answered.
    ended_as: Option<Ended>,
    /// Tells it that somebody cancelled its job.
    cancel: Arc<Cancel>,
    /// Its handler has ended, and its outcome waits for Redis.
    is_over: bool,
    /// Not renewed from then on: its limits are long over, and nobody has stopped it.
    renewed_until: Option<Instant>,
}

/// The guard of one run's lease.
pub(super) struct Lease {
    leases: Arc<Leases>,
    key: u64,
    /// Fires when the lease is lost.
    pub lost: CancellationToken,
    /// Fires when somebody else ended the run with its token.
    pub ended: CancellationToken,
    /// The place of this process's suspect, if the job is one: free when its end is in Redis.
    pub turn: Option<super::suspects::Turn>,
    /// What the claim said of a plain job ([`ClaimedJob::plain_fields`](crate::store::claim::ClaimedJob)).
    pub plain_fields: Option<u8>,
    /// Somebody cancelled the job.
    pub cancel: Arc<Cancel>,
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
        let cancel = Arc::<Cancel>::default();
        let held = Held {
            id,
            token,
            until: sent + lease,
            lost: lost.clone(),
            ended: ended.clone(),
            ended_as: None,
            cancel: Arc::clone(&cancel),
            is_over: false,
            renewed_until: None,
        };
        self.lock().insert(key, held);
        Lease { leases: Arc::clone(self), key, lost, ended, cancel, turn: None, plain_fields: None }
    }

    /// Tells the run with this token that it has been ended by somebody else.
    pub(super) fn ended_elsewhere(&self, token: &str, ended: Ended) {
        if let Some(held) = self.lock().values_mut().find(|held| &*held.token == token) {
            held.ended_as = Some(ended);
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

    /// Looks at once at the runs of these jobs: somebody cancelled them, or has taken them away.
    pub(super) async fn look(&self, ids: &HashSet<String>, beat: &Beat) {
        self.renew(beat, |held| ids.contains(held.id.as_str())).await;
    }

    /// False = Redis did not take it.
    async fn renew(&self, beat: &Beat, which: impl Fn(&Held) -> bool) -> bool {
        let runs: Vec<(u64, JobId, Arc<str>)> = {
            let held = self.lock();
            held.iter()
                .filter(|(_, held)| !held.lost.is_cancelled() && which(held))
                // A Redis that renews and never takes an outcome must not keep a worker from its end.
                .filter(|(_, held)| !(held.is_over && beat.stop.is_grace_over()))
                .filter(|(_, held)| held.renewed_until.is_none_or(|until| until > Instant::now()))
                .map(|(key, held)| (*key, held.id.clone(), Arc::clone(&held.token)))
                .collect()
        };
        if runs.is_empty() {
            return true;
        }
        let sent = Instant::now();
        let pairs: Vec<(&str, &str)> = runs.iter().map(|(_, id, token)| (id.as_str(), &**token)).collect();
        let queue = &self.store.keys().queue;
        match self.store.renew(beat.lease.as_millis() as u64, &pairs).await {
            Ok(mut renewed) => {
                let mut held = self.lock();
                for (position, (key, id, _)) in runs.iter().enumerate() {
                    // A run may have ended meanwhile: then its lock is gone because it is finished.
                    let Some(entry) = held.get_mut(key) else { continue };
                    if renewed.lost.contains(&position) {
                        tracing::warn!(queue = &**queue, job_id = %id, "lease lost: the handler is told to stop");
                        entry.lost.cancel();
                    } else {
                        // A look may have been sent after us and be answered before.
                        entry.until = entry.until.max(sent + beat.lease);
                    }
                }
                for (position, mark) in renewed.cancelled.drain(..) {
                    let Some(entry) = runs.get(position).and_then(|(key, ..)| held.get(key)) else {
                        continue;
                    };
                    if entry.cancel.mark().is_none() {
                        let (job_id, what) = (&entry.id, mark.text());
                        tracing::info!(queue = &**queue, %job_id, kill = mark.kill, "{what}: the handler is told to stop");
                    }
                    entry.cancel.tell(mark);
                }
                beat.observer.renewed(queue, runs.len() - renewed.lost.len(), renewed.lost.len());
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

impl Lease {
    /// How somebody else ended the run, if this process was told.
    pub(super) fn ended_as(&self) -> Option<Ended> {
        self.leases.lock().get(&self.key)?.ended_as
    }

    /// The handler has ended. Once a stop's grace is over, its outcome has as long as the lease lasts.
    pub(super) fn run_is_over(&self) {
        if let Some(held) = self.leases.lock().get_mut(&self.key) {
            held.is_over = true;
        }
    }

    /// Renews no longer than this; `None` = as long as the run goes on. Should all threads be blocked by handlers, nobody
    /// is left to keep the limits of a run, and its job must not be held for ever.
    pub(super) fn renew_until(&self, until: Option<Instant>) {
        if let Some(held) = self.leases.lock().get_mut(&self.key) {
            held.renewed_until = until;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.key);
        self.leases.ended.notify_one();
    }
}

/// All runs of this process, for those who end one from elsewhere.
#[derive(Clone)]
pub struct Runs(Arc<Beat>);

impl Runs {
    /// Tells the run with this token that a callback has ended it: its slot becomes free.
    pub fn ended_elsewhere(&self, queue: &str, token: &str, ended: Ended) {
        for leases in self.0.queues() {
            if &*leases.store.keys().queue == queue {
                leases.ended_elsewhere(token, ended);
            }
        }
    }
}

/// What the thread works by, and the queues that it works for.
pub(super) struct Beat {
    lease: Duration,
    renew: Duration,
    observer: Arc<dyn Observer>,
    queues: Mutex<Vec<Arc<Leases>>>,
    added: Notify,
    stop: Stop,
    /// The runtime of the handlers and of all other duties.
    others: tokio::runtime::Handle,
}

impl Beat {
    pub(super) fn queues(&self) -> Vec<Arc<Leases>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves when a queue is added after this call.
    pub(super) fn added(&self) -> impl Future<Output = ()> {
        self.added.notified()
    }
}

/// The thread.
pub(super) struct Thread {
    beat: Arc<Beat>,
    stop: CancellationToken,
}

impl Thread {
    /// Starts the thread. Should it end before it is told to, `worker` is asked to stop: nobody would renew.
    pub(super) fn start(
        options: &Options,
        observer: &Arc<dyn Observer>,
        worker: Stop,
    ) -> Result<Self, StoreError> {
        let beat = Arc::new(Beat {
            lease: options.lease,
            renew: options.renew,
            observer: Arc::clone(observer),
            queues: Mutex::default(),
            added: Notify::new(),
            stop: worker.clone(),
            others: tokio::runtime::Handle::current(),
        });
        let thread = Self { beat: Arc::clone(&beat), stop: CancellationToken::new() };
        let stop = thread.stop.clone();
        let failed = |error: std::io::Error| {
            StoreError::Unavailable(format!("the lease thread cannot start: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let sentry = Sentry { told: stop.clone(), worker };
        std::thread::Builder::new()
            .name("leases".into())
            .spawn(move || {
                let _sentry = sentry;
                runtime.block_on(async {
                    tokio::spawn(canceller::run(Arc::clone(&beat)));
                    keep(&beat, &stop).await;
                });
            })
            .map_err(failed)?;
        Ok(thread)
    }

    /// From now on the leases of this queue are kept; `server` is the URL of its Redis.
    pub(super) fn add_queue(&self, store: Store, server: &str) -> Arc<Leases> {
        // In a Cluster each queue has a node of its own.
        let server = if store.connection().is_cluster() {
            format!("{server} {}", store.keys().base).into()
        } else {
            server.into()
        };
        let leases = Arc::new(Leases {
            store,
            server,
            held: Mutex::default(),
            ended: Notify::new(),
            next_key: 0.into(),
        });
        self.beat.queues.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&leases));
        self.beat.added.notify_one();
        leases
    }

    pub(super) fn runs(&self) -> Runs {
        Runs(Arc::clone(&self.beat))
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

async fn keep(beat: &Arc<Beat>, stop: &CancellationToken) {
    let tick = TICK.min(beat.renew / 2).max(Duration::from_millis(1));
    let mut next_renewal = Instant::now() + beat.renew;
    // One renewal of a queue at a time: a slow server must not pile them up, nor hold up the other queues.
    let mut under_way: HashMap<usize, tokio::task::JoinHandle<()>> = HashMap::new();
    let mut nudge = Nudge::default();
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(tick) => {}
        }
        let all = beat.queues();
        let now = Instant::now();
        if all.iter().any(|leases| !leases.lock().is_empty()) {
            nudge.give(&beat.others);
        }
        for leases in &all {
            let gone = leases.give_up_expired(now);
            if gone > 0 {
                let queue = &*leases.store.keys().queue;
                tracing::warn!(queue, runs = gone, "leases ran out unrenewed: the handlers are told to stop");
                beat.observer.renewed(queue, 0, gone);
            }
        }
        if now < next_renewal {
            continue;
        }
        next_renewal = now + beat.renew;
        for (index, leases) in all.into_iter().enumerate() {
            if under_way.get(&index).is_some_and(|task| !task.is_finished()) {
                continue;
            }
            let beat = Arc::clone(beat);
            // A server that comes back is met at once: the next beat might be too late for some.
            let again = AGAIN.min(beat.renew / 2);
            let renewing = async move {
                while !leases.renew(&beat, |_| true).await {
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
