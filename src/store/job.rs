//! One job with all that is known of it, read at one moment.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Value;

use super::inspect::fields_of;
use super::look::{Holder, Mark};
use super::script::Script;
use super::{Store, StoreError, array, bytes, integer, text};
use crate::job::state::State;
use crate::wire::Dialect;
use crate::wire::hash::JobView;

static READ: LazyLock<Script> =
    LazyLock::new(|| Script::new("read_job", include_str!("../../lua/read/job.lua"), None));

/// A job and what stands beside it.
#[derive(Debug, Clone)]
pub struct JobDetail {
    /// Redis' time, ms.
    pub now_ms: i64,
    /// Its hash.
    pub view: JobView,
    /// Where it is; `None` = no list names it.
    pub state: Option<State>,
    /// Who holds it, why it failed, when it is due.
    pub mark: Mark,
    /// Its priority; 0 = none.
    pub priority: i64,
    /// How often the worker that ran it died.
    pub crashes: u64,
    /// Our record of it (`X job:<id>`), if that is about this job and not about an earlier one of the same id.
    pub record: Vec<(String, String)>,
    /// Lines of its log.
    pub logged: u64,
    /// Changes with what a person may edit.
    pub etag: String,
}

/// A failed attempt, as our record of the job tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// 1 = the first.
    pub number: u64,
    /// `at`, `worker`, `class`, `ran_ms`, `message`.
    pub record: serde_json::Value,
}

impl JobDetail {
    /// A field of our record.
    pub fn recorded(&self, field: &str) -> Option<&str> {
        self.record.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    /// The failed attempts that are on record, oldest first.
    pub fn attempts(&self) -> Vec<Attempt> {
        let read = |(field, value): &(String, String)| {
            let number = field.strip_prefix("attempt:")?.parse().ok()?;
            let record: serde_json::Value = serde_json::from_str(value).ok()?;
            record.is_object().then_some(Attempt { number, record })
        };
        let mut attempts: Vec<Attempt> = self.record.iter().filter_map(read).collect();
        attempts.sort_by_key(|attempt| attempt.number);
        attempts
    }
}

impl Store {
    /// One job; `None` = there is no such job.
    pub async fn job_detail(&self, id: &str) -> Result<Option<JobDetail>, StoreError> {
        let mut call = READ.call(&self.keys);
        call.arg(id);
        let mut reply = array(READ.run(&self.connection, &call).await?)?.into_iter();
        let mut next = || reply.next().unwrap_or(Value::Nil);
        let now_ms = integer(&next())?;
        let fields = fields_of(next())?;
        if fields.is_empty() {
            return Ok(None);
        }
        let state = text(next())?;
        let (lock, left, score) = (next(), next(), next());
        let record = fields_of(next())?;
        let (logged, etag) = (integer(&next())?, text(next())?);
        let field = |name: &str, of: &[(String, String)]| {
            of.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone())
        };
        let record = match (field("of", &record), field("timestamp", &fields)) {
            (Some(of), Some(added)) if of != added => Vec::new(),
            _ => record,
        };
        let mut mark = mark(lock, &left, field("reason", &record));
        mark.due_ms = due(bytes(score));
        Ok(Some(JobDetail {
            now_ms,
            view: self.view(id, &fields),
            state: state.parse().ok(),
            mark,
            priority: number(field("priority", &fields).as_deref()),
            crashes: number(field("crashes", &record).as_deref()).max(0).cast_unsigned(),
            record,
            logged: logged.max(0).cast_unsigned(),
            etag,
        }))
    }

    /// Would this id be a key of the queue itself, or one that stands beside a job? No job lives there.
    pub fn is_key_of_queue(&self, id: &str) -> bool {
        let (beside, below) = match self.dialect() {
            Dialect::Bull => (&[":lock", ":logs"][..], &["metrics:", "de:", "limiter:"][..]),
            Dialect::BullMq => (
                &[":lock", ":logs", ":dependencies", ":processed", ":failed", ":unsuccessful"][..],
                &["metrics:", "de:", "dn:"][..],
            ),
        };
        // `repeat:<scheduler>` is a scheduler; `repeat:<scheduler>:<ms>` is a job of it.
        let scheduler = id.strip_prefix("repeat:").is_some_and(|rest| {
            let due = rest.rsplit_once(':').map_or("", |(_, due)| due);
            self.dialect() == Dialect::BullMq && (due.is_empty() || due.bytes().any(|b| !b.is_ascii_digit()))
        });
        let beside = beside.iter().any(|suffix| id.ends_with(suffix));
        let below = below.iter().any(|prefix| id.starts_with(prefix));
        id.is_empty() || beside || below || scheduler || crate::job::id::RESERVED.contains(&id)
    }
}

/// Who holds a job, from its lock and the time that it has left.
pub(super) fn mark(lock: Value, left: &Value, reason: Option<String>) -> Mark {
    let left = integer(left).ok().and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    let token = bytes(lock).map(|token| String::from_utf8_lossy(&token).into_owned());
    Mark {
        holder: token.map(|token| Holder { token, left }),
        reason: reason.filter(|reason| !reason.is_empty()),
        due_ms: None,
    }
}

/// When a score of `delayed` is due, ms.
pub(super) fn due(score: Option<Vec<u8>>) -> Option<i64> {
    let score: f64 = String::from_utf8(score?).ok()?.parse().ok()?;
    Some((score / 4096.0) as i64)
}

/// The integer in a field; 0 for what is none.
pub(super) fn number(text: Option<&str>) -> i64 {
    crate::wire::bull::integer(text.map(str::as_bytes))
}
