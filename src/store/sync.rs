//! What a sync keeps in Redis: its plan, its items, which of them it has seen.

pub mod list;
pub mod operate;
pub mod start;

use redis::Value;
use redis::streams::{StreamId, StreamRangeReply};

use super::actor::Actor;
use super::finish::Verdict;
use super::{Store, StoreError, array, bytes, convert, integer, text};

/// One commit of a run, as the script takes it.
#[derive(Debug)]
pub struct SyncCommit<'a> {
    /// Job id.
    pub id: &'a str,
    /// The run's token.
    pub token: &'a str,
    /// 1 for the job's first commit; one that was made already changes nothing.
    pub number: u64,
    /// The plan after it (JSON).
    pub plan: &'a str,
    /// Progress to store and publish (JSON).
    pub progress: Option<&'a str>,
    /// What changed, for the audit log (JSON).
    pub changed: &'a str,
    /// Most items that are kept with a note.
    pub items_max: u64,
    /// The last one: which items were handled need not be known any more.
    pub last: bool,
    /// Ids that were handled for the first time.
    pub seen: &'a [String],
    /// Noted items: id, state, note (JSON), due in ms.
    pub items: &'a [(&'a str, &'static str, &'a str, u64)],
}

/// Items that are to be pushed again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DueItems {
    /// Id and note of those whose time has come, in their order.
    pub items: Vec<(String, String)>,
    /// Until the next one's time comes, ms.
    pub next_ms: Option<u64>,
}

/// Most noted items that are read at once.
pub const NOTES_MAX: usize = 20_000;
/// Items that one step of reading asks for.
const STEP: usize = 200;
/// Entries of the audit log that are searched for those of one job.
pub const AUDIT_SEARCHED: usize = 1000;

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When, ms since the epoch.
    pub at_ms: i64,
    /// Which act; `commit` = of the engine itself.
    pub what: String,
    /// The state before; empty = none.
    pub was: String,
    /// The state after.
    pub is: String,
    /// Who did it; nobody for the engine's own.
    pub actor: Actor,
    /// What changed in the plan and the items (JSON); empty = nothing.
    pub changed: String,
}

/// What the record of a job says of a sync.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredSync {
    /// The plan of the last commit (JSON).
    pub plan: Option<String>,
    /// Who has paused it: JSON `{at, by, from, why}`; `None` = nobody.
    pub hold: Option<String>,
}

impl Store {
    /// Commits a batch of a sync.
    ///
    /// Says second whether a person has paused it.
    pub async fn commit(&self, commit: &SyncCommit<'_>) -> Result<(Verdict, bool), StoreError> {
        let script = &self.scripts.commit;
        let mut call = script.call(&self.keys);
        call.arg(commit.id).arg(commit.token).arg(commit.number).arg(commit.plan);
        call.arg(commit.progress.unwrap_or("")).arg(commit.changed).arg(commit.items_max);
        call.arg(u8::from(commit.last)).arg(commit.seen.len()).arg(commit.seen);
        for (id, state, note, due_ms) in commit.items {
            call.arg(id).arg(state).arg(note).arg(due_ms);
        }
        let code = integer(&script.run(&self.connection, &call).await?)?;
        Ok((Verdict::of(code), code == 1))
    }

