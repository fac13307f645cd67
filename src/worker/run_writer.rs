//! The writes of one run, as its handler makes them: fenced by the run's token, progress at most four times a second.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::executor::Run;
use crate::handler::commit::{Commit, Committed, Due, FollowUp, ItemState, Stored};
use crate::handler::{BoxFuture, RunWriter, WriteError};
use crate::job::JobId;
use crate::job::progress::with_percent;
use crate::store::finish::Verdict;
use crate::store::sync::{EndOfSync, SyncCommit};
use crate::store::{Store, StoreError};
use crate::wire::{Dialect, NewJob};

/// Shortest time between two writes of progress of one run.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// Largest progress, bytes.
pub(super) const PROGRESS_BYTES_MAX: usize = 64 * 1024;
/// Largest checkpoint, bytes.
pub(super) const CHECKPOINT_BYTES_MAX: usize = 64 * 1024;
/// Longest log line, bytes; longer ones are cut.
pub(super) const LOG_LINE_BYTES_MAX: usize = 8 * 1024;
/// Items of a sync that are kept with a note: those that failed, wait to be pushed again, or were passed over.
pub(super) const SYNC_ITEMS_MAX: u64 = 10_000;
/// Lines that a job's log keeps.
pub(super) const LOG_LINES_MAX: u64 = 10_000;

/// One run's door to Redis.
#[derive(Clone)]
pub(super) struct Writer(Arc<Inner>);

struct Inner {
    store: Store,
    id: JobId,
    token: Arc<str>,
    /// Cancelled when a write is refused: the run has lost its job.
    cancelled: CancellationToken,
    progress: Mutex<Throttle>,
    /// How long history is kept; zero = none is written.
    history: Duration,
    /// Whose job it is, once that is known.
    org: Arc<OnceLock<Arc<str>>>,
}

#[derive(Default)]
struct Throttle {
    last_sent: Option<Instant>,
    /// The newest value that has not been sent.
    waiting: Option<String>,
    /// A task will send it.
    timer: bool,
}

impl Writer {
    pub(super) fn new(run: &Run<'_>, cancelled: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            store: run.queue.store.clone(),
            id: run.job.id.clone(),
            token: Arc::clone(run.token),
            cancelled,
            progress: Mutex::default(),
            history: run.queue.history.kept,
            org: Arc::clone(run.org),
        }))
    }

    /// Sends the last progress if it still waits: it must be there before the job ends.
    pub(super) async fn flush(&self) {
        let waiting = self.throttle().waiting.take();
        if let Some(json) = waiting {
            let _ = self.send_progress(&json).await;
        }
    }

    /// How long ago a callback, to whichever process, moved the job; `None` = none did in this run.
    pub(super) async fn moved(&self) -> Result<Option<Duration>, WriteError> {
        let Inner { store, id, token, .. } = &*self.0;
        match store.last_moved(id.as_str(), token).await {
            Ok(moved) => moved.map_err(|_| WriteError::LeaseLost),
            Err(error) => Err(WriteError::Redis(error.to_string())),
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_progress(&self, json: &str) -> Result<(), WriteError> {
        let Inner { store, id, token, .. } = &*self.0;
        self.settle(store.progress(id.as_str(), token, json).await)
    }

    fn settle(&self, verdict: Result<Verdict, StoreError>) -> Result<(), WriteError> {
        match verdict {
            Ok(Verdict::Done) => Ok(()),
            Ok(_) => {
                self.0.cancelled.cancel();
                Err(WriteError::LeaseLost)
            }
            Err(error) => Err(WriteError::Redis(error.to_string())),
        }
    }

    /// Sends now, or leaves the value to the task that will send the newest one.
    async fn throttled(&self, json: String) -> Result<(), WriteError> {
        let wait = {
            let mut throttle = self.throttle();
            let since = throttle.last_sent.map(|sent| sent.elapsed());
            match since {
                Some(since) if since < PROGRESS_EVERY => {
                    throttle.waiting = Some(json.clone());
                    let first = !std::mem::replace(&mut throttle.timer, true);
                    Some((PROGRESS_EVERY.saturating_sub(since), first))
                }
                _ => {
                    throttle.last_sent = Some(Instant::now());
                    throttle.waiting = None;
                    None
                }
            }
        };
        match wait {
            None => self.send_progress(&json).await,
            Some((_, false)) => Ok(()),
            Some((pause, true)) => {
                let writer = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    let waiting = {
                        let mut throttle = writer.throttle();
                        throttle.timer = false;
                        throttle.last_sent = Some(Instant::now());
                        throttle.waiting.take()
                    };
                    if let Some(json) = waiting {
                        let _ = writer.send_progress(&json).await;
                    }
                });
                Ok(())
            }
        }
    }
}

