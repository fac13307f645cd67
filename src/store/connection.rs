//! One shared connection to Redis that mends itself.
//!
//! The redis crate's own manager keeps a connection whose peer fell silent; this one drops it: any I/O error or
//! time-out replaces the connection at the next command. Every default that matters is written out here.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, Value};
use tokio::sync::Mutex;

use super::error::StoreError;

/// Longest wait for a TCP (and TLS) connection, and for the reply to its first commands.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the reply to a command. The crate's own default is 500 ms, which a busy server exceeds, and a
/// reply that comes too late is a request sent twice.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A cheap handle: clones share the connection, and their commands are pipelined on it.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    config: AsyncConnectionConfig,
    /// Set on every new connection, so that Node's `getWorkers()` sees us again after a reconnect.
    name: Option<String>,
    /// The live connection and its number. Locked only to clone, replace or open it.
    live: Mutex<(u64, Option<MultiplexedConnection>)>,
    /// The last failure to connect, and when: all who waited for it share it. One after the other they would each wait
    /// out a silent server.
    failed: std::sync::Mutex<Option<(Instant, RedisError)>>,
}

impl Connection {
    /// A connection to `url` that opens with its first command. `response_timeout` must be longer than any block.
    pub fn new(url: &str, name: Option<String>, response_timeout: Duration) -> Result<Self, StoreError> {
        if url.starts_with("rediss:") {
            // Whoever installed one before has chosen; the redis crate itself picks none.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = Client::open(url)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(response_timeout));
        Ok(Self {
            shared: Arc::new(Shared {
                client,
                config,
                name,
                live: Mutex::new((0, None)),
                failed: std::sync::Mutex::default(),
            }),
        })
    }

    /// Another connection to the same server, for a runtime or a duty of its own.
    #[must_use]
    pub fn again(&self) -> Self {
        let Shared { client, config, name, .. } = &*self.shared;
        let shared = Shared {
            client: client.clone(),
            config: config.clone(),
            name: name.clone(),
            live: Mutex::new((0, None)),
            failed: std::sync::Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The server and its database, to tell one from another. Nothing secret is in it.
    pub fn server(&self) -> String {
        let info = self.shared.client.get_connection_info();
        format!("{}/{}", info.addr(), info.redis_settings().db())
    }

    /// A connection of its own for what is published. It does not mend itself.
    pub(super) async fn subscriber(&self) -> Result<redis::aio::PubSub, StoreError> {
        Ok(self.shared.client.get_async_pubsub().await?)
    }

    /// Sends one command and awaits its reply.
    pub async fn send(&self, cmd: &Cmd) -> Result<Value, RedisError> {
        let (number, mut live) = self.live().await?;
        // Errors inside replies come as values from the raw call.
        let reply = live.send_packed_command(cmd).await.and_then(Value::extract_error);
        if let Err(error) = &reply
            && is_broken(error)
        {
            self.discard(number).await;
        }
        reply
    }

    /// Sends a command whose reply is converted.
    pub async fn query<T: redis::FromRedisValue>(&self, cmd: &Cmd) -> Result<T, StoreError> {
        let value = self.send(cmd).await?;
        redis::from_redis_value(value).map_err(|error| StoreError::Protocol(error.to_string()))
    }

    /// Sends a pipeline; each reply stands for itself.
    pub async fn pipeline(&self, pipe: &redis::Pipeline, commands: usize) -> Result<Vec<Value>, StoreError> {
        let (number, mut live) = self.live().await?;
        match live.send_packed_commands(pipe, 0, commands).await {
            Ok(values) => Ok(values),
            Err(error) => {
                if is_broken(&error) {
                    self.discard(number).await;
                }
                Err(error.into())
            }
        }
    }

    /// Sends an atomic pipeline (MULTI … EXEC) and converts its reply.
    pub async fn atomic<T: redis::FromRedisValue>(&self, pipe: &redis::Pipeline) -> Result<T, StoreError> {
        let (number, mut live) = self.live().await?;
        match pipe.query_async(&mut live).await {
            Ok(value) => Ok(value),
            Err(error) => {
                if is_broken(&error) {
                    self.discard(number).await;
                }
                Err(error.into())
            }
        }
    }

    /// Opens the connection now instead of with its first command, so that its name can be seen.
    pub async fn open(&self) -> Result<(), StoreError> {
        Ok(self.live().await.map(|_| ())?)
    }

    /// Drops the connection: the next command opens a new one.
    pub async fn reset(&self) {
        self.shared.live.lock().await.1 = None;
    }

    async fn live(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
        let asked = Instant::now();
        let mut live = self.shared.live.lock().await;
        if let Some(connection) = &live.1 {
            return Ok((live.0, connection.clone()));
        }
        let failed = || self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, error)) = &*failed()
            && *at >= asked
        {
            return Err(error.clone());
        }
        let opened = self.connect().await;
        match opened {
            Ok(fresh) => {
                *live = (live.0 + 1, Some(fresh.clone()));
                Ok((live.0, fresh))
            }
            Err(error) => {
                *failed() = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut fresh = tokio::time::timeout(
            CONNECT_TIMEOUT,
            self.shared.client.get_multiplexed_async_connection_with_config(&self.shared.config),
        )
        .await
        .map_err(|_| {
            RedisError::from((ErrorKind::Io, "no connection", format!("within {CONNECT_TIMEOUT:?}")))
        })??;
        if let Some(name) = &self.shared.name {
            let named = fresh.send_packed_command(redis::cmd("CLIENT").arg("SETNAME").arg(name)).await;
            // A user whose ACL forbids CLIENT SETNAME is only less visible.
            if let Err(error) = named
                && is_broken(&error)
            {
                return Err(error);
            }
        }
        Ok(fresh)
    }

    async fn discard(&self, number: u64) {
        let mut live = self.shared.live.lock().await;
        if live.0 == number {
            live.1 = None;
        }
    }
}

/// Must the connection be replaced? A time-out counts: a silent peer never answers again, and a late reply to a
/// request that was given up must not meet a later one. So does a server that has become a replica: it keeps its
/// connections open, and the primary is elsewhere.
fn is_broken(error: &RedisError) -> bool {
    let demoted = matches!(error.code(), Some("READONLY" | "MASTERDOWN"));
    demoted || error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error()
}
