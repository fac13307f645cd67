//! What happens, as it happens, for any number of lookers-on: Redis is listened to once, and what is heard is handed on
//! from memory.
//!
//! ```text
//!  store::feed ─▶ reader ─▶ progress ─▶ ring ─┬▶ follower ─▶ GET /api/v1/events
//!  store counts, CLIENT LIST ─▶ watch ──┘     └▶ follower ─▶ GET /api/v1/ws
//! ```
//!
//! Owns: the envelope, the numbering, how far back one can go, how many may look on. Must never know: sockets, routes,
//! tokens. A follower that falls behind is told so and goes on from now: memory is that of the ring, whoever is slow.
//! Called by the routes `events` and `ws`; `bullock events` uses the envelope alone.

pub mod event;
pub mod filter;
mod follower;
mod progress;
mod reader;
mod ring;
mod watch;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) use follower::{Follower, Step};
use ring::Ring;

use super::metrics::Metrics;
use crate::store::feed::Queues;
use crate::wire::redact::Redaction;

/// Most streams at once, both transports together.
pub const STREAMS_MAX: usize = 600;
/// So long after the last one has left, listening goes on: a page that is loaded anew finds it so.
const LINGER: Duration = Duration::from_secs(30);
/// Longest wait of a new stream for Redis to be listened to.
const LISTENING_MAX: Duration = Duration::from_secs(3);
/// How soon one who found no room may ask again, seconds.
pub(super) const ROOM_RETRY_S: u64 = 5;

/// How a stream is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Sse,
    WebSocket,
}

impl Transport {
    /// The label of the metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

/// Looks for further queues.
pub(super) type Discover = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// The one listener of a server, and all who look on.
pub(super) struct Live {
    ring: Arc<Ring>,
    room: Arc<Semaphore>,
    places: usize,
    queues: Queues,
    discover: Discover,
    redaction: Redaction,
    metrics: Metrics,
    /// Set while Redis is listened to; the receiver tells once that has begun.
    reading: Mutex<Option<tokio::sync::watch::Receiver<bool>>>,
    looking_on: AtomicUsize,
    /// When the last one left.
    left: Mutex<Instant>,
}

impl Live {
    /// Nothing is listened to before somebody looks on. At most `places` may, at once.
    pub(super) fn new(
        queues: Queues,
        discover: Discover,
        redaction: Redaction,
        metrics: Metrics,
        places: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            ring: Arc::default(),
            room: Arc::new(Semaphore::new(places)),
            places,
            queues,
            discover,
            redaction,
            metrics,
            reading: Mutex::default(),
            looking_on: AtomicUsize::new(0),
            left: Mutex::new(Instant::now()),
        })
    }

    /// Begins to follow, after the event numbered `after` or from now on. Resolves once Redis is listened to, or was tried
    /// to be for some seconds. `None` = there is no room.
    pub(super) async fn follow(
        self: &Arc<Self>,
        transport: Transport,
        after: Option<u64>,
    ) -> Option<Follower> {
        let place = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let seat = self.seat(transport, place);
        let mut listening = self.listen();
        let _ = tokio::time::timeout(LISTENING_MAX, listening.wait_for(|listening| *listening)).await;
        Some(Follower::new(Arc::clone(&self.ring), seat, after))
    }

    /// A place for somebody who looks on at something else than events. `None` = there is no room.
    pub(super) fn place(self: &Arc<Self>, transport: Transport) -> Option<Seat> {
        let place = Arc::clone(&self.room).try_acquire_owned().ok()?;
        Some(self.seat(transport, place))
    }

    /// How many look on, how many may, and whether Redis is listened to.
    pub(super) fn state(&self) -> (usize, usize, bool) {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        (self.looking_on.load(Ordering::Relaxed), self.places, reading)
    }

    fn seat(self: &Arc<Self>, transport: Transport, place: OwnedSemaphorePermit) -> Seat {
        self.looking_on.fetch_add(1, Ordering::SeqCst);
        self.metrics.stream_opened(transport.as_str());
        Seat { live: Arc::clone(self), transport, _place: place }
    }

    fn listen(self: &Arc<Self>) -> tokio::sync::watch::Receiver<bool> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listening) = &*reading {
            return listening.clone();
        }
        let (tell, listening) = tokio::sync::watch::channel(false);
        *reading = Some(listening.clone());
        // What came before is not continued by what comes now.
        self.ring.begin_anew();
        tokio::spawn(reader::run(Arc::clone(self), tell));
        listening
    }

    /// Has nobody looked on for a while? Then listening is over.
    fn is_over(&self) -> bool {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let left = *self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let over = self.looking_on.load(Ordering::SeqCst) == 0 && left.elapsed() >= LINGER;
        if over {
            *reading = None;
        }
        over
    }
}

/// The place of one who looks on.
pub(super) struct Seat {
    live: Arc<Live>,
    transport: Transport,
    _place: OwnedSemaphorePermit,
}

impl Seat {
    /// So many events were passed over, because this one was too slow for them.
    fn passed_over(&self, events: u64) {
        self.live.metrics.stream_dropped(self.transport.as_str(), events);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *self.live.left.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.live.looking_on.fetch_sub(1, Ordering::SeqCst);
        self.live.metrics.stream_closed(self.transport.as_str());
    }
}
