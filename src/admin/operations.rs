//! Bulk actions under way in this process: what they are asked to do, how far they are, and stopping them.
//!
//! Owns: the list of them, their pace. An operation lives in the process that was asked, and ends with it: what was done
//! stays done, and sending the request again goes on, because a job that was retried or removed is not found again. Must
//! never know: requests. Called by `routes::bulk`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::routes::Act;
use crate::job::state::State;
use crate::store::inspect::PAGE_MAX;
use crate::store::search::{Filter, Search};
use crate::store::{Store, StoreError};
use crate::wire::hash::JobView;
use crate::wire::redact::Redaction;

/// Operations that are remembered.
const KEPT: usize = 100;
/// Operations that run at a time.
pub(super) const RUNNING_MAX: usize = 8;
/// Pause after each job: about five hundred jobs a second, so that workers are not kept waiting.
const PACE: Duration = Duration::from_millis(2);
/// Jobs that could not be served and are named.
const PROBLEMS_MAX: usize = 20;
/// Tries when Redis is away, and the pause between them.
const RETRIES: (u32, Duration) = (5, Duration::from_secs(1));

/// What to do, and to which jobs.
pub(super) struct Order {
    pub(super) store: Store,
    pub(super) act: Act,
    pub(super) jobs: Chosen,
    pub(super) limit: usize,
    pub(super) dry_run: bool,
    /// What must not be seen cannot be searched for either.
    pub(super) redaction: Redaction,
    /// Who asked, and why.
    pub(super) by: String,
    pub(super) reason: String,
}

/// Which jobs.
pub(super) enum Chosen {
    Ids(Vec<String>),
    Matching { states: Vec<State>, filter: Filter },
}

/// How a bulk action does.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Operation {
    /// Its id.
    pub id: String,
    /// The queue.
    pub queue: String,
    /// retry, promote or remove.
    pub action: String,
    /// Nothing is changed, jobs are only counted.
    pub dry_run: bool,
    /// running, done, stopped or failed.
    pub status: &'static str,
    /// Always false: it lives in this process and ends with it.
    pub durable: bool,
    /// Most jobs.
    pub limit: usize,
    /// Jobs that were found so far.
    pub matched: usize,
    /// Jobs that were looked at.
    pub scanned: usize,
    /// Jobs that were served.
    pub done: usize,
    /// Jobs whose state did not allow it.
    pub skipped: usize,
    /// The first of those.
    pub problems: Vec<JobProblem>,
    /// Why it failed.
    pub problem: Option<String>,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Begun at, ms.
    pub started_at: i64,
    /// Ended at, ms.
    pub finished_at: Option<i64>,
}

/// A job that could not be served.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::admin) struct JobProblem {
    /// Its id.
    pub id: String,
    /// Why not.
    pub problem: String,
}

/// One operation, shared by the task that runs it and those who ask.
pub(super) struct Running {
    state: Mutex<Operation>,
    stop: AtomicBool,
}

impl Running {
    pub(super) fn now(&self) -> Operation {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Operation)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The operations of this process, newest first.
#[derive(Default)]
pub(super) struct Operations(Mutex<VecDeque<Arc<Running>>>);

impl Operations {
    pub(super) fn all(&self) -> Vec<Arc<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Running>> {
        self.all().into_iter().find(|running| running.now().id == id)
    }

    /// Begins one; `None` = too many run.
    pub(super) fn start(&self, order: Order) -> Option<Operation> {
        let operation = Operation {
            id: uuid::Uuid::now_v7().to_string(),
            queue: order.store.keys().queue.to_string(),
            action: order.act.word().to_owned(),
            dry_run: order.dry_run,
            status: "running",
            durable: false,
            limit: order.limit,
            matched: 0,
            scanned: 0,
            done: 0,
            skipped: 0,
            problems: Vec::new(),
            problem: None,
            by: order.by.clone(),
            reason: order.reason.clone(),
            started_at: chrono::Utc::now().timestamp_millis(),
            finished_at: None,
        };
        let running =
            Arc::new(Running { state: Mutex::new(operation.clone()), stop: AtomicBool::new(false) });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().filter(|running| running.now().status == "running").count() >= RUNNING_MAX {
            return None;
        }
        while all.len() >= KEPT {
            // The oldest that has ended; those that run stay.
            let Some(at) = all.iter().rposition(|running| running.now().status != "running") else { break };
            all.remove(at);
        }
        all.push_front(Arc::clone(&running));
        drop(all);
        tokio::spawn(run(running, order));
        Some(operation)
    }
}

async fn run(running: Arc<Running>, order: Order) {
    let outcome = carry_out(&running, &order).await;
    running.change(|operation| {
        operation.finished_at = Some(chrono::Utc::now().timestamp_millis());
        operation.status = match &outcome {
            Ok(()) if running.is_stopped() => "stopped",
            Ok(()) => "done",
            Err(_) => "failed",
        };
        // What Redis said can name keys and addresses: the log has it.
        operation.problem = outcome.as_ref().err().map(|_| "Redis did not carry it out".to_owned());
    });
    if let Err(error) = outcome {
        tracing::warn!(%error, queue = %order.store.keys().queue, "a bulk action has failed");
    }
}

async fn carry_out(running: &Running, order: &Order) -> Result<(), StoreError> {
    // All are found first: acting on some would move the places of the others.
    let ids = match &order.jobs {
        Chosen::Ids(ids) => {
            running.change(|operation| operation.matched = ids.len());
            ids.clone()
        }
        Chosen::Matching { states, filter } => find(running, order, states, filter).await?,
    };
    if order.dry_run {
        return Ok(());
    }
    for id in ids {
        if running.is_stopped() {
            return Ok(());
        }
        let is_done =
            !order.store.is_key_of_queue(&id) && patiently(|| order.act.run(&order.store, &id)).await?;
        running.change(|operation| {
            if is_done {
                operation.done += 1;
                return;
            }
            operation.skipped += 1;
            if operation.problems.len() < PROBLEMS_MAX {
                let problem = "its state does not allow it, or it is gone".to_owned();
                operation.problems.push(JobProblem { id, problem });
            }
        });
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

async fn find(
    running: &Running,
    order: &Order,
    states: &[State],
    filter: &Filter,
) -> Result<Vec<String>, StoreError> {
    let (mut ids, mut after) = (Vec::new(), None);
    while ids.len() < order.limit && !running.is_stopped() {
        let limit = (order.limit - ids.len()).min(PAGE_MAX);
        let hide = |view: &mut JobView| order.redaction.hide(view);
        let search = Search { states, ascending: None, after, limit, filter, hide: &hide };
        let found = patiently(|| order.store.search(&search)).await?;
        ids.extend(found.jobs.into_iter().map(|job| job.view.id));
        running.change(|operation| {
            operation.matched = ids.len();
            operation.scanned += found.scanned;
        });
        after = found.next;
        if after.is_none() {
            break;
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(ids)
}

/// Asks again when Redis is away for a moment.
async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(
    ask: impl Fn() -> F,
) -> Result<T, StoreError> {
    for _ in 0..RETRIES.0 {
        match ask().await {
            Err(error) if error.is_transient() => tokio::time::sleep(RETRIES.1).await,
            answer => return answer,
        }
    }
    ask().await
}
