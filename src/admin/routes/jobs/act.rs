//! Acts on one job: `POST …/retry`, `POST …/promote`, `DELETE …`.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::about::{About, Kind, Shape, param};
use super::super::ask::Reason;
use super::super::{Ask, answer};
use super::one::{answer_now, page};
use super::view::JobPage;
use crate::admin::problem::Problem;
use crate::job::state::State;
use crate::store::control::{Removed, Retried};
use crate::store::{Store, StoreError};
use crate::wire::Dialect;

pub(in crate::admin::routes) const RETRY: About =
    About::new("jobs", "Puts a failed job (BullMQ: also a completed one) back in line")
        .optional_body(Shape::of::<Reason>())
        .answers(&[(200, "The job as it is then", Some(Shape::of::<JobPage>()))])
        .refusals(&[404, 409]);

pub(in crate::admin::routes) const PROMOTE: About = About::new("jobs", "Runs a delayed job now")
    .optional_body(Shape::of::<Reason>())
    .answers(&[(200, "The job as it is then", Some(Shape::of::<JobPage>()))])
    .refusals(&[404, 409]);

pub(in crate::admin::routes) const REMOVE: About = About::new("jobs", "Removes a job that does not run")
    .query(&[param("children", Kind::Flag(true), "BullMQ: also all jobs below it")])
    .optional_body(Shape::of::<Reason>())
    .answers(&[(200, "It is gone", Some(Shape::of::<RemovedJob>()))])
    .refusals(&[404, 409]);

/// A job that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct RemovedJob {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Always true.
    pub removed: bool,
}

/// Acts of one kind on one job; a bulk action runs them one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Act {
    Retry,
    Promote,
    Remove {
        /// With all jobs below it.
        children: bool,
    },
}

impl Act {
    /// Its word.
    pub(in crate::admin) fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Promote => "promote",
            Self::Remove { .. } => "remove",
        }
    }

    /// Does it; false = the job's state does not allow it, or it is gone.
    pub(in crate::admin) async fn run(self, store: &Store, id: &str) -> Result<bool, StoreError> {
        let token = uuid::Uuid::new_v4().to_string();
        Ok(match self {
            Self::Retry => match store.retry(&token, id, false).await? {
                Retried::NotFailed if store.dialect() == Dialect::BullMq => {
                    store.reprocess(&token, id, true, false).await? == Retried::Done
                }
                retried => retried == Retried::Done,
            },
            Self::Promote => store.promote_job(&token, id).await?,
            Self::Remove { children } => store.remove(&[id], children).await?.first() == Some(&Removed::Done),
        })
    }

    fn needs(self) -> &'static str {
        match self {
            Self::Retry => "retry needs failed",
            Self::Promote => "promote needs delayed",
            Self::Remove { .. } => "remove needs a job that does not run",
        }
    }
}

/// Retries.
pub(in crate::admin::routes) async fn retry(call: Ask) -> Result<Response, Problem> {
    act_and_show(call, Act::Retry).await
}

/// Promotes.
pub(in crate::admin::routes) async fn promote(call: Ask) -> Result<Response, Problem> {
    act_and_show(call, Act::Promote).await
}

/// Removes.
pub(in crate::admin::routes) async fn remove(call: Ask) -> Result<Response, Problem> {
    let act = Act::Remove { children: call.query.flag("children").unwrap_or(true) };
    run(&call, act).await?;
    Ok(answer(StatusCode::OK, &RemovedJob { queue: call.queue, id: call.id, removed: true }))
}

async fn act_and_show(call: Ask, act: Act) -> Result<Response, Problem> {
    let store = run(&call, act).await?;
    answer_now(&call, &store, StatusCode::OK).await
}

async fn run(call: &Ask, act: Act) -> Result<Store, Problem> {
    let reason = call.reason().await?;
    let store = call.store_of_job().await?.by(call.actor(reason)?);
    if act.run(&store, &call.id).await? {
        return Ok(store);
    }
    Err(refused(call, &store, act.needs()).await?)
}

/// Why an act could not be done, from what the job looks like now.
pub(super) async fn refused(call: &Ask, store: &Store, needs: &str) -> Result<Problem, Problem> {
    let Some(detail) = store.job_detail(&call.id).await? else { return Ok(call.no_job()) };
    let shown = page(call, store, &detail).job;
    let held = match (&shown.worker, shown.lease_ms) {
        (worker, Some(left)) => {
            let worker = worker.as_deref().unwrap_or("a Node worker");
            format!(" (lease held by {worker}, {} s left)", left.div_ceil(1000))
        }
        _ => String::new(),
    };
    let planned = detail.state == Some(State::Delayed) && shown.scheduler_id.is_some();
    let planned = if planned { "; a scheduler has planned it, and it goes with that" } else { "" };
    let id: String = call.id.escape_debug().take(64).collect();
    let detail = format!("{needs}; job {id} is {}{held}{planned}", shown.state);
    Ok(Problem::conflict(detail)
        .with("queue", call.queue.as_str())
        .with("jobId", call.id.as_str())
        .with("state", shown.state)
        .with("allowedActions", shown.allowed_actions))
}
