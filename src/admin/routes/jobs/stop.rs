//! Acts that end a job before its time: `POST …/cancel`, `…/kill`, `…/force-done`.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::about::{About, Shape};
use super::super::ask::Reason;
use super::super::{Ask, answer};
use super::act::refused;
use crate::admin::problem::Problem;
use crate::job::state::State;
use crate::store::cancel::Cancelled;
use crate::store::force_done::Forced;

pub(in crate::admin::routes) const CANCEL: About =
    About::new("jobs", "Cancels a job for good; a run that holds it is told, and has its grace")
        .optional_body(Shape::of::<Reason>())
        .answers(&[
            (200, "It has ended, as failed and cancelled", Some(Shape::of::<StoppedJob>())),
            (202, "It runs, and its run is told to stop", Some(Shape::of::<StoppedJob>())),
        ])
        .refusals(&[404, 409]);

pub(in crate::admin::routes) const KILL: About = About::new("jobs", "The same without the grace")
    .optional_body(Shape::of::<Reason>())
    .answers(CANCEL.answers)
    .refusals(&[404, 409]);

pub(in crate::admin::routes) const FORCE_DONE: About =
    About::new("jobs", "Completes a job without its work; a run that holds it loses its lease")
        .body(Shape::of::<Reason>())
        .answers(&[(200, "It is completed", Some(Shape::of::<StoppedJob>()))])
        .refusals(&[404, 409]);

/// What became of a job. The job itself may be gone: its options can say that it is not kept.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct StoppedJob {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// What was done.
    pub outcome: StopOutcome,
    /// Where it is now.
    #[schema(example = "active")]
    pub state: &'static str,
    /// Where it was; of force-done only.
    #[schema(example = "failed")]
    pub was: Option<String>,
    /// Who has done this: the name of the token.
    pub by: String,
    /// The same in words.
    pub message: &'static str,
}

/// What was done to end a job.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::admin) enum StopOutcome {
    /// It is failed now, as cancelled.
    Cancelled,
    /// It was cancelled before: nothing was written.
    CancelledBefore,
    /// Its run is told.
    Told,
    /// Its run was told before, and is told again.
    ToldBefore,
    /// A worker of another kind runs it, which does not listen.
    Marked,
    /// It is completed now.
    Forced,
    /// It was forced before: nothing was written.
    ForcedBefore,
}

/// Cancels.
pub(in crate::admin::routes) async fn cancel(call: Ask) -> Result<Response, Problem> {
    stop(call, false).await
}

/// Kills.
pub(in crate::admin::routes) async fn kill(call: Ask) -> Result<Response, Problem> {
    stop(call, true).await
}

async fn stop(call: Ask, kill: bool) -> Result<Response, Problem> {
    let actor = call.actor(call.reason().await?)?;
    let store = call.store_of_job().await?;
    call.shared.metrics.cancel_asked(if kill { "kill" } else { "cancel" });
    let ids = [call.id.as_str()];
    let sent = if kill { store.kill(&actor, &ids).await? } else { store.cancel(&actor, &ids).await? };
    let told = if kill { "its run is told to stop at once" } else { "its run is told to stop" };
    let (outcome, message) = match sent.first().copied().unwrap_or(Cancelled::NotFound) {
        Cancelled::Done => (StopOutcome::Cancelled, "the job is cancelled"),
        Cancelled::Before => (StopOutcome::CancelledBefore, "the job was cancelled before"),
        Cancelled::Told => (StopOutcome::Told, told),
        Cancelled::ToldBefore => (StopOutcome::ToldBefore, "its run was told before, and is told again"),
        Cancelled::Marked => (
            StopOutcome::Marked,
            "the job is marked: a Node worker runs it, which does not listen. It will not be tried again",
        ),
        Cancelled::NotFound => return Err(call.no_job()),
        Cancelled::Completed | Cancelled::Failed | Cancelled::Stuck => {
            let word = if kill { "kill" } else { "cancel" };
            return Err(refused(&call, &store, &format!("{word} needs a job that has not ended")).await?);
        }
        Cancelled::Planned => {
            let why = "the next run of something that repeats is not cancelled, because the chain would end with it";
            return Err(refused(&call, &store, why).await?);
        }
    };
    Ok(stopped(call, actor.by, (outcome, None), message))
}

/// Completes by force.
pub(in crate::admin::routes) async fn force_done(call: Ask) -> Result<Response, Problem> {
    let reason = call.body::<Reason>().await?.reason.filter(|why| !why.trim().is_empty());
    if reason.is_none() {
        let why = "reason: expected some text, because it becomes a part of the job's result";
        return Err(Problem::validation(why).with("pointer", "/reason"));
    }
    let actor = call.actor(reason)?;
    let store = call.store_of_job().await?;
    let (outcome, was, message) = match store.force_done(&actor, &call.id).await? {
        Forced::Done(was) => (StopOutcome::Forced, Some(was), "the job is completed by force"),
        Forced::Already => (StopOutcome::ForcedBefore, None, "the job was forced to be done before"),
        Forced::NotFound => return Err(call.no_job()),
        Forced::Completed | Forced::NoZombie | Forced::Held => {
            return Err(refused(&call, &store, "force-done needs a job that has not completed").await?);
        }
    };
    Ok(stopped(call, actor.by, (outcome, was), message))
}

fn stopped(
    call: Ask,
    by: String,
    (outcome, was): (StopOutcome, Option<String>),
    message: &'static str,
) -> Response {
    let (status, state) = match outcome {
        StopOutcome::Cancelled | StopOutcome::CancelledBefore => (StatusCode::OK, State::Failed),
        StopOutcome::Told | StopOutcome::ToldBefore | StopOutcome::Marked => {
            (StatusCode::ACCEPTED, State::Active)
        }
        StopOutcome::Forced | StopOutcome::ForcedBefore => (StatusCode::OK, State::Completed),
    };
    let stopped =
        StoppedJob { queue: call.queue, id: call.id, outcome, state: state.as_str(), was, by, message };
    answer(status, &stopped)
}
