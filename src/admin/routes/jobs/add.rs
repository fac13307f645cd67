//! `POST /queues/{queue}/jobs` and `POST …/{id}/duplicate`: adding jobs as npm `bull` and `bullmq` do, checked first.

use std::fmt::Write as _;

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::super::about::{About, Kind, Shape, param};
use super::super::ask::{read_object, unfit};
use super::super::{Ask, answer, segment};
use crate::admin::problem::Problem;
use crate::store::enqueue::Enqueued;
use crate::store::{Opened, Queue, Store};
use crate::wire::keys::check_name;
use crate::wire::new_job::check::check_job_name;
use crate::wire::{Dialect, check_options};

/// Jobs of one request.
const JOBS_MAX: usize = 1000;
/// Longest idempotency key, bytes.
const KEY_BYTES_MAX: usize = 256;

pub(in crate::admin::routes) const ADD: About = About::new(
    "jobs",
    "Adds a job, or up to 1,000 as an array; opts.jobId or the header Idempotency-Key makes sending it twice harmless",
)
.query(&[
    param("dialect", Kind::Word(&["bull", "bullmq"]), "Layout of a queue that has no keys yet; bull unless given"),
    param("onDuplicate", Kind::Word(&["return", "conflict"]), "What to answer when there is a job of this id"),
])
.body(Shape::of::<NewJobs>())
.answers(&[
    (201, "Added", Some(Shape::of::<AddedAny>())),
    (200, "There was a job of this id: nothing was added", Some(Shape::of::<AddedAny>())),
])
.refusals(&[404, 409]);

pub(in crate::admin::routes) const DUPLICATE: About =
    About::new("jobs", "Adds a job like this one, with a new id, with other data or options if given")
        .optional_body(Shape::of::<Duplicate>())
        .answers(&[(201, "Added", Some(Shape::of::<AddedJob>()))])
        .refusals(&[404, 409]);

/// A job to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct NewJobBody {
    /// Its name: 1 to 256 bytes.
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    /// Its data: any JSON.
    #[serde(default)]
    pub data: Option<Value>,
    /// Options of npm `bull` or `bullmq`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub opts: Option<Map<String, Value>>,
}

/// One job or many.
#[derive(Debug, ToSchema)]
#[schema(as = NewJobs)]
#[allow(dead_code, reason = "describes the two forms of the body in the document")]
#[serde(untagged)]
pub(in crate::admin) enum NewJobs {
    /// One.
    One(NewJobBody),
    /// Many.
    Many(Vec<NewJobBody>),
}

/// What to change in the copy.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Duplicate {
    /// Other data.
    #[serde(default)]
    pub data: Option<Value>,
    /// Options in place of the copied ones of the same names.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub opts: Option<Map<String, Value>>,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    #[serde(default)]
    pub reason: Option<String>,
}

/// What became of a job to add.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::admin) struct AddedJob {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// There was a job of this id, or one that stands for it: nothing was added.
    pub duplicate: bool,
    /// Remarks on its options.
    pub remarks: Vec<String>,
}

/// What became of many jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct AddedJobs {
    /// In the order in which they were sent.
    pub items: Vec<AddedJob>,
    /// How many were added.
    pub added: usize,
    /// How many were there.
    pub duplicates: usize,
}

/// For one job, or for many.
#[derive(Debug, ToSchema)]
#[schema(as = Added)]
#[allow(dead_code, reason = "describes the two forms of the answer in the document")]
#[serde(untagged)]
pub(in crate::admin) enum AddedAny {
    /// One.
    One(AddedJob),
    /// Many.
    Many(AddedJobs),
}

/// A job that has passed all checks.
struct Checked {
    name: String,
    data: Value,
    opts: Map<String, Value>,
    remarks: Vec<String>,
}

