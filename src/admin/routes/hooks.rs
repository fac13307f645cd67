//! `POST /api/v1/hooks/{name}`: a webhook of a shop becomes a job. No token: its signature says who sends it.
//!
//! | answer | when |
//! |---|---|
//! | 202 | its job was added |
//! | 200 | it came before: nothing was added; or it is the ping that `WooCommerce` sends when a webhook is saved |
//! | 400 | its body is no JSON, or what it is known by, or its organisation, is not there |
//! | 401 | its signature is missing, wrong, or too old |
//! | 404 | no hook has this name |
//! | 413 | its body is too large |
//! | 503 | Redis is away: the sender sends it again |

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::about::{About, Shape};
use super::ask::{Ask, answer};
use crate::admin::hooks::{Hook, Refused, Signature};
use crate::admin::problem::Problem;
use crate::store::actor::Actor;
use crate::store::sync::start::{Start, StartedAs};
use crate::store::{Store, StoreError};
use crate::wire::{Dialect, NewJob};

pub(super) const TAKE: About = About::new("hooks", "Takes a signed webhook and adds its job, once")
    .answers(&[
        (202, "Its job was added", Some(Shape::of::<HookTaken>())),
        (200, "It came before, or is a ping: nothing was added", Some(Shape::of::<HookTaken>())),
    ])
    .refusals(&[404, 408, 413]);

/// What became of a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct HookTaken {
    /// The queue of its job.
    pub queue: String,
    /// The id of its job; null = there is none for a ping.
    pub id: Option<String>,
    /// It came before: nothing was added.
    pub duplicate: bool,
}

/// Takes one.
pub(super) async fn take(call: Ask) -> Result<Response, Problem> {
    if call.shared.read_only {
        return Err(Problem::forbidden("this server only shows"));
    }
    let hook = call
        .shared
        .hooks
        .get(&call.queue)
        .ok_or_else(|| Problem::not_found("there is no hook of that name"))?;
    let body = call.body_bytes(hook.options.body_bytes_max).await?;
    let queue = hook.options.queue.clone();
    if is_ping(&call, hook, &body) {
        return Ok(answer(StatusCode::OK, &HookTaken { queue, id: None, duplicate: false }));
    }
    let now_ms = chrono::Utc::now().timestamp_millis();
    hook.verify(&call.headers, &body, now_ms / 1000).map_err(|refused| {
        tracing::warn!(hook = hook.options.name, ?refused, "a webhook was refused");
        match refused {
            Refused::Signature => Problem::unsigned("its signature is missing or wrong"),
            Refused::Time => Problem::unsigned("it was signed too long ago, or its clock is ahead"),
        }
    })?;
    let payload: &RawValue = serde_json::from_slice(&body)
        .map_err(|error| Problem::validation(format!("the body is no JSON: {error}")))?;
    let known_by =
        hook.known_by(&call.headers, &body).ok_or_else(|| missing("what it is known by (dedupe)"))?;
    let org = match &hook.options.org {
        Some(place) => {
            Some(place.find(&call.headers, &body).ok_or_else(|| missing("its organisation (org)"))?)
        }
        None => None,
    };
    let id = hook.job_id(&known_by);
    let Some(options) = call.shared.queues.get(queue.as_str()) else {
        return Err(StoreError::Unavailable("the queue is not open yet".into()).into());
    };
    let told = json!({"hook": hook.options.name, "topic": hook.topic(&call.headers), "receivedAt": now_ms});
    let is_new = if options.store.webhook_is_known(&id).await? {
        false
    } else {
        let job = job(hook, &options.store, &id, &told, payload)?;
        let is_new = add(&options.store, hook, org.as_deref(), &job).await?;
        options.store.know_webhook(&id, hook.options.dedupe_for).await?;
        is_new
    };
    let status = if is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(answer(status, &HookTaken { queue, id: Some(id), duplicate: !is_new }))
}

fn missing(what: &str) -> Problem {
    Problem::validation(format!("{what} is not in the delivery"))
}

/// `WooCommerce` asks with `webhook_id=7` whether anybody is here, before it signs anything.
fn is_ping(call: &Ask, hook: &Hook, body: &[u8]) -> bool {
    let is_form = call
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    let number = body.strip_prefix(b"webhook_id=");
    let is_number = number.is_some_and(|n| !n.is_empty() && n.len() < 20 && n.iter().all(u8::is_ascii_digit));
    hook.options.signature == Signature::WooCommerce && is_form && is_number
}

/// Its data: what we know of it, and `body`, byte for byte.
fn job(hook: &Hook, store: &Store, id: &str, told: &Value, payload: &RawValue) -> Result<NewJob, Problem> {
    let mut data = told.to_string();
    data.pop();
    data.push_str(",\"body\":");
    data.push_str(payload.get());
    data.push('}');
    let opts = Map::from_iter([
        ("jobId".to_owned(), Value::from(id)),
        ("attempts".to_owned(), Value::from(hook.options.attempts)),
    ]);
    let (name, none) = (&*hook.options.job, Value::Object(Map::new()));
    let job = match store.dialect() {
        Dialect::Bull => NewJob::bull(name, &none, opts),
        Dialect::BullMq => NewJob::bullmq(name, &none, opts).map_err(Problem::validation)?,
    };
    Ok(NewJob { data, ..job })
}

/// Adds it; false = there is a job of this id.
async fn add(store: &Store, hook: &Hook, org: Option<&str>, job: &NewJob) -> Result<bool, Problem> {
    let actor =
        Actor { by: "bullock".into(), from: format!("hook {}", hook.options.name), why: String::new() };
    if org.is_some() {
        let start = Start { org, several: true, ..Start::default() };
        return Ok(store.start_sync(&actor, &start, job).await?.how == StartedAs::Created);
    }
    let added = store.enqueue("bullock-hook", std::slice::from_ref(job)).await?;
    Ok(added.first().is_some_and(|added| !added.existed))
}
