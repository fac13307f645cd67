//! `GET /history` and `GET /history/runs`: what ran per hour or day, and how syncs ended.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::about::{About, Kind, Param, Shape, needed, param, wrong};
use super::{Ask, answer, decode_cursor, encode_cursor};
use crate::admin::problem::Problem;
use crate::store::Store;
use crate::store::history::{self, By, DAY_MS, Items, Spread};

/// Slowest runs, and kinds that fail most.
const WORST_MAX: usize = 10;
/// What is shown unless told otherwise: of hours, and of days.
const SPANS: (i64, i64) = (DAY_MS, 30 * DAY_MS);

const QUEUE: Param = needed("queue", Kind::Text, "The queue");
const NAME: Param = param("name", Kind::Text, "Jobs of this name only");
const ORG: Param = param("org", Kind::Text, "Jobs of this organisation only");
const FROM: Param =
    param("from", Kind::Time, "From here, ms since 1970; a day before the end unless given, of days a month");
const TO: Param = param("to", Kind::Time, "Up to here, ms since 1970; now unless given");

pub(super) const SHOW: About =
    About::new("history", "What ran per hour or day: how it ended, how long it took and waited")
        .query(&[
            QUEUE,
            NAME,
            ORG,
            FROM,
            TO,
            param("by", Kind::Word(&["hour", "day"]), "How long a point is; an hour unless given"),
        ])
        .answers(&[(200, "The points, and all of them together", Some(Shape::of::<HistoryView>()))])
        .refusals(&[404, 409]);

pub(super) const RUNS: About = About::new("history", "How syncs ended, newest first")
    .query(&[
        QUEUE,
        NAME,
        ORG,
        FROM,
        TO,
        param("limit", Kind::Number(1, 200, 50), "Most runs"),
        param("cursor", Kind::Text, "Where the last page ended"),
    ])
    .answers(&[(200, "A page", Some(Shape::of::<RunList>()))])
    .refusals(&[404, 409]);

/// What ran.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = History)]
pub(in crate::admin) struct HistoryView {
    /// The queue.
    pub queue: String,
    /// hour or day.
    pub by: &'static str,
    /// Every point of the range, oldest first, also those in which nothing ran.
    pub points: Vec<PointView>,
    /// The whole range by kind.
    pub kinds: Vec<KindView>,
    /// The slowest runs of the days that the range touches.
    pub slowest: Vec<SlowRunView>,
    /// Kinds that have failed, those that did most often first.
    pub most_failing: Vec<FailingView>,
    /// Redis' time, ms.
    pub server_time: i64,
}

/// An hour or a day (UTC).
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct PointView {
    /// Its beginning, ms.
    pub from: i64,
    /// What ran in it.
    pub kinds: Vec<KindView>,
}

/// What jobs of one name of one organisation did.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KindView {
    /// The jobs' name; * = names for which there was no room.
    pub name: String,
    /// Their organisation.
    pub org: Option<String>,
    /// Jobs that completed.
    pub completed: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Attempts that failed and were tried again.
    pub retried: u64,
    /// Syncs among the completed ones that left failed items.
    pub partial: u64,
    /// Share of those that completed, of those that ended, 0 to 1.
    pub success_rate: Option<f64>,
    /// How long attempts ran.
    pub run_ms: Option<SpreadView>,
    /// How long jobs waited for their first attempt.
    pub wait_ms: Option<SpreadView>,
    /// Items of syncs.
    pub items: ItemCounts,
}

/// How durations were spread, ms; right to within a tenth.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SpreadView {
    /// How many there were.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half of them were shorter.
    pub p50: f64,
    /// 95 of 100 were shorter.
    pub p95: f64,
    /// 99 of 100 were shorter.
    pub p99: f64,
}

/// Items of syncs by what became of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ItemCounts {
    /// All that came to their end.
    pub processed: u64,
    /// The sink took them.
    pub successful: u64,
    /// They failed as often as an item may.
    pub failed: u64,
    /// The sink passed them over.
    pub skipped: u64,
}

/// A slow run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct SlowRunView {
    /// The job's id; the job may be gone.
    pub id: String,
    /// The job's name.
    pub name: String,
    /// Its organisation.
    pub org: Option<String>,
    /// Which attempt it was.
    pub attempt: u32,
    /// completed, failed or retried.
    pub ended: String,
    /// How long it ran, ms.
    pub run_ms: f64,
}

/// A kind that fails.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct FailingView {
    /// The jobs' name.
    pub name: String,
    /// Their organisation.
    pub org: Option<String>,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Jobs that ended.
    pub ended: u64,
}

/// How a sync ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct RunView {
    /// Its place in the log of runs.
    pub entry: String,
    /// The job's id; the job may be gone.
    pub id: String,
    /// The job's name.
    pub name: String,
    /// Its organisation.
    pub org: Option<String>,
    /// completed, partial or failed.
    pub end: &'static str,
    /// When its first attempt began, ms.
    pub started_at: i64,
    /// When it ended, ms.
    pub ended_at: i64,
    /// From the one to the other, pauses included, ms.
    pub took_ms: u64,
    /// Batches that were pushed.
    pub batches: u64,
    /// Items, by what became of them.
    pub items: ItemCounts,
}

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Runs)]
pub(in crate::admin) struct RunList {
    /// Newest first.
    pub items: Vec<RunView>,
    /// Where to go on; null = that was all.
    pub next: Option<String>,
}

