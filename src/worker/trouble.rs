//! Trouble with Redis as a queue meets it: told once per change, and answered by growing, spread pauses.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Queue;
use crate::store::StoreError;

/// First and longest pause after an error; spread in between.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Pause of a queue with a key of the wrong type, or without rights: a person must act.
const PAUSE_HALTED: Duration = Duration::from_secs(5);

/// What the duties of one queue are in trouble with: duty and reason. Together they tell one story, once.
#[derive(Default)]
pub(super) struct Troubles(Mutex<HashMap<&'static str, String>>);

/// One duty's part in it.
pub(super) struct Trouble {
    duty: &'static str,
    /// How often the same was met in a row.
    times: u32,
}

impl Trouble {
    pub(super) fn of(duty: &'static str) -> Self {
        Self { duty, times: 0 }
    }

    /// Notes an error; answers how long to pause.
    pub(super) fn met(&mut self, queue: &Queue, error: &StoreError) -> Duration {
        // Texts differ from try to try; a wrong key is told by its name.
        let reason = match error {
            StoreError::WrongKey(text) => text.clone(),
            error => error.reason().to_owned(),
        };
        let is_news = {
            let mut known = queue.troubles.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_news = !known.values().any(|other| *other == reason);
            if known.insert(self.duty, reason.clone()).is_none_or(|before| before != reason) {
                self.times = 0;
            }
            is_news
        };
        self.times += 1;
        if is_news {
            let (name, text) = (&*queue.store.keys().queue, error.to_string());
            tracing::error!(queue = name, reason, error = %text, "no jobs are taken until this is over");
            queue.observer.redis(name, Some(&text));
        }
        if error.is_transient() { jittered(self.times) } else { PAUSE_HALTED }
    }

    /// Notes that all is well for this duty.
    pub(super) fn over(&mut self, queue: &Queue) {
        if std::mem::take(&mut self.times) == 0 {
            return;
        }
        let mut known = queue.troubles.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.remove(self.duty).is_some() && known.is_empty() {
            let name = &*queue.store.keys().queue;
            tracing::info!(queue = name, "jobs are taken again");
            queue.observer.redis(name, None);
        }
    }
}

/// Rests between two steps of a duty: as long as the step said, or as its error asks for; a stop ends either.
pub(super) async fn rest(queue: &Queue, trouble: &mut Trouble, step: Result<Duration, StoreError>) {
    match step {
        Ok(time) => {
            trouble.over(queue);
            tokio::select! {
                () = queue.stop.asked() => {}
                () = tokio::time::sleep(time) => {}
            }
        }
        Err(error) => pause(queue, trouble.met(queue, &error)).await,
    }
}

/// Waits out a pause, a stop, or the time until a server that was away is back.
pub(super) async fn pause(queue: &Queue, pause: Duration) {
    tokio::select! {
        () = queue.stop.asked() => {}
        () = tokio::time::sleep(pause) => {}
        () = queue.store.connection().mended() => {}
    }
}

/// Full jitter over a doubling pause: workers that lost the same server must not come back together.
pub(crate) fn jittered(times: u32) -> Duration {
    let ceiling = PAUSE_MAX.min(PAUSE_FIRST * 2u32.saturating_pow(times.min(10)));
    let mut byte = [0u8; 2];
    // Without a random source the pause is only not jittered.
    let spread = getrandom::fill(&mut byte).map_or(1.0, |()| f64::from(u16::from_ne_bytes(byte)) / 65535.0);
    PAUSE_FIRST / 4 + ceiling.mul_f64(spread)
}
