//! `POST /queues/{queue}/bulk` and `/operations`: one act on many jobs, in the background, with progress.

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::about::{About, Shape};
use super::ask::Reason;
use super::jobs::act::Act;
use super::jobs::list::{filter, state_of};
use super::{Ask, answer};
use crate::admin::auth::Role;
use crate::admin::operations::{Chosen, Operation, Order, RUNNING_MAX, Running};
use crate::admin::problem::Problem;
use crate::job::state::State;
use crate::store::search::CONDITIONS_MAX;

/// Ids of one request.
const IDS_MAX: usize = 1000;
/// Jobs of one operation, and unless told otherwise.
const JOBS: (usize, usize) = (100_000, 1000);

pub(super) const START: About = About::new(
    "bulk",
    "Retries, promotes or removes many jobs in the background; removing needs the role admin",
)
.body(Shape::of::<Bulk>())
.answers(&[(202, "It has begun", Some(Shape::of::<Operation>()))])
.refusals(&[404, 409]);

pub(super) const LIST: About = About::new("bulk", "Bulk actions of this process, newest first").answers(&[(
    200,
    "At most 100",
    Some(Shape::of::<OperationList>()),
)]);

pub(super) const SHOW: About = About::new("bulk", "How far a bulk action is")
    .answers(&[(200, "The operation", Some(Shape::of::<Operation>()))])
    .refusals(&[404]);

pub(super) const STOP: About = About::new("bulk", "Stops a bulk action; what was done stays done")
    .optional_body(Shape::of::<Reason>())
    .answers(&[(200, "The operation", Some(Shape::of::<Operation>()))])
    .refusals(&[404]);

/// What to do, and to which jobs: either ids, or a state with what to search for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::admin) struct Bulk {
    /// What to do.
    pub action: BulkAction,
    /// These jobs; at most 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    pub ids: Option<Vec<String>>,
    /// Jobs of this state; unless given failed for retry, delayed for promote.
    pub state: Option<String>,
    /// Conditions as in a search; at most 5.
    #[serde(rename = "where")]
    #[schema(max_items = 5)]
    pub conditions: Option<Vec<String>>,
    /// Of this name; * stands for any text.
    pub name: Option<String>,
    /// With this in the text of the failure.
    pub error: Option<String>,
    /// Most jobs, 1 to 100,000; 1,000 unless given.
    #[schema(minimum = 1, maximum = 100_000)]
    pub limit: Option<usize>,
    /// Only count them.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// What can be done to many jobs.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::admin) enum BulkAction {
    /// Back in line.
    Retry,
    /// Now instead of later.
    Promote,
    /// Gone.
    Remove,
}

/// Some operations.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct OperationList {
    /// Newest first.
    pub items: Vec<Operation>,
}

pub(super) async fn start(call: Ask) -> Result<Response, Problem> {
    let body: Bulk = call.body().await?;
    let (act, usual) = match body.action {
        BulkAction::Retry => (Act::Retry, Some(State::Failed)),
        BulkAction::Promote => (Act::Promote, Some(State::Delayed)),
        BulkAction::Remove => (Act::Remove { children: true }, None),
    };
    if let Act::Remove { .. } = act {
        call.require(Role::Admin)?;
    }
    let limit = body.limit.unwrap_or(JOBS.1);
    if !(1..=JOBS.0).contains(&limit) {
        return Err(Problem::validation(format!("limit: expected a whole number from 1 to {}", JOBS.0)));
    }
    let store = call.store().await?;
    let conditions = body.conditions.unwrap_or_default();
    let searches =
        !conditions.is_empty() || body.name.is_some() || body.error.is_some() || body.state.is_some();
    let jobs = match body.ids {
        Some(_) if searches => {
            return Err(Problem::validation("expected ids, or state, where, name and error, not both"));
        }
        Some(ids) if ids.is_empty() || ids.len() > IDS_MAX => {
            return Err(Problem::validation(format!("ids: expected 1 to {IDS_MAX} of them")));
        }
        Some(mut ids) => {
            ids.truncate(limit);
            Chosen::Ids(ids)
        }
        None => {
            if conditions.len() > CONDITIONS_MAX {
                return Err(Problem::validation(format!(
                    "where: expected at most {CONDITIONS_MAX} conditions"
                )));
            }
            let state = match (&body.state, usual) {
                (Some(word), _) => state_of(&store, word, "state")?,
                (None, Some(state)) => state,
                (None, None) => return Err(Problem::validation("state: removing needs one, or ids")),
            };
            let conditions = conditions.iter().map(String::as_str);
            let filter = filter(body.name.as_deref(), body.error.as_deref(), conditions)?;
            Chosen::Matching { states: vec![state], filter }
        }
    };
    let actor = call.actor(body.reason)?;
    let (by, reason) = (actor.by.clone(), actor.why.clone());
    let order = Order { store: store.by(actor), act, jobs, limit, dry_run: body.dry_run, by, reason };
    let Some(operation) = call.shared.operations.start(order) else {
        return Err(Problem::conflict(format!(
            "{RUNNING_MAX} bulk actions run already: wait for one, or stop one"
        )));
    };
    let mut response = answer(StatusCode::ACCEPTED, &operation);
    let base = call.shared.base_path.trim_end_matches('/');
    if let Ok(place) = HeaderValue::from_str(&format!("{base}/api/v1/operations/{}", operation.id)) {
        response.headers_mut().insert("location", place);
    }
    Ok(response)
}

pub(super) async fn list(call: Ask) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let all = call.shared.operations.all();
    let items = all.iter().map(|running| running.now()).filter(|one| caller.may(&one.queue)).collect();
    Ok(answer(StatusCode::OK, &OperationList { items }))
}

pub(super) async fn show(call: Ask) -> Result<Response, Problem> {
    Ok(answer(StatusCode::OK, &find(&call)?.now()))
}

pub(super) async fn stop(call: Ask) -> Result<Response, Problem> {
    call.reason().await?;
    let running = find(&call)?;
    running.stop();
    Ok(answer(StatusCode::OK, &running.now()))
}

/// An operation on a queue that the caller may see.
fn find(call: &Ask) -> Result<std::sync::Arc<Running>, Problem> {
    let caller = call.caller()?;
    let found = call.shared.operations.get(&call.id).filter(|running| caller.may(&running.now().queue));
    found.ok_or_else(|| {
        Problem::not_found(
            "there is no such operation: it lives in the process that runs it, and ends with it",
        )
    })
}
