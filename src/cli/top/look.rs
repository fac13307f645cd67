//! What `bullock top` reads: the queues each time, what costs more less often.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::admin::board::{Board, Look, Sight};
use crate::admin::routes::stats::{Sample, Stats};
use crate::cli::api::Api;
use crate::cli::error::CliError;
use crate::cli::session::Session;
use crate::cli::target::{At, Target};
use crate::store::inspect::Counts;
use crate::store::zombies::Limits;
use crate::store::{Store, StoreError};
use crate::wire::Keys;

/// Times and zombies are good for so long.
const DETAILS_FRESH: Duration = Duration::from_secs(10);
/// Queues whose times and zombies are looked at: those that have most to do.
const DETAILS_MAX: usize = 50;
/// Queues that are asked at once.
const AT_ONCE: usize = 8;
/// Zombies of a queue that are counted.
const ZOMBIES_MAX: usize = 100;

/// A queue at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Line {
    pub(super) queue: String,
    pub(super) paused: bool,
    pub(super) waiting: u64,
    pub(super) active: u64,
    pub(super) delayed: u64,
    pub(super) failed: u64,
    pub(super) completed: u64,
    /// Jobs per second; `None` until it was looked at twice.
    pub(super) added: Option<f64>,
    pub(super) ended: Option<f64>,
    pub(super) oldest_ms: Option<u64>,
    pub(super) p95_ms: Option<u64>,
    /// Connections of its workers; `None` = this user may not ask.
    pub(super) workers: Option<usize>,
    pub(super) zombies: Option<usize>,
}

/// All queues at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) lines: Vec<Line>,
    /// Redis' time, ms.
    pub(super) now_ms: i64,
    /// Why there is nothing newer.
    pub(super) problem: Option<String>,
}

impl Snapshot {
    /// The same, and why it is not newer.
    pub(super) fn with_problem(&self, problem: String) -> Self {
        Self { problem: Some(problem), ..self.clone() }
    }
}

/// What is asked for less often.
#[derive(Debug, Clone, Copy, Default)]
struct Detail {
    p95_ms: Option<u64>,
    zombies: Option<usize>,
}

/// Reads the queues, again and again.
pub(super) struct Reader<'a> {
    source: Source<'a>,
    only: Vec<String>,
    details: HashMap<Arc<str>, Detail>,
    details_at: Option<Instant>,
}

