//! Syncs of a queue by the time of their start, and what a list shows of them. Reads only.

use std::sync::LazyLock;

use redis::Value;

use crate::job::state::State;
use crate::store::inspect::fields_of;
use crate::store::job::{JobDetail, due, mark};
use crate::store::look::Mark;
use crate::store::script::Script;
use crate::store::{Store, StoreError, array, bytes, integer, text};
use crate::wire::hash::JobView;

static READ: LazyLock<Script> =
    LazyLock::new(|| Script::new("read_syncs", include_str!("../../../lua/read/syncs.lua"), None));

/// Syncs that one call reads: Redis does nothing else meanwhile.
const CALL_MAX: usize = 100;
/// Entries of an index that one command reads.
const INDEX_STEP: usize = 200;

/// A sync as a list shows it.
#[derive(Debug, Clone)]
pub struct SyncView {
    /// Redis' time, ms.
    pub now_ms: i64,
    /// Its job, without the data.
    pub view: JobView,
    /// Where that is; `None` = no list names it.
    pub state: Option<State>,
    /// Who holds it, why it failed, when it is due.
    pub mark: Mark,
    /// Our record of it: `org`, `plan`, `hold` and others.
    pub record: Vec<(String, String)>,
}

impl SyncView {
    /// A field of our record.
    pub fn recorded(&self, field: &str) -> Option<&str> {
        self.record.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }
}

impl From<JobDetail> for SyncView {
    fn from(detail: JobDetail) -> Self {
        let JobDetail { now_ms, view, state, mark, record, .. } = detail;
        Self { now_ms, view, state, mark, record }
    }
}

/// Where a page of an index begins.
#[derive(Debug, Clone, Copy)]
pub struct IndexPlace<'a> {
    /// Not later than this, ms.
    pub at_ms: i64,
    /// Of those of that very instant only the ones before this id, or none at all.
    pub before: Option<&'a str>,
}

impl Store {
    /// Ids of syncs and when each was started (ms), newest first, at most `most`: all of the queue, or those of one
    /// organisation. The newest 10,000 are known.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn started_syncs(
        &self,
        org: Option<&str>,
        from: Option<IndexPlace<'_>>,
        most: usize,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let index = org.map_or_else(|| "syncs".to_owned(), |org| format!("org:{org}"));
        let key = self.keys.extra_of(&index);
        let newest = from.map_or_else(|| "+inf".to_owned(), |place| place.at_ms.to_string());
        let is_meant = |id: &str, at: i64| match from {
            Some(place) if place.at_ms == at => place.before.is_some_and(|before| id < before),
            _ => true,
        };
        let (mut offset, mut found) = (0, Vec::new());
        loop {
            let mut command = redis::cmd("ZREVRANGEBYSCORE");
            command.arg(&key).arg(&newest).arg("-inf").arg("WITHSCORES");
            command.arg("LIMIT").arg(offset).arg(INDEX_STEP);
            let part: Vec<(String, f64)> = self.connection.query(&command).await?;
            let got = part.len();
            let meant = part.into_iter().map(|(id, at)| (id, at as i64)).filter(|(id, at)| is_meant(id, *at));
            found.extend(meant);
            if found.len() >= most || got < INDEX_STEP {
                found.truncate(most);
                return Ok(found);
            }
            offset += got;
        }
    }

    /// These syncs as they are now; those that are gone are left out.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn syncs(&self, ids: &[String]) -> Result<Vec<SyncView>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(CALL_MAX) {
            let mut call = READ.call(&self.keys);
            call.arg(ids);
            let mut reply = array(READ.run(&self.connection, &call).await?)?.into_iter();
            let now_ms = integer(&reply.next().unwrap_or(Value::Nil))?;
            for one in reply {
                found.extend(self.sync_view(now_ms, one)?);
            }
        }
        Ok(found)
    }

    fn sync_view(&self, now_ms: i64, reply: Value) -> Result<Option<SyncView>, StoreError> {
        let mut reply = array(reply)?.into_iter();
        let mut next = || reply.next().unwrap_or(Value::Nil);
        let (id, state) = (text(next())?, text(next())?);
        let (lock, left, score) = (next(), next(), next());
        let (fields, mut record) = (fields_of(next())?, fields_of(next())?);
        if fields.is_empty() {
            return Ok(None);
        }
        let field = |name: &str, of: &[(String, String)]| {
            of.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone())
        };
        // A record about an earlier job of this id says nothing of this one.
        if field("of", &record).zip(field("timestamp", &fields)).is_some_and(|(of, added)| of != added) {
            record = Vec::new();
        }
        let mut mark = mark(lock, &left, field("reason", &record));
        mark.due_ms = due(bytes(score));
        Ok(Some(SyncView { now_ms, view: self.view(&id, &fields), state: state.parse().ok(), mark, record }))
    }

    /// A part of the noted items of a sync, in no order and some perhaps twice: id and note; and where to go on, `None` =
    /// that was all. About as many as `step`.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn items_part(
        &self,
        id: &str,
        cursor: u64,
        step: usize,
    ) -> Result<(Vec<(String, String)>, Option<u64>), StoreError> {
        let mut command = redis::cmd("HSCAN");
        command.arg(self.keys.extra_of(&format!("items:{id}"))).arg(cursor).arg("COUNT").arg(step);
        let (next, part): (String, Vec<(String, String)>) = self.connection.query(&command).await?;
        Ok((part, next.parse().ok().filter(|next| *next != 0)))
    }
}
