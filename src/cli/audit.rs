//! `bullock audit`: what people did to queues and jobs, newest first.

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::json;
use std::time::Duration;

use super::error::CliError;
use super::output::{Cell, Column, Row};
use super::session::Session;
use super::time::{iso, local, now_ms, parse_duration};
use crate::admin::routes::audit::AuditEntry;
use crate::store::StoreError;
use crate::store::audit::{AuditFilter, Entry};

/// Logs that are read at once.
const AT_ONCE: usize = 8;

/// Arguments of `bullock audit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each line of -o ndjson is an entry as the admin API gives it, with the time in words."
)]
pub struct Audit {
    /// Only this queue, also one that is gone. May be repeated
    #[arg(long = "queue", value_name = "QUEUE")]
    queues: Vec<String>,
    /// Only this job or scheduler: QUEUE/ID, or its id alone
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// Only what this person, or the token of this name, did
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// Only this act, such as retry
    #[arg(long, value_name = "ACT")]
    what: Option<String>,
    /// Only what is not older, such as 1d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    since: Option<Duration>,
    /// Most entries, 1 to 100000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

const COLUMNS: &[Column] = &[
    Column::text("TIME"),
    Column::text("QUEUE"),
    Column::text("JOB"),
    Column::text("WHAT"),
    Column::text("WAS"),
    Column::text("IS"),
    Column::text("BY"),
    Column::text("FROM"),
    Column::text("WHY"),
];

/// Prints the entries.
pub async fn run(session: &Session, args: &Audit) -> Result<(), CliError> {
    let failed = |error| session.error(error);
    let look = session.board().look_through().await.map_err(failed)?;
    // The log outlives its queue.
    let known: Vec<String> =
        look.queues.keys().map(ToString::to_string).chain(look.audited.iter().cloned()).collect();
    let (queues, job) = place(&args.queues, args.job.as_deref(), &known);
    if let Some(gone) = queues.iter().find(|name| !known.contains(name)) {
        return Err(session.no_queue(gone));
    }
    let mut names: Vec<String> = if queues.is_empty() { known } else { queues };
    names.sort();
    names.dedup();
    let filter = AuditFilter { job, by: args.by.clone(), what: args.what.clone() };
    let oldest = args.since.map_or_else(
        || "-".to_owned(),
        |since| (now_ms() - i64::try_from(since.as_millis()).unwrap_or(i64::MAX)).max(0).to_string(),
    );
    let limit = args.limit as usize;
    let logs: Vec<Vec<(String, Entry)>> = futures_util::stream::iter(names)
        .map(|name| read(session, name, &filter, &oldest, limit))
        .buffered(AT_ONCE)
        .try_collect()
        .await
        .map_err(failed)?;
    let mut entries: Vec<(String, Entry)> = logs.into_iter().flatten().collect();
    entries.sort_by(|(a_queue, a), (b_queue, b)| (b.order(), b_queue).cmp(&(a.order(), a_queue)));
    let more = entries.len() > limit;
    entries.truncate(limit);
    let rows: Vec<Row> = entries.into_iter().map(|(queue, entry)| row(&queue, entry)).collect();
    session.out.list(COLUMNS, &rows)?;
    if rows.is_empty() {
        session.out.note("nobody did anything of that kind");
    } else if more {
        session.out.note(&format!("{limit} entries shown, there are older ones: --limit {}", limit * 10));
    }
    Ok(())
}

/// Queues and job that are meant. An id may hold a slash: what stands before one is a queue only if there is such a queue.
fn place(queues: &[String], job: Option<&str>, known: &[String]) -> (Vec<String>, Option<String>) {
    let named = job.filter(|_| queues.is_empty()).and_then(|job| job.split_once('/'));
    match named.filter(|(queue, _)| known.iter().any(|name| name == queue)) {
        Some((queue, id)) => (vec![queue.to_owned()], Some(id.to_owned())),
        None => (queues.to_vec(), job.map(str::to_owned)),
    }
}

/// The newest entries of one log, one more than is shown.
async fn read(
    session: &Session,
    queue: String,
    filter: &AuditFilter,
    oldest: &str,
    limit: usize,
) -> Result<Vec<(String, Entry)>, StoreError> {
    let store = session.store(&queue);
    let (mut newest, mut found) = ("+".to_owned(), Vec::new());
    while found.len() <= limit {
        let (entries, _, rest) = store.audit(filter, &newest, oldest, limit + 1 - found.len()).await?;
        found.extend(entries.into_iter().map(|entry| (queue.clone(), entry)));
        match rest {
            Some(rest) => newest = rest,
            None => break,
        }
    }
    Ok(found)
}

fn row(queue: &str, entry: Entry) -> Row {
    let at = entry.at_ms();
    let shown = AuditEntry::of(queue, entry);
    let or_empty = |text: &Option<String>| Cell::new(text.as_deref().unwrap_or_default());
    let cells = vec![
        Cell::new(local(at)).raw(iso(at)),
        Cell::new(queue),
        or_empty(&shown.job),
        Cell::new(&shown.what),
        or_empty(&shown.was),
        or_empty(&shown.is),
        Cell::new(&shown.by),
        Cell::new(&shown.from),
        Cell::new(&shown.why),
    ];
    let mut json = json!(shown);
    json["atTime"] = json!(iso(at));
    Row { cells, json }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_slash_names_a_queue_only_where_there_is_one_of_that_name() {
        let known = ["mail".to_owned()];
        let of = |job| place(&[], Some(job), &known);
        assert_eq!(of("mail/a/b"), (vec!["mail".to_owned()], Some("a/b".to_owned())));
        assert_eq!(of("shop/7"), (vec![], Some("shop/7".to_owned())));
        let all = ["x".to_owned()];
        assert_eq!(place(&all, Some("mail/7"), &known), (all.to_vec(), Some("mail/7".to_owned())));
    }
}
