//! `bullock dead ls`: the dead letters of a queue, page by page, or of all queues.

use clap::Args;
use serde_json::json;

use super::filter::Chosen;
use super::groups::{self, By};
use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Row, Tone};
use crate::cli::session::Session;
use crate::cli::time::{age, iso, now_ms};
use crate::job::signature::signature;
use crate::store::dead::{Cursor, DeadLetter, DeadPage, Filter, Order};
use crate::store::inspect::queues;
use crate::store::{Store, StoreError};

/// Arguments of `bullock dead ls`.
#[derive(Debug, Args)]
pub struct List {
    /// Name of the queue; all of the prefix without it
    queue: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    /// Count them by reason class or by error signature instead
    #[arg(long, value_enum, value_name = "class|error")]
    by: Option<By>,
    /// Most of them to list, 1 to 200
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Go on where the last page ended
    #[arg(long, value_name = "CURSOR", value_parser = parse_cursor, requires = "queue")]
    cursor: Option<Cursor>,
}

fn parse_cursor(text: &str) -> Result<Cursor, String> {
    let parts = text.split_once(':').and_then(|(ms, id)| Some((ms.parse::<f64>().ok()?, id)));
    match parts {
        Some((failed_ms, id)) if failed_ms.is_finite() => Ok(Cursor { failed_ms, id: id.to_owned() }),
        _ => Err("expected the cursor that the last page named, such as 1795395600000:42".into()),
    }
}

/// Lists.
pub(super) async fn run(session: &Session, args: &List) -> Result<(), CliError> {
    let failed = |error: StoreError| session.error(error);
    let filter = args.chosen.filter(now_ms());
    let stores = stores(session, args).await?;
    if let Some(by) = args.by {
        return groups::run(session, by, &filter, &stores).await;
    }
    let limit = usize::from(args.limit);
    let (mut found, mut rest): (Vec<(String, DeadLetter)>, _) = (Vec::new(), None);
    for store in &stores {
        let queue = store.keys().queue.to_string();
        let page = match store.dead(&filter, Order::NewestFirst, args.cursor.clone(), limit, false).await {
            Ok(page) => page,
            Err(error) if stores.len() > 1 && error.to_string().contains("WRONGTYPE") => {
                session
                    .out
                    .note(&format!("note: {queue} is left out: its keys have other types than a queue's"));
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        rest = tell(session, &queue, &page).or(rest);
        found.extend(page.jobs.into_iter().map(|job| (queue.clone(), job)));
    }
    found.sort_by_key(|(_, job)| std::cmp::Reverse(job.failed_ms));
    found.truncate(limit);
    let now = now_ms();
    let rows: Vec<Row> = found.iter().map(|(queue, job)| row(queue, job, now)).collect();
    session.out.list(COLUMNS, &rows)?;
    match rest {
        Some(note) => session.out.note(&note),
        None if rows.is_empty() => session.out.note("no such dead letters"),
        None => {}
    }
    Ok(())
}

/// The queue that was named, or all.
async fn stores(session: &Session, args: &List) -> Result<Vec<Store>, CliError> {
    if let Some(name) = &args.queue {
        return Ok(vec![session.known_queue(name).await?]);
    }
    let names = queues(&session.connection, &session.prefix).await.map_err(|error| session.error(error))?;
    Ok(names.iter().map(|name| session.store(name)).collect())
}

/// What a page leaves open.
fn tell(session: &Session, queue: &str, page: &DeadPage) -> Option<String> {
    session.out.detail(&format!("{queue}: looked at {} of {} dead letters", page.scanned, page.total));
    let next = page.next.as_ref()?;
    let (shown, scanned, total) = (page.jobs.len(), page.scanned, page.total);
    Some(format!(
        "{queue}: {shown} shown, {scanned} of {total} looked at; more: bullock dead ls {queue} --cursor {}:{}",
        next.failed_ms, next.id
    ))
}

const COLUMNS: &[Column] = &[
    Column::text("QUEUE"),
    Column::text("ID"),
    Column::text("NAME"),
    Column::text("CLASS"),
    Column::number("ATT"),
    Column::number("AGE"),
    Column::text("SIGNATURE"),
    Column::text("ERROR"),
];

fn row(queue: &str, job: &DeadLetter, now: i64) -> Row {
    let kind = signature(&job.error);
    Row {
        cells: vec![
            Cell::new(queue),
            Cell::new(&job.id),
            Cell::new(&job.name),
            Cell::new(&job.class).tone(Tone::Bad),
            Cell::new(job.attempts_made),
            Cell::new(age(job.failed_ms, now)).raw(iso(job.failed_ms)),
            Cell::new(&kind.hash),
            Cell::new(job.error.lines().next().unwrap_or("")),
        ],
        json: json!({
            "queue": queue, "id": job.id, "name": job.name, "class": job.class, "error": job.error,
            "signature": kind.hash, "failedOn": job.failed_ms, "attemptsMade": job.attempts_made,
        }),
    }
}

/// All that fit, page after page, up to so many looked at.
pub(super) async fn all(store: &Store, filter: &Filter, most: usize) -> Result<(DeadPage, bool), StoreError> {
    let mut all = DeadPage::default();
    loop {
        let page = store.dead(filter, Order::NewestFirst, all.next.take(), 200, false).await?;
        all.scanned += page.scanned;
        all.total = page.total;
        all.jobs.extend(page.jobs);
        all.next = page.next;
        if all.next.is_none() || all.scanned >= most {
            let whole = all.next.is_none();
            return Ok((all, whole));
        }
    }
}
