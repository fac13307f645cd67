//! `/metrics`: what the worker counted, and what Redis says of the queues now.

use std::collections::{HashMap, HashSet};
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
use crate::store::Store;
use crate::store::zombies::{Limits, Sort};

/// Longest wait for Redis in one scrape. Without its answer the scrape goes on.
const REDIS_TIMEOUT: Duration = Duration::from_millis(500);
/// What Redis said is good for so long: many scrapers cost Redis no more than one.
const CACHED: Duration = Duration::from_secs(1);

/// Zombies are looked for no more often: two looks make one, and this lies between them.
const ZOMBIES_CACHED: Duration = Duration::from_secs(10);
/// Jobs of each kind that may be zombies and are looked at, whatever the size of a queue.
const SUSPECTS_MAX: usize = 200;
/// What such a look can find.
const SORTS: [Sort; 4] = [Sort::ActiveWithoutLease, Sort::Silent, Sort::Overdue, Sort::ActiveWithoutHash];

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// What was last asked of Redis. Locked while it is asked, so that scrapes at the same time ask once.
#[derive(Default)]
pub(in crate::admin) struct Scrape(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    zombies_at: Option<Instant>,
    /// Jobs that looked like zombies at the last look, by queue.
    suspects: HashMap<Arc<str>, HashSet<(String, Sort)>>,
}

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
    if asked.at.is_some_and(|at| at.elapsed() < CACHED) {
        return;
    }
    if asked.zombies_at.is_none_or(|at| at.elapsed() >= ZOMBIES_CACHED) {
        look_for_zombies(shared, &mut asked.suspects).await;
        asked.zombies_at = Some(Instant::now());
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
    asked.at = Some(Instant::now());
}

/// A bounded look; those that look like zombies now and at the look before are.
async fn look_for_zombies(shared: &Shared, suspects: &mut HashMap<Arc<str>, HashSet<(String, Sort)>>) {
    let looks = shared.queues.all().into_iter().map(|queue| async move {
        let found = within(REDIS_TIMEOUT, &queue.store, suspected(&queue.store)).await;
        (Arc::clone(&queue.store.keys().queue), found)
    });
    for (queue, found) in join_all(looks).await {
        let known = found.is_some();
        let found: HashSet<_> = found.into_iter().flatten().collect();
        let before = suspects.remove(&queue).unwrap_or_default();
        let lasting = |sort: Sort| found.intersection(&before).filter(|(_, of)| *of == sort).count();
        let counts = SORTS.map(|sort| (sort.as_str(), known.then(|| lasting(sort))));
        shared.metrics.set_zombies(&queue, &counts);
        suspects.insert(queue, found);
    }
}

async fn suspected(store: &Store) -> Result<Vec<(String, Sort)>, crate::store::StoreError> {
    store.suspected(&Limits::default(), SUSPECTS_MAX).await
}
