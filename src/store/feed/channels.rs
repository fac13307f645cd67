//! What Bull publishes for a server's queues, heard by one subscription.
//!
//! It is to all channels of the queues' prefix and not to each queue's: Redis compares what is published with every
//! pattern, one after the other, and an ACL of `&bull:*` allows that pattern and no longer one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::{mpsc, oneshot, watch};

use super::read::published;
use super::{Gauge, Heard, Loss, RETRY};
use crate::store::connection::CONNECT_TIMEOUT;
use crate::store::inspect::escape_glob;
use crate::store::{Connection, Store, StoreError};
use crate::wire::Dialect;

/// How often a subscription is asked whether it is still there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(5);

/// Listens until it is dropped, and tells once it has begun.
pub(super) async fn listen(
    connection: Connection,
    mut stores: watch::Receiver<Vec<Store>>,
    tell: mpsc::Sender<Heard>,
    begun: oneshot::Sender<()>,
) {
    let (mut begun, mut broken) = (Some(begun), false);
    loop {
        let (patterns, mut queues) = wanted(&stores.borrow_and_update());
        if patterns.is_empty() {
            // Nobody need be waited for.
            let _ = begun.take().map(|begun| begun.send(()));
            if stores.changed().await.is_err() {
                return;
            }
            continue;
        }
        let ended = match subscribe(&connection, &patterns).await {
            Ok(subscription) => {
                let _ = begun.take().map(|begun| begun.send(()));
                if std::mem::take(&mut broken) && tell.send(Heard::Lost(Loss::Reconnected)).await.is_err() {
                    return;
                }
                pass_on(subscription, &patterns, &mut queues, &mut stores, &tell).await
            }
            Err(error) => {
                tracing::debug!(%error, "what Bull publishes cannot be heard");
                End::Broken
            }
        };
        match ended {
            End::Unheard => return,
            // Between two subscriptions something may be published.
            End::OtherPrefixes => broken = true,
            End::Flood(until) => {
                tokio::time::sleep_until(until).await;
                let _ = tell.send(Heard::Lost(Loss::Flood)).await;
            }
            End::Broken => {
                broken = true;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Why a subscription was given up.
enum End {
    Broken,
    OtherPrefixes,
    Flood(tokio::time::Instant),
    /// Nobody wants it any more.
    Unheard,
}

async fn pass_on(
    (mut sink, mut messages): (PubSubSink, PubSubStream),
    patterns: &BTreeSet<String>,
    queues: &mut HashMap<String, Arc<str>>,
    stores: &mut watch::Receiver<Vec<Store>>,
    tell: &mpsc::Sender<Heard>,
) -> End {
    let (mut gauge, mut ping) = (Gauge::new(), tokio::time::interval(PING));
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            changed = stores.changed() => {
                if changed.is_err() {
                    return End::Unheard;
                }
                let (now, others) = wanted(&stores.borrow_and_update());
                if now != *patterns {
                    return End::OtherPrefixes;
                }
                *queues = others;
                continue;
            }
            _ = ping.tick() => {
                // A peer that fell silent would never be noticed: nothing else is sent on this connection.
                let answer = tokio::time::timeout(PING, sink.ping::<redis::Value>()).await;
                if !matches!(answer, Ok(Ok(_))) {
                    return End::Broken;
                }
                continue;
            }
        };
        let Some(message) = message else { return End::Broken };
        if let Some(until) = gauge.count(1) {
            return End::Flood(until);
        }
        let Some(told) = published(queues, message.get_channel_name(), message.get_payload_bytes()) else {
            continue;
        };
        if tell.send(Heard::Told(told)).await.is_err() {
            return End::Unheard;
        }
    }
}

/// The patterns to subscribe to, and the queues of Bull's by the beginning of their keys.
fn wanted(stores: &[Store]) -> (BTreeSet<String>, HashMap<String, Arc<str>>) {
    let bull = stores.iter().filter(|store| store.dialect() == Dialect::Bull).map(Store::keys);
    let patterns = bull.clone().map(|keys| format!("{}:*", escape_glob(&keys.prefix))).collect();
    (patterns, bull.map(|keys| (keys.base.to_string(), Arc::clone(&keys.queue))).collect())
}

async fn subscribe(
    connection: &Connection,
    patterns: &BTreeSet<String>,
) -> Result<(PubSubSink, PubSubStream), StoreError> {
    let opening = async {
        let (mut sink, messages) = connection.subscriber().await?.split();
        for pattern in patterns {
            sink.psubscribe(pattern).await?;
        }
        Ok::<_, StoreError>((sink, messages))
    };
    tokio::time::timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| {
        Err(StoreError::Unavailable(format!("no subscription within {CONNECT_TIMEOUT:?}")))
    })
}
