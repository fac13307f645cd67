//! Reading the audit log of a queue (`X audit`), newest first.

use std::collections::BTreeMap;

use redis::streams::StreamRangeReply;

use super::{Store, StoreError};

/// Entries that one question looks at.
pub const AUDIT_SCAN_MAX: usize = 10_000;
/// Entries that one command reads.
const READ_AT_ONCE: usize = 500;

/// What the queue's scripts write into its audit log, and how much of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Auditing {
    /// Every transition of every job, besides what people do. Each costs an entry and the looks that it takes.
    pub transitions: bool,
    /// Entries that are kept, about.
    pub keep_count: u64,
    /// How long they are kept, ms, about; `None` = however old.
    pub keep_age_ms: Option<u64>,
}

/// What is kept unless somebody says otherwise.
pub const AUDIT_KEEP_COUNT: u64 = 100_000;

impl Default for Auditing {
    fn default() -> Self {
        Self { transitions: false, keep_count: AUDIT_KEEP_COUNT, keep_age_ms: None }
    }
}

/// What the entries of a log of all transitions record of a job's hash (the same list as in `lua/observed.lua`).
pub const RECORDED: [&str; 14] = [
    "timestamp",
    "delay",
    "priority",
    "processedOn",
    "finishedOn",
    "attemptsMade",
    "stalledCounter",
    "atm",
    "ats",
    "stc",
    "returnvalue",
    "failedReason",
    "progress",
    "defa",
];

/// A job as the entries of an untrimmed log tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The state; empty = it is in none, or gone.
    pub state: String,
    /// What its hash holds of what entries record.
    pub fields: BTreeMap<String, String>,
}

impl Replayed {
    /// Replays a queue's entries, oldest first, for one job. What moved all jobs of a state (a pause) moves it, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::store::audit::{Entry, Replayed};
    /// let entry = |was: &str, is: &str, set: &str| Entry {
    ///     job: "7".into(), was: was.into(), is: is.into(), set: set.into(), ..Entry::default()
    /// };
    /// let log = [entry("", "waiting", r#"{"delay":"0"}"#), entry("waiting", "active", r#"{"processedOn":"12"}"#)];
    /// let replayed = Replayed::of("7", &log);
    /// assert_eq!(replayed.state, "active");
    /// assert_eq!(replayed.fields["processedOn"], "12");
    /// ```
    pub fn of<'a>(job: &str, entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut replayed = Self::default();
        for entry in entries {
            if entry.job.is_empty() && entry.was == replayed.state && !entry.was.is_empty() {
                replayed.state.clone_from(&entry.is);
            } else if entry.job == job
                && !(entry.was.is_empty() && entry.is.is_empty() && entry.set.is_empty())
            {
                replayed.state.clone_from(&entry.is);
                if entry.is.is_empty() {
                    replayed.fields.clear();
                }
                let set: BTreeMap<String, Option<String>> =
                    serde_json::from_str(&entry.set).unwrap_or_default();
                for (field, value) in set {
                    match value {
                        Some(value) => replayed.fields.insert(field, value),
                        None => replayed.fields.remove(&field),
                    };
                }
            }
        }
        replayed
    }
}

/// What somebody did, or a script to a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log: `<ms>-<n>`.
    pub id: String,
    /// The act.
    pub what: String,
    /// The job, the scheduler; empty = the queue.
    pub job: String,
    /// The state before; empty = none.
    pub was: String,
    /// The state after; empty = none.
    pub is: String,
    /// Who.
    pub by: String,
    /// From where.
    pub from: String,
    /// Why.
    pub why: String,
    /// What a commit of a sync changed (JSON); empty = nothing.
    pub changed: String,
    /// Fields of the job that were written, as JSON: their values, null = removed. Empty = none, or a person's act.
    pub set: String,
}

impl Entry {
    /// When, ms.
    pub fn at_ms(&self) -> i64 {
        self.order().0.cast_signed()
    }

    /// What entries are sorted by.
    pub fn order(&self) -> (u64, u64) {
        let (ms, n) = self.id.split_once('-').unwrap_or((&self.id, "0"));
        (ms.parse().unwrap_or(0), n.parse().unwrap_or(0))
    }
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this job.
    pub job: Option<String>,
    /// By this person or token; `*` = by anybody, and not by a worker.
    pub by: Option<String>,
    /// Of this act.
    pub what: Option<String>,
}

impl AuditFilter {
    fn accepts(&self, entry: &Entry) -> bool {
        let fits =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let by_anybody = self.by.as_deref() == Some("*") && !entry.by.is_empty();
        fits(&self.job, &entry.job)
            && (by_anybody || fits(&self.by, &entry.by))
            && fits(&self.what, &entry.what)
    }
}

impl Store {
    /// Entries from `newest` (an entry's id, `(id` = before that one, or `+`) back to `oldest` (ms, or `-`), at most
    /// `limit`; and how many were looked at. Fewer than `limit` after [`AUDIT_SCAN_MAX`] of them: there may be more.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        newest: &str,
        oldest: &str,
        limit: usize,
    ) -> Result<(Vec<Entry>, usize, Option<String>), StoreError> {
        let key = self.keys.extra_of("audit");
        let (mut from, mut entries, mut scanned) = (newest.to_owned(), Vec::new(), 0);
        let is_all = filter.job.is_none() && filter.by.is_none() && filter.what.is_none();
        while entries.len() < limit && scanned < AUDIT_SCAN_MAX {
            let wanted = if is_all { (limit - entries.len()).min(READ_AT_ONCE) } else { READ_AT_ONCE };
            let mut cmd = redis::cmd("XREVRANGE");
            cmd.arg(&key).arg(&from).arg(oldest).arg("COUNT").arg(wanted);
            let reply: StreamRangeReply = self.connection.query(&cmd).await?;
            let got = reply.ids.len();
            for raw in &reply.ids {
                scanned += 1;
                from = format!("({}", raw.id);
                let field = |name: &str| raw.get::<String>(name).unwrap_or_default();
                let entry = Entry {
                    id: raw.id.clone(),
                    what: field("what"),
                    job: field("job"),
                    was: state(field("was")),
                    is: state(field("is")),
                    by: field("by"),
                    from: field("from"),
                    why: field("why"),
                    changed: field("changed"),
                    set: field("set"),
                };
                if filter.accepts(&entry) {
                    entries.push(entry);
                    if entries.len() >= limit {
                        return Ok((entries, scanned, Some(from)));
                    }
                }
            }
            if got < wanted {
                return Ok((entries, scanned, None));
            }
        }
        Ok((entries, scanned, Some(from)))
    }
}

/// Some scripts note the list in which the job was: `wait` is the state waiting.
fn state(place: String) -> String {
    if place == "wait" { "waiting".to_owned() } else { place }
}
