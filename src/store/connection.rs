//! One shared connection to Redis that mends itself, wherever Redis is: a server, the master that sentinels name, the
//! node of a cluster that owns a queue's slot.
//!
//! The redis crate's own manager keeps a connection whose peer fell silent; this one drops it: any I/O error or
//! time-out replaces the connection at the next command, and a reply that is late while others are answered at once
//! means that the socket is dead. Every default that matters is written out here.

mod cluster;
mod health;
mod sending;
mod sentinel;
mod signs;
mod target;
mod tls;

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use cluster::Place;
use health::Health;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, Value};
use sending::Request;
use sentinel::Sentinels;
use signs::{check_role, is_away, is_broken, plainer, refusal, speaks_plainly};
use target::Target;
use tokio::sync::Mutex;

use super::error::StoreError;
use crate::wire::Keys;

/// Longest wait for a TCP (and TLS) connection, and for the reply to its first commands.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the reply to a command. The crate's own default is 500 ms, which a busy server exceeds, and a
/// reply that comes too late is a request sent twice.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// A command that has no reply for so long makes us ask the server on a new connection whether it is there.
const PATIENCE: Duration = Duration::from_millis(400);
/// So long before its time-out a connection for blocking commands does the same.
const PATIENCE_BLOCKING: Duration = Duration::from_millis(700);
/// What a late reply is still given after the server has answered elsewhere.
const GRACE: Duration = Duration::from_millis(200);
/// Longest wait for a TCP connection to a server that is one of several: another may take its place meanwhile.
const CONNECT_TIMEOUT_OF_MANY: Duration = Duration::from_secs(2);

/// Hears of every round trip. Called on the hot path: must be quick and must not block.
pub trait Meter: Send + Sync {
    /// A script, by its file's name, or a command was answered or failed. `took`: `None` = it waited for work to come,
    /// and its time says nothing of the server.
    fn round_trip(&self, command: &str, took: Option<Duration>);
}

/// A cheap handle: clones share the connection, and their commands are pipelined on it.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    target: Arc<Target>,
    place: Place,
    health: Arc<Health>,
    config: AsyncConnectionConfig,
    response_timeout: Duration,
    /// How long a reply may take before we doubt the socket.
    patience: Duration,
    /// Set on every new connection, so that Node's `getWorkers()` sees us again after a reconnect.
    name: Option<String>,
    /// The live connection, its number, and how often the target had changed when it was opened. Locked only to clone,
    /// replace or open it.
    live: Mutex<(u64, Option<MultiplexedConnection>, u64)>,
    /// The last failure to connect, and when: all who waited for it share it. One after the other they would each wait
    /// out a silent server.
    failed: std::sync::Mutex<Option<(Instant, RedisError)>>,
    meter: Option<Arc<dyn Meter>>,
    /// When a reply came last, in ms of [`now_ms`].
    heard_ms: AtomicU64,
    /// Sockets that were found dead in a row. If replies are only slow, the patience grows with it.
    silences: AtomicU32,
}

impl Connection {
    /// A connection to `url` that opens with its first command. A `response_timeout` other than [`RESPONSE_TIMEOUT`] is
    /// that of a connection for commands that block for up to a second less.
    pub fn new(url: &str, name: Option<String>, response_timeout: Duration) -> Result<Self, StoreError> {
        let target = Arc::new(Target::parse(url)?);
        Ok(Self::made(target, Place::Any, Arc::default(), name, response_timeout, None))
    }

    /// The same server over a connection whose round trips are told of, and those of all that are made from it.
    #[must_use]
    pub fn metered(&self, meter: Arc<dyn Meter>) -> Self {
        let Shared { target, place, health, name, response_timeout, .. } = &*self.shared;
        let (target, health) = (Arc::clone(target), Arc::clone(health));
        Self::made(target, place.clone(), health, name.clone(), *response_timeout, Some(meter))
    }

