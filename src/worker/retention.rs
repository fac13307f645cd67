//! Keeps what the config keeps: removes finished jobs that are older or more, a little at a time.
//!
//! Owns: when a step is made. Must never know: which jobs go. One process at a time does it, by a lease in Redis.

use std::sync::Arc;
use std::time::Duration;

use super::trouble::{self, jittered};
use super::{Queue, token};
use crate::store::StoreError;
use crate::store::retention::Rule;

/// From the end of a pass to the beginning of the next.
const EVERY: Duration = Duration::from_secs(5);
/// The same when a pass has met many jobs that stay for a reason of their own: they are all looked at again.
const EVERY_OF_MANY: Duration = Duration::from_mins(1);
/// So many of them are many.
const MANY: u64 = 1000;
/// From one step to the next: Redis is for others most of the time.
const STEP_PAUSE: Duration = Duration::from_millis(10);
/// How long a process has its turn without a further step.
const TURN: Duration = Duration::from_secs(15);

pub(super) async fn run(queue: Arc<Queue>) {
    tokio::select! {
        () = queue.stop.asked() => return,
        () = queue.store.settled() => {}
    }
    let holder = token::make(&token::clean_name(&queue.options.name), 1).remove(0);
    let (mut told, mut times) = (None, 0);
    while !queue.stop.is_asked() && !queue.retention.is_empty() {
        let pause = match pass(&queue, &holder).await {
            Ok(pause) => {
                (told, times) = (None, 0);
                pause
            }
            Err(error) => {
                times += 1;
                // The duties that take jobs tell of a Redis that is away.
                if !error.is_transient() && told.as_deref() != Some(error.reason()) {
                    tracing::warn!(queue = &*queue.store.keys().queue, %error, "no finished jobs are removed");
                    told = Some(error.reason().to_owned());
                }
                if error.is_transient() { jittered(times) } else { EVERY_OF_MANY }
            }
        };
        trouble::pause(&queue, pause).await;
    }
    queue.stop.asked().await;
}

/// Applies every rule once; answers when to come again.
async fn pass(queue: &Queue, holder: &str) -> Result<Duration, StoreError> {
    let (mut pause, mut removed) = (EVERY, 0);
    for rule in &queue.retention {
        let (mut from, mut stay) = (None::<String>, 0);
        while let Some(step) = queue.store.retain(holder, TURN, rule, from.as_deref()).await? {
            removed += step.removed;
            if step.next.is_none() || queue.stop.is_asked() {
                break;
            }
            from = step.next;
            stay = from.as_deref().and_then(|from| from.parse().ok()).unwrap_or(0);
            tokio::time::sleep(STEP_PAUSE).await;
        }
        if stay > MANY {
            pause = EVERY_OF_MANY;
        }
    }
    if removed > 0 {
        tracing::info!(queue = &*queue.store.keys().queue, removed, "finished jobs were removed: retention");
    }
    Ok(pause)
}

/// The rules that there are: those of the config, and the history's.
pub(super) fn rules(configured: &[Rule], history: Duration) -> Vec<Rule> {
    use crate::store::retention::What;
    let syncs = Rule { what: What::Syncs, age: Some(history), count: None };
    let mut rules = configured.to_vec();
    rules.extend((!history.is_zero()).then_some(syncs));
    rules
}
