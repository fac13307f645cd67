//! The table of all routes, each with what it takes to call it. The router is built from this table and from nothing
//! else, so a route without a rule cannot exist.

pub mod about;
mod ask;
pub(crate) mod audit;
mod bulk;
mod callbacks;
mod events;
mod failures;
mod flows;
mod health;
pub(crate) mod history;
mod hooks;
mod jobs;
pub(super) mod login;
pub(super) mod metrics;
mod openapi;
mod queue_acts;
mod queues;
mod scale;
pub(crate) mod schedulers;
pub(crate) mod stats;
mod syncs;
pub(crate) mod workers;
mod ws;
mod zombies;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::RequestExt as _;
use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use futures_util::future::BoxFuture;

use about::{About, Query};
use ask::{Ask, answer, decode_cursor, encode_cursor, segment};
pub(super) use jobs::act::Act;

use super::auth::{self, Caller, Role};
use super::guard::Peer;
use super::problem::Problem;
use super::server::Shared;
use crate::store::{Store, StoreError};

/// What it takes to call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: probes.
    Open,
    /// A token of the config with at least this role, and for the queue that the path names. Where no tokens are
    /// configured (loopback only) everybody is an operator.
    Role(Role),
    /// The token of the job's present run. Redis decides, inside the write.
    RunToken,
    /// A signature over the body, made with the secret of the hook that the path names.
    Signature,
}

/// One route.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method; `HEAD` comes with `GET`.
    pub method: &'static str,
    /// Its path; `{queue}`, `{id}` and `{org}` stand for one percent-encoded segment each.
    pub path: &'static str,
    /// What it takes.
    pub access: Access,
    /// What it says of itself; `None` = it is no part of the API, and looks at its query itself.
    pub about: Option<&'static About>,
    handler: Handler,
}

impl Call {
    /// Who asks. An error only where the route's row has no role.
    fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(Problem::unauthorized)
    }
}

/// One request on its way to its handler.
struct Call {
    shared: Arc<Shared>,
    request: Request<Body>,
    peer: Peer,
    /// Who asks; `None` where the route does not want to know.
    caller: Option<Caller>,
    /// The checked query; empty where the route says nothing of one.
    query: Query,
    /// The decoded segments, empty where the path has none.
    queue: String,
    id: String,
    org: String,
}

type Handler = fn(Call) -> BoxFuture<'static, Result<Response, Problem>>;

macro_rules! route {
    ($method:literal $path:literal, $access:expr, $handler:path) => {
        Route {
            method: $method,
            path: $path,
            access: $access,
            about: None,
            handler: |call| Box::pin($handler(call)),
        }
    };
    ($method:literal $path:literal, $access:expr, call $handler:path, $about:path) => {
        Route {
            method: $method,
            path: $path,
            access: $access,
            about: Some(&$about),
            handler: |call| Box::pin($handler(call)),
        }
    };
    ($method:literal $path:literal, $access:expr, $handler:path, $about:path) => {
        Route {
            method: $method,
            path: $path,
            access: $access,
            about: Some(&$about),
            handler: |call| Box::pin($handler(Ask::of(call))),
        }
    };
}

const VIEWER: Access = Access::Role(Role::Viewer);
const OPERATOR: Access = Access::Role(Role::Operator);
const ADMIN: Access = Access::Role(Role::Admin);