fn org(text: String) -> Option<String> {
    Some(text).filter(|org| !org.is_empty())
}

impl From<Items> for ItemCounts {
    fn from(items: Items) -> Self {
        let Items { processed, successful, failed, skipped, .. } = items;
        Self { processed, successful, failed, skipped }
    }
}

fn spread(spread: Spread) -> Option<SpreadView> {
    let Spread { count, mean_ms: mean, p50_ms: p50, p95_ms: p95, p99_ms: p99 } = spread;
    (count > 0).then_some(SpreadView { count, mean, p50, p95, p99 })
}

impl From<history::Kind> for KindView {
    fn from(kind: history::Kind) -> Self {
        Self {
            success_rate: kind.success_rate(),
            name: kind.name,
            org: org(kind.org),
            completed: kind.completed,
            failed: kind.failed,
            retried: kind.retried,
            partial: kind.partial,
            run_ms: spread(kind.ran),
            wait_ms: spread(kind.waited),
            items: kind.items.into(),
        }
    }
}

/// The queue of the query, and what is asked of it.
async fn asked(call: &Ask, by: By) -> Result<(Store, history::Ask<'_>), Problem> {
    let queue = call.query.text("queue").unwrap_or_default();
    if !call.caller()?.may(queue) {
        return Err(Problem::forbidden("this token is not for that queue"));
    }
    let store = call.board()?.open(queue).await?;
    let time = |name: &str| call.query.number(name).and_then(|ms| i64::try_from(ms).ok());
    let to_ms = match time("to") {
        Some(to) => to,
        None => store.time_ms().await?,
    };
    let span = if by == By::Day { SPANS.1 } else { SPANS.0 };
    let from_ms = time("from").unwrap_or((to_ms - span).max(0));
    if from_ms > to_ms {
        return Err(wrong("from", "from: expected a time before to"));
    }
    let (name, org) = (call.query.text("name"), call.query.text("org"));
    Ok((store, history::Ask { name, org, from_ms, to_ms, by }))
}

pub(super) async fn show(call: Ask) -> Result<Response, Problem> {
    let by = if call.query.text("by") == Some("day") { By::Day } else { By::Hour };
    let (store, ask) = asked(&call, by).await?;
    let found = store.history(&ask).await?;
    let slowest = store.slowest(&ask, WORST_MAX).await?;
    let mut failing: Vec<&history::Kind> = found.kinds.iter().filter(|kind| kind.failed > 0).collect();
    failing.sort_by_key(|kind| std::cmp::Reverse(kind.failed));
    let failing = failing.into_iter().take(WORST_MAX).map(|kind| FailingView {
        name: kind.name.clone(),
        org: org(kind.org.clone()),
        failed: kind.failed,
        ended: kind.ended(),
    });
    let most_failing = failing.collect();
    let slow = |run: history::SlowRun| SlowRunView {
        id: run.id,
        name: run.name,
        org: org(run.org),
        attempt: run.attempt,
        ended: run.ended,
        run_ms: run.ran_ms,
    };
    let point = |point: history::Point| PointView {
        from: point.from_ms,
        kinds: point.kinds.into_iter().map(KindView::from).collect(),
    };
    let view = HistoryView {
        queue: store.keys().queue.to_string(),
        by: by.as_str(),
        points: found.points.into_iter().map(point).collect(),
        kinds: found.kinds.into_iter().map(KindView::from).collect(),
        slowest: slowest.into_iter().map(slow).collect(),
        most_failing,
        server_time: found.read_ms,
    };
    Ok(answer(StatusCode::OK, &view))
}

pub(super) async fn runs(call: Ask) -> Result<Response, Problem> {
    let (store, ask) = asked(&call, By::Day).await?;
    let before: Option<String> = call.query.text("cursor").map(decode_cursor).transpose()?;
    let is_entry = |entry: &String| {
        let numbers = entry.split_once('-');
        numbers.is_some_and(|(ms, n)| [ms, n].iter().all(|n| n.parse::<u64>().is_ok()))
    };
    if before.as_ref().is_some_and(|entry| !is_entry(entry)) {
        return Err(wrong("cursor", "cursor: expected what the last page named"));
    }
    let limit = call.query.number("limit").unwrap_or(50) as usize;
    let found = store.sync_runs(&ask, limit, before.as_deref()).await?;
    let item = |run: history::SyncRun| RunView {
        took_ms: run.took_ms(),
        entry: run.entry,
        id: run.id,
        name: run.name,
        org: org(run.org),
        end: run.end.as_str(),
        started_at: run.started_ms,
        ended_at: run.ended_ms,
        batches: run.batches,
        items: run.items.into(),
    };
    let items = found.runs.into_iter().map(item).collect();
    Ok(answer(StatusCode::OK, &RunList { items, next: found.next.map(|at| encode_cursor(&at)) }))
}
