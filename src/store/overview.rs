//! What many queues hold, read in one command for fifty of them.

use std::sync::LazyLock;

use redis::Value;

use super::inspect::Counts;
use super::script::Script;
use super::{Connection, StoreError, array, integer, text};
use crate::wire::{Dialect, Keys};

static READ: LazyLock<Script> =
    LazyLock::new(|| Script::new("read_overview", include_str!("../../lua/read/overview.lua"), None));

/// Queues that one command looks at.
pub const QUEUES_PER_CALL: usize = 50;

/// One queue at one moment.
#[derive(Debug, Clone)]
pub struct Glance {
    /// Jobs by state.
    pub counts: Counts,
    /// Is it paused?
    pub paused: bool,
    /// Who writes to it.
    pub family: Family,
    /// Has it any keys?
    pub exists: bool,
    /// Jobs ever added, as its counter says.
    pub added: u64,
    /// How long the job that has waited longest has done so, ms.
    pub oldest_waiting_ms: Option<u64>,
    /// A key that is of a wrong type: the counts are not all of it.
    pub wrong_key: Option<String>,
}

/// Who writes to a queue, as its keys tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// One of the two.
    Of(Dialect),
    /// Both.
    Mixed,
}

/// Reads queues: Redis' time (ms), and one answer for each.
pub async fn overview(connection: &Connection, queues: &[Keys]) -> Result<(i64, Vec<Glance>), StoreError> {
    let (mut now_ms, mut all) = (0, Vec::with_capacity(queues.len()));
    for chunk in queues.chunks(QUEUES_PER_CALL) {
        let call = READ.call_all(chunk.iter());
        let mut reply = array(READ.run(connection, &call).await?)?.into_iter();
        now_ms = reply.next().as_ref().map(integer).transpose()?.unwrap_or_default();
        for one in reply {
            all.push(read(one, now_ms)?);
        }
    }
    Ok((now_ms, all))
}

fn read(reply: Value, now_ms: i64) -> Result<Glance, StoreError> {
    let mut parts = array(reply)?;
    let wrong = parts.pop().map(text).transpose()?.filter(|key| !key.is_empty());
    let n: Vec<u64> =
        parts.iter().map(|n| integer(n).map(|n| n.max(0).cast_unsigned())).collect::<Result<_, _>>()?;
    let at = |i: usize| n.get(i).copied().unwrap_or(0);
    let (mq, bull) = (at(9) == 1, at(10) == 1);
    let counts = Counts {
        waiting: at(0),
        paused: at(1),
        active: at(2),
        delayed: at(3),
        completed: at(4),
        failed: at(5),
        prioritized: mq.then(|| at(6)),
        waiting_children: mq.then(|| at(7)),
    };
    let family = match (mq, bull) {
        (true, true) => Family::Mixed,
        (true, false) => Family::Of(Dialect::BullMq),
        (false, _) => Family::Of(Dialect::Bull),
    };
    let since = Some(at(13)).filter(|since| *since > 0);
    Ok(Glance {
        counts,
        paused: at(8) == 1,
        family,
        exists: at(11) == 1,
        added: at(12),
        oldest_waiting_ms: since.map(|since| now_ms.max(0).cast_unsigned().saturating_sub(since)),
        wrong_key: wrong,
    })
}
