//! Counts what runs of a queue did, and writes the counts once a second, in one call for all of them.
//!
//! Owns: when that is done. Must never know: how counts are stored. Told by the finisher; a job costs it a few additions in
//! memory and Redis nothing. What is not written when the process is killed is lost: a second's worth of figures.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::finisher::Finished;
use super::trouble::jittered;
use super::{Ended, Queue, token};
use crate::store::Lane;
use crate::store::history::tally::{Counted, How, Ran, Tally};

/// How often counts are written.
const EVERY: Duration = Duration::from_secs(1);
/// So often a call is sent before its counts are given up: figures must not pile up behind a Redis that is away.
const TRIES_MAX: u32 = 5;
/// The last counts of a worker that stops are given so long.
const LAST_TIMEOUT: Duration = Duration::from_secs(2);

/// The counts of one queue.
pub(super) struct History {
    /// How long they are kept in Redis; zero = nothing is counted.
    pub(super) kept: Duration,
    /// Where jobs carry their organisation: a path inside their data.
    org: Option<Vec<String>>,
    tally: Mutex<Tally>,
    /// There is something to write.
    counted: Notify,
}

impl History {
    pub(super) fn new(kept: Duration, org: Option<Vec<String>>) -> Self {
        Self { kept, org, tally: Mutex::default(), counted: Notify::new() }
    }

    /// Counts a run that has ended.
    pub(super) fn count(&self, finished: &Finished, ended: Ended, ran: Duration) {
        let how = match ended {
            Ended::Completed => How::Completed,
            Ended::Failed | Ended::Cancelled => How::Failed,
            Ended::Retried => How::Retried,
            Ended::Deferred | Ended::LeaseLost | Ended::HandedBack => return,
        };
        if self.kept.is_zero() {
            return;
        }
        let job = &finished.job;
        let org = self.org_of(finished);
        let run = Ran {
            name: &job.name,
            org: &org,
            id: job.id.as_str(),
            attempt: job.attempt(),
            how,
            ran,
            waited: finished.waited,
        };
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = tally.is_empty();
        tally.add(&run);
        drop(tally);
        if was_empty {
            self.counted.notify_one();
        }
    }

    /// Whose job it is: what was said when it was started comes before what its data say.
    fn org_of<'a>(&self, finished: &'a Finished) -> Cow<'a, str> {
        if let Some(said) = finished.org.get() {
            return Cow::Borrowed(said);
        }
        let by_data = self.org.as_ref().and_then(|path| finished.job.data.value_at(path));
        Cow::Owned(by_data.unwrap_or_default())
    }

    fn take(&self) -> Option<Counted> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).take_call()
    }
}

/// Writes until no run is left.
pub(super) async fn run(queue: Arc<Queue>) {
    let worker = token::clean_name(&queue.options.name);
    let mut lane = Lane::new(format!("{}:tally", token::make(&worker, 1).remove(0)));
    loop {
        tokio::select! {
            biased;
            () = queue.finished_all.cancelled() => break,
            () = queue.history.counted.notified() => {}
        }
        tokio::select! {
            biased;
            () = queue.finished_all.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
        write(&queue, &mut lane).await;
    }
    let _ = tokio::time::timeout(LAST_TIMEOUT, write(&queue, &mut lane)).await;
}

async fn write(queue: &Queue, lane: &mut Lane) {
    let kept_reply = queue.options.lease.as_millis() as u64;
    while let Some(counted) = queue.history.take() {
        lane.next();
        for times in 1..=TRIES_MAX {
            match queue.store.tally(lane, kept_reply, queue.history.kept, &counted).await {
                Ok(()) => break,
                Err(error) if times == TRIES_MAX || !error.may_pass() => {
                    let name = &*queue.store.keys().queue;
                    tracing::warn!(queue = name, %error, "a second of the history could not be written");
                    return;
                }
                Err(_) => tokio::time::sleep(jittered(times)).await,
            }
        }
    }
}