enum Source<'a> {
    Redis(&'a Session, Box<Board>),
    Api(&'a Api),
}

impl<'a> Reader<'a> {
    pub(super) fn new(target: &'a Target, only: Vec<String>) -> Self {
        let source = match &target.at {
            At::Redis(session) => Source::Redis(session, Box::new(session.board())),
            At::Api(api) => Source::Api(api),
        };
        Self { source, only, details: HashMap::new(), details_at: None }
    }

    pub(super) async fn look(&mut self) -> Result<Snapshot, CliError> {
        let stale = self.details_at.is_none_or(|at| at.elapsed() >= DETAILS_FRESH);
        let mut snapshot = match &self.source {
            Source::Redis(session, board) => {
                let look = board.look().await.map_err(|error| session.error(error))?;
                if stale {
                    self.details =
                        read_details(session, &look).await.map_err(|error| session.error(error))?;
                }
                of_redis(session, board, &look).await.map_err(|error| session.error(error))?
            }
            Source::Api(api) => {
                if stale {
                    self.details = told_details(api).await?;
                }
                told_by(api).await?
            }
        };
        if stale {
            self.details_at = Some(Instant::now());
        }
        snapshot.lines.retain(|line| self.only.is_empty() || self.only.contains(&line.queue));
        for line in &mut snapshot.lines {
            let detail = self.details.get(line.queue.as_str()).copied().unwrap_or_default();
            (line.p95_ms, line.zombies) = (detail.p95_ms, detail.zombies);
        }
        Ok(snapshot)
    }
}

async fn of_redis(session: &Session, board: &Board, look: &Look) -> Result<Snapshot, StoreError> {
    let clients = board.clients().await?;
    let lines = look.queues.iter().map(|(queue, sight)| {
        let keys = Keys::new(&session.prefix, queue);
        let workers = clients
            .as_ref()
            .map(|clients| clients.iter().filter(|client| keys.worker_of(&client.name).is_some()).count());
        line(queue, sight, workers)
    });
    Ok(Snapshot { lines: lines.collect(), now_ms: look.now_ms, problem: None })
}

/// The queues as a server shows them.
async fn told_by(api: &Api) -> Result<Snapshot, CliError> {
    let list: Value = api.get(&["queues"], &[]).await?;
    let line = |item: &Value| {
        let counts: Counts = serde_json::from_value(item["counts"].clone()).unwrap_or_default();
        Line {
            queue: item["name"].as_str().unwrap_or_default().to_owned(),
            paused: item["paused"] == true,
            waiting: counts.in_line(),
            active: counts.active,
            delayed: counts.delayed,
            failed: counts.failed,
            completed: counts.completed,
            added: item["rate"]["in"].as_f64(),
            ended: item["rate"]["out"].as_f64(),
            oldest_ms: item["oldestWaitingMs"].as_u64(),
            p95_ms: None,
            workers: item["workers"].as_u64().map(|n| n as usize),
            zombies: None,
        }
    };
    let lines = list["items"].as_array().into_iter().flatten().map(line).collect();
    Ok(Snapshot { lines, now_ms: list["serverTime"].as_i64().unwrap_or(0), problem: None })
}

async fn told_details(api: &Api) -> Result<HashMap<Arc<str>, Detail>, CliError> {
    let (stats, zombies): (Stats, Value) =
        tokio::try_join!(api.get(&["stats"], &[]), api.get(&["zombies"], &[]))?;
    let mut details: HashMap<Arc<str>, Detail> = HashMap::new();
    for queue in stats.queues {
        let detail = Detail { p95_ms: queue.run_ms.map(|run| run.p95), zombies: Some(0) };
        details.insert(queue.queue.into(), detail);
    }
    for zombie in zombies["items"].as_array().into_iter().flatten() {
        let detail = details.entry(zombie["queue"].as_str().unwrap_or_default().into()).or_default();
        detail.zombies = Some(detail.zombies.unwrap_or(0) + 1);
    }
    Ok(details)
}

async fn read_details(session: &Session, look: &Look) -> Result<HashMap<Arc<str>, Detail>, StoreError> {
    let mut queues: Vec<(&Arc<str>, u64)> =
        look.queues.iter().map(|(queue, sight)| (queue, busy(sight))).collect();
    queues.sort_by_key(|(_, busy)| std::cmp::Reverse(*busy));
    let reads = queues.into_iter().take(DETAILS_MAX).map(|(queue, _)| async move {
        let store = session.store(queue);
        Ok::<_, StoreError>((Arc::clone(queue), detail(&store).await?))
    });
    let found: Vec<_> = futures_util::stream::iter(reads).buffer_unordered(AT_ONCE).collect().await;
    found.into_iter().collect()
}

fn busy(sight: &Sight) -> u64 {
    let counts = &sight.glance.counts;
    counts.in_line() + counts.active + counts.delayed
}

async fn detail(store: &Store) -> Result<Detail, StoreError> {
    let limits = Limits::default();
    // A key of a wrong type is shown by the counts; here it only means that nothing is known.
    let known = |error: StoreError| match error {
        StoreError::Protocol(_) | StoreError::WrongKey(_) => Ok(Detail::default()),
        StoreError::Unavailable(text) if text.contains("WRONGTYPE") => Ok(Detail::default()),
        other => Err(other),
    };
    let read = async {
        store.look().await?;
        let sample = Sample::read(store).await?;
        let suspects = store.zombie_suspects(&limits, ZOMBIES_MAX).await?;
        let zombies = store.zombies_among(&suspects, &limits).await?.len();
        let p95_ms = sample.latency().and_then(|latency| latency.run_ms).map(|run| run.p95);
        Ok(Detail { p95_ms, zombies: Some(zombies) })
    };
    read.await.or_else(known)
}

fn line(queue: &str, sight: &Sight, workers: Option<usize>) -> Line {
    let glance = &sight.glance;
    Line {
        queue: queue.to_owned(),
        paused: glance.paused,
        waiting: glance.counts.in_line(),
        active: glance.counts.active,
        delayed: glance.counts.delayed,
        failed: glance.counts.failed,
        completed: glance.counts.completed,
        added: sight.rate.map(|rate| rate.added),
        ended: sight.rate.map(|rate| rate.ended),
        oldest_ms: glance.oldest_waiting_ms,
        p95_ms: None,
        workers,
        zombies: None,
    }
}
