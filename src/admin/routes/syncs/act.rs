//! Acts on one sync: pause, resume, the failed items once more, cancel, force-done.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::about::{About, Shape};
use super::super::ask::Reason;
use super::super::jobs::stop;
use super::super::{Ask, answer};
use super::find;
use super::view::SyncItem;
use crate::admin::problem::Problem;
use crate::store::Store;
use crate::store::sync::list::SyncView;
use crate::store::sync::operate::{Paused, Resumed, RetriedItems};

/// Items that one request can name.
const ITEMS_MAX: usize = 10_000;

pub(in crate::admin::routes) const PAUSE: About =
    About::new("syncs", "Pauses a sync: it stops after the batch under way; no attempt is spent")
        .optional_body(Shape::of::<Reason>())
        .answers(&[(200, "It is paused, or stops after its batch", Some(Shape::of::<SyncAct>()))])
        .refusals(&[404, 409]);

pub(in crate::admin::routes) const RESUME: About =
    About::new("syncs", "Lets a sync go on from its last commit that is paused, has failed or was cancelled")
        .optional_body(Shape::of::<Reason>())
        .answers(&[(200, "It goes on", Some(Shape::of::<SyncAct>()))])
        .refusals(&[404, 409]);

pub(in crate::admin::routes) const RETRY_ITEMS: About =
    About::new("syncs", "Pushes failed items of a sync that has ended again, and nothing else")
        .optional_body(Shape::of::<RetryItems>())
        .answers(&[(200, "They are pushed again", Some(Shape::of::<SyncAct>()))])
        .refusals(&[404, 409]);

pub(in crate::admin::routes) const CANCEL: About = About { tag: "syncs", ..stop::CANCEL };
pub(in crate::admin::routes) const FORCE_DONE: About = About { tag: "syncs", ..stop::FORCE_DONE };

/// Which items to push again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct RetryItems {
    /// Their ids, at most 10,000; all that failed unless given.
    #[schema(max_items = 10_000)]
    pub items: Option<Vec<String>>,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// What became of an act.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct SyncAct {
    /// The queue.
    pub queue: String,
    /// The sync's id.
    pub id: String,
    /// What was done.
    pub outcome: SyncOutcome,
    /// The state that its job was in.
    #[schema(example = "active")]
    pub was: String,
    /// How many items are pushed again.
    pub items: Option<u64>,
    /// The same in words.
    pub message: &'static str,
}

/// What was done to a sync.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::admin) enum SyncOutcome {
    /// It waits.
    Paused,
    /// It runs, and stops after the batch under way.
    Pausing,
    /// It was paused before: nothing was written.
    PausedBefore,
    /// It goes on.
    Resumed,
    /// Nothing was in its way: nothing was written.
    NotPaused,
    /// Items are pushed again.
    Retrying,
}

/// Pauses.
pub(in crate::admin::routes) async fn pause(call: Ask) -> Result<Response, Problem> {
    let actor = call.actor(call.reason().await?)?;
    let (store, _) = find(&call).await?;
    let (outcome, was, message) = match store.pause_sync(&actor, &call.id).await? {
        Paused::Done(was) if was == "active" => {
            (SyncOutcome::Pausing, was, "it stops after the batch under way")
        }
        Paused::Done(was) => (SyncOutcome::Paused, was, "it is paused"),
        Paused::Already(was) => (SyncOutcome::PausedBefore, was, "it was paused before"),
        Paused::Ended(_) => {
            return Err(refused(&call, &store, "pause needs a sync that has not ended").await?);
        }
        Paused::NotFound => return Err(call.no_job()),
    };
    Ok(acted(call, outcome, was, None, message))
}

/// Resumes.
pub(in crate::admin::routes) async fn resume(call: Ask) -> Result<Response, Problem> {
    let actor = call.actor(call.reason().await?)?;
    let (store, _) = find(&call).await?;
    let why = match store.resume_sync(&actor, &call.id).await? {
        Resumed::Done(was) => return Ok(acted(call, SyncOutcome::Resumed, was, None, "it goes on")),
        Resumed::NotPaused(was) => {
            return Ok(acted(call, SyncOutcome::NotPaused, was, None, "nothing was in its way"));
        }
        Resumed::NotFound => return Err(call.no_job()),
        Resumed::Completed => {
            "resume needs a sync that has not completed: retry-items pushes its failed items"
        }
        Resumed::Running => "resume needs a sync that nobody runs",
        Resumed::NoBody => "resume needs a job that has data",
    };
    Err(refused(&call, &store, why).await?)
}

/// Pushes failed items again.
pub(in crate::admin::routes) async fn retry_items(call: Ask) -> Result<Response, Problem> {
    let body: RetryItems = call.maybe_body().await?.unwrap_or_default();
    let actor = call.actor(body.reason)?;
    let items = body.items.unwrap_or_default();
    if items.len() > ITEMS_MAX {
        let detail = format!("items: expected at most {ITEMS_MAX}; without any, all that failed are meant");
        return Err(Problem::validation(detail).with("pointer", "/items"));
    }
    let (store, _) = find(&call).await?;
    let why = match store.retry_items(&actor, &call.id, &items).await? {
        RetriedItems::Done(was, count) => {
            let message = "they are pushed again";
            return Ok(acted(call, SyncOutcome::Retrying, was, Some(count), message));
        }
        RetriedItems::NotFound => return Err(call.no_job()),
        RetriedItems::NotEnded(..) => "retry-items needs a sync that has ended",
        RetriedItems::NothingFailed if items.is_empty() => "retry-items needs items that have failed",
        RetriedItems::NothingFailed => "none of these items has failed",
        RetriedItems::NoBody => "retry-items needs a job that has data",
        RetriedItems::NoSync => "retry-items needs a sync that has pushed something",
    };
    Err(refused(&call, &store, why).await?)
}

/// Cancels.
pub(in crate::admin::routes) async fn cancel(call: Ask) -> Result<Response, Problem> {
    find(&call).await?;
    stop::cancel(call).await
}

/// Completes by force.
pub(in crate::admin::routes) async fn force_done(call: Ask) -> Result<Response, Problem> {
    find(&call).await?;
    stop::force_done(call).await
}

fn acted(
    call: Ask,
    outcome: SyncOutcome,
    was: String,
    items: Option<u64>,
    message: &'static str,
) -> Response {
    answer(StatusCode::OK, &SyncAct { queue: call.queue, id: call.id, outcome, was, items, message })
}

/// Why an act could not be done, from what the sync looks like now.
async fn refused(call: &Ask, store: &Store, needs: &str) -> Result<Problem, Problem> {
    let Some(detail) = store.job_detail(&call.id).await? else { return Ok(call.no_job()) };
    let sync = SyncItem::of(&call.queue, SyncView::from(detail), call.shared.read_only);
    let id: String = call.id.escape_debug().take(64).collect();
    Ok(Problem::conflict(format!("{needs}; sync {id} is {}", sync.status))
        .with("queue", call.queue.as_str())
        .with("jobId", call.id.as_str())
        .with("state", sync.state)
        .with("allowedActions", sync.allowed_actions))
}
