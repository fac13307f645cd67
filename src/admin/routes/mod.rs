//! The table of all routes, each with what it takes to call it. The router is built from this table and from nothing
//! else, so a route without a rule cannot exist.

mod callbacks;
mod health;
pub(super) mod login;
pub(super) mod metrics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::RequestExt as _;
use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use futures_util::future::BoxFuture;

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
}

/// One route.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method; `HEAD` comes with `GET`.
    pub method: &'static str,
    /// Its path; `{queue}` and `{id}` stand for one percent-encoded segment each.
    pub path: &'static str,
    /// What it takes.
    pub access: Access,
    handler: Handler,
}

impl Call {
    /// Who asks. An error only where the route's row has no role.
    #[expect(dead_code, reason = "for routes that list or act")]
    fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(Problem::unauthorized)
    }
}

type Handler = fn(Call) -> BoxFuture<'static, Result<Response, Problem>>;

/// One request on its way to its handler.
struct Call {
    shared: Arc<Shared>,
    request: Request<Body>,
    peer: Peer,
    /// Who asks; `None` where the route does not want to know.
    caller: Option<Caller>,
    /// The decoded segments, empty where the path has none.
    queue: String,
    id: String,
}

macro_rules! route {
    ($method:literal $path:literal, $access:expr, $handler:path) => {
        Route { method: $method, path: $path, access: $access, handler: |call| Box::pin($handler(call)) }
    };
}

/// All routes.
pub static ROUTES: &[Route] = &[
    route!("GET" "/livez", Access::Open, health::live),
    route!("GET" "/healthz", Access::Open, health::live),
    route!("GET" "/readyz", Access::Open, health::ready),
    route!("GET" "/metrics", Access::Role(Role::Viewer), metrics::scrape),
    route!("GET" "/api/v1/session", Access::Open, login::session),
    route!("POST" "/api/v1/login", Access::Open, login::login),
    route!("POST" "/api/v1/logout", Access::Open, login::logout),
    route!("GET" "/login/once/{code}", Access::Open, login::once),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/progress", Access::RunToken, callbacks::progress),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/logs", Access::RunToken, callbacks::logs),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/heartbeat", Access::RunToken, callbacks::heartbeat),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/complete", Access::RunToken, callbacks::complete),
    route!("POST" "/api/v1/queues/{queue}/jobs/{id}/fail", Access::RunToken, callbacks::fail),
];

/// The router of the table.
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
    paths.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods))
}

async fn guarded(
    route: &Route,
    shared: Arc<Shared>,
    mut request: Request<Body>,
) -> Result<Response, Problem> {
    let mut segments = [String::new(), String::new()];
    if route.path.contains('{') {
        let params: RawPathParams = request
            .extract_parts()
            .await
            .map_err(|_| Problem::validation("a segment of the path is not UTF-8 once it is decoded"))?;
        for (segment, (_, text)) in segments.iter_mut().zip(&params) {
            if text.is_empty() {
                return Err(Problem::of_status(StatusCode::NOT_FOUND));
            }
            text.clone_into(segment);
        }
    }
    let [queue, id] = segments;
    let peer = *request.extensions().get::<Peer>().ok_or_else(Problem::internal)?;
    let mut caller = None;
    if let Access::Role(needed) = route.access {
        let queue = Some(queue.as_str()).filter(|queue| !queue.is_empty());
        let method: &Method = request.method();
        caller = Some(auth::require(&shared, needed, queue, peer.0, method, request.headers())?);
    }
    (route.handler)(Call { shared, request, peer, caller, queue, id }).await
}

/// An answer of JSON.
fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
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
