//! The events of one queue, for those who look on. A hint and no more: what counts is in the job's hash.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use serde_json::Value;

use super::connection::CONNECT_TIMEOUT;
use super::{Connection, Store, StoreError};
use crate::wire::Dialect;

/// Pause before a lost subscription is made again; who waits polls meanwhile.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// The server-side block of a read from a stream, and how much later the client gives up.
const STREAM_BLOCK: Duration = Duration::from_secs(2);
const STREAM_GRACE: Duration = Duration::from_secs(2);
/// Most entries of one read.
const STREAM_PAGE: usize = 1000;

/// Something happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// Its progress was written.
    Progress {
        /// The job.
        id: String,
        /// The new value.
        progress: Value,
    },
    /// It ended well.
    Completed {
        /// The job.
        id: String,
        /// Its result; null = none.
        result: Value,
    },
    /// It failed for good.
    Failed {
        /// The job.
        id: String,
        /// Why.
        reason: Option<String>,
    },
}

impl JobEvent {
    /// The job.
    pub fn id(&self) -> &str {
        match self {
            Self::Progress { id, .. } | Self::Completed { id, .. } | Self::Failed { id, .. } => id,
        }
    }
}

/// The progress and the ends of a queue's jobs as they are told. Reconnects by itself. What Bull publishes meanwhile is
/// lost, so poll besides; `BullMQ`'s stream is read on from where it was left.
pub struct Events {
    /// Leads to the queue.
    connection: Connection,
    source: Source,
}

enum Source {
    /// Bull's channels (docs/wire/bull-4.md 10).
    Channels { names: [String; 3], messages: Pin<Box<dyn Stream<Item = redis::Msg> + Send>> },
    /// `BullMQ`'s stream (docs/wire/bullmq.md 10.1), what was read of it, and up to which entry.
    Stream { reader: Connection, key: String, last: String, read: VecDeque<JobEvent> },
}

impl Events {
    /// Begins to listen, on a connection of its own. From when this returns on, nothing is missed while the
    /// connection lasts.
    pub async fn subscribe(store: &Store) -> Result<Self, StoreError> {
        let connection = store.connection().clone();
        let source = match store.dialect() {
            Dialect::Bull => {
                let names = ["progress", "completed", "failed"].map(|event| store.keys().of(event));
                let messages = open(&connection, &names).await?;
                Source::Channels { names, messages }
            }
            Dialect::BullMq => {
                let reader = connection.sibling(None, STREAM_BLOCK + STREAM_GRACE);
                let key = store.keys().of("events");
                // The id itself and not `$`: what comes between two reads is read by the second.
                let newest: StreamRangeReply = reader
                    .query(redis::cmd("XREVRANGE").arg(&key).arg("+").arg("-").arg("COUNT").arg(1))
                    .await?;
                let last = newest.ids.into_iter().next().map_or_else(|| "0-0".to_owned(), |entry| entry.id);
                Source::Stream { reader, key, last, read: VecDeque::new() }
            }
        };
        Ok(Self { connection, source })
    }

    /// The next event. Dropping the future loses nothing.
    pub async fn next(&mut self) -> JobEvent {
        match &mut self.source {
            Source::Channels { names, messages } => loop {
                while let Some(message) = messages.next().await {
                    if let Some(event) = published(names, &message) {
                        return event;
                    }
                }
                tokio::time::sleep(RECONNECT_PAUSE).await;
                *messages = open(&self.connection, names)
                    .await
                    .unwrap_or_else(|_| Box::pin(futures_util::stream::empty()));
            },
            Source::Stream { reader, key, last, read } => loop {
                if let Some(event) = read.pop_front() {
                    return event;
                }
                let mut call = redis::cmd("XREAD");
                call.arg("COUNT").arg(STREAM_PAGE).arg("BLOCK").arg(STREAM_BLOCK.as_millis() as u64);
                call.arg("STREAMS").arg(&*key).arg(&*last);
                let Ok(reply) = reader.query::<Option<StreamReadReply>>(&call).await else {
                    reader.reset().await;
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                    continue;
                };
                for entry in reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids) {
                    read.extend(recorded(&entry));
                    last.clone_from(&entry.id);
                }
            },
        }
    }
}

/// An event that Bull published.
fn published(channels: &[String; 3], message: &redis::Msg) -> Option<JobEvent> {
    let at = channels.iter().position(|channel| channel == message.get_channel_name())?;
    let mut payload: Value = serde_json::from_slice(message.get_payload_bytes()).ok()?;
    let id = match &payload["jobId"] {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    let val = payload["val"].take();
    Some(match at {
        0 => JobEvent::Progress { id, progress: payload["progress"].take() },
        1 => {
            let result = val.as_str().and_then(|text| serde_json::from_str(text).ok());
            JobEvent::Completed { id, result: result.unwrap_or(Value::Null) }
        }
        _ => JobEvent::Failed { id, reason: val.as_str().map(str::to_owned) },
    })
}

/// An event of `BullMQ`'s stream. Anybody may write into it: text that is no JSON is no reason to stop listening.
fn recorded(entry: &StreamId) -> Option<JobEvent> {
    let field = |name: &str| entry.get::<String>(name);
    let json =
        |name: &str| field(name).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
    let id = field("jobId")?;
    Some(match field("event")?.as_str() {
        "progress" => JobEvent::Progress { id, progress: json("data") },
        "completed" => JobEvent::Completed { id, result: json("returnvalue") },
        "failed" => JobEvent::Failed { id, reason: field("failedReason") },
        _ => return None,
    })
}

async fn open(
    connection: &Connection,
    channels: &[String; 3],
) -> Result<Pin<Box<dyn Stream<Item = redis::Msg> + Send>>, StoreError> {
    let opening = async {
        let mut heard = connection.pubsub().await?;
        for channel in channels {
            heard.subscribe(channel).await?;
        }
        Ok::<_, StoreError>(heard.into_on_message())
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
        Ok(messages) => Ok(Box::pin(messages?)),
        Err(_) => Err(StoreError::Unavailable(format!("no subscription within {CONNECT_TIMEOUT:?}"))),
    }
}
