//! `bullock job ls`: the jobs of a queue, page by page.

use clap::Args;

use super::record::{Progress, Record, due};
use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Row};
use crate::cli::session::Session;
use crate::cli::time::{age, duration, iso, now_ms};
use crate::job::state::State;
use crate::store::inspect::PAGE_MAX;
use crate::store::search::ORDER;
use crate::wire::Dialect;

/// Those that Bull 4 does not have.
const OF_BULLMQ: [State; 2] = [State::Prioritized, State::WaitingChildren];
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
    #[arg(long, value_name = "CURSOR", value_parser = parse_cursor)]
    cursor: Option<(State, usize)>,
}

fn parse_state(word: &str) -> Result<State, String> {
    word.parse().map_err(|error: crate::job::state::UnknownState| error.to_string())
}

fn parse_cursor(text: &str) -> Result<(State, usize), String> {
    let parts = text
        .split_once(':')
        .and_then(|(state, offset)| Some((parse_state(state).ok()?, offset.parse().ok()?)));
    parts.ok_or_else(|| "expected the cursor that the last page named, such as failed:50".into())
}

/// Lists.
pub(super) async fn run(session: &Session, args: &List) -> Result<(), CliError> {
    if let (Some(state), Some((of, _))) = (args.state, args.cursor)
        && state != of
    {
        return Err(CliError::usage("the cursor belongs to another state")
            .at("--cursor")
            .found(of.as_str())
            .expected(format!("one of --state {state}")));
    }
    let (store, known) = session.queue(&args.queue).await?;
    let has = |state: &State| store.dialect() == Dialect::BullMq || !OF_BULLMQ.contains(state);
    if let Some(state) = args.state.filter(|state| known && !has(state)) {
        return Err(CliError::usage("Bull 4 has no such state")
            .at("--state")
            .found(state.as_str())
            .expected("waiting, active, delayed, completed, failed or paused"));
    }
    let failed = |error| session.error(error);
    let limit = args.limit as usize;
    let (first, mut offset) = args.cursor.unwrap_or((args.state.unwrap_or(ORDER[0]), 0));
    let states = ORDER.iter().copied().filter(has).skip_while(|state| *state != first);
    let mut records: Vec<Record> = Vec::new();
    let mut more = None;
    'states: for state in states {
        if args.state.is_some_and(|only| only != state) {
            break;
        }
        loop {
            let wanted = (limit - records.len()).min(PAGE_MAX);
            // One more than wanted tells whether there is a next page.
            let mut ids =
                store.ids(state.as_str(), offset, (wanted + 1).min(PAGE_MAX)).await.map_err(failed)?;
            let full = ids.len() > wanted || ids.len() == PAGE_MAX;
            ids.truncate(wanted);
            if ids.is_empty() && full {
                more = Some(format!("{state}:{offset}"));
                break 'states;
            }
            offset += ids.len();
            records.extend(Record::read_all(&store, state, &ids).await.map_err(failed)?);
            if !full {
                break;
            }
            if records.len() >= limit {
                more = Some(format!("{state}:{offset}"));
                break 'states;
            }
        }
        offset = 0;
    }
    let now = now_ms();
    let rows: Vec<Row> = records.iter().map(|record| row(record, now)).collect();
    session.out.list(COLUMNS, &rows)?;
    match more {
        Some(cursor) => session.out.note(&format!("{} jobs shown; more: --cursor {cursor}", rows.len())),
        None if rows.is_empty() && !known => {
            session.out.note(&format!("no queue \"{}\" under prefix \"{}\" yet", args.queue, session.prefix));
        }
        None if rows.is_empty() => session.out.note("no such jobs"),
        None => {}
    }
    Ok(())
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
