//! Reading the audit log of a queue (`X audit`), newest first.

use redis::streams::StreamRangeReply;

use super::{Store, StoreError};

/// Entries that one question looks at.
pub const AUDIT_SCAN_MAX: usize = 10_000;
/// Entries that one command reads.
const READ_AT_ONCE: usize = 500;

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// By this person or token.
    pub by: Option<String>,
    /// Of this act.
    pub what: Option<String>,
}

impl AuditFilter {
    fn accepts(&self, entry: &Entry) -> bool {
        let fits =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        fits(&self.job, &entry.job) && fits(&self.by, &entry.by) && fits(&self.what, &entry.what)
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
                    was: field("was"),
                    is: field("is"),
                    by: field("by"),
                    from: field("from"),
                    why: field("why"),
                    changed: field("changed"),
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
