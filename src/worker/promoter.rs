//! Moves delayed jobs to waiting when they are due, by Redis' clock.

use std::sync::Arc;
use std::time::Duration;

use super::trouble::{self, Trouble};
use super::{Queue, token};
use crate::store::BATCH_MAX;
use crate::store::wakeup::Delayed;

/// Longest time between two scans: a lost message costs no more than this.
const GUARD: Duration = Duration::from_secs(5);

pub(super) async fn run(queue: Arc<Queue>, mut due: Delayed) {
    let name = token::clean_name(&queue.options.name);
    // Waiting events carry a token; Node ignores those without (docs/wire/bull-4.md 10.1).
    let token = token::make(&name, 1).remove(0);
    tokio::select! {
        () = queue.stop.asked() => return,
        () = queue.store.settled() => {}
    }
    let mut trouble = Trouble::of("promote");
    while !queue.stop.is_asked() {
        let (pause, planned) = match queue.store.promote(&token).await {
            Ok(promoted) if promoted.moved >= BATCH_MAX as u64 => continue,
            Ok(promoted) => {
                trouble.over(&queue);
                (promoted.next_in_ms.map_or(GUARD, Duration::from_millis).min(GUARD), promoted.next_due_ms)
            }
            // Nothing that is heard now is worth hurrying for.
            Err(error) => {
                let pause = trouble.met(&queue, &error);
                trouble::pause(&queue, pause).await;
                continue;
            }
        };
        tokio::select! {
            () = queue.stop.asked() => {}
            // A due time that is already over comes back as zero: never spin on it.
            () = tokio::time::sleep(pause.max(Duration::from_millis(1))) => {}
            () = due.earlier_than(planned) => {}
        }
    }
}
