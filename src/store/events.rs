//! The published events of one queue, for those who look on. A hint and no more: what counts is in the job's hash.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use serde_json::Value;

use super::StoreError;
use super::connection::CONNECT_TIMEOUT;
use crate::wire::Keys;

/// Pause before a lost subscription is made again; who waits polls meanwhile.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

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

/// A subscription to the progress and the ends of a queue's jobs. Reconnects by itself; what was published meanwhile
/// is lost, so poll besides.
pub struct Events {
    client: redis::Client,
    channels: [String; 3],
    messages: Pin<Box<dyn Stream<Item = redis::Msg> + Send>>,
}

impl Events {
    /// Subscribes. From when this returns on, nothing is missed while the connection lasts.
    pub async fn subscribe(url: &str, keys: &Keys) -> Result<Self, StoreError> {
        let client = redis::Client::open(url)?;
        let channels = ["progress", "completed", "failed"].map(|event| keys.of(event));
        let messages = open(&client, &channels).await?;
        Ok(Self { client, channels, messages })
    }

    /// The next event. Dropping the future loses nothing.
    pub async fn next(&mut self) -> JobEvent {
        loop {
            while let Some(message) = self.messages.next().await {
                if let Some(event) = self.read(&message) {
                    return event;
                }
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
            match open(&self.client, &self.channels).await {
                Ok(messages) => self.messages = messages,
                Err(_) => self.messages = Box::pin(futures_util::stream::empty()),
            }
        }
    }

    fn read(&self, message: &redis::Msg) -> Option<JobEvent> {
        let at = self.channels.iter().position(|channel| channel == message.get_channel_name())?;
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
}

async fn open(
    client: &redis::Client,
    channels: &[String; 3],
) -> Result<Pin<Box<dyn Stream<Item = redis::Msg> + Send>>, StoreError> {
    let opening = async {
        let mut connection = client.get_async_pubsub().await?;
        for channel in channels {
            connection.subscribe(channel).await?;
        }
        Ok::<_, redis::RedisError>(connection.into_on_message())
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
        Ok(messages) => Ok(Box::pin(messages?)),
        Err(_) => Err(StoreError::Unavailable(format!("no subscription within {CONNECT_TIMEOUT:?}"))),
    }
}
