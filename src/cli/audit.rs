//! `bullock audit`: what people did to queues and jobs, newest first.

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

use super::api::Api;
use super::error::CliError;
use super::output::{Cell, Column, Row};
use super::session::Session;
use super::target::{At, Target, names};
use super::time::{iso, local, now_ms, parse_duration};
use crate::admin::routes::audit::AuditEntry;
use crate::store::StoreError;
use crate::store::audit::AuditFilter;
use crate::store::inspect::PAGE_MAX;

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

/// What the API answers.
#[derive(Deserialize)]
struct Page {
    items: Vec<AuditEntry>,
    next: Option<String>,
}

/// Prints the entries.
pub async fn run(target: &Target, args: &Audit) -> Result<(), CliError> {
    let limit = args.limit as usize;
    let mut entries = match &target.at {
        At::Redis(session) => directly(session, args).await?,
        At::Api(api) => told_by(api, args).await?,
    };
    entries.sort_by(|a, b| (order(b), &b.queue).cmp(&(order(a), &a.queue)));
    let more = entries.len() > limit;
    entries.truncate(limit);
    let rows: Vec<Row> = entries.iter().map(row).collect();
    target.out.list(COLUMNS, &rows)?;
    if rows.is_empty() {
        target.out.note("nobody did anything of that kind");
    } else if more {
        target.out.note(&format!("{limit} entries shown, there are older ones: --limit {}", limit * 10));
    }
    Ok(())
}

fn oldest_ms(args: &Audit) -> Option<i64> {
    let since = i64::try_from(args.since?.as_millis()).unwrap_or(i64::MAX);
    Some(now_ms().saturating_sub(since).max(0))
}

/// One entry more than is shown, at least.
async fn directly(session: &Session, args: &Audit) -> Result<Vec<AuditEntry>, CliError> {
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
    let oldest = oldest_ms(args).map_or_else(|| "-".to_owned(), |ms| ms.to_string());
    let logs: Vec<Vec<AuditEntry>> = futures_util::stream::iter(names)
        .map(|name| read(session, name, &filter, &oldest, args.limit as usize))
        .buffered(AT_ONCE)
        .try_collect()
        .await
        .map_err(failed)?;
    Ok(logs.into_iter().flatten().collect())
}

/// The same behind the API, one queue after the other where some are named.
async fn told_by(api: &Api, args: &Audit) -> Result<Vec<AuditEntry>, CliError> {
    let known = match &args.job {
        Some(job) if job.contains('/') => names(api).await?,
        _ => Vec::new(),
    };
    let (queues, job) = place(&args.queues, args.job.as_deref(), &known);
    let since = oldest_ms(args).map(|ms| ms.to_string());
    let limit = args.limit as usize;
    let mut all = Vec::new();
    let each: Vec<Option<&String>> =
        if queues.is_empty() { vec![None] } else { queues.iter().map(Some).collect() };
    for queue in each {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let most = (limit + 1 - found.len()).min(PAGE_MAX).to_string();
            let parts = [
                ("queue", queue),
                ("job", job.as_ref()),
                ("by", args.by.as_ref()),
                ("what", args.what.as_ref()),
                ("since", since.as_ref()),
                ("cursor", cursor.as_ref()),
                ("limit", Some(&most)),
            ];
            let query: Vec<(&str, &str)> =
                parts.iter().filter_map(|(name, text)| Some((*name, text.as_ref()?.as_str()))).collect();
            let page: Page = api.get(&["audit"], &query).await?;
            found.extend(page.items);
            cursor = page.next;
            if cursor.is_none() || found.len() > limit {
                break;
            }
        }
        all.extend(found);
    }
    Ok(all)
}

fn order(entry: &AuditEntry) -> (u64, u64) {
    let (ms, n) = entry.id.split_once('-').unwrap_or((&entry.id, "0"));
    (ms.parse().unwrap_or(0), n.parse().unwrap_or(0))
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
) -> Result<Vec<AuditEntry>, StoreError> {
    let store = session.store(&queue);
    let (mut newest, mut found) = ("+".to_owned(), Vec::new());
    while found.len() <= limit {
        let (entries, _, rest) = store.audit(filter, &newest, oldest, limit + 1 - found.len()).await?;
        found.extend(entries.into_iter().map(|entry| AuditEntry::of(&queue, entry)));
        match rest {
            Some(rest) => newest = rest,
            None => break,
        }
    }
    Ok(found)
}

fn row(entry: &AuditEntry) -> Row {
    let or_empty = |text: &Option<String>| Cell::new(text.as_deref().unwrap_or_default());
    let cells = vec![
        Cell::new(local(entry.at)).raw(iso(entry.at)),
        Cell::new(&entry.queue),
        or_empty(&entry.job),
        Cell::new(&entry.what),
        or_empty(&entry.was),
        or_empty(&entry.is),
        Cell::new(&entry.by),
        Cell::new(&entry.from),
        Cell::new(&entry.why),
    ];
    let mut json = json!(entry);
    json["atTime"] = json!(iso(entry.at));
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
