//! Job schedulers of `BullMQ` and repeatable jobs of Bull.

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::about::{About, Shape};
use super::ask::Reason;
use super::jobs::add::{AddedJob, add_one};
use super::{Ask, answer};
use crate::admin::problem::Problem;
use crate::job::repeat::{Schedule, occurrence_prefix, parse_key};
use crate::store::inspect::Repeatable;
use crate::store::{Queue, Store, StoreError};
use crate::wire::new_job::check::check_job_name;
use crate::wire::{Dialect, check_options};

/// Queues whose schedulers one answer lists.
const QUEUES_MAX: usize = 200;
/// Longest id, bytes.
const ID_BYTES_MAX: usize = 256;

pub(super) const LIST_ALL: About = About::new(
    "schedulers",
    "Schedulers and repeatable jobs of all queues, next first",
)
.answers(&[(200, "At most 200 of each queue", Some(Shape::of::<SchedulerList>()))]);

pub(super) const LIST: About =
    About::new("schedulers", "Schedulers, or repeatable jobs, of a queue, next first")
        .answers(&[(200, "At most 200", Some(Shape::of::<SchedulerList>()))])
        .refusals(&[404, 409]);

pub(super) const SHOW: About = About::new("schedulers", "One scheduler, or repeatable job")
    .answers(&[(200, "The scheduler", Some(Shape::of::<SchedulerItem>()))])
    .refusals(&[404, 409]);

pub(super) const PUT: About = About::new("schedulers", "Creates or changes a scheduler (BullMQ)")
    .body(Shape::of::<SchedulerBody>())
    .answers(&[(200, "The scheduler", Some(Shape::of::<SchedulerItem>()))])
    .refusals(&[404, 409]);

pub(super) const REMOVE: About =
    About::new("schedulers", "Removes a scheduler, or repeatable job, with the job that is delayed for it")
        .optional_body(Shape::of::<Reason>())
        .answers(&[(200, "It is gone", Some(Shape::of::<super::jobs::act::RemovedJob>()))])
        .refusals(&[404, 409]);

pub(super) const RUN: About =
    About::new("schedulers", "Adds one job from its template now; the schedule stays")
        .optional_body(Shape::of::<Reason>())
        .answers(&[(201, "Added", Some(Shape::of::<AddedJob>()))])
        .refusals(&[404, 409]);

/// Schedulers.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct SchedulerList {
    /// Next first.
    pub items: Vec<SchedulerItem>,
    /// How many are listed.
    pub total: usize,
}

/// A scheduler, or a repeatable job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SchedulerItem {
    /// Its queue.
    pub queue: String,
    /// Its id, for the path; of a repeatable job its key.
    pub id: String,
    /// The same.
    pub key: String,
    /// The name of its jobs.
    pub name: Option<String>,
    /// bull or bullmq.
    pub dialect: String,
    /// Milliseconds between two jobs.
    pub every: Option<i64>,
    /// When they come, as a cron pattern.
    pub pattern: Option<String>,
    /// The zone of the pattern.
    pub tz: Option<String>,
    /// Most jobs.
    pub limit: Option<i64>,
    /// No job after this, ms.
    pub end_date: Option<i64>,
    /// Phase of `every`, ms.
    pub offset: Option<i64>,
    /// When the next one is due, ms.
    pub next: i64,
    /// Jobs so far (`BullMQ`).
    pub iterations: Option<i64>,
}

/// What a scheduler is told; exactly one of every and pattern.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::admin) struct SchedulerBody {
    /// Milliseconds between two jobs.
    pub every: Option<u64>,
    /// A cron pattern.
    pub pattern: Option<String>,
    /// The zone of the pattern; that of the server unless given.
    pub tz: Option<String>,
    /// Most jobs.
    pub limit: Option<u64>,
    /// No job before this: ms, or a date.
    pub start_date: Option<Value>,
    /// No job after this: ms, or a date.
    pub end_date: Option<Value>,
    /// Phase of `every`, ms.
    pub offset: Option<u64>,
    /// The first one at once.
    pub immediately: Option<bool>,
    /// The name of its jobs; its id unless given.
    pub name: Option<String>,
    /// The data of its jobs.
    pub data: Option<Value>,
    /// The options of its jobs.
    #[schema(value_type = Option<Object>)]
    pub opts: Option<Map<String, Value>>,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

impl SchedulerItem {
    /// One as its key and its record tell.
    pub(crate) fn of(store: &Store, one: &Repeatable) -> Self {
        let mut item = Self {
            queue: store.keys().queue.to_string(),
            id: one.key.clone(),
            key: one.key.clone(),
            name: None,
            dialect: store.dialect().as_str().to_owned(),
            every: None,
            pattern: None,
            tz: None,
            limit: None,
            end_date: None,
            offset: None,
            next: one.next_ms,
            iterations: None,
        };
        if let (Dialect::Bull, Some(listed)) = (store.dialect(), parse_key(&one.key)) {
            item.name = Some(listed.name);
            item.end_date = listed.end_ms;
            match listed.schedule {
                Schedule::Every(ms) => item.every = ms.parse::<f64>().ok().map(|ms| ms as i64),
                Schedule::Cron { pattern, tz } => {
                    item.pattern = Some(pattern);
                    item.tz = tz;
                }
            }
        }
        for (field, value) in &one.record {
            let number = value.parse::<f64>().ok().map(|n| n as i64);
            match *field {
                "name" => item.name = Some(value.clone()),
                "every" => item.every = number,
                "pattern" => item.pattern = Some(value.clone()),
                "tz" => item.tz = Some(value.clone()),
                "limit" => item.limit = number,
                "endDate" => item.end_date = number,
                "offset" => item.offset = number,
                "ic" => item.iterations = number,
                _ => {}
            }
        }
        item
    }
}

