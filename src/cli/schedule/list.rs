//! `bullock schedule ls`.

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::json;

use crate::admin::routes::schedulers::SchedulerItem;
use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Row, Tone};
use crate::cli::session::Session;
use crate::cli::target::{At, Listed, Target};
use crate::cli::time::{age, duration, iso, now_ms};
use crate::store::inspect::queues;
use crate::store::{Opened, StoreError};

/// Queues that are asked at once.
const AT_ONCE: usize = 16;

/// Arguments of `bullock schedule ls`.
#[derive(Debug, Args)]
#[command(after_help = "At most 200 of each queue. The id of a repeatable job of Bull 4 is its key.")]
pub struct List {
    /// Name of the queue [default: all]
    queue: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column::text("QUEUE"),
    Column::text("ID"),
    Column::text("NAME"),
    Column::text("EVERY"),
    Column::text("PATTERN"),
    Column::text("ZONE"),
    Column::number("LIMIT"),
    Column::number("SO FAR"),
    Column::text("NEXT"),
];

/// Lists.
pub(super) async fn run(target: &Target, args: &List) -> Result<(), CliError> {
    let mut items = match (&target.at, &args.queue) {
        (_, Some(name)) => target.known_queue(name).await?.schedulers().await?,
        (At::Redis(session), None) => of_all(session).await?,
        (At::Api(api), None) => api.get::<Listed>(&["schedulers"], &[]).await?.items,
    };
    items.sort_by_key(|item| item.next);
    let now = now_ms();
    let rows: Vec<Row> = items.iter().map(|item| row(item, now)).collect();
    target.out.list(COLUMNS, &rows)?;
    if rows.is_empty() {
        target.out.note("nothing comes again");
    }
    Ok(())
}

async fn of_all(session: &Session) -> Result<Vec<SchedulerItem>, CliError> {
    let names = queues(&session.connection, &session.prefix).await.map_err(|error| session.error(error))?;
    futures_util::stream::iter(names)
        .map(|name| async move { of_queue(session, &name).await })
        .buffered(AT_ONCE)
        .try_concat()
        .await
        .map_err(|error| session.error(error))
}

/// A queue that both dialects write to is nobody's to take apart.
async fn of_queue(session: &Session, name: &str) -> Result<Vec<SchedulerItem>, StoreError> {
    let store = session.store(name);
    match store.look().await? {
        Opened::Ready(..) => {}
        _ => return Ok(Vec::new()),
    }
    Ok(store.repeatables().await?.iter().map(|one| SchedulerItem::of(&store, one)).collect())
}

fn row(item: &SchedulerItem, now: i64) -> Row {
    let or_empty = |text: &Option<String>| Cell::new(text.as_deref().unwrap_or_default());
    let number = |n: Option<i64>| n.map_or_else(Cell::default, Cell::new);
    let next = if item.next > now {
        Cell::new(format!("in {}", age(now, item.next)))
    } else {
        Cell::new(format!("{} late", age(item.next, now))).tone(Tone::Bad)
    };
    let cells = vec![
        Cell::new(&item.queue),
        Cell::new(&item.id),
        or_empty(&item.name),
        item.every.map_or_else(Cell::default, |ms| Cell::new(duration(ms)).raw(ms)),
        or_empty(&item.pattern),
        or_empty(&item.tz),
        number(item.limit),
        number(item.iterations),
        next.raw(iso(item.next)),
    ];
    let mut json = json!(item);
    json["nextTime"] = json!(iso(item.next));
    Row { cells, json }
}