/// All routes.
pub static ROUTES: &[Route] = &[
    route!("GET" "/livez", Access::Open, health::live),
    route!("GET" "/healthz", Access::Open, health::live),
    route!("GET" "/readyz", Access::Open, health::ready),
    route!("GET" "/metrics", Access::Role(Role::Viewer), metrics::scrape),
    route!("GET" "/api/v1/events", VIEWER, call events::stream, events::STREAM),
    route!("GET" "/api/v1/ws", VIEWER, call ws::open, ws::OPEN),
    route!("GET" "/api/v1/scale", VIEWER, call scale::scale, scale::SCALE),
    route!("GET" "/api/v1/health", VIEWER, call health::rich, health::RICH),
    route!("GET" "/api/v1/session", Access::Open, call login::session, login::SESSION),
    route!("POST" "/api/v1/login", Access::Open, call login::login, login::LOGIN),
    route!("POST" "/api/v1/logout", Access::Open, call login::logout, login::LOGOUT),
    route!("GET" "/login/once/{code}", Access::Open, login::once),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/progress", Access::RunToken, call callbacks::progress, callbacks::PROGRESS),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/logs", Access::RunToken, call callbacks::logs, callbacks::LOGS),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/heartbeat", Access::RunToken, call callbacks::heartbeat, callbacks::HEARTBEAT),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/complete", Access::RunToken, call callbacks::complete, callbacks::COMPLETE),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/fail", Access::RunToken, call callbacks::fail, callbacks::FAIL),
    route!("GET" "/api/v1/openapi.json", VIEWER, openapi::document, openapi::DOCUMENT),
    route!("GET" "/api/v1/queues", VIEWER, queues::list, queues::LIST),
    route!("GET" "/api/v1/queues/{queue}", VIEWER, queues::one, queues::ONE),
    route!("POST" "/api/v1/queues/{queue}/pause", OPERATOR, queue_acts::pause, queue_acts::PAUSE),
    route!("POST" "/api/v1/queues/{queue}/resume", OPERATOR, queue_acts::resume, queue_acts::RESUME),
    route!("POST" "/api/v1/queues/{queue}/drain", ADMIN, queue_acts::drain, queue_acts::DRAIN),
    route!("POST" "/api/v1/queues/{queue}/clean", ADMIN, queue_acts::clean, queue_acts::CLEAN),
    route!("POST" "/api/v1/queues/{queue}/obliterate", ADMIN, queue_acts::obliterate, queue_acts::OBLITERATE),
    route!("POST" "/api/v1/queues/{queue}/bulk", OPERATOR, bulk::start, bulk::START),
    route!("GET" "/api/v1/queues/{queue}/jobs", VIEWER, jobs::list::list, jobs::list::LIST),
    route!("POST" "/api/v1/queues/{queue}/jobs", OPERATOR, jobs::add::add, jobs::add::ADD),
    route!("GET" "/api/v1/queues/{queue}/jobs/{id}", VIEWER, jobs::one::show, jobs::one::SHOW),
    route!("PATCH" "/api/v1/queues/{queue}/jobs/{id}", OPERATOR, jobs::edit::edit, jobs::edit::EDIT),
    route!("DELETE" "/api/v1/queues/{queue}/jobs/{id}", ADMIN, jobs::act::remove, jobs::act::REMOVE),
    route!("GET" "/api/v1/queues/{queue}/jobs/{id}/wait", VIEWER, jobs::wait::wait, jobs::wait::WAIT),
    route!("GET" "/api/v1/queues/{queue}/jobs/{id}/logs", VIEWER, jobs::one::logs, jobs::one::LOGS),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/retry", OPERATOR, jobs::act::retry, jobs::act::RETRY),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/promote", OPERATOR, jobs::act::promote, jobs::act::PROMOTE),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/duplicate", OPERATOR, jobs::add::duplicate, jobs::add::DUPLICATE),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/cancel", OPERATOR, jobs::stop::cancel, jobs::stop::CANCEL),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/kill", OPERATOR, jobs::stop::kill, jobs::stop::KILL),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/force-done", OPERATOR, jobs::stop::force_done, jobs::stop::FORCE_DONE),
    route!("GET" "/api/v1/operations", VIEWER, bulk::list, bulk::LIST),
    route!("GET" "/api/v1/operations/{id}", VIEWER, bulk::show, bulk::SHOW),
    route!("POST" "/api/v1/operations/{id}/stop", OPERATOR, bulk::stop, bulk::STOP),
    route!("GET" "/api/v1/workers", VIEWER, workers::list, workers::LIST),
    route!("POST" "/api/v1/workers/{id}/quiet", OPERATOR, workers::quiet, workers::QUIET),
    route!("POST" "/api/v1/workers/{id}/resume", OPERATOR, workers::resume, workers::RESUME),
    route!("GET" "/api/v1/schedulers", VIEWER, schedulers::list_all, schedulers::LIST_ALL),
    route!("GET" "/api/v1/queues/{queue}/schedulers", VIEWER, schedulers::list, schedulers::LIST),
    route!("GET" "/api/v1/queues/{queue}/schedulers/{id}", VIEWER, schedulers::show, schedulers::SHOW),
    route!("PUT" "/api/v1/queues/{queue}/schedulers/{id}", OPERATOR, schedulers::put, schedulers::PUT),
    route!("DELETE" "/api/v1/queues/{queue}/schedulers/{id}", ADMIN, schedulers::remove, schedulers::REMOVE),
    route!("POST" "/api/v1/queues/{queue}/schedulers/{id}/run", OPERATOR, schedulers::run, schedulers::RUN),
    route!("GET" "/api/v1/flows/{queue}/{id}", VIEWER, flows::show, flows::SHOW),
    route!("GET" "/api/v1/stats", VIEWER, stats::show, stats::SHOW),
    route!("GET" "/api/v1/history", VIEWER, history::show, history::SHOW),
    route!("GET" "/api/v1/history/runs", VIEWER, history::runs, history::RUNS),
    route!("GET" "/api/v1/failed", VIEWER, failures::groups, failures::GROUPS),
    route!("GET" "/api/v1/zombies", VIEWER, zombies::list, zombies::LIST),
    route!("POST" "/api/v1/zombies/resolve", OPERATOR, zombies::resolve, zombies::RESOLVE),
    route!("POST" "/api/v1/hooks/{name}", Access::Signature, hooks::take, hooks::TAKE),
    route!("GET" "/api/v1/audit", VIEWER, audit::list, audit::LIST),
    route!("GET" "/api/v1/syncs", VIEWER, syncs::list::list, syncs::list::LIST),
    route!("POST" "/api/v1/syncs", OPERATOR, syncs::start::start, syncs::start::START),
    route!("GET" "/api/v1/syncs/{queue}/{id}", VIEWER, syncs::one::show, syncs::one::SHOW),
    route!("GET" "/api/v1/syncs/{queue}/{id}/items", VIEWER, syncs::one::items, syncs::one::ITEMS),
    route!("GET" "/api/v1/syncs/{queue}/{id}/timeline", VIEWER, syncs::one::timeline, syncs::one::TIMELINE),
    route!("POST" "/api/v1/syncs/{queue}/{id}/pause", OPERATOR, syncs::act::pause, syncs::act::PAUSE),
    route!("POST" "/api/v1/syncs/{queue}/{id}/resume", OPERATOR, syncs::act::resume, syncs::act::RESUME),
    route!("POST" "/api/v1/syncs/{queue}/{id}/retry-items", OPERATOR, syncs::act::retry_items, syncs::act::RETRY_ITEMS),
    route!("POST" "/api/v1/syncs/{queue}/{id}/cancel", OPERATOR, syncs::act::cancel, syncs::act::CANCEL),
    route!("POST" "/api/v1/syncs/{queue}/{id}/force-done", OPERATOR, syncs::act::force_done, syncs::act::FORCE_DONE),
    route!("GET" "/api/v1/orgs/{org}/syncs", VIEWER, syncs::list::list, syncs::list::LIST),
    route!("POST" "/api/v1/orgs/{org}/syncs", OPERATOR, syncs::start::start, syncs::start::START),
    route!("GET" "/api/v1/orgs/{org}/syncs/{queue}/{id}", VIEWER, syncs::one::show, syncs::one::SHOW),
    route!("GET" "/api/v1/orgs/{org}/syncs/{queue}/{id}/items", VIEWER, syncs::one::items, syncs::one::ITEMS),
    route!("GET" "/api/v1/orgs/{org}/syncs/{queue}/{id}/timeline", VIEWER, syncs::one::timeline, syncs::one::TIMELINE),
    route!("POST" "/api/v1/orgs/{org}/syncs/{queue}/{id}/pause", OPERATOR, syncs::act::pause, syncs::act::PAUSE),
    route!("POST" "/api/v1/orgs/{org}/syncs/{queue}/{id}/resume", OPERATOR, syncs::act::resume, syncs::act::RESUME),
    route!("POST" "/api/v1/orgs/{org}/syncs/{queue}/{id}/retry-items", OPERATOR, syncs::act::retry_items, syncs::act::RETRY_ITEMS),
    route!("POST" "/api/v1/orgs/{org}/syncs/{queue}/{id}/cancel", OPERATOR, syncs::act::cancel, syncs::act::CANCEL),
    route!("POST" "/api/v1/orgs/{org}/syncs/{queue}/{id}/force-done", OPERATOR, syncs::act::force_done, syncs::act::FORCE_DONE),
];

