//! One sync: its page, its items, what was done to it and what it did.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::about::{About, Kind, Shape, param, wrong};
use super::super::{Ask, answer, decode_cursor, encode_cursor};
use super::find;
use super::view::{PlanItem, Recorded, SyncItem};
use crate::admin::problem::Problem;
use crate::store::Store;
use crate::store::audit::{AuditFilter, Entry};
use crate::store::job::JobDetail;
use crate::store::sync::list::SyncView;

/// Items of each state on the sync's page.
const ITEMS_SHOWN: usize = 50;
/// Items that the page looks at for them.
const ITEMS_SCANNED: usize = 2000;
/// Items that one command reads.
const ITEMS_STEP: usize = 200;
/// Entries of the timeline on the sync's page.
const TIMELINE_SHOWN: usize = 50;
/// The clock of whoever added the job can be ahead of Redis' by so much, ms.
const CLOCK_SLACK_MS: i64 = 60_000;
/// States of items that are kept.
const ITEM_STATES: &[&str] = &["failed", "retrying", "skipped"];

pub(in crate::admin::routes) const SHOW: About =
    About::new("syncs", "One sync with everything that is known of it")
        .answers(&[(200, "The sync", Some(Shape::of::<SyncPage>()))])
        .refusals(&[404, 409]);

pub(in crate::admin::routes) const ITEMS: About = About::new(
    "syncs",
    "Items of a sync that failed, wait to be pushed again or were passed over, in no order",
)
.query(&[
    param("state", Kind::Word(ITEM_STATES), "In this state only"),
    param("limit", Kind::Number(1, 200, 50), "About so many items"),
    param("cursor", Kind::Text, "Where the last page ended"),
])
.answers(&[(200, "A page; an item can be on two pages", Some(Shape::of::<SyncItemList>()))])
.refusals(&[404, 409]);

pub(in crate::admin::routes) const TIMELINE: About =
    About::new("syncs", "What people did to a sync, and what its batches changed, newest first")
        .query(&[
            param("limit", Kind::Number(1, 200, 50), "Most entries"),
            param("cursor", Kind::Text, "Where the last page ended"),
        ])
        .answers(&[(200, "A page", Some(Shape::of::<Timeline>()))])
        .refusals(&[404, 409]);

/// A sync with everything.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct SyncPage {
    /// As in lists.
    #[serde(flatten)]
    pub sync: SyncItem,
    /// Where it goes on; null = it has committed nothing yet.
    pub plan: Option<PlanItem>,
    /// The data of its job.
    pub data: Value,
    /// The options of its job.
    pub opts: Value,
    /// The last progress of its job.
    pub progress: Value,
    /// Its result.
    pub returnvalue: Value,
    /// The delay of the last add, ms.
    pub delay: Option<i64>,
    /// The last retry by a person, ms.
    pub retried_on: Option<i64>,
    /// Stack traces, oldest first.
    pub stacktrace: Vec<String>,
    /// The first items of each state.
    pub items: BTreeMap<String, Vec<NotedItem>>,
    /// There are more of them.
    pub items_truncated: bool,
    /// Items that had no room among those that are kept.
    pub items_dropped: u64,
    /// The newest acts and commits.
    pub timeline: Vec<TimelineEntry>,
    /// Where the timeline goes on; null = that was all.
    pub timeline_next: Option<String>,
    /// Redis' time when this was read, ms.
    pub server_time: i64,
}

/// An item that did not go well, or not yet.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::admin) struct NotedItem {
    /// Its id.
    pub id: String,
    /// failed, retrying or skipped.
    #[schema(example = "failed")]
    pub state: String,
    /// How often it was pushed and failed.
    pub tries: u64,
    /// What the sink said, in short.
    pub code: Option<String>,
    /// What the sink said.
    pub message: Option<String>,
}

/// A page of items.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SyncItems)]
pub(in crate::admin) struct SyncItemList {
    /// In no order.
    pub items: Vec<NotedItem>,
    /// Where to go on; null = that was all.
    pub next: Option<String>,
}

/// What was done to a sync, or what one of its batches changed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::admin) struct TimelineEntry {
    /// Its place in the queue's log.
    pub id: String,
    /// When, ms.
    pub at: i64,
    /// The act; commit = a batch.
    #[schema(example = "commit")]
    pub what: String,
    /// The job's state before.
    pub was: Option<String>,
    /// The job's state after.
    pub is: Option<String>,
    /// Who; empty of a commit.
    pub by: String,
    /// From where.
    pub from: String,
    /// Why.
    pub why: String,
    /// What it changed: `plan`, the members that are not as before; `items`, the new state of each.
    pub changed: Value,
}

/// A page of a timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct Timeline {
    /// Newest first.
    pub items: Vec<TimelineEntry>,
    /// Where to go on; null = that was all.
    pub next: Option<String>,
    /// Entries of the queue's log that were looked at.
    pub scanned: usize,
}

impl NotedItem {
    fn of(id: String, note: &str) -> Self {
        let note: Value = serde_json::from_str(note).unwrap_or_default();
        let text = |name: &str| note.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            id,
            state: text("state").unwrap_or_else(|| "unreadable".to_owned()),
            tries: note.get("tries").and_then(Value::as_u64).unwrap_or(0),
            code: text("code"),
            message: text("message"),
        }
    }
}

