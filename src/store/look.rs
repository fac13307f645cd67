//! What a person asks before acting: who holds a job, when it is due, what is next. Reads only.

use std::time::Duration;

use redis::Value;

use super::inspect::PAGE_MAX;
use super::{Connection, Store, StoreError, integer, text};

/// Who holds a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The token of the run.
    pub token: String,
    /// Until the lock expires; `None` = it never does.
    pub left: Option<Duration>,
}

impl Holder {
    /// The name of one of our workers, which its tokens begin with; `None` = a worker of another kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::store::look::Holder;
    /// let holder = |token: &str| Holder { token: token.into(), left: None };
    /// assert_eq!(holder("w-1:00000000000000000000000000000000").worker(), Some("w-1"));
    /// assert_eq!(holder("2f1c0d9a-7f0f-4b6e-9d3a-0f5a4f3b2c1d").worker(), None);
    /// ```
    pub fn worker(&self) -> Option<&str> {
        let (worker, random) = self.token.rsplit_once(':')?;
        (random.len() == 32 && !worker.is_empty()).then_some(worker)
    }
}

/// What is known of a job beside its hash.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mark {
    /// Who runs it.
    pub holder: Option<Holder>,
    /// The reason class of a dead letter.
    pub reason: Option<String>,
    /// When a delayed job is due, ms.
    pub due_ms: Option<i64>,
}

impl Store {
    /// What is known of jobs beside their hashes, in the order of `ids`; at most [`PAGE_MAX`] of them.
    pub async fn marks(&self, ids: &[String]) -> Result<Vec<Mark>, StoreError> {
        let ids = &ids[..ids.len().min(PAGE_MAX)];
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            let lock = self.keys.of(&format!("{id}:lock"));
            pipe.cmd("GET").arg(&lock);
            pipe.cmd("PTTL").arg(&lock);
            pipe.cmd("HGET").arg(self.keys.extra_of(&format!("job:{id}"))).arg("reason");
            pipe.cmd("ZSCORE").arg(self.keys.of("delayed")).arg(id);
        }
        let replies = self.connection.pipeline(&pipe, ids.len() * 4).await?;
        Ok(replies.chunks_exact(4).map(read_mark).collect())
    }

    /// The oldest job in line: its id and when it was added, ms.
    pub async fn oldest_waiting(&self) -> Result<Option<(String, i64)>, StoreError> {
        for list in ["waiting", "paused", "prioritized"] {
            let ids = self.ids(list, 0, 1).await?;
            if let Some(job) = self.jobs(&ids).await?.pop()
                && let Some(added) = job.timestamp
            {
                return Ok(Some((job.id, added)));
            }
        }
        Ok(None)
    }
}

/// Each reply stands for itself: a lock or a record of a wrong type is as good as none.
fn read_mark(replies: &[Value]) -> Mark {
    let [lock, ttl, reason, score] = replies else { return Mark::default() };
    let as_text = |value: &Value| text(value.clone()).ok();
    let left = integer(ttl).ok().and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    let score = match score {
        Value::Double(score) => Some(*score),
        other => as_text(other).and_then(|score| score.parse().ok()),
    };
    Mark {
        holder: as_text(lock).map(|token| Holder { token, left }),
        reason: as_text(reason),
        due_ms: score.map(|score| (score / 4096.0) as i64),
    }
}

/// Names of all connections of a server, or of all masters of a cluster, as `CLIENT LIST` gives them; `None` = this user
/// may not ask.
pub async fn client_names(connection: &Connection) -> Result<Option<Vec<String>>, StoreError> {
    let mut names = Vec::new();
    for master in connection.to_each_master().await? {
        match master.query::<String>(redis::cmd("CLIENT").arg("LIST")).await {
            Ok(list) => names.extend(
                list.lines()
                    .filter_map(|line| line.split(' ').find_map(|part| part.strip_prefix("name=")))
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned),
            ),
            Err(StoreError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(names))
}
