//! A sync as the API shows it: the counters of its plan beside the state of its job.
//!
//! Owns: its status, what may be done to it. Must never know: how syncs are read.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::job::state::{self, Event, Facts, State};
use crate::store::sync::list::SyncView;
use crate::sync::Plan;

/// A job whose worker has died so often needs somebody's attention.
const CRASHES_NOTED: u64 = 2;
/// So much of the text of a failure is shown in a list, bytes.
const LIST_ERROR_BYTES: usize = 1024;

/// A sync.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct SyncItem {
    /// Its queue.
    pub queue: String,
    /// The id of its job.
    pub id: String,
    /// The name of its job: which sync it is.
    pub name: String,
    /// The organisation that it was started for.
    pub org: Option<String>,
    /// The queue's own word for where its job is.
    #[schema(example = "active")]
    pub state: String,
    /// Our word for how it does, as of jobs; and paused, while a person has paused it.
    #[schema(example = "running")]
    pub status: String,
    /// Somebody should look at it: it has failed, some of its items have, or its workers keep dying.
    pub needs_attention: bool,
    /// Who has paused it.
    pub paused: Option<Hold>,
    /// What may be done to it in this state: pause, resume, retry-items, cancel, force-done.
    pub allowed_actions: Vec<String>,
    /// How many items there are in all, once the source has said so.
    pub total: Option<u64>,
    /// Items that came to their end, well or not.
    pub processed: u64,
    /// Items that the sink took.
    pub successful: u64,
    /// Items that failed as often as an item may.
    pub failed: u64,
    /// Items that the sink passed over.
    pub skipped: u64,
    /// Items that wait to be pushed again.
    pub retrying: u64,
    /// Items that the source named more than once.
    pub duplicates: u64,
    /// Processed items of a hundred.
    pub percent: Option<f64>,
    /// Items per second of late, while it runs.
    pub rate: Option<f64>,
    /// Seconds that are left at this rate, while it runs.
    pub eta_seconds: Option<f64>,
    /// Batches so far, those of items that are pushed again among them.
    pub batch: u64,
    /// Batches that there will be, by what is known now.
    pub batches: Option<u64>,
    /// What else its progress says.
    pub metadata: Value,
    /// When its first attempt began, ms; null = it has committed nothing yet.
    pub started_at: Option<i64>,
    /// Added at, ms.
    pub timestamp: Option<i64>,
    /// Last start, ms.
    pub processed_on: Option<i64>,
    /// End, ms.
    pub finished_on: Option<i64>,
    /// When a delayed one is due, ms; null while a person has paused it.
    pub due_on: Option<i64>,
    /// Attempts that came to an end.
    pub attempts_made: i64,
    /// Tries in all that its producer allows.
    pub attempts: u64,
    /// The worker that holds it; null for one that gives no name.
    pub worker: Option<String>,
    /// How long its lease still runs, ms; null = nobody holds it.
    pub lease_ms: Option<u64>,
    /// The text of its last failure.
    pub failed_reason: Option<String>,
}

/// Who has paused a sync.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::admin) struct Hold {
    /// When, ms.
    pub at: i64,
    /// Who.
    pub by: String,
    /// From where.
    pub from: String,
    /// Why.
    pub why: String,
}

/// Where a sync goes on.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct PlanItem {
    /// What the source is asked with next; null = its first page.
    pub cursor: Value,
    /// The source has no further page.
    pub exhausted: bool,
    /// Pages that were read to their end.
    pub pages: u64,
    /// Commits so far.
    pub commits: u64,
    /// Batches that were pushed for the first time.
    pub batches: u64,
    /// Batches of items that were pushed again.
    pub retry_batches: u64,
    /// Items of the batch that is being pushed again.
    pub pending: Vec<String>,
    /// Items in one batch, once the sink has refused larger ones.
    pub batch_size: Option<u64>,
}

impl From<Plan> for PlanItem {
    fn from(plan: Plan) -> Self {
        Self {
            cursor: plan.cursor,
            exhausted: plan.exhausted,
            pages: plan.pages,
            commits: plan.commits,
            batches: plan.batches,
            retry_batches: plan.retry_batches,
            pending: plan.pending,
            batch_size: plan.batch_size.map(|size| size as u64),
        }
    }
}

/// What the record of a sync says.
pub(super) struct Recorded {
    pub plan: Option<Plan>,
    hold: Option<Hold>,
    org: Option<String>,
    crashes: u64,
}

impl Recorded {
    pub(super) fn of(sync: &SyncView) -> Self {
        let hold = sync.recorded("hold").and_then(|text| serde_json::from_str::<Value>(text).ok());
        let hold = hold.map(|hold| {
            let text = |name: &str| hold.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let at = hold.get("at").and_then(Value::as_i64).unwrap_or(0);
            Hold { at, by: text("by"), from: text("from"), why: text("why") }
        });
        let ended = sync.state.is_some_and(State::is_finished);
        Self {
            plan: sync.recorded("plan").and_then(|text| Plan::parse(text).ok()),
            hold: hold.filter(|_| !ended),
            org: sync.recorded("org").map(str::to_owned),
            crashes: sync.recorded("crashes").and_then(|text| text.parse().ok()).unwrap_or(0),
        }
    }
}

