//! `GET /failed`: dead letters of all queues, those with the same error or of the same class together.

use std::collections::{BTreeMap, HashMap};

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::about::{About, Kind, Shape, param};
use super::{Ask, answer};
use crate::admin::problem::Problem;
use crate::job::state::State;
use crate::store::dead::UNRECORDED;
use crate::store::newest::{Brief, NEWEST_MAX};

/// Dead letters of one queue, and in all, that are looked at.
const SCAN: (usize, usize) = (2000, 10_000);
/// Longest signature, characters.
const SIGNATURE_CHARS: usize = 160;
/// Job names that a group shows.
const NAMES_MAX: usize = 10;

pub(super) const GROUPS: About = About::new(
    "failed",
    "Dead letters by their error or reason class, most frequent first",
)
.query(&[
    param(
        "groupBy",
        Kind::Word(&["error", "class"]),
        "By the first line of the error, with numbers masked (so unless given), or by the reason class",
    ),
    param("queue", Kind::Text, "Of this queue only"),
    param("limit", Kind::Number(1, 200, 50), "Most groups"),
])
.answers(&[(200, "The groups", Some(Shape::of::<FailureGroups>()))])
.refusals(&[404]);

/// Dead letters in groups.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct FailureGroups {
    /// Most frequent first.
    pub items: Vec<FailureGroup>,
    /// Dead letters that were looked at: the newest of each queue.
    pub scanned: usize,
    /// There are more.
    pub truncated: bool,
}

/// Dead letters that have the same signature.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct FailureGroup {
    /// What they have in common: the first line of the error, where # stands for numbers, or the reason class, `unrecorded` where
    /// no worker of ours buried them.
    pub signature: String,
    /// How many.
    pub count: usize,
    /// The reason class of the newest.
    pub reason: Option<String>,
    /// How many in each queue.
    pub queues: BTreeMap<String, usize>,
    /// Names of the jobs.
    pub names: Vec<String>,
    /// The newest.
    pub newest: NewestFailure,
    /// End of the oldest that was looked at, ms.
    pub first_on: Option<i64>,
    /// End of the newest, ms.
    pub last_on: Option<i64>,
}

/// A dead letter.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct NewestFailure {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Its error.
    pub failed_reason: String,
    /// Its end, ms.
    pub finished_on: Option<i64>,
}

pub(super) async fn groups(call: Ask) -> Result<Response, Problem> {
    let names = call.queues_asked().await?;
    let by_class = call.query.text("groupBy") == Some("class");
    let (look, board) = (call.look().await?, call.board()?);
    let (mut groups, mut scanned, mut truncated) = (HashMap::<String, FailureGroup>::new(), 0, false);
    for name in &names {
        let failed = look.queues.get(name.as_str()).map_or(0, |sight| sight.glance.counts.failed) as usize;
        let wanted = failed.min(SCAN.0).min(SCAN.1 - scanned);
        truncated |= wanted < failed;
        let store = board.store(name, None);
        let mut skip = 0;
        while skip < wanted {
            let count = (wanted - skip).min(NEWEST_MAX);
            let (_, jobs) = store.newest(State::Failed, skip, count).await?;
            let got = jobs.len();
            for job in jobs {
                let signature = if by_class {
                    job.reason.clone().unwrap_or_else(|| UNRECORDED.to_owned())
                } else {
                    signature(&job.failed_reason)
                };
                add(&mut groups, signature, name, job);
            }
            scanned += got;
            skip += count;
            if got < count {
                break;
            }
        }
    }
    let mut items: Vec<FailureGroup> = groups.into_values().collect();
    items.sort_by(|a, b| b.count.cmp(&a.count).then(b.last_on.cmp(&a.last_on)));
    let limit = call.query.number("limit").unwrap_or(50) as usize;
    truncated |= items.len() > limit;
    items.truncate(limit);
    Ok(answer(StatusCode::OK, &FailureGroups { items, scanned, truncated }))
}

fn add(groups: &mut HashMap<String, FailureGroup>, signature: String, queue: &str, job: Brief) {
    let group = groups.entry(signature).or_insert_with_key(|signature| FailureGroup {
        signature: signature.clone(),
        count: 0,
        reason: None,
        queues: BTreeMap::new(),
        names: Vec::new(),
        newest: NewestFailure {
            queue: queue.to_owned(),
            id: job.id.clone(),
            failed_reason: job.failed_reason.clone(),
            finished_on: job.ended_ms,
        },
        first_on: job.ended_ms,
        last_on: job.ended_ms,
    });
    group.count += 1;
    *group.queues.entry(queue.to_owned()).or_default() += 1;
    if group.names.len() < NAMES_MAX && !group.names.contains(&job.name) {
        group.names.push(job.name);
    }
    if group.count == 1 || job.ended_ms > group.last_on {
        group.reason = job.reason;
        group.last_on = job.ended_ms;
        group.newest = NewestFailure {
            queue: queue.to_owned(),
            id: job.id,
            failed_reason: job.failed_reason,
            finished_on: job.ended_ms,
        };
    }
    group.first_on = group.first_on.min(job.ended_ms);
}

/// The first line of an error, with what differs from job to job masked.
fn signature(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default().trim();
    let mut out = String::with_capacity(line.len());
    // Numbers and long hexadecimal ids become one sign each.
    for word in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let text = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_id = text.len() >= 8
            && text.bytes().all(|b| b.is_ascii_hexdigit())
            && text.bytes().any(|b| b.is_ascii_digit());
        if is_id {
            out.push('#');
        } else {
            let mut in_number = false;
            for c in text.chars() {
                let is_digit = c.is_ascii_digit();
                if !is_digit {
                    out.push(c);
                } else if !in_number {
                    out.push('#');
                }
                in_number = is_digit;
            }
        }
        out.push_str(&word[text.len()..]);
    }
    out.chars().take(SIGNATURE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn errors_that_differ_in_numbers_and_ids_only_have_one_signature() {
        assert_eq!(signature("Shopify 429: retry after 12 s\n  at x"), "Shopify #: retry after # s");
        assert_eq!(signature("job 0192f3ab4c is gone"), "job # is gone");
        assert_eq!(signature("v2beta failed"), "v#beta failed");
        assert_eq!(signature(""), "");
    }
}
