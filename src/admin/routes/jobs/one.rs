//! `GET /queues/{queue}/jobs/{id}` and its log.

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::about::{About, Kind, Shape, param, wrong};
use super::super::audit::AuditEntry;
use super::super::{Ask, answer, decode_cursor, encode_cursor};
use super::follow;
use super::view::{AttemptItem, JobPage};
use crate::admin::problem::Problem;
use crate::store::Store;
use crate::store::audit::AuditFilter;
use crate::store::children::ChildOutcome;
use crate::store::job::JobDetail;

/// Log lines on the job's page.
const LOG_TAIL: u64 = 100;
/// Children on the job's page.
const CHILDREN_MAX: usize = 50;
/// Acts on the job's page.
const AUDIT_MAX: usize = 50;
/// Log lines of a page unless told otherwise, and at most.
const LINES: (u64, u64) = (200, 1000);

pub(in crate::admin::routes) const SHOW: About =
    About::new("jobs", "One job with everything that is known of it")
        .query(&[param(
            "include",
            Kind::Words(&["logs", "attempts", "record", "children", "audit"]),
            "What to show besides, with commas between",
        )])
        .answers(&[(200, "The job; the header ETag is for If-Match", Some(Shape::of::<JobPage>()))])
        .refusals(&[404, 409]);

pub(in crate::admin::routes) const LOGS: About = About::new("jobs", "The log of a job, oldest line first")
    .query(&[
        param("limit", Kind::Number(1, LINES.1, LINES.0), "Most lines"),
        param(
            "cursor",
            Kind::Text,
            "Where the last page ended, or the number of the first line that is wanted, from 0",
        ),
        param(
            "follow",
            Kind::Word(&["sse"]),
            "Go on with the lines that come, as server-sent events, until the job ends",
        ),
    ])
    .answers(&[(
        200,
        "A page, or lines as they come: the number of each is its id",
        Some(Shape::of::<LogPage>()),
    )])
    .stream("text/event-stream")
    .refusals(&[404, 409]);

/// The end of a log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::admin) struct LogTail {
    /// The newest lines.
    pub items: Vec<String>,
    /// How many there are.
    pub total: u64,
    /// The number of the first of these lines, from 0.
    pub from: u64,
}

/// A page of a log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::admin) struct LogPage {
    /// The lines.
    pub items: Vec<String>,
    /// Where to go on; null = that was all.
    pub next: Option<String>,
    /// How many there are.
    pub total: u64,
    /// The number of the first of these lines, from 0.
    pub from: u64,
}

/// The children of a job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::admin) struct ChildList {
    /// The first of them.
    pub items: Vec<ChildItem>,
    /// How many there are.
    pub total: u64,
    /// How many the job still waits for.
    pub pending: u64,
}

/// A child.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::admin) struct ChildItem {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// pending, processed, failed or ignored, as its parent has noted.
    pub outcome: String,
}

/// The word for what became of a child.
pub(in crate::admin::routes) fn outcome_word(outcome: ChildOutcome) -> &'static str {
    match outcome {
        ChildOutcome::Pending => "pending",
        ChildOutcome::Processed => "processed",
        ChildOutcome::Failed => "failed",
        ChildOutcome::Ignored => "ignored",
    }
}

/// Shows a job.
pub(in crate::admin::routes) async fn show(call: Ask) -> Result<Response, Problem> {
    let store = call.store_of_job().await?;
    let detail = store.job_detail(&call.id).await?.ok_or_else(|| call.no_job())?;
    let mut page = page(&call, &store, &detail);
    let wants = |what: &str| call.query.has_word("include", what);
    if wants("attempts") {
        page.attempt_history = Some(detail.attempts().iter().map(AttemptItem::of).collect());
    }
    if wants("record") {
        page.record = Some(store.record(&call.id).await?.into_iter().collect());
    }
    if wants("logs") {
        let from = detail.logged.saturating_sub(LOG_TAIL);
        let (items, total) = store.logs(&call.id, from as usize, LOG_TAIL as usize).await?;
        page.logs = Some(LogTail { items, total, from });
    }
    if wants("children") {
        let children = store.children(&call.id, CHILDREN_MAX).await?;
        let (total, pending) = (children.total(), children.counts[0]);
        let item = |child: crate::store::children::Child| ChildItem {
            queue: child.queue,
            id: child.id,
            outcome: outcome_word(child.outcome).to_owned(),
        };
        let items = children.items.into_iter().map(item).collect();
        page.children = Some(ChildList { items, total, pending });
    }
    if wants("audit") {
        let filter = AuditFilter { job: Some(call.id.clone()), ..AuditFilter::default() };
        // Older acts than the job are about an earlier one of the same id.
        let since = detail.view.timestamp.map_or_else(|| "-".to_owned(), |ms| ms.max(0).to_string());
        let (entries, ..) = store.audit(&filter, "+", &since, AUDIT_MAX).await?;
        page.audit = Some(entries.into_iter().map(|entry| AuditEntry::of(&call.queue, entry)).collect());
    }
    Ok(answer_page(StatusCode::OK, &page))
}

/// The job's page, with what to type to see the same in Redis.
pub(super) fn page(call: &Ask, store: &Store, detail: &JobDetail) -> JobPage {
    let (keys, id) = (store.keys(), &call.id);
    let typed = vec![
        format!("HGETALL {}", keys.of(id)),
        format!("GET {}", keys.of(&format!("{id}:lock"))),
        format!("LRANGE {} 0 -1", keys.of(&format!("{id}:logs"))),
        format!("HGETALL {}", keys.extra_of(&format!("job:{id}"))),
    ];
    call.viewer(store).page(detail, typed)
}

/// The job as it is now.
pub(super) async fn answer_now(call: &Ask, store: &Store, status: StatusCode) -> Result<Response, Problem> {
    let detail = store.job_detail(&call.id).await?.ok_or_else(|| call.no_job())?;
    Ok(answer_page(status, &page(call, store, &detail)))
}

/// A job's page with its etag.
pub(super) fn answer_page(status: StatusCode, page: &JobPage) -> Response {
    let mut response = answer(status, page);
    if let Ok(etag) = HeaderValue::from_str(&page.etag) {
        response.headers_mut().insert("etag", etag);
    }
    response
}

/// Shows the log.
pub(in crate::admin::routes) async fn logs(call: Ask) -> Result<Response, Problem> {
    let store = call.store_of_job().await?;
    let from: u64 = match call.query.text("cursor") {
        None => 0,
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => text
            .parse()
            .ok()
            .filter(|from| u32::try_from(*from).is_ok())
            .ok_or_else(|| wrong("cursor", "cursor: expected the number of a line"))?,
        Some(text) => decode_cursor::<u32>(text)?.into(),
    };
    if call.query.text("follow").is_some() {
        return follow::follow(call, store, from).await;
    }
    let limit = call.query.number("limit").unwrap_or(LINES.0);
    let (items, total) = store.logs(&call.id, from as usize, limit as usize).await?;
    if total == 0 && store.job_detail(&call.id).await?.is_none() {
        return Err(call.no_job());
    }
    let end = from + items.len() as u64;
    let next = (end < total && !items.is_empty()).then(|| encode_cursor(&end));
    Ok(answer(StatusCode::OK, &LogPage { items, next, total, from }))
}