/// The router of the table. What it does not name is a file of the dashboard, one of its pages, or nothing.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let mut paths: BTreeMap<&str, MethodRouter> = BTreeMap::new();
    for route in ROUTES {
        let filter = match route.method {
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            "PATCH" => MethodFilter::PATCH,
            "DELETE" => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        let shared = Arc::clone(shared);
        let handler = move |request: Request<Body>| {
            let shared = Arc::clone(&shared);
            async move { guarded(route, shared, request).await.unwrap_or_else(Problem::into_response) }
        };
        let methods = paths.remove(route.path).unwrap_or_default();
        paths.insert(route.path, methods.merge(on(filter, handler)));
    }
    let shared = Arc::clone(shared);
    let other = move |request: Request<Body>| {
        let answer = shared.ui.answer(request.method(), request.uri().path(), request.headers());
        std::future::ready(answer)
    };
    let router = paths.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    router.fallback(other)
}

async fn guarded(
    route: &Route,
    shared: Arc<Shared>,
    mut request: Request<Body>,
) -> Result<Response, Problem> {
    let mut segments = [String::new(), String::new(), String::new()];
    if route.path.contains('{') {
        let params: RawPathParams = request
            .extract_parts()
            .await
            .map_err(|_| Problem::validation("a segment of the path is not UTF-8 once it is decoded"))?;
        for (name, text) in &params {
            if text.is_empty() {
                return Err(Problem::of_status(StatusCode::NOT_FOUND));
            }
            let at = ["queue", "id", "org"].iter().position(|known| *known == name).unwrap_or(0);
            text.clone_into(&mut segments[at]);
        }
    }
    let [queue, id, org] = segments;
    let peer = *request.extensions().get::<Peer>().ok_or_else(Problem::internal)?;
    let mut caller = None;
    if let Access::Role(needed) = route.access {
        let queue = Some(queue.as_str()).filter(|queue| !queue.is_empty());
        let method: &Method = request.method();
        let known = auth::require(&shared, needed, queue, peer.0, method, request.headers())?;
        check_org(&known, route, &org)?;
        caller = Some(known);
    }
    if shared.read_only && caller.is_some() && !request.method().is_safe() {
        return Err(Problem::forbidden("this server only shows"));
    }
    let query = match route.about {
        Some(about) => Query::read(about.query, request.uri().query().unwrap_or_default())?,
        None => Query::default(),
    };
    let acts = caller.is_some() && !request.method().is_safe();
    let metrics = acts.then(|| shared.metrics.clone());
    let answer = (route.handler)(Call { shared, request, peer, caller, query, queue, id, org }).await;
    if let (Some(metrics), Ok(response)) = (metrics, &answer)
        && response.status().is_success()
    {
        metrics.acted(&route.action());
    }
    answer
}

