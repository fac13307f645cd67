//! `POST /orgs/{org}/syncs`: starts a sync once, however often it is asked for.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::about::{About, Kind, Shape, param};
use super::super::jobs::add::{find, no_adding, open};
use super::super::{Ask, answer, segment};
use super::view::SyncItem;
use crate::admin::problem::Problem;
use crate::store::Queue;
use crate::store::sync::start::{NAME_BYTES_MAX, Start, Started, StartedAs};
use crate::wire::check_options;
use crate::wire::new_job::check::check_job_name;

/// Longest time that an idempotency key can hold, seconds: 30 days.
const KEY_HOLDS_MAX_S: u64 = 30 * 24 * 60 * 60;

pub(in crate::admin::routes) const START: About = About::new(
    "syncs",
    "Starts a sync; with the header Idempotency-Key, or opts.jobId, sending it twice is harmless, and one that was interrupted goes on",
)
.query(&[param(
    "dialect",
    Kind::Word(&["bull", "bullmq"]),
    "Layout of a queue that has no keys yet; bull unless given",
)])
.body(Shape::of::<StartBody>())
.answers(&[
    (201, "It is created", Some(Shape::of::<StartedSync>())),
    (200, "There is one: nothing was written", Some(Shape::of::<StartedSync>())),
    (202, "There is one that was interrupted: it goes on", Some(Shape::of::<StartedSync>())),
])
.refusals(&[404, 409]);

/// A sync to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::admin) struct StartBody {
    /// The queue.
    #[schema(min_length = 1)]
    pub queue: String,
    /// The name of its job, which says which sync it is: 1 to 256 bytes.
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    /// The data of its job: any JSON.
    #[serde(default)]
    pub data: Option<Value>,
    /// Options of npm `bull` or `bullmq`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub opts: Option<Map<String, Value>>,
    /// Start it although one of this name has not ended for this organisation.
    #[serde(default)]
    pub several: bool,
    /// How long the idempotency key holds, seconds; a day unless given.
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub key_holds_seconds: Option<u64>,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// What became of a start.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct StartedSync {
    /// created, existing or resumed.
    #[schema(example = "created")]
    pub started: &'static str,
    /// The sync as it is now; null = it has ended meanwhile and was not to be kept.
    pub sync: Option<SyncItem>,
    /// Remarks on its options.
    pub remarks: Vec<String>,
}

/// Starts.
pub(in crate::admin::routes) async fn start(mut call: Ask) -> Result<Response, Problem> {
    let key = idempotency_key(&call)?;
    let body: StartBody = call.body().await?;
    check_job_name(&body.name).map_err(|expected| Problem::validation(format!("name: {expected}")))?;
    if body.key_holds_seconds.is_some_and(|holds| !(1..=KEY_HOLDS_MAX_S).contains(&holds)) {
        let expected = format!("keyHoldsSeconds: expected 1 to {KEY_HOLDS_MAX_S}");
        return Err(Problem::validation(expected).with("pointer", "/keyHoldsSeconds"));
    }
    call.queue.clone_from(&body.queue);
    if !call.caller()?.may(&call.queue) {
        return Err(Problem::forbidden("this token is not for that queue"));
    }
    let actor = call.actor(body.reason)?;
    let store = find(&call).await?;
    let opts = body.opts.unwrap_or_default();
    let remarks =
        check_options(&opts, store.dialect()).map_err(|wrong| Problem::validation(wrong.to_string()))?;
    open(&call, &store).await?;
    let start = Start {
        org: Some(call.org.as_str()).filter(|org| !org.is_empty()),
        key: key.as_deref(),
        key_holds: body.key_holds_seconds.map(Duration::from_secs),
        several: body.several,
    };
    let data = body.data.unwrap_or_else(|| Value::Object(Map::new()));
    let queue = Queue::on(store.clone());
    let started = queue.start_sync(&actor, &start, &body.name, &data, Value::Object(opts)).await?;
    let Started { how, id, .. } = started;
    let status = match how {
        StartedAs::Created => StatusCode::CREATED,
        StartedAs::Existing => StatusCode::OK,
        StartedAs::Resumed => StatusCode::ACCEPTED,
        StartedAs::Taken => {
            let why = "opts.jobId is the id of a job that is not this organisation's".to_owned();
            return Err(no_adding(&call, Some(why)));
        }
    };
    let sync = store.syncs(&[id.to_string()]).await?.pop();
    let sync = sync.map(|sync| SyncItem::of(&call.queue, sync, call.shared.read_only));
    let mut response = answer(status, &StartedSync { started: how.as_str(), sync, remarks });
    if let Ok(place) = HeaderValue::from_str(&place(&call, id.as_str())) {
        response.headers_mut().insert("location", place);
    }
    Ok(response)
}

/// The path of the sync.
fn place(call: &Ask, id: &str) -> String {
    let base = call.shared.base_path.trim_end_matches('/');
    let org = if call.org.is_empty() { String::new() } else { format!("/orgs/{}", segment(&call.org)) };
    format!("{base}/api/v1{org}/syncs/{}/{}", segment(&call.queue), segment(id))
}

fn idempotency_key(call: &Ask) -> Result<Option<String>, Problem> {
    let Some(value) = call.headers.get("idempotency-key") else { return Ok(None) };
    let key = std::str::from_utf8(value.as_bytes()).ok().filter(|key| !key.is_empty());
    let Some(key) = key.filter(|key| key.len() <= NAME_BYTES_MAX) else {
        return Err(Problem::validation(format!("Idempotency-Key: expected 1 to {NAME_BYTES_MAX} bytes")));
    };
    Ok(Some(key.to_owned()))
}
