//! The only user of Redis: one function for each transition, each of them one Lua script.
//!
//! Owns: connections, scripts, the requests and replies of scripts. Must never know: when things happen
//! (`worker`), what a job does (`handler`), what a person sees. Called by `worker`, `admin`, `app` and `cli`.

mod act;
pub mod actor;
mod adder;
pub mod alert;
pub mod audit;
pub mod callback;
pub mod cancel;
pub mod change;
pub mod children;
pub mod claim;
pub mod clients;
mod confirm;
pub mod connection;
pub mod control;

pub mod dead;
pub mod dead_letter;
pub mod depth;
pub mod discovery;
pub mod doctor;
pub mod edit;
pub mod enqueue;
pub mod error;
pub mod events;
pub mod feed;
pub mod finish;
pub mod flow;
pub mod force_done;
mod fragments;
pub mod history;
pub mod inspect;
pub mod job;
pub mod layout;
pub mod limits;
pub mod look;
pub mod moving;
pub mod newest;
pub mod opened;
pub mod orgs;
pub mod overlap;
pub mod overview;
pub mod queue;
pub mod quiet;
pub mod recover;
pub mod renew;
pub mod repeat;
pub mod replay;
pub mod retention;
pub mod rights;
pub mod run;
pub mod scheduler;
pub mod scratch;
pub mod script;
pub mod search;
pub mod server;
pub mod sync;
mod template;
pub mod wakeup;
pub mod webhook;
pub mod zombies;

use std::sync::Arc;

pub use connection::{Connection, Meter};
pub use error::StoreError;
pub use opened::Opened;
pub use queue::Queue;
use redis::Value;
pub use script::Scripts;

use crate::wire::{Dialect, Keys};

/// Layout version of our extra records. A newer one in Redis makes this program refuse the queue.
pub const LAYOUT_VERSION: u32 = 1;
/// Most jobs in one call of a script: `unpack` in Lua is bounded at 7,999 values, and a long script blocks Redis.
pub const BATCH_MAX: usize = 1000;
/// A call of a script takes no further jobs once it carries so many bytes of their data or results: it must be sent and
/// answered within the response time-out.
pub const CALL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many of some jobs go into one call, given the bytes that each carries: one at least, [`BATCH_MAX`] at most, and
/// none after the one that takes it to [`CALL_BYTES_MAX`].
///
/// # Examples
///
/// ```
/// use bullock::store::fitting;
/// assert_eq!(fitting([10, 10].into_iter()), 2);
/// assert_eq!(fitting([9_000_000, 9_000_000, 1].into_iter()), 2);
/// ```
pub fn fitting(mut sizes: impl ExactSizeIterator<Item = usize>) -> usize {
    let (all, mut bytes) = (sizes.len().min(BATCH_MAX), 0);
    let full = sizes.position(|size| {
        bytes += size;
        bytes >= CALL_BYTES_MAX
    });
    full.map_or(all, |last| all.min(last + 1))
}

/// One queue in Redis. Clones are cheap and share everything.
#[derive(Clone)]
pub struct Store {
    keys: Keys,
    connection: Connection,
    scripts: opened::Choice,
    /// Whose acts go through this handle, for the audit log.
    actor: Option<Arc<actor::Actor>>,
    /// The queue that gets copies of dead letters.
    dead_letter: Option<Keys>,
    /// Where adds and ends wait for replicas.
    confirming: Option<Arc<confirm::Confirming>>,
    /// Turns between organisations, and limits by key.
    turns: Option<Arc<orgs::Turns>>,
}

impl Store {
    /// A queue on a connection, of the dialect of these scripts.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a store keeps its connection: callers hand theirs over"
    )]
    pub fn new(connection: Connection, keys: Keys, scripts: Arc<Scripts>) -> Self {
        let connection = connection.to_queue(&keys);
        Self {
            keys,
            connection,
            scripts: opened::Choice::named(scripts),
            dead_letter: None,
            actor: None,
            confirming: None,
            turns: None,
        }
    }

    /// A queue on a connection, of the dialect that was named; without a name, of the one that its keys say, which
    /// [`Store::open`] and [`Store::look`] ask.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a store keeps its connection: callers hand theirs over"
    )]
    pub fn of(connection: Connection, keys: Keys, dialect: Option<Dialect>) -> Self {
        let connection = connection.to_queue(&keys);
        Self {
            keys,
            connection,
            scripts: opened::Choice::of(dialect),
            actor: None,
            dead_letter: None,
            confirming: None,
            turns: None,
        }
    }

    /// Final failures also go to this queue, as copies. It is of the same dialect.
    #[must_use]
    pub fn with_dead_letters(self, queue: Option<Keys>) -> Self {
        Self { dead_letter: queue, ..self }
    }

    /// Jobs are claimed in turns between organisations, or under limits by key; `None` or nothing to do = in the order of
    /// the queue.
    #[must_use]
    pub fn with_turns(self, turns: Option<orgs::Turns>) -> Self {
        Self { turns: turns.filter(|turns| !turns.is_empty()).map(Arc::new), ..self }
    }

    /// The names of this queue's keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The connection that this queue's commands use.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The same queue on another connection.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "callers hand over a connection made for it")]
    pub fn on(&self, connection: Connection) -> Self {
        Self { connection: connection.to_queue(&self.keys), ..self.clone() }
    }

    /// The same queue in somebody's hands: each act through it leaves a line in the queue's audit log, in the same step.
    #[must_use]
    pub fn by(&self, actor: actor::Actor) -> Self {
        Self { actor: Some(Arc::new(actor)), ..self.clone() }
    }
}

/// One sequential sender of requests that must take effect once although they may be sent twice.
///
/// It never has two requests under way: [`Lane::next`] numbers a new one, and sending the same number again is
/// answered from the record of the first.
#[derive(Debug)]
pub struct Lane {
    name: String,
    request: u64,
}

impl Lane {
    /// A lane of a worker; `name` is unique among all senders of the queue.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), request: 0 }
    }

    /// Begins a new request. To send the last one again, do not call this.
    pub fn next(&mut self) {
        self.request += 1;
    }
}

fn convert<T: redis::FromRedisValue>(value: Value) -> Result<T, StoreError> {
    redis::from_redis_value(value).map_err(|error| StoreError::Protocol(error.to_string()))
}

/// The elements of an array reply.
fn array(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(StoreError::Protocol(format!("expected a list, got {other:?}"))),
    }
}

fn integer(value: &Value) -> Result<i64, StoreError> {
    match value {
        Value::Int(n) => Ok(*n),
        other => Err(StoreError::Protocol(format!("expected a number, got {other:?}"))),
    }
}

/// A bulk reply as text. Ids that are not UTF-8 are shown lossily: no program of ours can have made them.
fn text(value: Value) -> Result<String, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
        Value::SimpleString(text) => Ok(text),
        Value::Int(n) => Ok(n.to_string()),
        other => Err(StoreError::Protocol(format!("expected text, got {other:?}"))),
    }
}

/// A bulk reply as bytes; nil = `None`.
fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::Int(n) => Some(n.to_string().into_bytes()),
        _ => None,
    }
}
