//! Begins with a queue that has no keys yet and whose dialect nobody named: its first key tells.

use super::Queue;
use super::trouble::{self, Trouble};
use crate::store::actor::Actor;
use crate::store::wakeup::Wakeup;
use crate::store::{Opened, StoreError};

/// Waits until it is known whose queue this is, or a stop is asked for. An empty queue counts as being worked.
pub(super) async fn run(queue: &Queue, wakeup: &Wakeup) {
    let mut trouble = Trouble::of("open");
    while !queue.store.is_settled() && !queue.stop.is_asked() {
        let (ready, pause) = match open(queue, wakeup).await {
            Ok(()) => {
                trouble.over(queue);
                (true, None)
            }
            Err(error) => (false, Some(trouble.met(queue, &error))),
        };
        queue.ready.send_if_modified(|is| std::mem::replace(is, ready) != ready);
        if let Some(pause) = pause {
            trouble::pause(queue, pause).await;
        }
    }
}

/// A process that has just been started claims, whatever somebody has told an earlier one of its name.
pub(super) async fn hear_anew(queue: &Queue, worker: &str) {
    let mut trouble = Trouble::of("start");
    let actor = Actor { by: worker.to_owned(), from: "worker".to_owned(), why: "it was started".to_owned() };
    while !queue.stop.is_asked() {
        match queue.store.resume_worker(&actor, worker).await {
            Err(error) if error.is_transient() => {
                let pause = trouble.met(queue, &error);
                trouble::pause(queue, pause).await;
            }
            // A name that cannot be told anything, a key of another kind, a refusal: claims have more to say about these.
            Ok(_) | Err(_) => break,
        }
    }
    trouble.over(queue);
}

async fn open(queue: &Queue, wakeup: &Wakeup) -> Result<(), StoreError> {
    let name = &*queue.store.keys().queue;
    match queue.store.open().await? {
        Opened::Ready(dialect, layout) => {
            tracing::info!(queue = name, dialect = dialect.as_str(), "the queue is {}", layout.describe());
        }
        Opened::Undecided => {
            queue.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
            tokio::select! {
                () = queue.stop.asked() => {}
                // Both dialects have the list that this waits for. Other keys are seen when it is over.
                woken = wakeup.wait() => drop(woken?),
            }
        }
        refused => {
            let why = refused.refusal().map(|why| why.to_string());
            return Err(StoreError::WrongKey(why.unwrap_or_default()));
        }
    }
    Ok(())
}
