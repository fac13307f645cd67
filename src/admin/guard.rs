//! What every request passes, whatever its path: the checks before the router and the headers after it.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Request, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::problem::{PROBLEM_JSON, Problem};
use super::server::Shared;

/// Longest time for the router to answer: a body (10 s), two reads and three tries of a write (5 s each) fit.
const ANSWER_MAX: Duration = Duration::from_secs(40);

/// On every answer: nothing may be framed, guessed or passed on.
const SECURITY_HEADERS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
];
const POLICY: &str = "content-security-policy";
/// What is no page may load nothing.
const POLICY_OF_DATA: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox";
/// The dashboard loads its own files and speaks to its own server.
const POLICY_OF_PAGES: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";

/// Names in a query that are somebody's attempt to send a credential, which would end in logs and histories.
const QUERY_CREDENTIALS: [&str; 8] =
    ["token", "access_token", "auth", "authorization", "bearer", "api_key", "apikey", "password"];

/// The address at the other end of the socket, which no header can change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub IpAddr);

/// Marks an error answer that has its own text and is no problem document.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnText;

/// Marks a file of the dashboard: it may load the others, and says itself how long it may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page;

/// Marks an answer that goes on until one side ends it: it may take any time, as long as the client takes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LongLived;

/// Answers one request.
pub(super) async fn answer(
    shared: &Shared,
    peer: IpAddr,
    router: &TowerToHyperService<Router>,
    mut request: Request<Body>,
) -> Response {
    let request_id = uuid::Uuid::new_v4().simple().to_string();
    let instance = shown_path(request.uri().path());
    let method = request.method().clone();
    let response = if let Err(problem) = check(shared, &request) {
        problem.into_response()
    } else {
        request.extensions_mut().insert(Peer(peer));
        strip(&mut request, &shared.base_path);
        routed(router, request).await
    };
    let response = finish(response, &instance, &request_id);
    let status = response.status().as_u16();
    tracing::debug!(%method, path = instance, status, request_id, %peer, "answered");
    response
}

/// The router's answer: in time, and even if a handler panics.
async fn routed(router: &TowerToHyperService<Router>, request: Request<Body>) -> Response {
    let answer = AssertUnwindSafe(router.call(request)).catch_unwind();
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_panic)) => Problem::internal().into_response(),
        Err(_late) => {
            let detail = "the request may or may not have been carried out";
            Problem::timeout(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
        }
    }
}

/// Refuses what no route should see.
fn check(shared: &Shared, request: &Request<Body>) -> Result<(), Problem> {
    if let Some(query) = request.uri().query() {
        let named = |pair: &str| {
            let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
            QUERY_CREDENTIALS.contains(&name.as_str())
        };
        if query.split('&').any(named) {
            let detail = "credentials do not belong into an address: send \"Authorization: Bearer <token>\"";
            return Err(Problem::validation(detail));
        }
    }
    check_host(shared, request)
}

/// A page whose name was made to point at loopback (DNS rebinding) still sends its own name as the host.
fn check_host(shared: &Shared, request: &Request<Body>) -> Result<(), Problem> {
    let mut named = request.headers().get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err(Problem::validation("the header Host occurs twice"));
    }
    if header.is_none() && request.version() >= Version::HTTP_11 {
        return Err(Problem::validation("the header Host is missing"));
    }
    let Some(allowed) = &shared.hosts else { return Ok(()) };
    let is_allowed = |authority: &Authority| {
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        !authority.as_str().contains('@') && allowed.contains(&host)
    };
    let from_header = match header {
        None => true,
        Some(value) => Authority::try_from(value.as_bytes()).is_ok_and(|authority| is_allowed(&authority)),
    };
    let from_target = request.uri().authority().is_none_or(is_allowed);
    if from_header && from_target { Ok(()) } else { Err(Problem::misdirected()) }
}

/// Gives every answer its headers, and every error its form.
fn finish(mut response: Response, instance: &str, request_id: &str) -> Response {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    if failed && response.extensions_mut().remove::<OwnText>().is_none() {
        let problem =
            response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::of_status(status));
        if status.is_server_error() {
            tracing::warn!(
                request_id,
                path = instance,
                status = status.as_u16(),
                error = problem.kind(),
                "refused"
            );
        }
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        response.headers_mut().remove("content-length");
        *response.body_mut() = problem.body(instance, request_id);
    }
    let is_page = response.extensions_mut().remove::<Page>().is_some();
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = if is_page { POLICY_OF_PAGES } else { POLICY_OF_DATA };
    headers.insert(POLICY, HeaderValue::from_static(policy));
    if !is_page {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("request-id", value);
    }
    response
}

/// Takes the base path away. Without it a request is as good: some proxies take it away themselves, and probes come from
/// within.
fn strip(request: &mut Request<Body>, base_path: &str) {
    let uri = request.uri();
    let whole = uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    let Some(rest) = whole.strip_prefix(base_path).filter(|_| base_path != "/") else { return };
    // What was a path behind a slash is one with a slash before it.
    if let Ok(path) = format!("/{rest}").parse() {
        *request.uri_mut() = path;
    }
}

/// A path fit to be shown: what could be markup or control stays encoded.
fn shown_path(path: &str) -> String {
    use std::fmt::Write as _;
    const SHOWN_MAX: usize = 512;
    path.bytes().take(SHOWN_MAX).fold(String::with_capacity(path.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/%:@!$()*+,;=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
