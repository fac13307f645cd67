//! `bullock worker ls`.

use clap::Args;
use serde_json::json;

use crate::admin::routes::workers::{WorkerItem, WorkerList, listed};
use crate::cli::api::Api;
use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Row, Tone};
use crate::cli::session::Session;
use crate::cli::target::{At, Target};
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
pub(super) async fn run(target: &Target, args: &List) -> Result<(), CliError> {
    let found = match &target.at {
        At::Redis(session) => of_redis(session, args.queue.as_deref()).await?,
        At::Api(api) => of_api(api, args.queue.as_deref()).await?,
    };
    let rows: Vec<Row> = found.items.iter().map(row).collect();
    target.out.list(COLUMNS, &rows)?;
    if !found.known {
        target.out.note("this Redis user has no right to CLIENT LIST: only workers that run jobs are listed");
    } else if rows.is_empty() {
        target.out.note("no workers");
    }
    Ok(())
}

async fn of_redis(session: &Session, only: Option<&str>) -> Result<WorkerList, CliError> {
    let failed = |error| session.error(error);
    let board = session.board();
    let look = board.look_through().await.map_err(failed)?;
    if let Some(queue) = only.filter(|queue| !look.queues.contains_key(*queue)) {
        return Err(session.no_queue(queue));
    }
    listed(&board, &look, |queue| only.is_none_or(|only| only == queue)).await.map_err(failed)
}

async fn of_api(api: &Api, only: Option<&str>) -> Result<WorkerList, CliError> {
    let mut list: WorkerList = api.get(&["workers"], &[]).await?;
    let Some(only) = only else { return Ok(list) };
    api.get::<serde_json::Value>(&["queues", only], &[]).await?;
    for worker in &mut list.items {
        worker.queues.retain(|queue| queue.queue == only);
        worker.leases.retain(|job| job.queue == only);
        worker.running = worker.queues.iter().map(|queue| queue.running).sum();
        worker.quiet.take_if(|_| !worker.queues.iter().any(|queue| queue.quiet));
    }
    list.items.retain(|worker| !worker.queues.is_empty());
    Ok(list)
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
