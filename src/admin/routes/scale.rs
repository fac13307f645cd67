//! `GET /api/v1/scale?queue=`: one number for a scaler such as KEDA. An unknown queue is an error: a scaler that reads 0 of
//! a misspelt name would never start anything, and nobody would know.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::about::{About, Kind, Shape, needed, param};
use super::{Call, answer};
use crate::admin::problem::Problem;

/// Most jobs that one process may be said to run at once.
const PER_MAX: u64 = 10_000;
/// Longest wait for Redis.
const REDIS_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) const SCALE: About =
    About::new("queues", "How much work there is, as one number for a scaler such as KEDA")
        .query(&[
            needed("queue", Kind::Text, "The queue; one that does not exist is an error"),
            param(
                "per",
                Kind::Whole(1, PER_MAX),
                "Jobs that one process runs at once; what the config says unless given",
            ),
        ])
        .answers(&[(200, "The number", Some(Shape::of::<ScaleView>()))])
        .refusals(&[404, 409]);

/// How much work a queue has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ScaleView {
    /// The queue.
    pub queue: String,
    /// Jobs that wait, are due, or run.
    pub backlog: u64,
    /// How long the oldest of those that wait has waited.
    pub oldest_seconds: f64,
    /// Processes that would run all of it at once.
    pub desired: u64,
    /// Is the queue paused?
    pub paused: bool,
    /// Redis' time, ms.
    pub server_time: i64,
}

/// How much work there is: what waits, is due, or runs.
pub(super) async fn scale(call: Call) -> Result<Response, Problem> {
    let (queue, per) = (call.query.text("queue").unwrap_or_default().to_owned(), call.query.number("per"));
    if !call.caller()?.may(&queue) {
        return Err(Problem::forbidden("this token is not for that queue"));
    }
    let Some((store, concurrency)) = call.shared.queue(&queue) else {
        return Err(Problem::not_found("no such queue"));
    };
    let asked = async { Ok((store.depth().await?, store.due().await?)) };
    let (depth, (due, now_ms)) = tokio::time::timeout(REDIS_TIMEOUT, asked)
        .await
        .unwrap_or_else(|_| Err(crate::store::StoreError::Unavailable("no answer in time".into())))?;
    let (active, per) = (depth.counts.active, per.unwrap_or(concurrency).max(1));
    let backlog = depth.counts.in_line() + due + active;
    // More processes would not take a paused queue's jobs either.
    let desired = if depth.paused { active } else { backlog }.div_ceil(per);
    let oldest = depth.oldest_waiting.unwrap_or_default().as_secs_f64();
    let paused = depth.paused;
    let view = ScaleView { queue, backlog, oldest_seconds: oldest, desired, paused, server_time: now_ms };
    Ok(answer(StatusCode::OK, &view))
}
