//! `GET /queues/{queue}/jobs/{id}/wait`: answers when the job has ended, or at the time-out.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::Response;

use super::super::Ask;
use super::super::about::{About, Kind, Shape, param};
use super::one::{answer_page, page};
use super::view::JobPage;
use crate::admin::problem::Problem;
use crate::job::state::State;

/// Longest wait, ms: below the limit on any answer.
const WAIT_MS_MAX: u64 = 30_000;
/// Pause between two looks: the first, and the longest. One command each.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

pub(in crate::admin::routes) const WAIT: About = About::new("jobs", "Waits for the end of a job")
    .query(&[param("timeout", Kind::Duration(100, WAIT_MS_MAX, WAIT_MS_MAX), "Longest wait, such as 30s")])
    .answers(&[
        (200, "It has ended", Some(Shape::of::<JobPage>())),
        (202, "It has not ended yet: ask again", Some(Shape::of::<JobPage>())),
    ])
    .refusals(&[404, 409]);

/// Waits.
pub(in crate::admin::routes) async fn wait(call: Ask) -> Result<Response, Problem> {
    let store = call.store_of_job().await?;
    let limit = call.query.duration("timeout").unwrap_or(Duration::from_millis(WAIT_MS_MAX));
    let (started, mut pause, mut seen) = (Instant::now(), PAUSE.0, false);
    loop {
        let Some(detail) = store.job_detail(&call.id).await? else {
            let gone = "the job is gone: it has ended and was removed, or somebody has removed it";
            return Err(if seen {
                Problem::not_found(gone).with("queue", call.queue.as_str()).with("jobId", call.id.as_str())
            } else {
                call.no_job()
            });
        };
        seen = true;
        let ended = detail.state.is_some_and(State::is_finished);
        let left = limit.saturating_sub(started.elapsed());
        if ended || left.is_zero() {
            let status = if ended { StatusCode::OK } else { StatusCode::ACCEPTED };
            return Ok(answer_page(status, &page(&call, &store, &detail)));
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}
