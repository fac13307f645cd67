//! Everything that Redis tells of many queues at once, for dashboards and `bullock events`: one blocking read and one
//! subscription for each server, however many queues and lookers-on there are.
//!
//! Owns: what is listened to, and the shape of what is heard. Must never know: who looks on, how it is shown. A hint and no
//! more: what was missed is said ([`Heard::Lost`]) and not made up for. Called by `admin::live` and `cli::events`.

mod channels;
mod read;
mod streams;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::wakeup::BLOCK_DEADLINE;
use super::{Store, StoreError, convert};
use crate::wire::Dialect;

/// Heard and not taken yet. What is full holds up the readers, and through them Redis' own bounded buffers.
const HEARD_MAX: usize = 8192;
/// How often the list of queues is looked at anew.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Longest wait for the readers of a server at the start; after it they go on trying.
const START_MAX: Duration = Duration::from_secs(2);
/// Pause before a broken reader begins again.
const RETRY: Duration = Duration::from_secs(1);
/// More than so many entries of one server in a second are a flood, which nobody could look at: the rest of the second is
/// skipped, so that looking on takes no time from jobs.
pub const FLOOD_PER_SECOND: usize = 20_000;

/// One thing that Redis told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The queue.
    pub queue: Arc<str>,
    /// When it was written, ms by Redis' clock; `None` = just now (Bull's channels do not say).
    pub at_ms: Option<u64>,
    /// The job that it is about.
    pub job: Option<String>,
    /// The job's name, where it was told.
    pub name: Option<String>,
    /// What happened.
    pub what: What,
}

/// What happened to a job or a queue. Texts are as they were written; anybody may have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of docs/wire/bullmq.md 10.1 and docs/wire/bull-4.md 10")]
pub enum What {
    Added,
    /// In line, from the state named.
    Waiting {
        prev: Option<String>,
    },
    Active,
    /// JSON.
    Progress(String),
    /// JSON; `None` = no result.
    Completed(Option<String>),
    Failed(Option<String>),
    Delayed {
        due_ms: Option<u64>,
    },
    WaitingChildren,
    Stalled,
    Removed {
        prev: Option<String>,
    },
    Duplicated,
    Paused,
    Resumed,
    Drained,
    Cleaned {
        count: u64,
    },
    /// A person acted on it, by way of Bullock.
    Act(Box<Act>),
}

/// An entry of our audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Of the queue: `BullMQ`'s own events tell of most acts besides.
    pub dialect: Dialect,
    /// The act, such as `retry`.
    pub what: String,
    /// The state before; empty = none.
    pub was: String,
    /// The state after; empty = none.
    pub is: String,
    /// Who.
    pub by: String,
    /// From where.
    pub from: String,
    /// Why.
    pub why: String,
}

/// What a [`Feed`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Something happened.
    Told(Told),
    /// Something may have happened that was not heard.
    Lost(Loss),
}

/// Why something was not heard, on all queues of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The connection to Redis had broken.
    Reconnected,
    /// There was more than anybody could follow.
    Flood,
}

/// The list of queues to listen to, asked again and again: queues come while we listen.
pub type Queues = Arc<dyn Fn() -> Vec<Store> + Send + Sync>;

/// What is told of many queues. Dropping it ends its connections.
pub struct Feed {
    heard: mpsc::Receiver<Heard>,
    _duties: JoinSet<()>,
}

impl Feed {
    /// Begins to listen, on connections of its own. Once this returns, nothing is missed without being said, unless a server
    /// did not answer in time: then that is said as soon as it does.
    pub async fn start(queues: Queues) -> Self {
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        let mut duties = JoinSet::new();
        let mut servers = Servers { tell, known: HashMap::new() };
        let begun = servers.look(&queues, &mut duties);
        let _ = tokio::time::timeout(START_MAX, futures_util::future::join_all(begun)).await;
        let mut looking = JoinSet::new();
        looking.spawn(async move {
            loop {
                tokio::time::sleep(LOOK_AGAIN).await;
                // Nobody waits for the readers of a server that comes later.
                drop(servers.look(&queues, &mut duties));
            }
        });
        Self { heard, _duties: looking }
    }

    /// Waits for something and takes up to `max` of what is there. Dropping the future loses nothing.
    pub async fn take(&mut self, into: &mut Vec<Heard>, max: usize) {
        if self.heard.recv_many(into, max).await == 0 {
            // Its duties never end before it does.
            std::future::pending::<()>().await;
        }
    }
}

/// The servers that are listened to, each with the list of its queues.
struct Servers {
    tell: mpsc::Sender<Heard>,
    known: HashMap<String, (watch::Sender<Vec<Store>>, Signature)>,
}

/// What of a list of queues the readers depend on: a queue without keys turns out to be one dialect's or the other's.
type Signature = BTreeSet<(Arc<str>, bool)>;

/// Resolves once a reader listens.
type Begun = tokio::sync::oneshot::Receiver<()>;

impl Servers {
    fn look(&mut self, queues: &Queues, duties: &mut JoinSet<()>) -> Vec<Begun> {
        let mut by_server: HashMap<String, Vec<Store>> = HashMap::new();
        for store in queues() {
            by_server.entry(store.connection().server()).or_default().push(store);
        }
        let mut begun = Vec::new();
        for (server, stores) in by_server {
            let now = signature(&stores);
            if let Some((list, signature)) = self.known.get_mut(&server) {
                if *signature != now {
                    *signature = now;
                    list.send_replace(stores);
                }
                continue;
            }
            let Some(first) = stores.first() else { continue };
            let connection = first.connection().clone();
            let (list, seen) = watch::channel(stores);
            let (streams, channels) = (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel());
            // Its commands block: a reply that comes after a second is none that is late.
            let blocking = connection.sibling(None, BLOCK_DEADLINE);
            duties.spawn(streams::read(blocking, seen.clone(), self.tell.clone(), streams.0));
            duties.spawn(channels::listen(connection, seen, self.tell.clone(), channels.0));
            begun.extend([streams.1, channels.1]);
            self.known.insert(server, (list, now));
        }
        begun
    }
}

fn signature(stores: &[Store]) -> Signature {
    let of = |store: &Store| (Arc::clone(&store.keys().base), store.dialect() == Dialect::BullMq);
    stores.iter().map(of).collect()
}

/// How much was heard in this second.
struct Gauge {
    second: Instant,
    heard: usize,
}

impl Gauge {
    fn new() -> Self {
        Self { second: Instant::now(), heard: 0 }
    }

    /// Counts; `Some` = it was too much: pause until then.
    fn count(&mut self, heard: usize) -> Option<Instant> {
        let next = self.second + Duration::from_secs(1);
        if Instant::now() >= next {
            *self = Self::new();
        }
        self.heard += heard;
        (self.heard > FLOOD_PER_SECOND).then(|| self.second + Duration::from_secs(1))
    }
}

impl Store {
    /// The names of jobs, in one round trip; `None` where there is none.
    pub async fn names(&self, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.cmd("HGET").arg(self.keys.of(id)).arg("name");
        }
        let replies = self.connection.pipeline(&pipe, ids.len()).await?;
        Ok(replies.into_iter().map(|reply| convert(reply).unwrap_or_default()).collect())
    }
}