    fn made(
        target: Arc<Target>,
        place: Place,
        health: Arc<Health>,
        name: Option<String>,
        response_timeout: Duration,
        meter: Option<Arc<dyn Meter>>,
    ) -> Self {
        let is_one = matches!(*target, Target::One(_));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(if is_one { CONNECT_TIMEOUT } else { CONNECT_TIMEOUT_OF_MANY }))
            .set_response_timeout(Some(response_timeout));
        let shared = Shared {
            target,
            place,
            health,
            config,
            response_timeout,
            patience: match response_timeout {
                RESPONSE_TIMEOUT => PATIENCE,
                blocking => blocking.saturating_sub(PATIENCE_BLOCKING),
            },
            name,
            meter,
            live: Mutex::new((0, None, 0)),
            failed: std::sync::Mutex::default(),
            heard_ms: AtomicU64::new(0),
            silences: AtomicU32::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Another connection to the same server, for a runtime or a duty of its own.
    #[must_use]
    pub fn again(&self) -> Self {
        self.sibling(self.shared.name.clone(), self.shared.response_timeout)
    }

    /// The same with another name and time-out, as in [`Connection::new`].
    #[must_use]
    pub fn sibling(&self, name: Option<String>, response_timeout: Duration) -> Self {
        let Shared { target, place, health, meter, .. } = &*self.shared;
        Self::made(
            Arc::clone(target),
            place.clone(),
            Arc::clone(health),
            name,
            response_timeout,
            meter.clone(),
        )
    }

    /// The connection for one queue: in a cluster it is one of its own, to the master of the queue's slot; elsewhere it
    /// is this one.
    #[must_use]
    pub fn to_queue(&self, keys: &Keys) -> Self {
        let place = Place::Slot(cluster::slot(&keys.base));
        let Shared { target, name, response_timeout, meter, .. } = &*self.shared;
        if !self.is_cluster() || self.shared.place == place {
            return self.clone();
        }
        let meter = meter.clone();
        Self::made(Arc::clone(target), place, Arc::default(), name.clone(), *response_timeout, meter)
    }

    /// A connection to each server that holds keys: all masters of a cluster; elsewhere this one.
    pub async fn to_each_master(&self) -> Result<Vec<Self>, StoreError> {
        let Shared { target, name, response_timeout, meter, .. } = &*self.shared;
        let Target::Cluster(cluster) = &**target else { return Ok(vec![self.clone()]) };
        let to = |address| {
            Self::made(
                Arc::clone(target),
                Place::Node(address),
                Arc::default(),
                name.clone(),
                *response_timeout,
                meter.clone(),
            )
        };
        Ok(cluster.masters().await?.into_iter().map(to).collect())
    }

    /// Does it lead into a cluster?
    pub fn is_cluster(&self) -> bool {
        matches!(*self.shared.target, Target::Cluster(_))
    }

    /// Refuses a queue whose keys a cluster would spread over its nodes. Nothing is sent.
    pub fn check_slot(&self, keys: &Keys) -> Result<(), StoreError> {
        let one_slot = || cluster::slot(&keys.base) == cluster::slot(&keys.extra);
        if !self.is_cluster() || (cluster::tag(&keys.base).is_some() && one_slot()) {
            return Ok(());
        }
        Err(StoreError::Invalid(format!(
            "queue \"{}\" has no hash tag, so a cluster would spread its keys; expected one in its prefix or its name, the \
             same as its Node programs use. hint: prefix \"{{{}}}\", or a queue named \"{{{}}}\"",
            keys.queue, keys.prefix, keys.queue
        )))
    }

    /// The server and its database, to tell one from another. Nothing secret is in it. In a cluster each slot counts as one.
    pub fn server(&self) -> String {
        let Shared { target, place, .. } = &*self.shared;
        match &**target {
            Target::One(client) => {
                let info = client.get_connection_info();
                format!("{}/{}", info.addr(), info.redis_settings().db())
            }
            Target::Sentinel(_) => format!("sentinels {:p}", Arc::as_ptr(target)),
            Target::Cluster(_) => format!("cluster {:p} {place:?}", Arc::as_ptr(target)),
        }
    }

    /// Sends one command and awaits its reply.
    pub async fn send(&self, cmd: &Cmd) -> Result<Value, RedisError> {
        let name = match cmd.args_iter().next() {
            Some(redis::Arg::Simple(name)) => std::str::from_utf8(name).unwrap_or_default(),
            _ => "",
        };
        self.send_as(name, cmd).await
    }

    /// The same, counted by another name than the command's own.
    pub(super) async fn send_as(&self, name: &str, cmd: &Cmd) -> Result<Value, RedisError> {
        let mut replies = self.request(name, &Request::One(cmd)).await?;
        Ok(replies.pop().unwrap_or(Value::Nil))
    }

    /// Sends a command whose reply is converted.
    pub async fn query<T: redis::FromRedisValue>(&self, cmd: &Cmd) -> Result<T, StoreError> {
        let value = self.send(cmd).await?;
        redis::from_redis_value(value).map_err(|error| StoreError::Protocol(error.to_string()))
    }

    /// Sends a pipeline; each reply stands for itself.
    pub async fn pipeline(&self, pipe: &Pipeline, commands: usize) -> Result<Vec<Value>, StoreError> {
        Ok(self.request("pipeline", &Request::Many(pipe, commands, Duration::ZERO)).await?)
    }

    /// The same where a command in it may block for so long.
    pub(super) async fn pipeline_blocking(
        &self,
        pipe: &Pipeline,
        commands: usize,
        block: Duration,
    ) -> Result<Vec<Value>, RedisError> {
        self.request("pipeline", &Request::Many(pipe, commands, block)).await
    }

    /// Sends an atomic pipeline (MULTI … EXEC) and converts its reply.
    pub async fn atomic<T: redis::FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, StoreError> {
        let value = self.request("multi", &Request::Atomic(pipe)).await?.pop().unwrap_or(Value::Nil);
        redis::from_redis_value(value).map_err(|error| StoreError::Protocol(error.to_string()))
    }

    /// Opens a connection for subscriptions, to the same server.
    pub async fn pubsub(&self) -> Result<redis::aio::PubSub, StoreError> {
        let opening = async {
            let client = self.shared.target.client(&self.shared.place).await?;
            client.get_async_pubsub().await
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
            Ok(opened) => Ok(opened?),
            Err(_) => Err(StoreError::Unavailable(format!("no connection within {CONNECT_TIMEOUT:?}"))),
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

    /// Resolves when a server that could not be connected to is there again. Never, if it can be.
    pub async fn mended(&self) {
        self.shared.health.mended().await;
    }

    async fn live(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
        let asked = Instant::now();
        let mut live = self.shared.live.lock().await;
        let changes = self.shared.target.changes();
        if let Some(connection) = &live.1
            && live.2 == changes
        {
            return Ok((live.0, connection.clone()));
        }
        live.1 = None;
        let failed = || self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, error)) = &*failed()
            && *at >= asked
        {
            return Err(error.clone());
        }
        if let Some(error) = self.shared.health.is_looked_for() {
            return Err(error);
        }
        let opened = self.connect().await;
        match opened {
            Ok(fresh) => {
                self.shared.health.is_up();
                *live = (live.0 + 1, Some(fresh.clone()), self.shared.target.changes());
                Sentinels::watch(&self.shared.target);
                Ok((live.0, fresh))
            }
            Err(error) => {
                *failed() = Some((Instant::now(), error.clone()));
                if is_broken(&error) || is_away(&error) {
                    self.shared.health.is_down(Arc::downgrade(&self.shared), error.clone());
                }
                Err(error)
            }
        }
    }

    /// Looks whether the server is back, and keeps the connection if it is. One that refuses us is there.
    async fn look(&self) -> bool {
        match self.connect().await {
            Ok(fresh) => {
                let mut live = self.shared.live.lock().await;
                if live.1.is_none() {
                    *live = (live.0 + 1, Some(fresh), self.shared.target.changes());
                }
            }
            Err(error) => {
                let is_there = !is_broken(&error) && !is_away(&error);
                *self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Instant::now(), error));
                if !is_there {
                    return false;
                }
            }
        }
        self.shared.health.is_up();
        true
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let Shared { target, place, config, name, .. } = &*self.shared;
        let opening = async {
            let client = target.client(place).await?;
            let opened = tokio::select! {
                opened = client.get_multiplexed_async_connection_with_config(config) => opened,
                // A server without TLS waits for the end of what it takes for a command.
                error = speaks_plainly(&client) => return Err(error),
            };
            let mut fresh = match opened {
                Err(error) if error.is_connection_dropped() && !error.is_connection_refusal() => {
                    return Err(refusal(&client).await.unwrap_or(error));
                }
                opened => opened.map_err(plainer)?,
            };
            if matches!(**target, Target::Sentinel(_)) {
                check_role(&mut fresh).await?;
            }
            // One that was let in and is answered: the crate's own handshake overhears refusals.
            match fresh.send_packed_command(&redis::cmd("PING")).await.and_then(Value::extract_error) {
                Err(error) if is_broken(&error) => return Err(refusal(&client).await.unwrap_or(error)),
                // Before we are known the server takes no long commands, and calls them a breach of the protocol.
                Err(error) if is_away(&error) || error.code() == Some("NOAUTH") => return Err(error),
                _ => {}
            }
            if let Some(name) = name {
                let named = fresh.send_packed_command(redis::cmd("CLIENT").arg("SETNAME").arg(name)).await;
                // A user whose ACL forbids CLIENT SETNAME is only less visible.
                if let Err(error) = named
                    && is_broken(&error)
                {
                    return Err(error);
                }
            }
            Ok(fresh)
        };
        let late =
            || RedisError::from((ErrorKind::Io, "no connection", format!("within {CONNECT_TIMEOUT:?}")));
        tokio::time::timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| Err(late()))
    }

    async fn discard(&self, number: u64) {
        let mut live = self.shared.live.lock().await;
        if live.0 == number {
            live.1 = None;
        }
    }
}
