//! Gathers adds of one producer: sent at once when no call is under way, together while one is.
//!
//! Owns: the queue of waiting adds. Must never know: what a job is. Called by [`super::Queue`].

use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use super::enqueue::Enqueued;
use super::{Store, StoreError};
use crate::wire::NewJob;

/// Most jobs of one call. Small: callers wait for the whole of it, and their data is as large as they like.
const ADD_BATCH_MAX: usize = 100;

type Answer = Result<Enqueued, StoreError>;
type Waiting = (NewJob, oneshot::Sender<Answer>);

/// The way in, shared by all clones of a producer. The task behind it starts with the first add and ends with the last
/// clone.
#[derive(Clone, Default)]
pub(super) struct Adder(Arc<OnceLock<mpsc::Sender<Waiting>>>);

impl Adder {
    /// Adds one job, in whatever call is next.
    pub(super) async fn add(&self, store: &Store, token: &Arc<str>, job: NewJob) -> Answer {
        let (answer, answered) = oneshot::channel();
        let sender = self.0.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(ADD_BATCH_MAX);
            tokio::spawn(gather(store.clone(), Arc::clone(token), receiver));
            sender
        });
        // Both fail only if the runtime that the task was started on has ended. The id makes a second sending harmless.
        let again = job.clone();
        if sender.send((job, answer)).await.is_ok()
            && let Ok(answer) = answered.await
        {
            return answer;
        }
        let mut added = add_all(store, token, &[again]).await?;
        added.pop().ok_or_else(|| StoreError::Protocol("enqueue answered nothing".into()))
    }
}

async fn gather(store: Store, token: Arc<str>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, ADD_BATCH_MAX).await > 0 {
        let (jobs, answers): (Vec<NewJob>, Vec<_>) = batch.drain(..).unzip();
        match add_all(&store, &token, &jobs).await {
            Ok(added) => {
                for (answer, added) in answers.into_iter().zip(added) {
                    // Nobody may be waiting any more.
                    let _ = answer.send(Ok(added));
                }
            }
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Sends jobs; once more if the answer was lost. The ids are ours: what landed the first time is found and not added
/// twice.
pub(super) async fn add_all(
    store: &Store,
    token: &str,
    jobs: &[NewJob],
) -> Result<Vec<Enqueued>, StoreError> {
    match store.enqueue(token, jobs).await {
        Err(StoreError::Unavailable(_)) => {
            let mut added = store.enqueue(token, jobs).await?;
            for (added, job) in added.iter_mut().zip(jobs) {
                added.existed &= job.id.as_deref() != Some(added.id.as_str());
            }
            Ok(added)
        }
        added => added,
    }
}
