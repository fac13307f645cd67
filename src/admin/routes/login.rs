//! Signing in from a browser: a token, or the one-time link of `bullock dev`, is swapped for a cookie.

use axum::body::Body;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::about::{About, Shape};
use super::{Call, json_answer};
use crate::admin::auth::{self, Caller, Via};
use crate::admin::body;
use crate::admin::problem::Problem;
use crate::admin::server::Shared;
use crate::admin::session;

/// Path of a one-time link before its code.
pub(in crate::admin) const ONCE: &str = "/login/once/";

pub(super) const SESSION: About = About::new("session", "Who is asking, as far as the server can tell")
    .answers(&[(200, "Nobody, or somebody and what they may do", Some(Shape::of::<SessionView>()))])
    .refusals(&[401, 429]);

pub(super) const LOGIN: About = About::new("session", "Swaps a token for a cookie that no script can read")
    .body(Shape::of::<LoginBody>())
    .answers(&[(200, "The session has begun", Some(Shape::of::<SessionView>()))])
    .refusals(&[401, 403, 429]);

pub(super) const LOGOUT: About = About::new("session", "Ends the session, if there is one")
    .answers(&[(204, "There is none any more", None)])
    .refusals(&[403]);

/// A token to be swapped.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body in the document")]
pub(in crate::admin) struct LoginBody {
    /// A token of admin.tokens.
    token: String,
}

/// Who is asking.
#[derive(ToSchema)]
#[schema(as = Session, rename_all = "camelCase")]
#[allow(dead_code, reason = "describes the answer in the document")]
pub(in crate::admin) struct SessionView {
    /// Is it somebody?
    authenticated: bool,
    /// Is a token needed?
    login_needed: bool,
    /// The name of the token.
    name: Option<String>,
    /// viewer, operator or admin.
    role: Option<String>,
    /// Patterns of the queues that they may see.
    queues: Option<Vec<String>>,
    /// Patterns of the organisations that they are bound to; * = they are not.
    orgs: Option<Vec<String>>,
    /// bearer, cookie or loopback.
    via: Option<String>,
    /// When the session ends, ms.
    expires_at: Option<u64>,
}

/// Who is asking, as far as the server can tell. No error for nobody: the page asks this first.
pub(super) async fn session(call: Call) -> Result<Response, Problem> {
    let headers = call.request.headers();
    let caller = auth::identify(&call.shared, call.peer.0, headers)?;
    Ok(json_answer(StatusCode::OK, &description(&call.shared, caller.as_ref(), headers)))
}

/// `{"token":"…"}` for a cookie.
pub(super) async fn login(call: Call) -> Result<Response, Problem> {
    let Call { shared, request, peer, .. } = call;
    auth::check_same_site(request.headers())?;
    shared.guesses.check(peer.0).map_err(Problem::rate_limited)?;
    let text = body::read_json(request).await?;
    let said: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(token) = said.get("token").and_then(Value::as_str) else {
        return Err(Problem::validation("expected {\"token\":\"<token>\"}"));
    };
    let Some(caller) = shared.tokens.find(token.trim()) else {
        shared.guesses.fail(peer.0);
        return Err(Problem::unauthorized());
    };
    let opened = shared.sessions.open(caller).ok_or_else(Problem::internal)?;
    let mut answer =
        json_answer(StatusCode::OK, &description(&shared, Some(&opened.caller), &HeaderMap::new()));
    let cookie = session::set_cookie(&opened.id, &shared.base_path, shared.secure_cookies);
    answer.headers_mut().insert(SET_COOKIE, cookie.ok_or_else(Problem::internal)?);
    Ok(answer)
}

/// Ends the session, if there is one.
pub(super) async fn logout(call: Call) -> Result<Response, Problem> {
    let (shared, headers) = (&call.shared, call.request.headers());
    // Nobody may be signed out by a page of another site.
    auth::check_same_site(headers)?;
    shared.sessions.close(headers);
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let cookie = session::delete_cookie(&shared.base_path, shared.secure_cookies);
    answer.headers_mut().insert(SET_COOKIE, cookie.ok_or_else(Problem::internal)?);
    Ok(answer)
}

/// Follows a one-time link. Good or not, it leads to the page, which asks who is there.
pub(super) async fn once(call: Call) -> Result<Response, Problem> {
    let (shared, code) = (&call.shared, &call.queue);
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let place = shared.base_path.parse().map_err(|_| Problem::internal())?;
    answer.headers_mut().insert(LOCATION, place);
    if shared.sessions.redeem(code) {
        let opened = shared.sessions.open(Caller::owner()).ok_or_else(Problem::internal)?;
        let cookie = session::set_cookie(&opened.id, &shared.base_path, shared.secure_cookies);
        answer.headers_mut().insert(SET_COOKIE, cookie.ok_or_else(Problem::internal)?);
    } else {
        tracing::info!("a one-time link was used again, or too late");
    }
    Ok(answer)
}

fn description(shared: &Shared, caller: Option<&Caller>, headers: &HeaderMap) -> Value {
    let Some(caller) = caller else { return json!({"authenticated": false, "loginNeeded": true}) };
    let via = match caller.via {
        Via::Bearer => "bearer",
        Via::Cookie => "cookie",
        Via::Loopback => "loopback",
    };
    let ends_at = shared.sessions.ends_ms(headers);
    json!({
        "authenticated": true,
        "name": &*caller.name,
        "role": caller.role.as_str(),
        "queues": &*caller.queues,
        "orgs": &*caller.orgs,
        "via": via,
        "expiresAt": ends_at,
        "loginNeeded": false,
    })
}
