//! Waiting for work without polling and without moving a job (docs on why: a blocking command whose future is dropped,
//! or whose reply is lost, must not have claimed anything).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;

use super::{Connection, Store, StoreError};
use crate::wire::Keys;

/// The server-side block. Short, so that a dead peer is noticed soon.
pub const BLOCK: Duration = Duration::from_secs(1);
/// The client's own deadline for it: one second more, then the socket is replaced.
pub const BLOCK_DEADLINE: Duration = Duration::from_secs(2);
/// Pause before the listener for delayed jobs connects again; the promoter's own guard covers the gap.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

impl Store {
    /// Waits until something waits, or [`BLOCK`] is over. `BLMOVE wait wait RIGHT RIGHT` moves an id to where it is:
    /// it wakes us and leaves order and other blocked workers alone. Claim afterwards whatever this answers.
    ///
    /// `blocking` must be a connection of its own: everything behind a blocked command waits with it.
    pub async fn wait_for_work(&self, blocking: &Connection) -> Result<bool, StoreError> {
        let wait = self.keys.of("wait");
        let mut call = redis::cmd("BLMOVE");
        call.arg(&wait).arg(&wait).arg("RIGHT").arg("RIGHT").arg(BLOCK.as_secs());
        let id: Option<Vec<u8>> = blocking.query(&call).await?;
        Ok(id.is_some())
    }
}

/// Hears of new delayed jobs: the channel `P+delayed` carries their due times (docs/wire/bull-4.md 8.4).
pub struct Delayed {
    heard: Arc<Heard>,
    listener: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Heard {
    /// The earliest due time that was heard and not asked for yet, ms; −∞ after a reconnect: scan, who knows.
    earliest: Mutex<Option<f64>>,
    news: tokio::sync::Notify,
}

impl Delayed {
    /// Starts to listen, on a connection of its own that is replaced when it breaks.
    pub fn listen(url: &str, keys: &Keys) -> Result<Self, StoreError> {
        let client = redis::Client::open(url)?;
        let (channel, heard) = (keys.of("delayed"), Arc::<Heard>::default());
        let listener = tokio::spawn(listen(client, channel, Arc::clone(&heard)));
        Ok(Self { heard, listener })
    }

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

impl Heard {
    fn note(&self, due: f64) {
        let mut earliest = self.earliest.lock().unwrap_or_else(PoisonError::into_inner);
        *earliest = Some(earliest.map_or(due, |known| known.min(due)));
        self.news.notify_one();
    }
}

async fn listen(client: redis::Client, channel: String, heard: Arc<Heard>) {
    loop {
        let opened =
            tokio::time::timeout(super::connection::CONNECT_TIMEOUT, client.get_async_pubsub()).await;
        if let Ok(Ok(mut connection)) = opened
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
