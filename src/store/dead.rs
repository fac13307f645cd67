//! Looking through dead letters: bounded pages, filters, and why each of them failed.
//!
//! Owns: what a filter is and where a page ends. Must never know: what is done with what it finds (`replay`). Called by
//! `cli` and `admin`.

use redis::Value;

use super::inspect::PAGE_MAX;
use super::{Store, StoreError, array, bytes, convert};
use crate::job::signature::signature;
use crate::wire::bull;

/// Most dead letters that one page looks at.
pub const SCANNED_MAX: usize = 10_000;
/// Dead letters that one round trip reads.
const CHUNK: usize = 250;
/// The same where their data must be read too.
const CHUNK_WITH_DATA: usize = 50;

/// Which dead letters are meant; all parts must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The reason class; [`UNRECORDED`] = none of ours buried it.
    pub class: Option<String>,
    /// A part of the error's text, in any case.
    pub error: Option<String>,
    /// The hash of the error's signature.
    pub signature: Option<String>,
    /// Failed at this time or later, ms.
    pub since_ms: Option<i64>,
    /// Failed at this time or before, ms.
    pub until_ms: Option<i64>,
    /// Fields of the data, by dotted path without `data.`, and the value that each must have.
    pub data: Vec<(String, String)>,
}

/// The class of dead letters that no worker of ours buried.
pub const UNRECORDED: &str = "unrecorded";

/// Where a page ended: the failure time and id of the last job that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// Ms.
    pub failed_ms: f64,
    /// Its id.
    pub id: String,
}

/// In which order dead letters are looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As people look at them.
    NewestFirst,
    /// As they are replayed.
    OldestFirst,
}

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id.
    pub id: String,
    /// The job's name.
    pub name: String,
    /// Why it was buried; [`UNRECORDED`] if none of our workers did it.
    pub class: String,
    /// The error's text.
    pub error: String,
    /// When it failed, ms.
    pub failed_ms: i64,
    /// Attempts made.
    pub attempts_made: i64,
    /// Its data as stored; `None` = it has none, or it was not asked for.
    pub data: Option<String>,
    /// Its options as stored, where its data was asked for.
    pub opts: Option<String>,
}

/// A page of them.
#[derive(Debug, Default)]
pub struct DeadPage {
    /// Those that fit.
    pub jobs: Vec<DeadLetter>,
    /// Where to go on; `None` = all were looked at.
    pub next: Option<Cursor>,
    /// How many were looked at.
    pub scanned: usize,
    /// How many there are in all.
    pub total: u64,
}

impl Filter {
    /// Is such a dead letter meant? Its time aside, which Redis looks at.
    pub(crate) fn fits(&self, job: &DeadLetter) -> bool {
        let text = |part: &String| job.error.to_lowercase().contains(&part.to_lowercase());
        self.class.as_ref().is_none_or(|class| *class == job.class)
            && self.error.as_ref().is_none_or(text)
            && self.signature.as_ref().is_none_or(|hash| *hash == signature(&job.error).hash)
            && self.data_fits(job)
    }

    fn data_fits(&self, job: &DeadLetter) -> bool {
        if self.data.is_empty() {
            return true;
        }
        let Some(Ok(data)) = job.data.as_deref().map(serde_json::from_str::<serde_json::Value>) else {
            return false;
        };
        self.data.iter().all(|(path, wanted)| {
            let pointer = format!("/{}", path.replace('~', "~0").replace('/', "~1").replace('.', "/"));
            data.pointer(&pointer).is_some_and(|found| match found {
                serde_json::Value::String(text) => text == wanted,
                other => other.to_string().as_str() == wanted.as_str(),
            })
        })
    }

