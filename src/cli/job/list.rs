//! `bullock job ls`: the jobs of a queue, page by page.

use clap::Args;

use super::record::{Progress, Record, due};
use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Row};
use crate::cli::target::{At, JobsPage, Listing, Target};
use crate::cli::time::{age, duration, iso, now_ms};
use crate::job::state::State;

/// Most characters of data in a wide list.
const DATA_SHOWN: usize = 120;

/// Arguments of `bullock job ls`.
#[derive(Debug, Args)]
pub struct List {
    /// Name of the queue
    queue: String,
    /// Only jobs in this state: waiting, active, delayed, completed, failed or paused; in bullmq also prioritized or
    /// waiting-children
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<State>,
    /// Most jobs to list, 1 to 10000
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on where the last page ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Only jobs that have this value: data.shop=acme, data.sku~part, data.n!=5. May be repeated
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
}

fn parse_state(word: &str) -> Result<State, String> {
    word.parse().map_err(|error: crate::job::state::UnknownState| error.to_string())
}

/// Lists.
pub(super) async fn run(target: &Target, args: &List) -> Result<(), CliError> {
    let listing = Listing {
        state: args.state,
        limit: args.limit as usize,
        cursor: args.cursor.as_deref(),
        conditions: &args.conditions,
        whole: target.out.is_json(),
    };
    listing.check(target)?;
    let (queue, known) = target.queue(&args.queue).await?;
    let page = if known { queue.jobs(&listing).await? } else { JobsPage::default() };
    let now = now_ms();
    let rows: Vec<Row> = page.records.iter().map(|record| row(record, now)).collect();
    target.out.list(COLUMNS, &rows)?;
    match page.next {
        Some(cursor) => target.out.note(&format!("{} jobs shown; more: --cursor {cursor}", rows.len())),
        None if !known => target.out.note(&no_queue_yet(target, &args.queue)),
        None if rows.is_empty() => target.out.note("no such jobs"),
        None => {}
    }
    Ok(())
}

fn no_queue_yet(target: &Target, queue: &str) -> String {
    match &target.at {
        At::Redis(session) => format!("no queue \"{queue}\" under prefix \"{}\" yet", session.prefix),
        At::Api(api) => format!("no queue \"{queue}\" at {} yet", api.shown()),
    }
}

const COLUMNS: &[Column] = &[
    Column::text("ID"),
    Column::text("NAME"),
    Column::text("STATUS"),
    Column::text("STATE").wide(),
    Column::text("PROGRESS"),
    Column::number("ATT"),
    Column::number("AGE"),
    Column::number("RUN"),
    Column::text("WORKER"),
    Column::text("DATA").wide(),
    Column::text("DETAIL"),
];

fn row(record: &Record, now: i64) -> Row {
    let view = &record.view;
    let progress = Progress::read(&view.progress).map_or_else(Cell::default, |progress| {
        Cell::new(format!("{} {}", progress.bar(), progress.text())).raw(progress.text())
    });
    let added = view.timestamp.map_or_else(Cell::default, |then| Cell::new(age(then, now)).raw(iso(then)));
    let ran = record.ran_ms(now).map_or_else(Cell::default, |ms| Cell::new(duration(ms)).raw(ms));
    let data: String = view.data.to_string().chars().take(DATA_SHOWN).collect();
    Row {
        cells: vec![
            Cell::new(&view.id),
            Cell::new(&view.name),
            Cell::new(record.status_word()).tone(record.tone()),
            Cell::new(record.state_word()),
            progress,
            Cell::new(record.attempts()),
            added,
            ran,
            Cell::new(record.worker().unwrap_or("")),
            Cell::new(data),
            detail(record, now),
        ],
        json: record.json(),
    }
}

/// What matters most in its state: when it is due, or why it failed.
fn detail(record: &Record, now: i64) -> Cell {
    let error = record.view.failed_reason.as_deref().and_then(|reason| reason.lines().next()).unwrap_or("");
    match (record.state, record.mark.due_ms) {
        (Some(State::Delayed), Some(at)) => {
            let after = if error.is_empty() { String::new() } else { format!(", after: {error}") };
            Cell::new(format!("{}{after}", due(at, now))).raw(iso(at))
        }
        (Some(State::Failed), _) => Cell::new(error),
        _ => Cell::default(),
    }
}
