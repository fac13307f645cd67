//! `bullock dead ls --by class|error`: how many of which kind.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::json;

use super::list::all;
use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Row, Tone};
use crate::cli::target::{QueueAt, Target};
use crate::cli::time::{age, iso, now_ms};
use crate::job::signature::signature;
use crate::store::dead::{Filter, SCANNED_MAX};

/// What dead letters are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum By {
    /// Reason class
    Class,
    /// Error signature
    Error,
}

#[derive(Default)]
struct Group {
    count: usize,
    newest: i64,
    oldest: i64,
    example: String,
    signature: String,
}

/// Counts, the largest first. At most [`SCANNED_MAX`] of each queue are looked at, the newest.
pub(super) async fn run(
    target: &Target,
    by: By,
    filter: &Filter,
    queues: &[QueueAt<'_>],
) -> Result<(), CliError> {
    let mut groups: BTreeMap<(String, String, String), Group> = BTreeMap::new();
    for at in queues {
        let queue = at.name().to_owned();
        let found = all(at, filter, SCANNED_MAX).await?;
        let whole = found.next.is_none();
        for job in found.jobs {
            let kind = signature(&job.error);
            let hash = if by == By::Error { kind.hash.clone() } else { String::new() };
            let group = groups.entry((queue.clone(), job.class, hash)).or_default();
            group.count += 1;
            group.newest = group.newest.max(job.failed_ms);
            group.oldest = if group.count == 1 { job.failed_ms } else { group.oldest.min(job.failed_ms) };
            if group.count == 1 {
                (group.example, group.signature) = (job.id, kind.text);
            }
        }
        if !whole {
            let (scanned, total) = (found.scanned, found.total);
            target.out.note(&format!(
                "{queue}: the newest {scanned} of {total} are counted; --since and --until narrow it"
            ));
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    let now = now_ms();
    let rows: Vec<Row> = groups.iter().map(|(key, group)| row(by, key, group, now)).collect();
    let columns = if by == By::Error { COLUMNS } else { &COLUMNS[..COLUMNS.len() - 2] };
    target.out.list(columns, &rows)?;
    if rows.is_empty() {
        target.out.note("no such dead letters");
    }
    Ok(())
}

/// By class the last two are left out.
const COLUMNS: &[Column] = &[
    Column::text("QUEUE"),
    Column::text("CLASS"),
    Column::number("COUNT"),
    Column::number("NEWEST"),
    Column::number("OLDEST"),
    Column::text("EXAMPLE"),
    Column::text("SIGNATURE"),
    Column::text("ERROR"),
];

fn row(by: By, (queue, class, hash): &(String, String, String), group: &Group, now: i64) -> Row {
    let time = |ms: i64| Cell::new(age(ms, now)).raw(iso(ms));
    let mut cells = vec![
        Cell::new(queue),
        Cell::new(class).tone(Tone::Bad),
        Cell::new(group.count),
        time(group.newest),
        time(group.oldest),
        Cell::new(&group.example),
    ];
    let mut json = json!({
        "queue": queue, "class": class, "count": group.count, "newest": group.newest, "oldest": group.oldest,
        "example": group.example,
    });
    if by == By::Error {
        cells.extend([Cell::new(hash), Cell::new(&group.signature)]);
        json["signature"] = hash.as_str().into();
        json["error"] = group.signature.as_str().into();
    }
    Row { cells, json }
}
