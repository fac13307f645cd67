//! The children of a job in a flow, as far as a page shows them. `BullMQ` only; a Bull job has none.

use redis::Value;

use super::{Store, StoreError, array, integer, text};

/// What has become of a child, as its parent has noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildOutcome {
    /// The parent waits for it.
    Pending,
    /// It has completed.
    Processed,
    /// It has failed, and the parent goes on or fails with it.
    Failed,
    /// It has failed, and that is ignored.
    Ignored,
}

/// A child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its queue, of the same prefix.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// What has become of it.
    pub outcome: ChildOutcome,
}

/// Some children, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Children {
    /// At most as many as were asked for.
    pub items: Vec<Child>,
    /// How many wait, have completed, failed, were ignored.
    pub counts: [u64; 4],
}

impl Children {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Store {
    /// The children of a job, at most about `limit`.
    pub async fn children(&self, id: &str, limit: usize) -> Result<Children, StoreError> {
        let of = |suffix: &str| self.keys.of(&format!("{id}:{suffix}"));
        let mut pipe = redis::pipe();
        pipe.cmd("SCARD").arg(of("dependencies"));
        pipe.cmd("HLEN").arg(of("processed"));
        pipe.cmd("ZCARD").arg(of("unsuccessful"));
        pipe.cmd("HLEN").arg(of("failed"));
        pipe.cmd("SSCAN").arg(of("dependencies")).arg(0).arg("COUNT").arg(limit);
        pipe.cmd("HSCAN").arg(of("processed")).arg(0).arg("COUNT").arg(limit);
        pipe.cmd("ZRANGE").arg(of("unsuccessful")).arg(0).arg(limit.saturating_sub(1));
        pipe.cmd("HSCAN").arg(of("failed")).arg(0).arg("COUNT").arg(limit);
        let replies = self.connection.pipeline(&pipe, 8).await?;
        let mut children = Children::default();
        for (count, reply) in children.counts.iter_mut().zip(&replies) {
            *count = integer(reply).unwrap_or(0).max(0).cast_unsigned();
        }
        let mut lists = replies.into_iter().skip(4);
        let kinds = [
            (ChildOutcome::Pending, true, 1),
            (ChildOutcome::Processed, true, 2),
            (ChildOutcome::Failed, false, 1),
            (ChildOutcome::Ignored, true, 2),
        ];
        for (outcome, scanned, step) in kinds {
            let reply = lists.next().unwrap_or(Value::Nil);
            for key in members(reply, scanned).into_iter().step_by(step) {
                if children.items.len() < limit
                    && let Some((queue, id)) = self.place_of(&key)
                {
                    children.items.push(Child { queue, id, outcome });
                }
            }
        }
        Ok(children)
    }

    /// Queue and id of a job's full key. A `BullMQ` queue's name has no colon; a key of another prefix is not ours to follow.
    pub fn place_of(&self, key: &str) -> Option<(String, String)> {
        let rest = key.strip_prefix(&*self.keys.prefix)?.strip_prefix(':')?;
        let (queue, id) = rest.split_once(':')?;
        (!queue.is_empty() && !id.is_empty()).then(|| (queue.to_owned(), id.to_owned()))
    }
}

/// The elements of a reply; of a scan, behind its cursor.
fn members(reply: Value, scanned: bool) -> Vec<String> {
    let Ok(mut parts) = array(reply) else { return Vec::new() };
    let items =
        if scanned { parts.pop().and_then(|items| array(items).ok()).unwrap_or_default() } else { parts };
    items.into_iter().filter_map(|item| text(item).ok()).collect()
}