impl Route {
    /// What is done by it, and to what: `job-retry`, `queue-pause`, `scheduler-remove`.
    fn action(&self) -> String {
        let parts: Vec<&str> = self.path.trim_start_matches("/api/v1/").split('/').collect();
        let word = |part: &&&str| !part.starts_with('{');
        let (verb, of) = match (self.method, parts.split_last()) {
            ("DELETE", _) => ("remove", &parts[..]),
            ("PATCH", _) => ("edit", &parts[..]),
            ("PUT", _) => ("put", &parts[..]),
            (_, Some((last, of))) if of.iter().any(|part| !part.starts_with('{') && *part != "orgs") => {
                if *last == "jobs" {
                    ("add", &parts[..])
                } else {
                    (*last, of)
                }
            }
            // The one collection that is posted to: a sync begins.
            _ => ("start", &parts[..]),
        };
        let noun = of.iter().rev().find(word).copied().unwrap_or_default();
        format!("{}-{verb}", noun.strip_suffix('s').unwrap_or(noun))
    }
}

/// Whoever is bound to organisations reaches their syncs and nothing else: queues, workers and the audit log are not theirs
/// alone. What they are not for looks like what is not there.
fn check_org(caller: &Caller, route: &Route, org: &str) -> Result<(), Problem> {
    let of_org = route.path.starts_with("/api/v1/orgs/");
    let (of_one, is_document) =
        (route.path.starts_with("/api/v1/syncs/"), route.path == "/api/v1/openapi.json");
    if !caller.is_bound() || of_one || is_document || (of_org && caller.may_see_of(Some(org))) {
        return Ok(());
    }
    if of_org {
        return Err(Problem::not_found("there is no organisation of that name"));
    }
    Err(Problem::forbidden("this token is for organisations: use /orgs/{org}/syncs"))
}

/// An answer of JSON.
fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response {
    answer(status, body)
}

/// Asks Redis for no longer than `limit`; `None` = no answer.
async fn within<T>(
    limit: Duration,
    store: &Store,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Option<T> {
    if let Ok(answer) = tokio::time::timeout(limit, asked).await {
        return answer.ok();
    }
    // Giving up early hides the silence from the connection itself: have it open a new one. Not awaited, because
    // another request may be opening one just now.
    let connection = store.connection().clone();
    tokio::spawn(async move { connection.reset().await });
    None
}

#[cfg(test)]
mod tests {
    use super::{Access, ROUTES};

    #[test]
    fn what_is_done_by_a_route_is_said_in_two_words() {
        let acts =
            ROUTES.iter().filter(|route| route.method != "GET" && matches!(route.access, Access::Role(_)));
        let mut words: Vec<String> = acts.map(super::Route::action).collect();
        words.sort();
        words.dedup();
        let of = |noun: &str| {
            words.iter().filter_map(|word| word.strip_prefix(noun)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("job-"), "add cancel duplicate edit force-done kill promote remove retry");
        assert_eq!(of("queue-"), "bulk clean drain obliterate pause resume");
        assert_eq!(of("sync-"), "cancel force-done pause resume retry-items start");
        assert_eq!(of("scheduler-"), "put remove run");
        assert_eq!((of("worker-").as_str(), of("operation-").as_str()), ("quiet resume", "stop"));
        assert_eq!((of("zombie-").as_str(), words.len()), ("resolve", 28));
    }
}
