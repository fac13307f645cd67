//! The streams of a server's queues: `BullMQ`'s events and our own audit logs, in one blocking read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::streams::{StreamRangeReply, StreamReadReply};
use tokio::sync::{mpsc, oneshot, watch};

use super::read::{acted, recorded};
use super::{Gauge, Heard, Loss, RETRY};
use crate::store::{Connection, Store, StoreError, convert};
use crate::wire::Dialect;

/// The server-side block: so soon a new queue is read, too. Below the response time-out of the connection.
const BLOCK: Duration = Duration::from_secs(1);
/// Most entries of one stream in one read.
const PAGE: usize = 1000;
/// A stream that fills so many pages in a row is left for its end: it may lose entries faster than we read them.
const PAGES_BEHIND_MAX: usize = 5;
/// Before the first entry of any stream.
const BEGINNING: &str = "0-0";

/// One stream.
struct Place {
    queue: Arc<str>,
    /// An audit log, of a queue of this dialect.
    audit: Option<Dialect>,
    /// The last entry that was read.
    last: String,
    full_pages: usize,
}

/// Reads until it is dropped, and tells once it has begun.
pub(super) async fn read(
    connection: Connection,
    mut stores: watch::Receiver<Vec<Store>>,
    tell: mpsc::Sender<Heard>,
    begun: oneshot::Sender<()>,
) {
    let (mut places, mut begun) = (HashMap::new(), Some(begun));
    let (mut gauge, mut broken) = (Gauge::new(), false);
    loop {
        let list = stores.borrow_and_update().clone();
        let round = async {
            find_places(&connection, &list, &mut places).await?;
            if let Some(begun) = begun.take() {
                // Who waited may be gone.
                let _ = begun.send(());
            }
            if places.is_empty() {
                // Woken by the first queue.
                let _ = tokio::time::timeout(BLOCK, stores.changed()).await;
                return Ok(Vec::new());
            }
            next_page(&connection, &mut places).await
        };
        match round.await {
            Ok(heard) => {
                if std::mem::take(&mut broken) && tell.send(Heard::Lost(Loss::Reconnected)).await.is_err() {
                    return;
                }
                let pause = gauge.count(heard.len());
                for one in heard {
                    if tell.send(one).await.is_err() {
                        return;
                    }
                }
                let behind = places.values().any(|place| place.full_pages >= PAGES_BEHIND_MAX);
                if pause.is_some() || behind {
                    if let Some(until) = pause {
                        tokio::time::sleep_until(until).await;
                    }
                    // Forgotten, so that the next round begins at the ends.
                    places.clear();
                    let _ = tell.send(Heard::Lost(Loss::Flood)).await;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the events of the queues cannot be read");
                broken = true;
                if !error.is_transient() {
                    places.clear();
                }
                connection.reset().await;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Begins with the streams of new queues at their ends, and forgets those of queues that are gone.
async fn find_places(
    connection: &Connection,
    stores: &[Store],
    places: &mut HashMap<String, Place>,
) -> Result<(), StoreError> {
    let mut wanted = HashMap::new();
    for store in stores {
        let queue = &store.keys().queue;
        if store.dialect() == Dialect::BullMq {
            wanted.insert(store.keys().of("events"), (Arc::clone(queue), None));
        }
        wanted.insert(store.keys().extra_of("audit"), (Arc::clone(queue), Some(store.dialect())));
    }
    places.retain(|key, place| {
        let Some((_, audit)) = wanted.remove(key) else { return false };
        // A queue without keys has turned out to be of the other dialect.
        place.audit = audit;
        true
    });
    let new: Vec<_> = wanted.into_iter().collect();
    if new.is_empty() {
        return Ok(());
    }
    let mut pipe = redis::pipe();
    for (key, _) in &new {
        pipe.cmd("XREVRANGE").arg(key).arg("+").arg("-").arg("COUNT").arg(1);
    }
    let replies = connection.pipeline(&pipe, new.len()).await?;
    for ((key, (queue, audit)), reply) in new.into_iter().zip(replies) {
        // A key of another type is passed over; it would fail the read of all.
        let Ok(newest) = convert::<StreamRangeReply>(reply) else { continue };
        // The id itself and not `$`: what comes between two reads is read by the second.
        let last = newest.ids.into_iter().next().map_or_else(|| BEGINNING.to_owned(), |entry| entry.id);
        places.insert(key, Place { queue, audit, last, full_pages: 0 });
    }
    Ok(())
}

async fn next_page(
    connection: &Connection,
    places: &mut HashMap<String, Place>,
) -> Result<Vec<Heard>, StoreError> {
    let mut call = redis::cmd("XREAD");
    call.arg("COUNT").arg(PAGE).arg("BLOCK").arg(BLOCK.as_millis() as u64).arg("STREAMS");
    call.arg(places.keys().collect::<Vec<_>>());
    call.arg(places.values().map(|place| &place.last).collect::<Vec<_>>());
    let reply: Option<StreamReadReply> = connection.query(&call).await?;
    let mut heard = Vec::new();
    for stream in reply.into_iter().flat_map(|reply| reply.keys) {
        let Some(place) = places.get_mut(&stream.key) else { continue };
        place.full_pages = if stream.ids.len() == PAGE { place.full_pages + 1 } else { 0 };
        let read = |entry| match place.audit {
            Some(dialect) => acted(&place.queue, dialect, entry),
            None => recorded(&place.queue, entry),
        };
        heard.extend(stream.ids.iter().filter_map(read).map(Heard::Told));
        if let Some(newest) = stream.ids.into_iter().next_back() {
            place.last = newest.id;
        }
    }
    Ok(heard)
}
