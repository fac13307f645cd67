//! `bullock history`: what ran per hour or day, from the figures that workers keep.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::json;

use super::error::CliError;
use super::output::{Cell, Column, Row, Tone};
use super::session::Session;
use super::target::{At, Target};
use super::time::{duration, iso, local, now_ms, parse_duration};
use crate::admin::routes::history::{KindView, SpreadView};
use crate::store::history::{self, By, DAY_MS};

/// What is shown unless told otherwise: of hours, and of days.
const SPANS_MS: (i64, i64) = (DAY_MS, 30 * DAY_MS);

/// How long a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Per {
    /// An hour
    Hour,
    /// A day
    Day,
}

/// Arguments of `bullock history`.
#[derive(Debug, Args)]
#[command(
    after_help = "A line for each job name (and organisation) of an hour or a day (UTC) in which something ran."
)]
pub struct History {
    /// The queue
    #[arg(long, value_name = "QUEUE")]
    queue: String,
    /// Hour or day
    #[arg(long, value_name = "SPAN", value_enum, hide_possible_values = true, default_value_t = Per::Hour)]
    by: Per,
    /// How far back, such as 7d [default: 1d, of days 30d]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    since: Option<Duration>,
    /// Only jobs of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only jobs of this organisation
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column::text("FROM"),
    Column::text("NAME"),
    Column::text("ORG"),
    Column::number("COMPLETED"),
    Column::number("FAILED"),
    Column::number("RETRIED"),
    Column::number("PARTIAL"),
    Column::number("RAN P50"),
    Column::number("RAN P95"),
    Column::number("WAITED P95"),
];

/// An hour or a day.
#[derive(Deserialize)]
struct Point {
    from: i64,
    kinds: Vec<KindView>,
}

/// What the API answers.
#[derive(Deserialize)]
struct Answer {
    points: Vec<Point>,
}

/// Prints it.
pub async fn run(target: &Target, args: &History) -> Result<(), CliError> {
    let by = if args.by == Per::Day { By::Day } else { By::Hour };
    let usual = if by == By::Day { SPANS_MS.1 } else { SPANS_MS.0 };
    let span = args.since.map_or(usual, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let points = match &target.at {
        At::Redis(session) => directly(session, args, by, span).await?,
        At::Api(api) => {
            let from = now_ms().saturating_sub(span).max(0).to_string();
            let mut query = vec![("queue", args.queue.as_str()), ("by", by.as_str())];
            // Without a time the server counts back by its own clock.
            query.extend(args.since.map(|_| ("from", from.as_str())));
            query.extend(args.name.as_deref().map(|name| ("name", name)));
            query.extend(args.org.as_deref().map(|org| ("org", org)));
            api.get::<Answer>(&["history"], &query).await?.points
        }
    };
    let lines = points.iter().flat_map(|point| point.kinds.iter().map(|kind| row(point.from, kind)));
    let rows: Vec<Row> = lines.collect();
    target.out.list(COLUMNS, &rows)?;
    if rows.is_empty() {
        target.out.note("nothing ran in that time that a worker of ours has noted");
    }
    Ok(())
}

async fn directly(session: &Session, args: &History, by: By, span: i64) -> Result<Vec<Point>, CliError> {
    let failed = |error| session.error(error);
    let store = session.known_queue(&args.queue).await?;
    let to_ms = store.time_ms().await.map_err(failed)?;
    let ask = history::Ask {
        name: args.name.as_deref(),
        org: args.org.as_deref(),
        from_ms: to_ms.saturating_sub(span).max(0),
        to_ms,
        by,
    };
    let found = store.history(&ask).await.map_err(failed)?;
    let point = |point: history::Point| Point {
        from: point.from_ms,
        kinds: point.kinds.into_iter().map(KindView::from).collect(),
    };
    Ok(found.points.into_iter().map(point).collect())
}

fn row(from: i64, kind: &KindView) -> Row {
    let ms = |spread: &Option<SpreadView>, of: fn(&SpreadView) -> f64| {
        spread.as_ref().map_or_else(Cell::default, |spread| {
            let ms = of(spread).round();
            Cell::new(duration(ms as i64)).raw(ms)
        })
    };
    let count = |n: u64| if n == 0 { Cell::default().raw(0) } else { Cell::new(n) };
    let cells = vec![
        Cell::new(local(from)).raw(iso(from)),
        Cell::new(&kind.name),
        Cell::new(kind.org.as_deref().unwrap_or_default()),
        Cell::new(kind.completed),
        Cell::new(kind.failed).tone(if kind.failed > 0 { Tone::Bad } else { Tone::Plain }),
        count(kind.retried),
        count(kind.partial),
        ms(&kind.run_ms, |spread| spread.p50),
        ms(&kind.run_ms, |spread| spread.p95),
        ms(&kind.wait_ms, |spread| spread.p95),
    ];
    let mut json = json!(kind);
    json["from"] = json!(from);
    json["fromTime"] = json!(iso(from));
    Row { cells, json }
}
