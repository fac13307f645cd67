//! `bullock worker ls`.

use clap::Args;
use serde_json::json;

use crate::admin::routes::workers::{WorkerItem, listed};
use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Row, Tone};
use crate::cli::session::Session;
use crate::cli::time::duration;

/// Queues that a line names.
const QUEUES_SHOWN: usize = 3;

/// Arguments of `bullock worker ls`.
#[derive(Debug, Args)]
pub struct List {
    /// Only the workers of this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column::text("WORKER"),
    Column::text("KIND"),
    Column::number("RUNNING"),
    Column::text("QUIET"),
    Column::number("THERE FOR"),
    Column::number("SILENT FOR"),
    Column::text("ADDRESS"),
    Column::text("QUEUES"),
];

/// Lists.
pub(super) async fn run(session: &Session, args: &List) -> Result<(), CliError> {
    let failed = |error| session.error(error);
    let board = session.board();
    let look = board.look_through().await.map_err(failed)?;
    if let Some(queue) = args.queue.as_ref().filter(|queue| !look.queues.contains_key(queue.as_str())) {
        return Err(session.no_queue(queue));
    }
    let is_meant = |queue: &str| args.queue.as_ref().is_none_or(|only| only == queue);
    let found = listed(&board, &look, is_meant).await.map_err(failed)?;
    let rows: Vec<Row> = found.items.iter().map(row).collect();
    session.out.list(COLUMNS, &rows)?;
    if !found.known {
        session
            .out
            .note("this Redis user has no right to CLIENT LIST: only workers that run jobs are listed");
    } else if rows.is_empty() {
        session.out.note("no workers");
    }
    Ok(())
}

fn row(worker: &WorkerItem) -> Row {
    let seconds =
        |s: u64| Cell::new(duration(i64::try_from(s).unwrap_or(i64::MAX).saturating_mul(1000))).raw(s);
    let mut names: Vec<&str> = worker.queues.iter().map(|queue| queue.queue.as_str()).collect();
    let all = names.len();
    names.truncate(QUEUES_SHOWN);
    let mut queues = names.join(", ");
    if all > QUEUES_SHOWN {
        queues = format!("{queues} and {} more", all - QUEUES_SHOWN);
    }
    let quiet = worker.quiet.as_ref().map_or_else(Cell::default, |told| Cell::new(&told.by).tone(Tone::Busy));
    let is_connected = !worker.addresses.is_empty();
    let cells = vec![
        Cell::new(&worker.name),
        Cell::new(&worker.kind),
        Cell::new(worker.running),
        quiet,
        if is_connected { seconds(worker.connected_seconds) } else { Cell::default() },
        if is_connected { seconds(worker.idle_seconds) } else { Cell::default() },
        Cell::new(worker.addresses.join(", ")),
        Cell::new(queues),
    ];
    Row { cells, json: json!(worker) }
}