    /// Is nothing asked of them?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Store {
    /// A page of dead letters that fit, at most `limit` (and [`PAGE_MAX`]), after looking at [`SCANNED_MAX`] at most.
    pub async fn dead(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<Cursor>,
        limit: usize,
        with_data: bool,
    ) -> Result<DeadPage, StoreError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let with_data = with_data || !filter.data.is_empty();
        let mut page = DeadPage { next: after, ..Default::default() };
        page.total = self.connection.query(redis::cmd("ZCARD").arg(self.keys.of("failed"))).await?;
        let mut passed = 0;
        while page.scanned < SCANNED_MAX {
            let chunk = if with_data { CHUNK_WITH_DATA } else { CHUNK };
            let listed = self.failed_after(filter, order, page.next.as_ref(), passed, chunk).await?;
            let all = listed.len();
            let mut fresh: Vec<(String, f64)> = listed
                .into_iter()
                .filter(|(id, ms)| comes_after(order, page.next.as_ref(), *ms, id))
                .collect();
            if all == 0 {
                page.next = None;
                return Ok(page);
            }
            if fresh.is_empty() {
                passed += all; // more of them failed in one ms than a chunk holds
                continue;
            }
            passed = 0;
            let room = SCANNED_MAX - page.scanned;
            let last = all < chunk && fresh.len() <= room;
            fresh.truncate(room);
            for job in self.dead_letters(&fresh, with_data).await? {
                page.scanned += 1;
                page.next = Some(Cursor { failed_ms: job.1, id: job.0.id.clone() });
                if filter.fits(&job.0) {
                    page.jobs.push(job.0);
                    if page.jobs.len() == limit {
                        return Ok(page);
                    }
                }
            }
            if last {
                page.next = None;
                return Ok(page);
            }
        }
        Ok(page)
    }

    /// Those of these ids that are dead letters, with their data.
    pub async fn dead_by_id(&self, ids: &[String]) -> Result<Vec<DeadLetter>, StoreError> {
        let mut found = Vec::new();
        for ids in ids.chunks(CHUNK_WITH_DATA) {
            let mut pipe = redis::pipe();
            for id in ids {
                pipe.cmd("ZSCORE").arg(self.keys.of("failed")).arg(id);
            }
            let scores = self.connection.pipeline(&pipe, ids.len()).await?;
            let failed: Vec<(String, f64)> = ids
                .iter()
                .zip(scores)
                .filter_map(|(id, score)| Some((id.clone(), convert::<Option<f64>>(score).ok()??)))
                .collect();
            found.extend(self.dead_letters(&failed, true).await?.into_iter().map(|(job, _)| job));
        }
        Ok(found)
    }

    /// Ids and times from where the last page ended on; that end itself may be among them.
    async fn failed_after(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<&Cursor>,
        passed: usize,
        chunk: usize,
    ) -> Result<Vec<(String, f64)>, StoreError> {
        let at = after.map(|cursor| cursor.failed_ms);
        let bound = |ms: Option<f64>, none: &str| ms.map_or(none.to_owned(), |ms| ms.to_string());
        let (since, until) = (filter.since_ms.map(|ms| ms as f64), filter.until_ms.map(|ms| ms as f64));
        let mut cmd = match order {
            Order::NewestFirst => {
                let mut cmd = redis::cmd("ZREVRANGEBYSCORE");
                cmd.arg(self.keys.of("failed")).arg(bound(at.or(until), "+inf")).arg(bound(since, "-inf"));
                cmd
            }
            Order::OldestFirst => {
                let mut cmd = redis::cmd("ZRANGEBYSCORE");
                cmd.arg(self.keys.of("failed")).arg(bound(at.or(since), "-inf")).arg(bound(until, "+inf"));
                cmd
            }
        };
        cmd.arg("WITHSCORES").arg("LIMIT").arg(passed).arg(chunk);
        self.connection.query(&cmd).await
    }

    /// Reads them in one round trip.
    async fn dead_letters(
        &self,
        ids: &[(String, f64)],
        with_data: bool,
    ) -> Result<Vec<(DeadLetter, f64)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for (id, _) in ids {
            let hash = pipe.cmd("HMGET").arg(self.keys.of(id));
            hash.arg(&["name", "failedReason", "attemptsMade", "atm", "timestamp"]);
            if with_data {
                hash.arg(&["data", "opts"]);
            }
            let record = self.keys.extra_of(&format!("job:{id}"));
            pipe.cmd("HMGET").arg(record).arg(&["reason", "buried_at", "of"]);
        }
        let replies = self.connection.pipeline(&pipe, ids.len() * 2).await?;
        let read = |((id, score), replies): (&(String, f64), &[Value])| {
            let [hash, record] = replies else { return None };
            Some((dead_letter(id, *score, &texts(hash), &texts(record)), *score))
        };
        Ok(ids.iter().zip(replies.chunks_exact(2)).filter_map(read).collect())
    }
}

/// A reply of HMGET; a key of a wrong type has no fields.
fn texts(reply: &Value) -> Vec<Option<String>> {
    let fields = array(reply.clone()).unwrap_or_default();
    let text = |value| bytes(value).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    fields.into_iter().map(text).collect()
}

fn dead_letter(id: &str, score: f64, hash: &[Option<String>], record: &[Option<String>]) -> DeadLetter {
    let of = |fields: &[Option<String>], at: usize| fields.get(at).cloned().flatten();
    let number = |text: Option<String>| bull::integer(text.as_deref().map(str::as_bytes));
    let failed_ms = score as i64;
    // A job that was retried and failed again under a Node worker has a reason that is not of this failure.
    let (reason, buried, about) = (of(record, 0), number(of(record, 1)), of(record, 2));
    let ours = buried == failed_ms && (about.is_none() || about == of(hash, 4));
    DeadLetter {
        id: id.to_owned(),
        name: of(hash, 0).unwrap_or_else(|| "__default__".into()),
        class: reason.filter(|_| ours).unwrap_or_else(|| UNRECORDED.into()),
        error: of(hash, 1).unwrap_or_default(),
        failed_ms,
        attempts_made: number(of(hash, 2).or_else(|| of(hash, 3))),
        data: of(hash, 5),
        opts: of(hash, 6),
    }
}

fn comes_after(order: Order, cursor: Option<&Cursor>, ms: f64, id: &str) -> bool {
    let Some(cursor) = cursor else { return true };
    let (at, last) = ((ms, id.as_bytes()), (cursor.failed_ms, cursor.id.as_bytes()));
    match order {
        Order::NewestFirst => at < last,
        Order::OldestFirst => at > last,
    }
}
