//! What `bullock top` reads: the queues each time, what costs more less often.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

use crate::admin::board::{Board, Look, Sight};
use crate::admin::routes::stats::Sample;
use crate::cli::session::Session;
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

/// Reads the queues of one Redis, again and again.
pub(super) struct Reader<'a> {
    session: &'a Session,
    board: Board,
    only: Vec<String>,
    details: HashMap<Arc<str>, Detail>,
    details_at: Option<Instant>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(session: &'a Session, only: Vec<String>) -> Self {
        Self { session, board: session.board(), only, details: HashMap::new(), details_at: None }
    }

    pub(super) async fn look(&mut self) -> Result<Snapshot, StoreError> {
        let look = self.board.look().await?;
        let clients = self.board.clients().await?;
        if self.details_at.is_none_or(|at| at.elapsed() >= DETAILS_FRESH) {
            self.details = self.read_details(&look).await?;
            self.details_at = Some(Instant::now());
        }
        let is_meant =
            |queue: &Arc<str>| self.only.is_empty() || self.only.iter().any(|only| **only == **queue);
        let lines = look.queues.iter().filter(|(queue, _)| is_meant(queue)).map(|(queue, sight)| {
            let keys = Keys::new(&self.session.prefix, queue);
            let workers = clients.as_ref().map(|clients| {
                clients.iter().filter(|client| keys.worker_of(&client.name).is_some()).count()
            });
            line(queue, sight, workers, self.details.get(queue).copied().unwrap_or_default())
        });
        Ok(Snapshot { lines: lines.collect(), now_ms: look.now_ms, problem: None })
    }

    async fn read_details(&self, look: &Look) -> Result<HashMap<Arc<str>, Detail>, StoreError> {
        let mut queues: Vec<(&Arc<str>, u64)> =
            look.queues.iter().map(|(queue, sight)| (queue, busy(sight))).collect();
        queues.sort_by_key(|(_, busy)| std::cmp::Reverse(*busy));
        let reads = queues.into_iter().take(DETAILS_MAX).map(|(queue, _)| async move {
            let store = self.session.store(queue);
            Ok::<_, StoreError>((Arc::clone(queue), detail(&store).await?))
        });
        let found: Vec<_> = futures_util::stream::iter(reads).buffer_unordered(AT_ONCE).collect().await;
        found.into_iter().collect()
    }
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

fn line(queue: &str, sight: &Sight, workers: Option<usize>, detail: Detail) -> Line {
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
        p95_ms: detail.p95_ms,
        workers,
        zombies: detail.zombies,
    }
}
