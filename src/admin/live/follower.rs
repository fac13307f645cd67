//! One who looks on: where they are in the ring.

use std::sync::Arc;

use tokio::sync::watch;

use super::Seat;
use super::event::{Event, News};
use super::ring::Ring;

/// Most events looked at in one step.
const STEP: usize = 256;

/// Follows the events from one on. Dropping it gives its place free.
pub(in crate::admin) struct Follower {
    ring: Arc<Ring>,
    seat: Seat,
    news: watch::Receiver<u64>,
    /// The number of the next event to look at.
    at: u64,
    /// Nothing has been read yet: a gap is one of an earlier connection.
    fresh: bool,
}

/// What a follower gets.
pub(in crate::admin) enum Step {
    /// These have happened.
    Events(Vec<Arc<Event>>),
    /// Something was missed; this says so.
    Behind(Event),
}

impl Follower {
    pub(super) fn new(ring: Arc<Ring>, seat: Seat, after: Option<u64>) -> Self {
        let news = ring.subscribe();
        let now = *news.borrow();
        let at = after.map_or(now, |after| after.saturating_add(1));
        Self { ring, seat, news, at, fresh: true }
    }

    /// The number of the last event that this one has seen.
    pub(in crate::admin) fn seen(&self) -> u64 {
        self.at - 1
    }

    /// Waits for wanted events, and gives those that are there. Dropping the future loses nothing.
    pub(in crate::admin) async fn next(&mut self, wants: impl Fn(&Event) -> bool) -> Step {
        loop {
            // Marked as seen before it is read, so that what comes meanwhile wakes us.
            self.news.borrow_and_update();
            let mut events = Vec::new();
            match self.ring.read(self.at, STEP, &mut events) {
                Err(gap) => return Step::Behind(self.skip_to(gap.next)),
                Ok(next) => {
                    let full = events.len() == STEP;
                    self.at = next;
                    self.fresh = false;
                    events.retain(|event| wants(event));
                    if !events.is_empty() {
                        return Step::Events(events);
                    }
                    if full {
                        // Nothing for us in them: others have their turn before we look on.
                        tokio::task::yield_now().await;
                        continue;
                    }
                }
            }
            if self.news.changed().await.is_err() {
                // The ring never goes before its followers do.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Begins at another place.
    pub(in crate::admin) fn rewind(&mut self, after: u64) {
        self.at = after.saturating_add(1);
        self.fresh = true;
    }

    /// Begins with what happens from now on.
    pub(in crate::admin) fn catch_up(&mut self) {
        self.at = *self.news.borrow_and_update();
    }

    fn skip_to(&mut self, next: u64) -> Event {
        let reason = if self.fresh { "unknown-seq" } else { "behind" };
        if !self.fresh {
            self.seat.passed_over(next.saturating_sub(self.at));
        }
        self.at = next;
        self.fresh = false;
        News::resync(reason).numbered(next - 1)
    }
}
