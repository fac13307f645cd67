//! One request of the API on its way to its handler, and what handlers ask of it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Call;
use super::about::{Query, wrong};
use super::jobs::view::Viewer;
use crate::admin::auth::{Caller, Role};
use crate::admin::board::{Board, Look};
use crate::admin::body;
use crate::admin::guard::Peer;
use crate::admin::problem::Problem;
use crate::admin::server::Shared;
use crate::store::Store;
use crate::store::actor::Actor;

/// Longest reason, characters.
const REASON_CHARS_MAX: usize = 1024;

/// One request. Other than [`Call`] it can be looked at by several futures at a time: its body is taken once.
pub(super) struct Ask {
    pub(super) shared: Arc<Shared>,
    pub(super) headers: HeaderMap,
    body: Mutex<Option<Request<Body>>>,
    pub(super) peer: Peer,
    /// Who asks; `None` where the route does not want to know.
    pub(super) caller: Option<Caller>,
    /// The checked query; empty where the route takes none.
    pub(super) query: Query,
    /// The decoded segments, empty where the path has none.
    pub(super) queue: String,
    pub(super) id: String,
    pub(super) org: String,
}

/// The body of an act that needs nothing else.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Reason {
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

impl Ask {
    pub(super) fn of(call: Call) -> Self {
        let Call { shared, request, peer, caller, query, queue, id, org } = call;
        let headers = request.headers().clone();
        Self { shared, headers, body: Mutex::new(Some(request)), peer, caller, query, queue, id, org }
    }

    /// Who asks. An error only where the route's row has no role.
    pub(super) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(Problem::unauthorized)
    }

    /// The Redis that is shown.
    pub(super) fn board(&self) -> Result<&Board, Problem> {
        self.shared.board.as_deref().ok_or_else(|| Problem::not_found("this server shows no Redis"))
    }

    /// The queue of the path, which must exist.
    pub(super) async fn store(&self) -> Result<Store, Problem> {
        self.board()?.open(&self.queue).await
    }

    /// The same, and the id of the path can be a job's.
    pub(super) async fn store_of_job(&self) -> Result<Store, Problem> {
        let store = self.store().await?;
        if store.is_key_of_queue(&self.id) { Err(self.no_job()) } else { Ok(store) }
    }

    pub(super) fn no_job(&self) -> Problem {
        Problem::not_found("there is no job of that id")
            .with("queue", self.queue.as_str())
            .with("jobId", self.id.as_str())
    }

    /// Queues as they are, at most a second old.
    pub(super) async fn look(&self) -> Result<Arc<Look>, Problem> {
        Ok(self.board()?.look().await?)
    }

    /// The queue that the query names, or all that the caller may see.
    pub(super) async fn queues_asked(&self) -> Result<Vec<String>, Problem> {
        let (look, caller) = (self.look().await?, self.caller()?);
        if let Some(name) = self.query.text("queue") {
            if !caller.may(name) {
                return Err(Problem::forbidden("this token is not for that queue"));
            }
            self.board()?.open(name).await?;
            return Ok(vec![name.to_owned()]);
        }
        Ok(look.queues.keys().filter(|name| caller.may(name)).map(ToString::to_string).collect())
    }

    /// Refuses callers whose role is lower, for what a part of a route's requests ask for.
    pub(super) fn require(&self, role: Role) -> Result<(), Problem> {
        if self.caller()?.role >= role {
            return Ok(());
        }
        Err(Problem::forbidden(format!("this needs a token with the role {}", role.as_str())))
    }

    /// How jobs of a queue are shown to this caller.
    pub(super) fn viewer<'a>(&'a self, store: &'a Store) -> Viewer<'a> {
        Viewer {
            queue: &store.keys().queue,
            dialect: store.dialect(),
            read_only: self.shared.read_only,
            redaction: &self.shared.redaction,
        }
    }

    /// The body as its type; `None` = there is none.
    pub(super) async fn maybe_body<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        let text = self.body_text().await?;
        if text.is_empty() {
            return Ok(None);
        }
        read_object(&text).map(Some)
    }

    /// The body as its type.
    pub(super) async fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.maybe_body().await?.ok_or_else(|| Problem::validation("a JSON body is needed"))
    }

    /// The body as text, checked to be JSON.
    pub(super) async fn body_text(&self) -> Result<String, Problem> {
        let request = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        match request {
            Some(request) => body::read_json(request).await,
            None => Ok(String::new()),
        }
    }

    /// The reason in a body that may be left out.
    pub(super) async fn reason(&self) -> Result<Option<String>, Problem> {
        Ok(self.maybe_body::<Reason>().await?.unwrap_or_default().reason)
    }

    /// Who acts, for the audit log.
    pub(super) fn actor(&self, reason: Option<String>) -> Result<Actor, Problem> {
        let why = reason.unwrap_or_default();
        if why.chars().count() > REASON_CHARS_MAX {
            return Err(Problem::validation(format!(
                "reason: expected at most {REASON_CHARS_MAX} characters"
            )));
        }
        Ok(Actor { by: self.caller()?.name.to_string(), from: format!("api@{}", self.peer.0), why })
    }
}

/// Text that is a JSON object, as a type. An array would be taken for the members of a struct in their order.
pub(super) fn read_object<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if !text.trim_start().starts_with('{') {
        return Err(Problem::validation("the body is not what is expected here: a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| unfit(&error))
}

/// A body that is JSON, but not what the route takes.
pub(super) fn unfit(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    Problem::validation(format!("the body is not what is expected here: {text}"))
}

/// An answer of JSON.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(text) = serde_json::to_string(body) else {
        return axum::response::IntoResponse::into_response(Problem::internal());
    };
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Where a page ended, for the next question.
pub(super) fn encode_cursor(place: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

/// The same back.
pub(super) fn decode_cursor<T: DeserializeOwned>(cursor: &str) -> Result<T, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| wrong("cursor", "cursor: expected what the last page named"))
}

/// A name as a segment of a path.
pub(super) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
