//! `/workers`: who works the queues, from the connections that Redis has and the leases that they hold; telling one to
//! claim nothing more.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::about::{About, Shape};
use super::ask::Reason;
use super::{Ask, answer};
use crate::admin::board::{Board, Look};
use crate::admin::problem::Problem;
use crate::job::state::State;
use crate::store::StoreError;
use crate::store::newest::Brief;
use crate::store::quiet::QuietWorker;
use crate::wire::Keys;

/// Queues whose running jobs are looked at.
const QUEUES_MAX: usize = 200;
/// Running jobs of a queue that are looked at.
const LEASES_MAX: usize = 200;
/// The name of workers that give none.
const NODE: &str = "Node";

pub(super) const LIST: About = About::new(
    "workers",
    "Workers of the queues, ours and Node's, with what they run",
)
.answers(&[(200, "The workers", Some(Shape::of::<WorkerList>()))]);

pub(super) const QUIET: About =
    About::new("workers", "Tells a worker to claim nothing more: what it has it finishes. It is over when it is resumed or started anew")
        .optional_body(Shape::of::<Reason>())
        .answers(&[(200, "It claims nothing more", Some(Shape::of::<WorkerAct>()))])
        .refusals(&[404, 409]);

pub(super) const RESUME: About =
    About::new("workers", "Lets a worker claim again; it does so within a second")
        .optional_body(Shape::of::<Reason>())
        .answers(&[(200, "It claims again", Some(Shape::of::<WorkerAct>()))])
        .refusals(&[404, 409]);

/// What a worker was told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WorkerAct {
    /// Its name.
    pub worker: String,
    /// Is it to claim nothing more?
    pub quiet: bool,
    /// The queues for which that holds: those that it works and that the caller may see.
    pub queues: Vec<String>,
    /// Was it otherwise before, for any of them?
    pub changed: bool,
}

/// All workers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkerList {
    /// Sorted by name.
    pub items: Vec<WorkerItem>,
    /// false = Redis does not let us see its connections: only those are listed that hold leases.
    pub known: bool,
    /// Redis' time, ms.
    pub server_time: i64,
}

/// A worker.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkerItem {
    /// Its name; `Node` for those that give none, one for each address.
    pub name: String,
    /// bullock or node.
    pub kind: String,
    /// The queues that it works.
    pub queues: Vec<WorkerQueue>,
    /// Where its connections come from.
    pub addresses: Vec<String>,
    /// How long its oldest connection has been there.
    pub connected_seconds: u64,
    /// How long all its connections have been silent.
    pub idle_seconds: u64,
    /// Jobs that it holds.
    pub running: usize,
    /// The first of them.
    pub leases: Vec<HeldJob>,
    /// Who has told it to claim nothing more; null = nobody.
    pub quiet: Option<QuietView>,
}

/// Who has told a worker to claim nothing more.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct QuietView {
    /// When, ms.
    pub at: i64,
    /// Who.
    pub by: String,
    /// From where.
    pub from: String,
    /// Why.
    pub why: String,
}

/// A queue of a worker.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WorkerQueue {
    /// The queue.
    pub queue: String,
    /// Connections for it.
    pub connections: usize,
    /// Jobs of it that the worker holds.
    pub running: usize,
    /// The worker was told to claim nothing more of it.
    pub quiet: bool,
}

/// A job that a worker holds.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldJob {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How long the lease still runs, ms; null = it never ends.
    pub lease_ms: Option<u64>,
    /// Since when it runs, ms.
    pub started_on: Option<i64>,
}

/// What is gathered of a worker.
#[derive(Default)]
struct Gathered {
    is_ours: bool,
    queues: BTreeMap<String, (usize, usize)>,
    addresses: BTreeSet<String>,
    age_s: u64,
    idle_s: Option<u64>,
    leases: Vec<HeldJob>,
    /// By queue.
    quiet: HashMap<String, QuietWorker>,
}

/// By name; those without one by where they are.
type Workers = BTreeMap<(String, String), Gathered>;

pub(super) async fn list(call: Ask) -> Result<Response, Problem> {
    let (workers, known, server_time) = gather(&call).await?;
    let items = workers.into_iter().map(|((name, _), worker)| item(name, worker)).collect();
    Ok(answer(StatusCode::OK, &WorkerList { items, known, server_time }))
}

/// Tells a worker to claim nothing more.
pub(super) async fn quiet(call: Ask) -> Result<Response, Problem> {
    tell(call, true).await
}

/// Lets it claim again.
pub(super) async fn resume(call: Ask) -> Result<Response, Problem> {
    tell(call, false).await
}

async fn tell(call: Ask, quiet: bool) -> Result<Response, Problem> {
    let actor = call.actor(call.reason().await?)?;
    let (mut workers, ..) = gather(&call).await?;
    let unknown = || Problem::not_found("there is no worker of that name");
    let worker = workers.remove(&(call.id.clone(), String::new())).ok_or_else(unknown)?;
    if !worker.is_ours && !is_named_by_us(&call.id) {
        return Err(Problem::conflict("a Node worker does not listen"));
    }
    let queues: BTreeSet<String> = worker.queues.into_keys().chain(worker.quiet.into_keys()).collect();
    let mut changed = false;
    for queue in &queues {
        let store = call.board()?.open(queue).await?;
        changed |= if quiet {
            store.quiet_worker(&actor, &call.id).await?
        } else {
            store.resume_worker(&actor, &call.id).await?
        };
    }
    let queues = queues.into_iter().collect();
    Ok(answer(StatusCode::OK, &WorkerAct { worker: call.id, quiet, queues, changed }))
}

