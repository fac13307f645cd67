//! `/metrics`: what the worker counted, and what Redis says of the queues now.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Call, within};
use crate::admin::problem::Problem;
use crate::admin::server::Shared;

/// Longest wait for Redis in one scrape. Without its answer the scrape goes on.
const REDIS_TIMEOUT: Duration = Duration::from_millis(500);
/// What Redis said is good for so long: many scrapers cost Redis no more than one.
const CACHED: Duration = Duration::from_secs(1);

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// When Redis was last asked. Locked while it is, so that scrapes at the same time ask once.
#[derive(Default)]
pub(in crate::admin) struct Scrape(Mutex<Option<Instant>>);

/// Answers a scrape; a Redis that is away only leaves out what it alone knows.
pub(super) async fn scrape(call: Call) -> Result<Response, Problem> {
    ask_redis(&call.shared).await;
    let text = call.shared.metrics.encode().map_err(|_| Problem::internal())?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, OPEN_METRICS);
    Ok(response)
}

async fn ask_redis(shared: &Shared) {
    let mut asked = shared.scrape.0.lock().await;
    if asked.is_some_and(|at| at.elapsed() < CACHED) {
        return;
    }
    let depths = join_all(shared.queues.all().into_iter().map(|queue| async move {
        let depth = within(REDIS_TIMEOUT, &queue.store, queue.store.depth()).await;
        (Arc::clone(&queue.store.keys().queue), depth)
    }))
    .await;
    shared.metrics.set_depths(&depths);
    if shared.metrics.has_bullmq_names() {
        let asked = shared.queues.all().into_iter().map(|queue| async move {
            let ended = within(REDIS_TIMEOUT, &queue.store, queue.store.ended()).await;
            (Arc::clone(&queue.store.keys().queue), ended.unwrap_or_default())
        });
        for (queue, ended) in join_all(asked).await {
            shared.metrics.set_ended(&queue, ended);
        }
    }
    *asked = Some(Instant::now());
}