pub(super) async fn list_all(call: Ask) -> Result<Response, Problem> {
    let board = call.board()?;
    let names = call.queues_asked().await?;
    let parts = names.iter().take(QUEUES_MAX).map(|name| async move {
        // A queue that both dialects write to is nobody's to take apart.
        let Ok(store) = board.open(name).await else { return Ok(Vec::new()) };
        let found = store.repeatables().await?;
        Ok::<_, Problem>(found.iter().map(|one| SchedulerItem::of(&store, one)).collect::<Vec<_>>())
    });
    let mut items: Vec<SchedulerItem> = try_join_all(parts).await?.into_iter().flatten().collect();
    items.sort_by_key(|item| item.next);
    Ok(answer(StatusCode::OK, &SchedulerList { total: items.len(), items }))
}

pub(super) async fn list(call: Ask) -> Result<Response, Problem> {
    let store = call.store().await?;
    let found = store.repeatables().await?;
    let items: Vec<SchedulerItem> = found.iter().map(|one| SchedulerItem::of(&store, one)).collect();
    Ok(answer(StatusCode::OK, &SchedulerList { total: items.len(), items }))
}

pub(super) async fn show(call: Ask) -> Result<Response, Problem> {
    let store = call.store().await?;
    let one = find(&call, &store).await?;
    Ok(answer(StatusCode::OK, &SchedulerItem::of(&store, &one)))
}

pub(super) async fn put(call: Ask) -> Result<Response, Problem> {
    let body: SchedulerBody = call.body().await?;
    let store = call.store().await?.by(call.actor(body.reason.clone())?);
    if store.dialect() == Dialect::Bull {
        return Err(StoreError::NotInDialect("job schedulers: add a job with the option repeat").into());
    }
    let is_id = call.id.len() <= ID_BYTES_MAX && !call.id.chars().any(char::is_control);
    if !is_id || call.id.trim().is_empty() {
        return Err(Problem::validation(format!(
            "id: expected 1 to {ID_BYTES_MAX} bytes without control characters"
        )));
    }
    if body.every.is_some() == body.pattern.is_some() {
        return Err(Problem::validation("expected exactly one of every and pattern"));
    }
    if body.every == Some(0) {
        return Err(Problem::validation("every: expected milliseconds of at least 1"));
    }
    if let Some(name) = &body.name {
        check_job_name(name).map_err(|expected| Problem::validation(format!("name: {expected}")))?;
    }
    let repeat: Map<String, Value> = [
        ("every", body.every.map(Value::from)),
        ("pattern", body.pattern.map(Value::from)),
        ("tz", body.tz.map(Value::from)),
        ("limit", body.limit.map(Value::from)),
        ("startDate", body.start_date),
        ("endDate", body.end_date),
        ("offset", body.offset.map(Value::from)),
        ("immediately", body.immediately.map(Value::from)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect();
    let opts = body.opts.unwrap_or_default();
    check_options(&opts, Dialect::BullMq).map_err(|wrong| Problem::validation(wrong.to_string()))?;
    let data = body.data.unwrap_or_else(|| Value::Object(Map::new()));
    let queue = Queue::on(store.clone());
    queue
        .upsert_scheduler(&call.id, &Value::Object(repeat), body.name.as_deref(), &data, Value::Object(opts))
        .await?;
    let one = find(&call, &store).await?;
    Ok(answer(StatusCode::OK, &SchedulerItem::of(&store, &one)))
}

pub(super) async fn remove(call: Ask) -> Result<Response, Problem> {
    let reason = call.reason().await?;
    let store = call.store().await?.by(call.actor(reason)?);
    let prefix = match store.dialect() {
        Dialect::Bull => occurrence_prefix(&call.id).ok_or_else(|| none(&call))?,
        Dialect::BullMq => String::new(),
    };
    if !store.repeat_remove(&call.id, &prefix).await? {
        return Err(none(&call));
    }
    let removed = super::jobs::act::RemovedJob { queue: call.queue, id: call.id, removed: true };
    Ok(answer(StatusCode::OK, &removed))
}

pub(super) async fn run(call: Ask) -> Result<Response, Problem> {
    let reason = call.reason().await?;
    let store = call.store().await?.by(call.actor(reason)?);
    let one = find(&call, &store).await?;
    let Some((name, data, opts)) = store.job_of_template(&one).await? else {
        let detail = "its next job is not there to be copied: it runs, or is about to";
        return Err(Problem::conflict(detail).with("queue", call.queue.as_str()));
    };
    add_one(&call, &store, name, data, opts).await
}

async fn find(call: &Ask, store: &Store) -> Result<Repeatable, Problem> {
    store.repeatable(&call.id).await?.ok_or_else(|| none(call))
}

fn none(call: &Ask) -> Problem {
    Problem::not_found("there is no scheduler of that id").with("queue", call.queue.as_str())
}