/// Adds.
pub(in crate::admin::routes) async fn add(call: Ask) -> Result<Response, Problem> {
    let key = idempotency_key(&call)?;
    let text = call.body_text().await?;
    let is_array = text.trim_start().starts_with('[');
    let bodies: Vec<NewJobBody> = if is_array {
        let texts: Vec<&RawValue> = serde_json::from_str(&text).map_err(|error| unfit(&error))?;
        texts.into_iter().map(|text| read_object(text.get())).collect::<Result<_, _>>()?
    } else if text.is_empty() {
        return Err(Problem::validation("a JSON body is needed"));
    } else {
        vec![read_object(&text)?]
    };
    if bodies.is_empty() || bodies.len() > JOBS_MAX {
        return Err(Problem::validation(format!("expected 1 to {JOBS_MAX} jobs")));
    }
    if key.is_some() && is_array {
        return Err(Problem::validation("Idempotency-Key is for one job: give those of an array opts.jobId"));
    }
    let store = find(&call).await?.by(call.actor(None)?);
    let mut jobs = Vec::with_capacity(bodies.len());
    for (index, body) in bodies.into_iter().enumerate() {
        let mut opts = body.opts.unwrap_or_default();
        if let Some(key) = &key {
            if opts.contains_key("jobId") {
                return Err(Problem::validation("expected opts.jobId or Idempotency-Key, not both"));
            }
            opts.insert("jobId".into(), key.clone().into());
        }
        let data = body.data.unwrap_or_else(|| Value::Object(Map::new()));
        let checked = check(&store, body.name, data, opts).map_err(|detail| {
            let pointer = if is_array { format!("/{index}") } else { String::new() };
            Problem::validation(detail).with("pointer", pointer)
        })?;
        jobs.push(checked);
    }
    open(&call, &store).await?;
    let added = send(&store, jobs).await?;
    if call.query.text("onDuplicate") == Some("conflict")
        && let Some(first) = added.iter().find(|job| job.duplicate)
    {
        let detail = format!("there is a job of id {}: it was not added again", first.id.escape_debug());
        return Err(Problem::conflict(detail)
            .with("queue", call.queue.as_str())
            .with("jobId", first.id.as_str()));
    }
    let all = added.iter().all(|job| job.duplicate);
    let status = if all { StatusCode::OK } else { StatusCode::CREATED };
    if is_array {
        let duplicates = added.iter().filter(|job| job.duplicate).count();
        let answered = AddedJobs { added: added.len() - duplicates, duplicates, items: added };
        return Ok(answer(status, &answered));
    }
    added.first().map(|job| answer_added(&call, status, job)).ok_or_else(Problem::internal)
}

/// Adds a copy.
pub(in crate::admin::routes) async fn duplicate(call: Ask) -> Result<Response, Problem> {
    let body: Duplicate = call.maybe_body().await?.unwrap_or_default();
    let store = call.store_of_job().await?.by(call.actor(body.reason)?);
    let detail = store.job_detail(&call.id).await?.ok_or_else(|| call.no_job())?;
    let mut opts = match detail.view.opts {
        Value::Object(opts) => opts,
        _ => Map::new(),
    };
    // What makes it this job, or what somebody else has made of it.
    for own in
        ["jobId", "timestamp", "repeat", "prevMillis", "repeatJobKey", "parent", "debounce", "deduplication"]
    {
        opts.shift_remove(own);
    }
    opts.extend(body.opts.unwrap_or_default());
    let data = body.data.unwrap_or(detail.view.data);
    add_one(&call, &store, detail.view.name, data, opts).await
}

/// Adds one job that was made from another's parts.
pub(in crate::admin::routes) async fn add_one(
    call: &Ask,
    store: &Store,
    name: String,
    data: Value,
    mut opts: Map<String, Value>,
) -> Result<Response, Problem> {
    // BullMQ stores 0 for none.
    if opts.get("attempts").and_then(Value::as_u64) == Some(0) {
        opts.shift_remove("attempts");
    }
    let job = check(store, name, data, opts).map_err(Problem::validation)?;
    let added = send(store, vec![job]).await?;
    added.first().map(|job| answer_added(call, StatusCode::CREATED, job)).ok_or_else(Problem::internal)
}

