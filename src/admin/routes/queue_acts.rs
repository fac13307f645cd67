//! Acts on a whole queue: pause, resume, drain, clean, obliterate.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::about::{About, Shape};
use super::ask::Reason;
use super::jobs::list::state_of;
use super::{Ask, answer};
use crate::admin::problem::Problem;
use crate::job::state::State;
use crate::store::control::{CleanState, Obliterated};

/// Jobs that one clean deletes.
const CLEAN_MAX: usize = 10_000;

pub(super) const PAUSE: About =
    About::new("queues", "Pauses a queue for all its workers, Node's too; jobs that run are finished")
        .optional_body(Shape::of::<Reason>())
        .answers(&[(200, "It is paused", Some(Shape::of::<PauseState>()))])
        .refusals(&[404, 409]);

pub(super) const RESUME: About = About::new("queues", "Resumes a paused queue")
    .optional_body(Shape::of::<Reason>())
    .answers(&[(200, "It is not paused", Some(Shape::of::<PauseState>()))])
    .refusals(&[404, 409]);

pub(super) const DRAIN: About =
    About::new("queues", "Deletes all jobs that wait, and those that are delayed unless told otherwise")
        .optional_body(Shape::of::<Drain>())
        .answers(&[(200, "How many are gone", Some(Shape::of::<RemovedCount>()))])
        .refusals(&[404, 409]);

pub(super) const CLEAN: About = About::new("queues", "Deletes jobs of one state, oldest first")
    .body(Shape::of::<Clean>())
    .answers(&[(200, "How many are gone", Some(Shape::of::<RemovedCount>()))])
    .refusals(&[404, 409]);

pub(super) const OBLITERATE: About = About::new("queues", "Deletes a queue with everything in it")
    .body(Shape::of::<Obliterate>())
    .answers(&[(200, "It is gone", Some(Shape::of::<ObliteratedQueue>()))])
    .refusals(&[404, 409]);

/// A queue that was paused or resumed.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct PauseState {
    /// The queue.
    pub queue: String,
    /// Is it paused now?
    pub paused: bool,
    /// Was it otherwise before?
    pub changed: bool,
}

/// What to drain.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Drain {
    /// Delayed jobs as well; true unless given. A Bull 4 queue has no other way.
    pub delayed: Option<bool>,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// What to clean.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::admin) struct Clean {
    /// The jobs' state.
    #[schema(example = "completed")]
    pub state: String,
    /// Only jobs that are older; 0 unless given.
    pub older_than_ms: Option<u64>,
    /// Most jobs, 1 to 10,000; 1,000 unless given.
    #[schema(minimum = 1, maximum = 10_000)]
    pub limit: Option<usize>,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// Which queue to delete, once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Obliterate {
    /// The queue's name.
    pub confirm: String,
    /// Even if jobs run.
    #[serde(default)]
    pub force: bool,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// How many jobs are gone.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct RemovedCount {
    /// The queue.
    pub queue: String,
    /// How many.
    pub removed: usize,
}

/// A queue that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct ObliteratedQueue {
    /// Its name.
    pub queue: String,
    /// Always true.
    pub obliterated: bool,
}

pub(super) async fn pause(call: Ask) -> Result<Response, Problem> {
    set_paused(call, true).await
}

pub(super) async fn resume(call: Ask) -> Result<Response, Problem> {
    set_paused(call, false).await
}

async fn set_paused(call: Ask, paused: bool) -> Result<Response, Problem> {
    let reason = call.reason().await?;
    let store = call.store().await?.by(call.actor(reason)?);
    let changed = store.pause(paused).await?;
    Ok(answer(StatusCode::OK, &PauseState { queue: call.queue, paused, changed }))
}

pub(super) async fn drain(call: Ask) -> Result<Response, Problem> {
    let body: Drain = call.maybe_body().await?.unwrap_or_default();
    let store = call.store().await?.by(call.actor(body.reason)?);
    let removed = if body.delayed.unwrap_or(true) { store.empty().await? } else { store.drain().await? };
    Ok(answer(StatusCode::OK, &RemovedCount { queue: call.queue, removed }))
}

pub(super) async fn clean(call: Ask) -> Result<Response, Problem> {
    let body: Clean = call.body().await?;
    let limit = body.limit.unwrap_or(1000);
    if !(1..=CLEAN_MAX).contains(&limit) {
        return Err(Problem::validation(format!("limit: expected a whole number from 1 to {CLEAN_MAX}")));
    }
    let store = call.store().await?.by(call.actor(body.reason)?);
    let state = match state_of(&store, &body.state, "state")? {
        State::Completed => CleanState::Completed,
        State::Failed => CleanState::Failed,
        State::Delayed => CleanState::Delayed,
        State::Waiting => CleanState::Wait,
        State::Active => CleanState::Active,
        State::Paused => CleanState::Paused,
        State::Prioritized => CleanState::Prioritized,
        State::WaitingChildren => CleanState::WaitingChildren,
    };
    let removed = store.clean(state, body.older_than_ms.unwrap_or(0), limit).await?.len();
    Ok(answer(StatusCode::OK, &RemovedCount { queue: call.queue, removed }))
}

pub(super) async fn obliterate(call: Ask) -> Result<Response, Problem> {
    let body: Obliterate = call.body().await?;
    if body.confirm != call.queue {
        return Err(Problem::validation("confirm: expected the name of the queue, exactly as in the path"));
    }
    let store = call.store().await?.by(call.actor(body.reason)?);
    // It pauses the queue first; a queue that stays must not stay paused for that.
    let (counts, was_paused) = store.counts().await?;
    if counts.active > 0 && !body.force {
        return Err(running(&call));
    }
    match store.obliterate(body.force).await? {
        Obliterated::Done => {
            call.board()?.forget(&call.queue);
            Ok(answer(StatusCode::OK, &ObliteratedQueue { queue: call.queue, obliterated: true }))
        }
        Obliterated::JobsRunning => {
            if !was_paused {
                store.pause(false).await?;
            }
            Err(running(&call))
        }
    }
}

fn running(call: &Ask) -> Problem {
    Problem::conflict("jobs of this queue run: wait for them, or set force")
        .with("queue", call.queue.as_str())
}
