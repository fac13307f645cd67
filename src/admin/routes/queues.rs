//! `GET /queues` and `GET /queues/{queue}`.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::about::{About, Shape};
use super::stats::{Latency, figures};
use super::{Ask, answer};
use crate::admin::board::{ClientList, Look, Sight, no_queue};
use crate::admin::problem::Problem;
use crate::store::inspect::Counts;
use crate::store::overview::Family;
use crate::wire::Keys;

pub(super) const LIST: About = About::new(
    "queues",
    "All queues of the Redis that is shown, at most a second old",
)
.answers(&[(200, "The queues", Some(Shape::of::<QueueList>()))]);

pub(super) const ONE: About = About::new("queues", "One queue")
    .answers(&[(200, "The queue", Some(Shape::of::<QueuePage>()))])
    .refusals(&[404, 409]);

/// Jobs by state.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Counts)]
pub(crate) struct CountsView {
    /// In line.
    pub waiting: u64,
    /// In line by priority (`BullMQ`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prioritized: Option<u64>,
    /// In line of a paused queue.
    pub paused: u64,
    /// Held by workers.
    pub active: u64,
    /// To be run later.
    pub delayed: u64,
    /// Waiting for their children (`BullMQ`).
    #[serde(rename = "waiting-children", skip_serializing_if = "Option::is_none")]
    pub waiting_children: Option<u64>,
    /// Done.
    pub completed: u64,
    /// Failed for good.
    pub failed: u64,
}

impl CountsView {
    /// As the store counts them.
    pub(crate) fn of(counts: &Counts) -> Self {
        Self {
            waiting: counts.waiting,
            prioritized: counts.prioritized,
            paused: counts.paused,
            active: counts.active,
            delayed: counts.delayed,
            waiting_children: counts.waiting_children,
            completed: counts.completed,
            failed: counts.failed,
        }
    }
}

/// Jobs per second, over the last ten seconds or so.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(in crate::admin) struct RateView {
    /// Jobs that were added.
    #[serde(rename = "in")]
    pub added: f64,
    /// Jobs that ended or were removed.
    #[serde(rename = "out")]
    pub ended: f64,
}

/// A queue.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct QueueItem {
    /// Its name, without the prefix.
    pub name: String,
    /// bull, bullmq or mixed; null = it has no keys yet.
    pub dialect: Option<String>,
    /// This process works it.
    pub configured: bool,
    /// It is paused.
    pub paused: bool,
    /// Jobs by state; null where `problem` says why.
    pub counts: Option<CountsView>,
    /// Connections of its workers; null = Redis does not let us ask.
    pub workers: Option<usize>,
    /// How long the job that has waited longest has done so, ms.
    pub oldest_waiting_ms: Option<u64>,
    /// null until it was looked at twice.
    pub rate: Option<RateView>,
    /// What is wrong with its keys.
    pub problem: Option<String>,
}

/// All queues.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct QueueList {
    /// Sorted by name.
    pub items: Vec<QueueItem>,
    /// How many there are.
    pub total: usize,
    /// Redis' time, ms.
    pub server_time: i64,
}

/// Limits for all workers of a queue together (`BullMQ`).
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Limits {
    /// Jobs that run at a time.
    pub concurrency: Option<u64>,
    /// Jobs that begin within the time below.
    pub max: Option<u64>,
    /// That time, ms.
    pub duration_ms: Option<u64>,
}

/// One queue with more about it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct QueuePage {
    /// As in the list.
    #[serde(flatten)]
    pub queue: QueueItem,
    /// Prefix of its keys.
    pub prefix: String,
    /// Which library wrote to it last, if that says so.
    pub version: Option<String>,
    /// Whose queue it is, and how that is known.
    pub layout: String,
    /// Names of its workers; `Node` for one that gives none.
    pub worker_names: Vec<String>,
    /// Limits for all its workers together.
    pub limits: Limits,
    /// Nothing can be changed through this server.
    pub read_only: bool,
    /// Schedulers, or repeatable jobs.
    pub schedulers: u64,
    /// How long jobs waited and ran; null without any that ended.
    pub latency: Option<Latency>,
    /// Redis' time, ms.
    pub server_time: i64,
}

/// Lists.
pub(super) async fn list(call: Ask) -> Result<Response, Problem> {
    let (look, board, caller) = (call.look().await?, call.board()?, call.caller()?);
    let clients = board.clients().await?;
    let item = |(name, sight): (&std::sync::Arc<str>, &Sight)| {
        let keys = board.store(name, None).keys().clone();
        queue_item(&keys, sight, &clients)
    };
    let items: Vec<QueueItem> = look.queues.iter().filter(|(name, _)| caller.may(name)).map(item).collect();
    Ok(answer(StatusCode::OK, &QueueList { total: items.len(), items, server_time: look.now_ms }))
}

/// One queue as its row in the list.
fn queue_item(keys: &Keys, sight: &Sight, clients: &ClientList) -> QueueItem {
    let glance = &sight.glance;
    let dialect = match glance.family {
        Family::Mixed => Some("mixed"),
        Family::Of(_) if !glance.exists => None,
        Family::Of(dialect) => Some(dialect.as_str()),
    };
    let problem = glance.wrong_key.as_ref().map(|key| format!("{key} is of another type than a queue's"));
    QueueItem {
        name: keys.queue.to_string(),
        dialect: dialect.map(str::to_owned),
        configured: sight.configured,
        paused: glance.paused,
        counts: problem.is_none().then(|| CountsView::of(&glance.counts)),
        workers: clients
            .as_ref()
            .map(|clients| clients.iter().filter(|client| keys.worker_of(&client.name).is_some()).count()),
        oldest_waiting_ms: glance.oldest_waiting_ms,
        rate: sight.rate.map(|rate| RateView { added: rate.added, ended: rate.ended }),
        problem,
    }
}

/// Shows one.
pub(super) async fn one(call: Ask) -> Result<Response, Problem> {
    let store = call.store().await?;
    let (look, board) = (call.look().await?, call.board()?);
    let clients = board.clients().await?;
    let sight = sight_of(&look, &call.queue)?;
    let (layout, facts) = (store.layout().await?, store.limits().await?);
    let mut worker_names: Vec<String> = clients
        .iter()
        .flat_map(|clients| clients.iter())
        .filter_map(|client| store.keys().worker_of(&client.name))
        .map(|name| if name.is_empty() { "Node".to_owned() } else { name.to_owned() })
        .collect();
    worker_names.sort();
    worker_names.dedup();
    let page = QueuePage {
        queue: queue_item(store.keys(), sight, &clients),
        prefix: store.keys().prefix.to_string(),
        layout: layout.describe(),
        version: layout.version,
        worker_names,
        limits: Limits { concurrency: facts.concurrency, max: facts.max, duration_ms: facts.duration_ms },
        read_only: call.shared.read_only,
        schedulers: facts.schedulers,
        latency: figures(&call, &store).await?.latency(),
        server_time: look.now_ms,
    };
    Ok(answer(StatusCode::OK, &page))
}

/// A queue of the last look; one that came since is in the next.
fn sight_of<'a>(look: &'a Look, name: &str) -> Result<&'a Sight, Problem> {
    look.queues.get(name).ok_or_else(no_queue)
}