/// A job that comes after a sync, as its queue's library would add it.
fn new_job(job: &FollowUp, dialect: Dialect) -> Result<NewJob, WriteError> {
    let (name, none, opts) = (&*job.name, Value::Object(serde_json::Map::new()), job.opts.clone());
    let new = match dialect {
        Dialect::Bull => NewJob::bull(name, &none, opts),
        Dialect::BullMq => NewJob::bullmq(name, &none, opts).map_err(WriteError::Redis)?,
    };
    Ok(NewJob { data: job.data.clone(), ..new })
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn redis(error: StoreError) -> WriteError {
    WriteError::Redis(error.to_string())
}

fn check(what: &'static str, got: usize, max: usize) -> Result<(), WriteError> {
    if got > max { Err(WriteError::TooLarge { what, got, max }) } else { Ok(()) }
}

impl RunWriter for Writer {
    fn progress(&self, value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            check("progress", value.get().len(), PROGRESS_BYTES_MAX)?;
            if self.0.cancelled.is_cancelled() {
                return Err(WriteError::LeaseLost);
            }
            let json = match serde_json::from_str::<Value>(value.get()) {
                Ok(counts @ Value::Object(_)) => with_percent(counts).to_string(),
                _ => value.get().to_owned(),
            };
            self.throttled(json).await
        })
    }

    fn log(&self, mut line: String) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            if line.len() > LOG_LINE_BYTES_MAX {
                let end = (0..=LOG_LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
                line.truncate(end);
                line.push('…');
            }
            let Inner { store, id, token, .. } = &*self.0;
            self.settle(store.log(id.as_str(), token, LOG_LINES_MAX, &[line]).await)
        })
    }

    fn update_data(&self, value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            let Inner { store, id, token, .. } = &*self.0;
            self.settle(store.update_data(id.as_str(), token, value.get()).await)
        })
    }

    fn checkpoint(&self, value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            check("checkpoint", value.get().len(), CHECKPOINT_BYTES_MAX)?;
            let Inner { store, id, token, .. } = &*self.0;
            self.settle(store.checkpoint(id.as_str(), token, Some(value.get()), false).await)
        })
    }

    fn commit<'a>(&'a self, commit: &'a Commit) -> BoxFuture<'a, Result<Committed, WriteError>> {
        Box::pin(async move {
            let Inner { store, id, token, .. } = &*self.0;
            let items: Vec<_> = commit
                .items
                .iter()
                .map(|item| {
                    let (state, due_ms) = match item.state {
                        ItemState::Done => ("done", 0),
                        ItemState::Retrying(after_ms) => ("retrying", after_ms),
                        ItemState::Failed => ("failed", 0),
                        ItemState::Skipped => ("skipped", 0),
                    };
                    (&*item.id, state, item.note.get(), due_ms)
                })
                .collect();
            let follow_ups = commit.end.iter().flat_map(|end| &end.after);
            let after: Vec<_> =
                follow_ups.map(|job| new_job(job, store.dialect())).collect::<Result<_, _>>()?;
            let commit = SyncCommit {
                id: id.as_str(),
                token,
                number: commit.number,
                plan: &commit.plan,
                progress: commit.progress.as_deref(),
                changed: &commit.audit,
                items_max: SYNC_ITEMS_MAX,
                end: commit.end.as_ref().map(|end| EndOfSync {
                    summary: &end.summary,
                    started_ms: end.started_ms,
                    watermark: end.watermark.as_ref().map(|(kind, value)| (&**kind, &**value)),
                    after: &after,
                }),
                history: self.0.history,
                seen: &commit.seen,
                items: &items,
            };
            let (verdict, is_paused) = store.commit(&commit).await.map_err(redis)?;
            self.settle(Ok(verdict))?;
            Ok(if is_paused { Committed::Paused } else { Committed::GoOn })
        })
    }

    fn plan(&self) -> BoxFuture<'_, Result<Stored, WriteError>> {
        Box::pin(async move {
            let stored = self.0.store.plan(self.0.id.as_str()).await.map_err(redis)?;
            if let Some(org) = stored.org {
                let _ = self.0.org.set(org.into());
            }
            Ok(Stored { plan: stored.plan, is_paused: stored.hold.is_some(), now_ms: stored.now_ms })
        })
    }

    fn watermark<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Option<String>, WriteError>> {
        Box::pin(async move {
            let org = self.0.org.get().map_or("", |org| org);
            self.0.store.watermark(org, kind).await.map_err(redis)
        })
    }

    fn due(&self, most: usize) -> BoxFuture<'_, Result<Due, WriteError>> {
        Box::pin(async move {
            let due = self.0.store.due_items(self.0.id.as_str(), most).await.map_err(redis)?;
            Ok(Due { items: due.items, next_ms: due.next_ms })
        })
    }

    fn notes<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<String>>, WriteError>> {
        Box::pin(async move { self.0.store.item_notes(self.0.id.as_str(), ids).await.map_err(redis) })
    }

    fn seen<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, Result<Vec<bool>, WriteError>> {
        Box::pin(async move { self.0.store.items_seen(self.0.id.as_str(), ids).await.map_err(redis) })
    }

    fn last_callback(&self) -> BoxFuture<'_, Result<Option<Duration>, WriteError>> {
        Box::pin(async move {
            let Inner { store, id, token, .. } = &*self.0;
            match store.last_callback(id.as_str(), token).await {
                Ok(beat) => beat.map_err(|_| WriteError::LeaseLost),
                Err(error) => Err(WriteError::Redis(error.to_string())),
            }
        })
    }
}