impl SyncItem {
    /// As it is shown; `read_only` = nothing may be done at all.
    pub(super) fn of(queue: &str, sync: SyncView, read_only: bool) -> Self {
        let recorded = Recorded::of(&sync);
        let failed_items = |value: &Value| value.get("failed").and_then(Value::as_u64).unwrap_or(0);
        let counts = recorded.plan.as_ref().map(|plan| plan.counts).unwrap_or_default();
        let failed = if recorded.plan.is_some() { counts.failed } else { failed_items(&sync.view.progress) };
        let status = status(&sync, &recorded, failed);
        let allowed = if read_only { Vec::new() } else { allowed(&sync, &recorded) };
        let SyncView { view, state, mark, .. } = sync;
        let told = |name: &str| view.progress.get(name).and_then(Value::as_f64);
        let (runs, plan) = (status == "running", recorded.plan);
        let total = plan.as_ref().and_then(|plan| plan.total);
        let holder = mark.holder.as_ref();
        let failed_reason = view.failed_reason.map(|mut text| {
            text.truncate(text.floor_char_boundary(LIST_ERROR_BYTES));
            text
        });
        Self {
            queue: queue.to_owned(),
            org: recorded.org,
            state: state.map_or("stuck", State::as_str).to_owned(),
            needs_attention: matches!(status.as_str(), "failed" | "partial" | "stalled" | "stuck")
                || recorded.crashes >= CRASHES_NOTED,
            status,
            allowed_actions: allowed,
            due_on: mark.due_ms.filter(|_| recorded.hold.is_none()),
            paused: recorded.hold,
            total,
            processed: counts.processed,
            successful: counts.successful,
            failed,
            skipped: counts.skipped,
            retrying: counts.retrying,
            duplicates: counts.duplicates,
            percent: total.filter(|total| *total > 0).map(|total| percent(counts.processed, total)),
            rate: told("rate").filter(|_| runs),
            eta_seconds: told("eta_s").filter(|_| runs),
            batch: plan.as_ref().map_or(0, |plan| plan.batches + plan.retry_batches),
            batches: view.progress.get("batches").and_then(Value::as_u64),
            metadata: view.progress.get("metadata").cloned().unwrap_or_default(),
            started_at: plan.map(|plan| plan.started_at),
            timestamp: view.timestamp,
            processed_on: view.processed_on,
            finished_on: view.finished_on,
            attempts_made: view.attempts_made,
            attempts: view.opts.get("attempts").and_then(Value::as_u64).unwrap_or(1).max(1),
            worker: holder.and_then(|holder| holder.worker()).map(str::to_owned),
            lease_ms: holder.map(|holder| holder.left.map_or(u64::MAX >> 11, |left| left.as_millis() as u64)),
            failed_reason,
            id: view.id,
            name: view.name,
        }
    }
}

/// One decimal; a source that said too small a total is not above a hundred.
fn percent(processed: u64, total: u64) -> f64 {
    ((processed as f64 / total as f64 * 1000.0).floor() / 10.0).min(100.0)
}

fn status(sync: &SyncView, recorded: &Recorded, failed_items: u64) -> String {
    let Some(state) = sync.state else { return "stuck".to_owned() };
    if recorded.hold.is_some() {
        return "paused".to_owned();
    }
    let status = state::status(&Facts {
        state,
        attempts_made: u32::try_from(sync.view.attempts_made.max(0)).unwrap_or(u32::MAX),
        leased: sync.mark.holder.is_some(),
        cancelled: sync.mark.reason.as_deref() == Some("cancelled"),
        failed_items,
    });
    serde_json::to_value(status).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn allowed(sync: &SyncView, recorded: &Recorded) -> Vec<String> {
    let Some(state) = sync.state else { return Vec::new() };
    let (ended, held) = (state.is_finished(), sync.mark.holder.is_some());
    let may = |event: Event| state.events().any(|allowed| allowed == event);
    let has_failed = recorded.plan.as_ref().is_some_and(|plan| plan.counts.failed > 0);
    let goes_on = if ended { state == State::Failed && !held } else { recorded.hold.is_some() };
    [
        ("pause", !ended && recorded.hold.is_none()),
        ("resume", goes_on),
        ("retry-items", ended && !held && has_failed),
        ("cancel", may(Event::Cancel)),
        ("force-done", may(Event::ForceDone)),
    ]
    .into_iter()
    .filter(|(_, is_allowed)| *is_allowed)
    .map(|(word, _)| word.to_owned())
    .collect()
}
