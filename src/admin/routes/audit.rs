//! `GET /audit`: what people did, over all queues that the caller may see, newest first.

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::about::{About, Kind, Shape, param, wrong};
use super::{Ask, answer, decode_cursor, encode_cursor};
use crate::admin::problem::Problem;
use crate::store::audit::{AuditFilter, Entry};

/// Queues whose logs one question reads.
const QUEUES_MAX: usize = 200;

pub(super) const LIST: About = About::new("audit", "What people did, newest first")
    .query(&[
        param("queue", Kind::Text, "Of this queue only"),
        param("job", Kind::Text, "About this job, or this scheduler"),
        param(
            "by",
            Kind::Text,
            "By this person, or by the token of this name; * = by anybody, which leaves out what workers did",
        ),
        param("what", Kind::Text, "Of this act, such as retry"),
        param("since", Kind::Time, "Not older than this, ms since 1970"),
        param("until", Kind::Time, "Not newer than this, ms since 1970"),
        param("limit", Kind::Number(1, 200, 50), "Most entries"),
        param("cursor", Kind::Text, "Where the last page ended"),
    ])
    .answers(&[(200, "A page", Some(Shape::of::<AuditPage>()))])
    .refusals(&[404]);

/// What somebody did.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditEntry {
    /// Its place in the queue's log.
    pub id: String,
    /// When, ms.
    pub at: i64,
    /// On which queue.
    pub queue: String,
    /// The act.
    #[schema(example = "retry")]
    pub what: String,
    /// On which job or scheduler; null = on the queue.
    pub job: Option<String>,
    /// The job's state before.
    pub was: Option<String>,
    /// The job's state after; null = it is gone.
    pub is: Option<String>,
    /// Who.
    pub by: String,
    /// From where.
    pub from: String,
    /// Why.
    pub why: String,
}

/// A page of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct AuditPage {
    /// Newest first.
    pub items: Vec<AuditEntry>,
    /// Where to go on; null = that was all.
    pub next: Option<String>,
    /// Entries that were looked at.
    pub scanned: usize,
}

impl AuditEntry {
    /// An entry of a queue's log.
    pub(crate) fn of(queue: &str, entry: Entry) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            at: entry.at_ms(),
            id: entry.id,
            queue: queue.to_owned(),
            what: entry.what,
            job: some(entry.job),
            was: some(entry.was),
            is: some(entry.is),
            by: entry.by,
            from: entry.from,
            why: entry.why,
        }
    }
}

pub(super) async fn list(call: Ask) -> Result<Response, Problem> {
    let query = &call.query;
    let filter = AuditFilter {
        job: query.text("job").map(str::to_owned),
        by: query.text("by").map(str::to_owned),
        what: query.text("what").map(str::to_owned),
    };
    let limit = query.number("limit").unwrap_or(50) as usize;
    let oldest = query.number("since").map_or_else(|| "-".to_owned(), |ms| ms.to_string());
    let after: Option<(String, String)> = query.text("cursor").map(decode_cursor).transpose()?;
    if after.as_ref().is_some_and(|(id, _)| !is_entry(id)) {
        return Err(wrong("cursor", "cursor: expected what the last page named"));
    }
    let until = query.number("until").map_or_else(|| "+".to_owned(), |ms| ms.to_string());
    let queues = queues(&call).await?;
    let board = call.board()?;
    let parts = queues.iter().take(QUEUES_MAX).map(|name| {
        let store = board.store(name, None);
        let newest = match &after {
            // Of entries of one instant those of later names come first.
            Some((id, queue)) if name < queue => id.clone(),
            Some((id, _)) => format!("({id}"),
            None => until.clone(),
        };
        let (filter, oldest) = (&filter, &oldest);
        async move {
            let found = store.audit(filter, &newest, oldest, limit).await?;
            Ok::<_, Problem>((name.clone(), found))
        }
    });
    let mut scanned = 0;
    let (mut merged, mut rests) = (Vec::new(), Vec::new());
    for (queue, (entries, looked, rest)) in try_join_all(parts).await? {
        scanned += looked;
        rests.extend(rest.map(|rest| rest.trim_start_matches('(').to_owned()));
        merged.extend(entries.into_iter().map(|entry| (entry.order(), queue.clone(), entry)));
    }
    merged.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    // A log that was read only so far back has nothing to say about what is older: neither has this page.
    let bound = rests.iter().map(|id| order(id)).max();
    let more = merged.len() > limit || bound.is_some();
    merged.retain(|(at, ..)| bound.is_none_or(|bound| *at >= bound));
    merged.truncate(limit);
    let last = merged.last().map(|((ms, n), queue, _)| (format!("{ms}-{n}"), queue.clone()));
    let rest = bound.map(|(ms, n)| (format!("{ms}-{n}"), String::new()));
    let next = last.or(rest).filter(|_| more).map(|place| encode_cursor(&place));
    let items = merged.into_iter().map(|(_, queue, entry)| AuditEntry::of(&queue, entry)).collect();
    Ok(answer(StatusCode::OK, &AuditPage { items, next, scanned }))
}

/// The queues whose logs are asked for, those that are gone among them: the log outlives the queue.
async fn queues(call: &Ask) -> Result<Vec<String>, Problem> {
    let (look, caller) = (call.look().await?, call.caller()?);
    match call.query.text("queue") {
        Some(name) if caller.may(name) && look.audited.contains(name) => Ok(vec![name.to_owned()]),
        Some(_) => call.queues_asked().await,
        None => {
            let mut names = call.queues_asked().await?;
            names.extend(look.audited.iter().filter(|name| caller.may(name)).cloned());
            names.sort();
            names.dedup();
            Ok(names)
        }
    }
}

fn order(id: &str) -> (u64, u64) {
    let (ms, n) = id.split_once('-').unwrap_or((id, "0"));
    (ms.parse().unwrap_or(0), n.parse().unwrap_or(0))
}

fn is_entry(id: &str) -> bool {
    id.split_once('-').is_some_and(|(ms, n)| [ms, n].iter().all(|n| n.parse::<u64>().is_ok()))
}
