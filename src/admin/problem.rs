//! Errors as answers: RFC 9457 problem details. One place for their words.
//!
//! A problem travels as an extension of its response until `guard` writes it with the id and path of the request.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::store::StoreError;

/// Type of problem bodies.
pub(super) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Begins the `type` of every problem. A name, not an address: nobody is sent anywhere.
const TYPE_BASE: &str = "urn:bullock:error:";
/// How soon a client may ask again after Redis was away, seconds.
const REDIS_RETRY_S: u64 = 1;

/// One error answer. Boxed, so that the good answers beside it stay small.
#[derive(Debug, Clone)]
pub(super) struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: Option<String>,
    members: Vec<(&'static str, Value)>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str) -> Self {
        Self(Box::new(Inner { status, kind, title, detail: None, members: Vec::new(), header: None }))
    }

    fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a member of its own.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found").detail(detail)
    }

    pub(super) fn validation(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation", "The request is not valid").detail(detail)
    }

    pub(super) fn lease_lost() -> Self {
        Self::new(StatusCode::GONE, "lease-lost", "The job is no longer this run's")
            .detail("stop working on it: it has ended, or another run has taken it over")
    }

    /// A parent of a flow cannot complete; the run still holds it.
    pub(super) fn children(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "children", "The children of the job are not done").detail(detail)
    }

    pub(super) fn unauthorized() -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid token is needed")
            .detail("send it as \"Authorization: Bearer <token>\"");
        problem.0.header = Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        problem
    }

    /// A webhook whose signature is not that of who knows the secret.
    pub(super) fn unsigned(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unsigned", "A valid signature is needed").detail(detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed").detail(detail)
    }

    /// The state of the job or the queue does not allow it.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "state-conflict", "The state does not allow it").detail(detail)
    }

    /// What was to be changed is not what the caller has seen.
    pub(super) fn stale() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "It was changed meanwhile")
            .detail("read it again: the header If-Match is not its present ETag")
    }

    pub(super) fn rate_limited(seconds: u64) -> Self {
        let mut problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many failed attempts")
                .detail(format!("try again in {seconds} s"));
        problem.0.header = Some((RETRY_AFTER, seconds.into()));
        problem
    }

    /// As many look on as may.
    pub(super) fn streams_full() -> Self {
        let mut problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "streams-full", "Too many streams are open")
                .detail("close one, or ask again later");
        problem.0.header = Some((RETRY_AFTER, super::live::ROOM_RETRY_S.into()));
        problem
    }

    pub(super) fn timeout(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, "timeout", "It took too long").detail(detail)
    }

    pub(super) fn too_large(max: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large")
            .detail(format!("at most {max} bytes are taken"))
    }

    pub(super) fn media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body must be JSON")
            .detail("send it with \"Content-Type: application/json\"")
    }

    pub(super) fn misdirected() -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", "This server does not answer for that host")
            .detail("use a loopback address, or name the host in admin.public_url")
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "This is a defect")
            .detail("the log of the server has more under this requestId")
    }

    /// The error of an answer that came without words of its own.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found("there is nothing at this path"),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(status, "method-not-allowed", "This path does not take that method")
                    .detail("the header Allow lists what it takes")
            }
            status if status.is_client_error() => Self::new(
                status,
                "validation",
                status.canonical_reason().unwrap_or("The request is not valid"),
            ),
            _ => Self::internal(),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// The body, with what only the request knows.
    pub(super) fn body(self, instance: &str, request_id: &str) -> Body {
        let inner = *self.0;
        let mut members = Map::new();
        members.insert("type".into(), format!("{TYPE_BASE}{}", inner.kind).into());
        members.insert("title".into(), inner.title.into());
        members.insert("status".into(), inner.status.as_u16().into());
        if let Some(detail) = inner.detail {
            members.insert("detail".into(), detail.into());
        }
        members.insert("instance".into(), instance.into());
        for (name, value) in inner.members {
            members.insert(name.into(), value);
        }
        members.insert("requestId".into(), request_id.into());
        Body::from(Value::Object(members).to_string())
    }
}

impl From<StoreError> for Problem {
    /// What Redis said stays in the log: it can name keys, addresses and users.
    fn from(error: StoreError) -> Self {
        // These name nothing but what the request named.
        match error {
            StoreError::Invalid(detail) => return Self::validation(detail),
            StoreError::NotInDialect(_) => return Self::conflict(error.to_string()),
            _ => {}
        }
        tracing::warn!(%error, "a request could not be carried out");
        if let StoreError::WrongKey(_) = error {
            return Self::conflict("a key of the queue is of another type: the log of the server names it");
        }
        if matches!(error, StoreError::Protocol(_)) {
            return Self::internal();
        }
        let mut problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "redis-unavailable", "Redis did not carry it out")
                .detail("nothing is known to have been written; send the request again");
        problem.0.header = Some((RETRY_AFTER, REDIS_RETRY_S.into()));
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some((name, value)) = self.0.header.take() {
            debug_assert_ne!(name, ALLOW, "the router sets it");
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}