impl From<Entry> for TimelineEntry {
    fn from(entry: Entry) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            at: entry.at_ms(),
            changed: serde_json::from_str(&entry.changed).unwrap_or_default(),
            id: entry.id,
            what: entry.what,
            was: some(entry.was),
            is: some(entry.is),
            by: entry.by,
            from: entry.from,
            why: entry.why,
        }
    }
}

/// Shows a sync.
pub(in crate::admin::routes) async fn show(call: Ask) -> Result<Response, Problem> {
    let (store, detail) = find(&call).await?;
    let (mut items, mut cursor, mut scanned) = (BTreeMap::<String, Vec<NotedItem>>::new(), Some(0), 0);
    let mut truncated = false;
    for state in ITEM_STATES {
        items.insert((*state).to_owned(), Vec::new());
    }
    while let Some(from) = cursor.filter(|_| detail.recorded("plan").is_some() && scanned < ITEMS_SCANNED) {
        let (part, next) = store.items_part(&call.id, from, ITEMS_STEP).await?;
        (cursor, scanned) = (next, scanned + part.len().max(1));
        for (id, note) in part {
            let item = NotedItem::of(id, &note);
            let of_state = items.entry(item.state.clone()).or_default();
            let is_known = of_state.iter().any(|known| known.id == item.id);
            if of_state.len() >= ITEMS_SHOWN {
                truncated = true;
            } else if !is_known {
                of_state.push(item);
            }
        }
    }
    truncated |= cursor.is_some() && detail.recorded("plan").is_some();
    let (timeline, timeline_next, _) = acts(&store, &detail, None, TIMELINE_SHOWN).await?;
    let mut page = page(&call, detail);
    (page.items, page.items_truncated) = (items, truncated);
    (page.timeline, page.timeline_next) = (timeline, timeline_next);
    Ok(answer(StatusCode::OK, &page))
}

/// The page without what is read besides.
fn page(call: &Ask, detail: JobDetail) -> SyncPage {
    let mut view = detail.view.clone();
    call.shared.redaction.hide(&mut view);
    let sync = SyncView::from(detail);
    let plan = Recorded::of(&sync).plan.map(PlanItem::from);
    SyncPage {
        plan,
        data: view.data,
        opts: view.opts,
        progress: view.progress,
        returnvalue: view.returnvalue,
        delay: view.delay,
        retried_on: view.retried_on,
        stacktrace: view.stacktrace,
        items: BTreeMap::new(),
        items_truncated: false,
        items_dropped: sync.recorded("items_dropped").and_then(|text| text.parse().ok()).unwrap_or(0),
        timeline: Vec::new(),
        timeline_next: None,
        server_time: sync.now_ms,
        sync: SyncItem::of(&call.queue, sync, call.shared.read_only),
    }
}

/// Shows items.
pub(in crate::admin::routes) async fn items(call: Ask) -> Result<Response, Problem> {
    let (store, detail) = find(&call).await?;
    let limit = call.query.number("limit").unwrap_or(50) as usize;
    let from: u64 = call.query.text("cursor").map(decode_cursor).transpose()?.unwrap_or(0);
    let (wanted, mut scanned) = (call.query.text("state"), 0);
    // What an earlier job of this id has left is none of this one's.
    let mut cursor = Some(from).filter(|_| detail.recorded("plan").is_some());
    let mut items: Vec<NotedItem> = Vec::new();
    while let Some(from) = cursor.filter(|_| items.len() < limit && scanned < ITEMS_SCANNED) {
        let (part, next) = store.items_part(&call.id, from, limit).await?;
        (cursor, scanned) = (next, scanned + part.len().max(1));
        let noted = part.into_iter().map(|(id, note)| NotedItem::of(id, &note));
        items.extend(noted.filter(|item| wanted.is_none_or(|state| item.state == state)));
    }
    Ok(answer(StatusCode::OK, &SyncItemList { items, next: cursor.map(|at| encode_cursor(&at)) }))
}

/// Shows the timeline.
pub(in crate::admin::routes) async fn timeline(call: Ask) -> Result<Response, Problem> {
    let (store, detail) = find(&call).await?;
    let limit = call.query.number("limit").unwrap_or(50) as usize;
    let from: Option<String> = call.query.text("cursor").map(decode_cursor).transpose()?;
    let is_place = |from: &String| {
        let numbers = from.strip_prefix('(').and_then(|id| id.split_once('-'));
        numbers.is_some_and(|(ms, n)| [ms, n].iter().all(|n| n.parse::<u64>().is_ok()))
    };
    if from.as_ref().is_some_and(|from| !is_place(from)) {
        return Err(wrong("cursor", "cursor: expected what the last page named"));
    }
    let (items, next, scanned) = acts(&store, &detail, from.as_deref(), limit).await?;
    Ok(answer(StatusCode::OK, &Timeline { items, next, scanned }))
}

async fn acts(
    store: &Store,
    detail: &JobDetail,
    from: Option<&str>,
    limit: usize,
) -> Result<(Vec<TimelineEntry>, Option<String>, usize), Problem> {
    let filter = AuditFilter { job: Some(detail.view.id.clone()), ..AuditFilter::default() };
    // Older acts than the job are about an earlier one of the same id.
    let since = detail.view.timestamp.map_or(0, |ms| (ms - CLOCK_SLACK_MS).max(0)).to_string();
    let (entries, scanned, rest) = store.audit(&filter, from.unwrap_or("+"), &since, limit).await?;
    let entries = entries.into_iter().map(TimelineEntry::from).collect();
    Ok((entries, rest.map(|rest| encode_cursor(&rest)), scanned))
}
