//! Waiting for work without polling and without moving a job (docs on why: a blocking command whose future is dropped,
//! or whose reply is lost, must not have claimed anything).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;

use super::{Connection, Store, StoreError};
use crate::wire::Dialect;

/// The server-side block. Short, so that a dead peer is noticed soon.
pub const BLOCK: Duration = Duration::from_secs(1);
/// The client's own deadline for it: one second more, then the socket is replaced.
pub const BLOCK_DEADLINE: Duration = Duration::from_secs(2);
/// Pause before the listener for delayed jobs connects again; the promoter's own guard covers the gap.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// The member of `BullMQ`'s marker whose score is the time at which the next delayed job is due.
const DUE: &[u8] = b"1";

impl Store {
    /// The two ways in which a worker hears of work: of what can be claimed now, and of what is due later. `blocking`
    /// must be a connection of its own: everything behind a blocked command waits with it. What is published is heard
    /// on one more, which is replaced when it breaks.
    pub fn wakeups(&self, blocking: &Connection) -> (Wakeup, Delayed) {
        let heard = Arc::<Heard>::default();
        let listener = tokio::spawn(listen(self.clone(), Arc::clone(&heard)));
        let blocking = blocking.to_queue(&self.keys);
        let wakeup = Wakeup { store: self.clone(), blocking, heard: Arc::clone(&heard) };
        (wakeup, Delayed { heard, listener })
    }
}

/// Waits for something to claim.
#[derive(Clone)]
pub struct Wakeup {
    store: Store,
    blocking: Connection,
    heard: Arc<Heard>,
}

impl Wakeup {
    /// Waits until something can be claimed, or [`BLOCK`] is over. Claim afterwards whatever this answers.
    ///
    /// No job is moved by it. Bull: `BLMOVE wait wait RIGHT RIGHT` moves an id to where it is, which wakes us and leaves
    /// order and other blocked workers alone. `BullMQ`: `BZPOPMIN marker` takes the token that wakes one worker
    /// (docs/wire/bullmq.md 4.2); one for later is passed on to [`Delayed`]. A queue whose dialect is not known yet has
    /// the list in both.
    pub async fn wait(&self) -> Result<bool, StoreError> {
        match self.store.dialect() {
            Dialect::Bull => {
                let wait = self.store.keys.of("wait");
                let mut call = redis::cmd("BLMOVE");
                call.arg(&wait).arg(&wait).arg("RIGHT").arg("RIGHT").arg(BLOCK.as_secs());
                let id: Option<Vec<u8>> = self.blocking.query(&call).await?;
                Ok(id.is_some())
            }
            Dialect::BullMq => {
                let mut call = redis::cmd("BZPOPMIN");
                call.arg(self.store.keys.of("marker")).arg(BLOCK.as_secs());
                let token: Option<(Vec<u8>, Vec<u8>, f64)> = self.blocking.query(&call).await?;
                let Some((_, member, due_ms)) = token else { return Ok(false) };
                if member == DUE {
                    self.heard.note(due_ms.ceil());
                }
                Ok(true)
            }
        }
    }

    /// Opens the connection now, so that its name can be seen.
    pub async fn open(&self) -> Result<(), StoreError> {
        self.blocking.open().await
    }

    /// Drops the connection, and with it a wait that is under way: what comes now must wake somebody else.
    pub async fn reset(&self) {
        self.blocking.reset().await;
    }
}

/// Hears of new delayed jobs. Bull publishes their due times (docs/wire/bull-4.md 8.4); `BullMQ`'s marker has the
/// earliest one, which an idle worker takes as it waits, and a busy one has no use for.
pub struct Delayed {
    heard: Arc<Heard>,
    listener: tokio::task::JoinHandle<()>,
}

impl Delayed {
    /// Resolves when something was heard that is due before `next_due_ms` (`None` = nothing is planned).
    pub async fn earlier_than(&mut self, next_due_ms: Option<f64>) {
        loop {
            let earliest = self.heard.earliest.lock().unwrap_or_else(PoisonError::into_inner).take();
            if earliest.is_some_and(|due| next_due_ms.is_none_or(|next| due < next)) {
                return;
            }
            self.heard.news.notified().await;
        }
    }
}

impl Drop for Delayed {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[derive(Default)]
struct Heard {
    /// The earliest due time that was heard and not asked for yet, ms; −∞ after a reconnect: scan, who knows.
    earliest: Mutex<Option<f64>>,
    news: tokio::sync::Notify,
}

impl Heard {
    fn note(&self, due: f64) {
        let mut earliest = self.earliest.lock().unwrap_or_else(PoisonError::into_inner);
        *earliest = Some(earliest.map_or(due, |known| known.min(due)));
        self.news.notify_one();
    }
}

async fn listen(store: Store, heard: Arc<Heard>) {
    store.settled().await;
    if store.dialect() == Dialect::BullMq {
        return;
    }
    let channel = store.keys.of("delayed");
    loop {
        if let Ok(mut connection) = store.connection.pubsub().await
            && connection.subscribe(&channel).await.is_ok()
        {
            heard.note(f64::NEG_INFINITY);
            let mut messages = connection.on_message();
            while let Some(message) = messages.next().await {
                let due = message.get_payload::<String>().ok().and_then(|text| text.parse::<f64>().ok());
                heard.note(due.unwrap_or(f64::NEG_INFINITY).ceil());
            }
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}
