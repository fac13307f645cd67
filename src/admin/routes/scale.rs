//! `GET /api/v1/scale?queue=`: one number for a scaler such as KEDA. An unknown queue is an error: a scaler that reads 0 of
//! a misspelt name would never start anything, and nobody would know.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::{Call, json_answer};
use crate::admin::problem::Problem;

/// Most jobs that one process may be said to run at once.
const PER_MAX: u64 = 10_000;
/// Longest wait for Redis.
const REDIS_TIMEOUT: Duration = Duration::from_secs(5);

/// How much work there is: what waits, is due, or runs.
pub(super) async fn scale(call: Call) -> Result<Response, Problem> {
    let (mut queue, mut per) = (None, None);
    for (name, value) in
        url::form_urlencoded::parse(call.request.uri().query().unwrap_or_default().as_bytes())
    {
        match &*name {
            "queue" if queue.is_none() => queue = Some(value.into_owned()),
            "per" if per.is_none() => {
                let read = value.parse().ok().filter(|per| (1..=PER_MAX).contains(per));
                per = Some(read.ok_or_else(|| {
                    Problem::validation(format!("per: expected 1 to {PER_MAX}")).with("parameter", "per")
                })?);
            }
            _ => {
                let name: String = name.escape_debug().take(60).collect();
                let detail = format!("unknown or repeated parameter \"{name}\"; expected queue or per");
                return Err(Problem::validation(detail).with("parameter", name));
            }
        }
    }
    let Some(queue) = queue.filter(|queue| !queue.is_empty()) else {
        return Err(Problem::validation("queue: expected the name of a queue").with("parameter", "queue"));
    };
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
    Ok(json_answer(
        StatusCode::OK,
        &json!({
            "queue": queue, "backlog": backlog, "oldestSeconds": oldest, "desired": desired,
            "paused": depth.paused, "serverTime": now_ms,
        }),
    ))
}
