//! Is the server there? What the connections to it know together: one looks for it while it is away, so that the
//! others need not, and all hear at once when it is back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::RedisError;
use tokio::sync::watch;

use super::{Connection, Shared};

/// Pauses between two looks for a server that is away, ms: at first, and after [`SOON`].
const PAUSES_SOON: (u64, u64) = (100, 300);
const PAUSES_LATER: (u64, u64) = (400, 900);
const SOON: Duration = Duration::from_secs(10);
/// Who heard that it is back waits up to so many ms: they must not come all at once.
const SPREAD_MS: u64 = 100;

/// Shared by the connections to one server.
#[derive(Default)]
pub(super) struct Health {
    /// It could not be connected to.
    down: watch::Sender<bool>,
    /// Why, as it was seen last.
    failure: Mutex<Option<RedisError>>,
    /// Somebody looks for it.
    looking: AtomicBool,
    /// When a socket to it was last found dead, ms of [`now_ms`]; the others may be so, too.
    suspected: AtomicU64,
}

impl Health {
    /// Why it is away, while somebody else looks for it.
    pub(super) fn is_looked_for(&self) -> Option<RedisError> {
        let away = *self.down.borrow() && self.looking.load(Ordering::SeqCst);
        if away { self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone() } else { None }
    }

    /// Notes why.
    pub(super) fn failed(&self, error: RedisError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// It was connected to.
    pub(super) fn is_up(&self) {
        self.down.send_if_modified(|down| std::mem::replace(down, false));
    }

    /// It could not be connected to: somebody looks for it from now on.
    pub(super) fn is_down(self: &Arc<Self>, shared: Weak<Shared>, error: RedisError) {
        self.failed(error);
        self.down.send_if_modified(|down| !std::mem::replace(down, true));
        if !self.looking.swap(true, Ordering::SeqCst) {
            tokio::spawn(look(Looking { shared, health: Arc::clone(self) }));
        }
    }

    /// Resolves when it is back. Never, if it is not away.
    pub(super) async fn mended(&self) {
        let mut down = self.down.subscribe();
        if !*down.borrow() || down.wait_for(|down| !down).await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(random_between(0, SPREAD_MS))).await;
    }

    /// A socket was found dead.
    pub(super) fn suspect(&self) {
        self.suspected.store(now_ms(), Ordering::Relaxed);
    }

    /// Was a socket found dead since that time?
    pub(super) fn is_suspect_since(&self, heard_ms: u64) -> bool {
        self.suspected.load(Ordering::Relaxed) > heard_ms
    }
}

/// Clears the mark also when the runtime ends under it, or when the connection that found the server away was one for a
/// moment: the next that is used looks for itself then.
struct Looking {
    shared: Weak<Shared>,
    health: Arc<Health>,
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.health.looking.store(false, Ordering::SeqCst);
    }
}

/// Looks until it is found, or nobody wants it any more.
async fn look(looking: Looking) {
    let began = Instant::now();
    loop {
        let (from, to) = if began.elapsed() < SOON { PAUSES_SOON } else { PAUSES_LATER };
        tokio::time::sleep(Duration::from_millis(random_between(from, to))).await;
        let Some(shared) = looking.shared.upgrade() else { return };
        if (Connection { shared }).look().await {
            return;
        }
    }
}

/// Without a random source it is only not spread.
pub(super) fn random_between(from: u64, to: u64) -> u64 {
    let mut bytes = [0u8; 4];
    let random = getrandom::fill(&mut bytes).map_or(0, |()| u64::from(u32::from_ne_bytes(bytes)));
    from + random % (to - from + 1)
}

/// ms of a clock of this process, 1 at first.
pub(super) fn now_ms() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed().as_millis() as u64 + 1
}
