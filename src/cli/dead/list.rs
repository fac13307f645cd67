//! `bullock dead ls`: the dead letters of a queue, page by page, or of all queues.

use clap::Args;
use serde_json::json;

use super::filter::Chosen;
use super::groups::{self, By};
use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Cell, Column, Row, Tone};
use crate::cli::target::{DeadPage, QueueAt, Target};
use crate::cli::time::{age, iso, now_ms};
use crate::job::signature::signature;
use crate::store::dead::{DeadLetter, Filter};
use crate::store::inspect::PAGE_MAX;

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
    #[arg(long, value_name = "CURSOR", requires = "queue")]
    cursor: Option<String>,
}

/// Lists.
pub(super) async fn run(target: &Target, args: &List) -> Result<(), CliError> {
    target.check_dead_cursor(args.cursor.as_deref())?;
    let filter = args.chosen.filter(now_ms());
    let queues = match &args.queue {
        Some(name) => vec![target.known_queue(name).await?],
        None => target.queues().await?,
    };
    if let Some(by) = args.by {
        return groups::run(target, by, &filter, &queues).await;
    }
    let limit = usize::from(args.limit);
    let (mut found, mut rest): (Vec<(String, DeadLetter)>, _) = (Vec::new(), None);
    for at in &queues {
        let queue = at.name().to_owned();
        let page = match at.dead(&filter, args.cursor.as_deref(), limit).await {
            Ok(page) => page,
            Err(error) if queues.len() > 1 && error.exit() == Exit::Conflict => {
                target
                    .out
                    .note(&format!("note: {queue} is left out: its keys have other types than a queue's"));
                continue;
            }
            Err(error) => return Err(error),
        };
        rest = tell(target, &queue, &page).or(rest);
        found.extend(page.jobs.into_iter().map(|job| (queue.clone(), job)));
    }
    found.sort_by_key(|(_, job)| std::cmp::Reverse(job.failed_ms));
    found.truncate(limit);
    let now = now_ms();
    let rows: Vec<Row> = found.iter().map(|(queue, job)| row(queue, job, now)).collect();
    target.out.list(COLUMNS, &rows)?;
    match rest {
        Some(note) => target.out.note(&note),
        None if rows.is_empty() => target.out.note("no such dead letters"),
        None => {}
    }
    Ok(())
}

/// What a page leaves open.
fn tell(target: &Target, queue: &str, page: &DeadPage) -> Option<String> {
    target.out.detail(&format!("{queue}: looked at {} of {} dead letters", page.scanned, page.total));
    let next = page.next.as_ref()?;
    let (shown, scanned, total) = (page.jobs.len(), page.scanned, page.total);
    Some(format!(
        "{queue}: {shown} shown, {scanned} of {total} looked at; more: bullock dead ls {queue} --cursor {next}"
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
pub(super) async fn all(queue: &QueueAt<'_>, filter: &Filter, most: usize) -> Result<DeadPage, CliError> {
    let mut all = DeadPage::default();
    loop {
        let page = queue.dead(filter, all.next.take().as_deref(), PAGE_MAX).await?;
        all.scanned += page.scanned;
        all.total = page.total;
        all.jobs.extend(page.jobs);
        all.next = page.next;
        if all.next.is_none() || all.scanned >= most {
            return Ok(all);
        }
    }
}
