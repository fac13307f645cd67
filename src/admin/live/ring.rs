//! The newest events, numbered: what followers read from, and how far back one can resume.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::event::{Event, News};

/// Most events kept.
pub(super) const EVENTS_MAX: usize = 4096;
/// Most bytes of values in them: an event is about 300 bytes, with a value at most 15 times that.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The newest events, without a gap in their numbers.
pub(super) struct Ring {
    inner: Mutex<Inner>,
    /// The number that the next event will have.
    next: watch::Sender<u64>,
}

struct Inner {
    events: VecDeque<Arc<Event>>,
    next: u64,
    bytes: usize,
}

/// What is asked for is not there any more, or never was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// Go on from here.
    pub(super) next: u64,
}

impl Default for Ring {
    /// Numbers begin at the microseconds of now: no earlier process has given them, unless it told a million events a
    /// second.
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let next = now.as_micros() as u64;
        let inner = Inner { events: VecDeque::new(), next, bytes: 0 };
        Self { inner: Mutex::new(inner), next: watch::Sender::new(next) }
    }
}

impl Ring {
    /// Adds what has happened.
    pub(super) fn publish(&self, news: impl IntoIterator<Item = News>) {
        let mut inner = self.inner();
        for one in news {
            let event = Arc::new(one.numbered(inner.next));
            inner.next += 1;
            inner.bytes += size(&event);
            inner.events.push_back(event);
            while inner.events.len() > EVENTS_MAX || inner.bytes > BYTES_MAX {
                let Some(oldest) = inner.events.pop_front() else { break };
                inner.bytes -= size(&oldest);
            }
        }
        let next = inner.next;
        drop(inner);
        self.next.send_if_modified(|known| std::mem::replace(known, next) != next);
    }

    /// Forgets all: nobody listened for a while, and who goes on from before must hear of that.
    pub(super) fn begin_anew(&self) {
        let mut inner = self.inner();
        inner.events.clear();
        inner.bytes = 0;
        inner.next += 1;
        self.next.send_replace(inner.next);
    }

    /// Takes up to `max` events from number `from` on. Gives the number to go on with.
    pub(super) fn read(&self, from: u64, max: usize, into: &mut Vec<Arc<Event>>) -> Result<u64, Gap> {
        let inner = self.inner();
        let first = inner.next - inner.events.len() as u64;
        if from < first || from > inner.next {
            return Err(Gap { next: inner.next });
        }
        let skipped = (from - first) as usize;
        let before = into.len();
        into.extend(inner.events.iter().skip(skipped).take(max).cloned());
        Ok(from + (into.len() - before) as u64)
    }

    /// Tells of the number that the next event will have.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(event: &Event) -> usize {
    event.size()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn news(n: usize, bytes: usize) -> Vec<News> {
        let data = json!({"progress": "x".repeat(bytes)});
        vec![News::of_queue("job.progress", &"q".into(), data); n]
    }

    #[test]
    fn numbers_have_no_gaps_and_the_oldest_events_go() {
        let ring = Ring::default();
        let start = *ring.subscribe().borrow();
        ring.publish(news(EVENTS_MAX + 10, 0));
        let mut read = Vec::new();
        assert_eq!(ring.read(start + 9, 1, &mut read), Err(Gap { next: start + 4106 }));
        assert_eq!(ring.read(start + 10, 2, &mut read), Ok(start + 12));
        assert_eq!(read.iter().map(|event| event.seq - start).collect::<Vec<_>>(), [10, 11]);
        read.clear();
        assert_eq!(ring.read(start + 4106, 5, &mut read), Ok(start + 4106));
        assert!(read.is_empty());
        assert_eq!(ring.read(start + 4107, 5, &mut read), Err(Gap { next: start + 4106 }), "from the future");
    }

    #[test]
    fn large_values_cost_events_and_not_memory() {
        let ring = Ring::default();
        ring.publish(news(EVENTS_MAX, 4000));
        let inner = ring.inner();
        assert!(inner.bytes <= BYTES_MAX && inner.events.len() < 1100, "{}", inner.events.len());
        assert_eq!(inner.bytes, inner.events.iter().map(|event| size(event)).sum::<usize>());
    }

    #[test]
    fn who_was_here_before_a_pause_is_told_of_a_gap() {
        let ring = Ring::default();
        let before = *ring.subscribe().borrow();
        ring.begin_anew();
        assert!(ring.read(before, 1, &mut Vec::new()).is_err());
        assert!(ring.read(before + 1, 1, &mut Vec::new()).is_ok());
    }
}
