//! How syncs ended, run by run, and what became of their items.
//!
//! Owns: reading `X runs`, `X failing:<org>:<name>` and the noted items of one job. Must never know: who asks.

use redis::streams::{StreamId, StreamRangeReply};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{Ask, Items};
use crate::store::{Store, StoreError};

/// Runs that one question reads.
pub const RUNS_MAX: usize = 10_000;
/// Runs that one command reads.
const READ_AT_ONCE: usize = 500;

/// How a sync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncEnd {
    /// No item failed.
    Completed,
    /// Some failed.
    Partial,
    /// Some failed, and that fails the job (`on_exhausted = "fail"`).
    Failed,
}

impl SyncEnd {
    /// The word used in Redis, CLI and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }

    fn read(word: &str) -> Self {
        match word {
            "partial" => Self::Partial,
            "failed" => Self::Failed,
            _ => Self::Completed,
        }
    }
}

/// A sync that came to its end. One whose failed items were pushed again has an entry for each end, with the counts of
/// all that it did.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncRun {
    /// Its place: `<ms>-<n>`.
    pub entry: String,
    /// The job. It may be gone.
    pub id: String,
    /// The job's name.
    pub name: String,
    /// Its organisation; empty = none, or not known.
    pub org: String,
    /// How it ended.
    pub end: SyncEnd,
    /// When its first attempt began, ms.
    pub started_ms: i64,
    /// When it ended, ms, by Redis' clock.
    pub ended_ms: i64,
    /// Batches that were pushed.
    pub batches: u64,
    /// Items, by what became of them.
    pub items: Items,
}

impl SyncRun {
    /// From the beginning of the first attempt to the end, pauses included, ms.
    pub fn took_ms(&self) -> u64 {
        (self.ended_ms - self.started_ms).max(0).cast_unsigned()
    }
}

/// Some of them, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SyncRuns {
    /// The runs.
    pub runs: Vec<SyncRun>,
    /// Where to go on: `before` of the next question; `None` = there are no more.
    pub next: Option<String>,
}

/// An item that fails again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingItem {
    /// The item.
    pub item: String,
    /// In how many runs it failed for good.
    pub runs: u64,
}

/// What is known of one item of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunItem {
    /// The item.
    pub id: String,
    /// failed, skipped or retrying. Those that went well are only counted.
    pub state: String,
    /// How often it was pushed.
    pub tries: u64,
    /// The sink's code.
    pub code: Option<Json>,
    /// The sink's words.
    pub message: Option<String>,
    /// The item itself, where it is kept.
    pub item: Option<Json>,
}

/// Some of a run's items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemPage {
    /// In no order; a page may have more or fewer than asked for, and an item may come twice.
    pub items: Vec<RunItem>,
    /// Where to go on; `None` = that was all.
    pub next: Option<String>,
    /// Noted items in all, whatever their state.
    pub noted: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Summary {
    state: String,
    processed: u64,
    successful: u64,
    failed: u64,
    skipped: u64,
    duplicates: u64,
    batches: u64,
}

impl Store {
    /// Syncs that ended between two times, newest first, from before the entry `before`. Looks at [`RUNS_MAX`] at most.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn sync_runs(
        &self,
        ask: &Ask<'_>,
        most: usize,
        before: Option<&str>,
    ) -> Result<SyncRuns, StoreError> {
        let key = self.keys.extra_of("runs");
        let mut from = before.map_or_else(|| ask.to_ms.max(0).to_string(), |entry| format!("({entry}"));
        let (mut found, mut looked_at) = (SyncRuns::default(), 0);
        while looked_at < RUNS_MAX {
            let mut command = redis::cmd("XREVRANGE");
            command.arg(&key).arg(&from).arg(ask.from_ms.max(0)).arg("COUNT").arg(READ_AT_ONCE);
            let page: StreamRangeReply = self.connection.query(&command).await?;
            let is_last = page.ids.len() < READ_AT_ONCE;
            looked_at += page.ids.len();
            for entry in page.ids {
                from = format!("({}", entry.id);
                let run = read(&entry);
                if !ask.wants(&run.name, &run.org) {
                    continue;
                }
                if found.runs.len() == most {
                    found.next = found.runs.last().map(|last| last.entry.clone());
                    return Ok(found);
                }
                found.runs.push(run);
            }
            if is_last {
                return Ok(found);
            }
        }
        found.next = Some(from.trim_start_matches('(').to_owned());
        Ok(found)
    }

    /// The items of a kind that failed in the most runs, the worst first. `org`: the empty text = of jobs without one.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn failing_items(
        &self,
        name: &str,
        org: &str,
        most: usize,
    ) -> Result<Vec<FailingItem>, StoreError> {
        let mut command = redis::cmd("ZREVRANGE");
        command.arg(self.keys.extra_of(&format!("failing:{org}:{name}")));
        command.arg(0).arg(most.max(1) - 1).arg("WITHSCORES");
        let found: Vec<(String, f64)> = self.connection.query(&command).await?;
        Ok(found.into_iter().map(|(item, runs)| FailingItem { item, runs: runs as u64 }).collect())
    }

    /// What became of the items of a sync, page by page: those that failed, wait to be pushed again, or were passed over;
    /// `state`: only these. `cursor`: `None` first, then what the page before gave.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn run_items(
        &self,
        id: &str,
        state: Option<&str>,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<ItemPage, StoreError> {
        let key = self.keys.extra_of(&format!("items:{id}"));
        let mut command = redis::cmd("HLEN");
        let noted = self.connection.query(command.arg(&key)).await?;
        let (mut page, mut at) =
            (ItemPage { noted, ..ItemPage::default() }, cursor.unwrap_or("0").to_owned());
        loop {
            let mut command = redis::cmd("HSCAN");
            command.arg(&key).arg(&at).arg("COUNT").arg(most.clamp(1, READ_AT_ONCE));
            let (next, found): (String, Vec<(String, String)>) = self.connection.query(&command).await?;
            let items = found.into_iter().map(|(id, note)| item(id, &note));
            page.items.extend(items.filter(|item| state.is_none_or(|wanted| wanted == item.state)));
            page.next = Some(next).filter(|next| next != "0");
            match &page.next {
                Some(next) if page.items.len() < most => next.clone_into(&mut at),
                _ => return Ok(page),
            }
        }
    }
}

fn read(entry: &StreamId) -> SyncRun {
    let field = |name: &str| entry.get::<String>(name).unwrap_or_default();
    let summary: Summary = serde_json::from_str(&field("summary")).unwrap_or_default();
    SyncRun {
        id: field("job"),
        name: field("name"),
        org: field("org"),
        end: SyncEnd::read(&summary.state),
        started_ms: field("started").parse().unwrap_or(0),
        ended_ms: entry.id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0),
        entry: entry.id.clone(),
        batches: summary.batches,
        items: Items {
            processed: summary.processed,
            successful: summary.successful,
            failed: summary.failed,
            skipped: summary.skipped,
            duplicates: summary.duplicates,
        },
    }
}

/// A note as the sync wrote it; see `sync::items`.
fn item(id: String, note: &str) -> RunItem {
    let note: Json = serde_json::from_str(note).unwrap_or_default();
    let text = |name: &str| note[name].as_str().map(ToOwned::to_owned);
    RunItem {
        id,
        state: text("state").unwrap_or_default(),
        tries: note["tries"].as_u64().unwrap_or(0),
        code: note.get("code").filter(|code| !code.is_null()).cloned(),
        message: text("message"),
        item: note.get("item").filter(|item| !item.is_null()).cloned(),
    }
}