/// The queue to add to, looked at only; one that has no keys yet becomes what the query says.
pub(in crate::admin::routes) async fn find(call: &Ask) -> Result<Store, Problem> {
    check_name("queue name", &call.queue).map_err(Problem::validation)?;
    let named = call.query.text("dialect").and_then(|word| Dialect::parse(word).ok());
    let board = call.board()?;
    let store = board.store(&call.queue, None);
    let dialect = match store.look().await? {
        Opened::Ready(dialect, layout) if layout.exists => Some(dialect),
        Opened::Ready(..) | Opened::Undecided => None,
        refused => return Err(no_adding(call, refused.refusal().map(|why| why.to_string()))),
    };
    if dialect.is_some() && named.is_some() && dialect != named {
        return Err(no_adding(call, None));
    }
    let store = if dialect.is_some() || store.is_settled() {
        store
    } else {
        board.store(&call.queue, Some(named.unwrap_or(Dialect::Bull)))
    };
    if store.dialect() == Dialect::BullMq && call.queue.contains(':') {
        return Err(Problem::validation("a BullMQ queue's name has no colon"));
    }
    Ok(store)
}

/// Makes it a queue that Bullock knows: the first thing that is written.
pub(in crate::admin::routes) async fn open(call: &Ask, store: &Store) -> Result<(), Problem> {
    let opened = store.open().await?;
    opened.refusal().map_or(Ok(()), |why| Err(no_adding(call, Some(why.to_string()))))
}

pub(in crate::admin::routes) fn no_adding(call: &Ask, why: Option<String>) -> Problem {
    let why = why.unwrap_or_else(|| "the queue is of the other dialect".to_owned());
    Problem::conflict(why).with("queue", call.queue.as_str())
}

fn check(store: &Store, name: String, data: Value, opts: Map<String, Value>) -> Result<Checked, String> {
    check_job_name(&name).map_err(|expected| format!("name: {expected}"))?;
    let remarks = check_options(&opts, store.dialect()).map_err(|wrong| wrong.to_string())?;
    Ok(Checked { name, data, opts, remarks })
}

async fn send(store: &Store, mut jobs: Vec<Checked>) -> Result<Vec<AddedJob>, Problem> {
    let queue = Queue::on(store.clone());
    let enqueued: Vec<Enqueued> = if let [job] = jobs.as_mut_slice() {
        let opts = Value::Object(std::mem::take(&mut job.opts));
        vec![queue.add(&job.name, &job.data, opts).await?]
    } else {
        let all = jobs.iter_mut().map(|job| {
            (job.name.clone(), std::mem::take(&mut job.data), Value::Object(std::mem::take(&mut job.opts)))
        });
        queue.add_bulk(all.collect()).await?
    };
    let name = &store.keys().queue;
    let added = |(job, enqueued): (Checked, Enqueued)| AddedJob {
        queue: name.to_string(),
        id: enqueued.id.to_string(),
        name: job.name,
        duplicate: enqueued.existed,
        remarks: job.remarks,
    };
    Ok(jobs.into_iter().zip(enqueued).map(added).collect())
}

fn answer_added(call: &Ask, status: StatusCode, job: &AddedJob) -> Response {
    let mut response = answer(status, job);
    let base = call.shared.base_path.trim_end_matches('/');
    let place = format!("{base}/api/v1/queues/{}/jobs/{}", segment(&job.queue), segment(&job.id));
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert("location", place);
    }
    response
}

/// The id that an idempotency key stands for. It holds as long as the job is kept.
fn idempotency_key(call: &Ask) -> Result<Option<String>, Problem> {
    let Some(value) = call.headers.get("idempotency-key") else { return Ok(None) };
    let key = value.as_bytes();
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Problem::validation(format!("Idempotency-Key: expected 1 to {KEY_BYTES_MAX} bytes")));
    }
    let digest = Sha256::digest(key);
    let hex = digest.iter().take(16).fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(Some(format!("idem-{hex}")))
}