/// All workers, whether Redis lets us see its connections, and its time.
async fn gather(call: &Ask) -> Result<(Workers, bool, i64), Problem> {
    let (look, board, caller) = (call.look().await?, call.board()?, call.caller()?);
    Ok(gather_of(board, &look, |name| caller.may(name)).await?)
}

/// The workers of the queues that are `visible`.
pub(crate) async fn listed(
    board: &Board,
    look: &Look,
    visible: impl Fn(&str) -> bool,
) -> Result<WorkerList, StoreError> {
    let (workers, known, server_time) = gather_of(board, look, visible).await?;
    let items = workers.into_iter().map(|((name, _), worker)| item(name, worker)).collect();
    Ok(WorkerList { items, known, server_time })
}

async fn gather_of(
    board: &Board,
    look: &Look,
    visible: impl Fn(&str) -> bool,
) -> Result<(Workers, bool, i64), StoreError> {
    let clients = board.clients().await?;
    let visible = look.queues.iter().filter(|(name, _)| visible(name)).take(QUEUES_MAX);
    let queues: Vec<(Keys, bool)> = visible
        .map(|(name, sight)| (board.store(name, None).keys().clone(), sight.glance.counts.active > 0))
        .collect();
    let mut workers = Workers::new();
    for client in clients.iter().flat_map(|clients| clients.iter()) {
        for (keys, _) in &queues {
            let Some(name) = keys.worker_of(&client.name) else { continue };
            let key = if name.is_empty() {
                (NODE.to_owned(), client.host.clone())
            } else {
                (name.to_owned(), String::new())
            };
            let worker = workers.entry(key).or_default();
            worker.queues.entry(keys.queue.to_string()).or_default().0 += 1;
            worker.addresses.insert(client.host.clone());
            worker.age_s = worker.age_s.max(client.age_s);
            worker.idle_s = Some(worker.idle_s.map_or(client.idle_s, |idle| idle.min(client.idle_s)));
        }
    }
    let busy = queues.iter().filter(|(_, is_busy)| *is_busy).map(|(keys, _)| {
        let store = board.store(&keys.queue, None);
        async move { (keys.queue.to_string(), store.newest(State::Active, 0, LEASES_MAX).await) }
    });
    for (queue, found) in join_all(busy).await {
        let (_, jobs) = found?;
        for job in jobs {
            add_lease(&mut workers, &queue, job);
        }
    }
    add_quiet(&mut workers, board, &queues).await?;
    Ok((workers, clients.is_some(), look.now_ms))
}

/// Those that were told to claim nothing more. One that is neither connected nor holds anything is gone.
async fn add_quiet(workers: &mut Workers, board: &Board, queues: &[(Keys, bool)]) -> Result<(), StoreError> {
    let told = queues.iter().map(|(keys, _)| {
        let store = board.store(&keys.queue, None);
        async move { (keys.queue.to_string(), store.quiet_workers().await) }
    });
    for (queue, found) in join_all(told).await {
        for one in found? {
            if let Some(worker) = workers.get_mut(&(one.name.clone(), String::new())) {
                worker.quiet.insert(queue.clone(), one);
            }
        }
    }
    Ok(())
}

fn add_lease(workers: &mut Workers, queue: &str, job: Brief) {
    let Some(holder) = &job.holder else { return };
    let ours = holder.worker().map(str::to_owned);
    // A lock of Node's does not say whose it is: where one worker of the queue is Node's, it is that one's.
    let name = ours.clone().or_else(|| {
        let mut of_queue = workers
            .iter()
            .filter(|(_, worker)| !worker.is_ours && worker.queues.contains_key(queue))
            .map(|((name, _), _)| name.clone());
        of_queue.next().filter(|_| of_queue.next().is_none())
    });
    let name = name.unwrap_or_else(|| NODE.to_owned());
    let key = workers.keys().find(|(known, _)| *known == name).cloned().unwrap_or((name, String::new()));
    let worker = workers.entry(key).or_default();
    worker.is_ours |= ours.is_some();
    worker.queues.entry(queue.to_owned()).or_default().1 += 1;
    worker.leases.push(HeldJob {
        queue: queue.to_owned(),
        id: job.id,
        name: job.name,
        lease_ms: holder.left.map(|left| left.as_millis() as u64),
        started_on: job.started_ms,
    });
}

fn item(name: String, worker: Gathered) -> WorkerItem {
    let first = worker.quiet.values().min_by_key(|told| told.at_ms).cloned();
    let quiet = first.map(|QuietWorker { at_ms: at, actor, .. }| QuietView {
        at,
        by: actor.by,
        from: actor.from,
        why: actor.why,
    });
    let queue = |(queue, (connections, running))| {
        let quiet = worker.quiet.contains_key(&queue);
        WorkerQueue { queue, connections, running, quiet }
    };
    WorkerItem {
        kind: if worker.is_ours || is_named_by_us(&name) { "bullock" } else { "node" }.to_owned(),
        name,
        queues: worker.queues.into_iter().map(queue).collect(),
        addresses: worker.addresses.into_iter().collect(),
        connected_seconds: worker.age_s,
        idle_seconds: worker.idle_s.unwrap_or(0),
        running: worker.leases.len(),
        leases: worker.leases,
        quiet,
    }
}

/// `BullMQ` lets its workers have names, too; only a lease tells them apart for sure. Those without a name are Node's.
fn is_named_by_us(name: &str) -> bool {
    name != NODE
}