    /// What the last commit left, and who has paused the sync. A record about an earlier job of this id says nothing of
    /// this one.
    pub async fn plan(&self, id: &str) -> Result<StoredSync, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(self.keys.extra_of(&format!("job:{id}"))).arg(&["of", "plan", "hold"]);
        pipe.cmd("HGET").arg(self.keys.of(id)).arg("timestamp");
        let mut replies = self.connection.pipeline(&pipe, 2).await?.into_iter();
        let (Some(record), Some(added)) = (replies.next(), replies.next().and_then(bytes)) else {
            return Ok(StoredSync::default());
        };
        let mut record = array(record)?.into_iter().map(bytes);
        if record.next().flatten().is_some_and(|of| of != added) {
            return Ok(StoredSync::default());
        }
        let mut text = || record.next().flatten().map(|text| String::from_utf8_lossy(&text).into_owned());
        Ok(StoredSync { plan: text(), hold: text() })
    }

    /// Items whose time has come by Redis' clock, at most `most`.
    pub async fn due_items(&self, id: &str, most: usize) -> Result<DueItems, StoreError> {
        let waiting = self.keys.extra_of(&format!("retry:{id}"));
        let mut pipe = redis::pipe();
        pipe.cmd("TIME");
        pipe.cmd("ZRANGE").arg(&waiting).arg(0).arg(most).arg("WITHSCORES");
        let mut replies = self.connection.pipeline(&pipe, 2).await?.into_iter();
        let (Some(time), Some(first)) = (replies.next(), replies.next()) else {
            return Ok(DueItems::default());
        };
        let now_ms = super::run::redis_time_ms(time)?;
        let (mut due, mut next_ms) = (Vec::new(), None);
        let mut pairs = array(first)?.into_iter();
        while let (Some(item), Some(at)) = (pairs.next(), pairs.next()) {
            let at = text(at)?.parse::<f64>().unwrap_or(0.0) as i64;
            if at > now_ms || due.len() == most {
                next_ms = Some((at - now_ms).max(0).cast_unsigned());
                break;
            }
            due.push(text(item)?);
        }
        let notes = self.item_notes(id, &due).await?;
        let items = due.into_iter().zip(notes).map(|(item, note)| (item, note.unwrap_or_default())).collect();
        Ok(DueItems { items, next_ms })
    }

    /// All noted items, in no order: id and note; at most [`NOTES_MAX`]. Read in small steps.
    pub async fn noted_items(&self, id: &str) -> Result<Vec<(String, String)>, StoreError> {
        let (mut cursor, mut all) = ("0".to_owned(), Vec::new());
        loop {
            let mut command = redis::cmd("HSCAN");
            command.arg(self.keys.extra_of(&format!("items:{id}"))).arg(&cursor).arg("COUNT").arg(STEP);
            let (next, page): (String, Vec<(String, String)>) = self.connection.query(&command).await?;
            all.extend(page);
            if next == "0" || all.len() >= NOTES_MAX {
                all.truncate(NOTES_MAX);
                return Ok(all);
            }
            cursor = next;
        }
    }

    /// The newest audit entries about a job, newest first, at most `most`, among the newest [`AUDIT_SEARCHED`] of the queue.
    pub async fn audit_of(&self, id: &str, most: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(self.keys.extra_of("audit")).arg("+").arg("-").arg("COUNT").arg(AUDIT_SEARCHED);
        let reply: StreamRangeReply = self.connection.query(&command).await?;
        let of_job =
            reply.ids.into_iter().filter(|entry| entry.get::<String>("job").is_some_and(|job| job == id));
        let read = |entry: StreamId| {
            let field = |name: &str| entry.get::<String>(name).unwrap_or_default();
            AuditEntry {
                at_ms: entry.id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0),
                what: field("what"),
                was: field("was"),
                is: field("is"),
                actor: Actor { by: field("by"), from: field("from"), why: field("why") },
                changed: field("changed"),
            }
        };
        Ok(of_job.take(most).map(read).collect())
    }

    /// The notes of these items.
    pub async fn item_notes(&self, id: &str, items: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.extra_of(&format!("items:{id}"))).arg(items);
        let notes = array(self.connection.send(&command).await?)?;
        Ok(notes
            .into_iter()
            .map(|note| bytes(note).map(|note| String::from_utf8_lossy(&note).into_owned()))
            .collect())
    }

    /// Which of these items a commit has handled.
    pub async fn items_seen(&self, id: &str, items: &[String]) -> Result<Vec<bool>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("SMISMEMBER");
        command.arg(self.keys.extra_of(&format!("seen:{id}"))).arg(items);
        let reply: Value = self.connection.send(&command).await?;
        let seen: Vec<i64> = convert(reply)?;
        Ok(seen.into_iter().map(|found| found == 1).collect())
    }
}
