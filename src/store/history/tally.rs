//! What a worker counts of its runs, in memory, and writes once a second in one call for all of them.
//!
//! Owns: the counts and the call. Must never know: when it is made (`worker::historian`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::sketch::step_of;
use crate::store::{Lane, Store, StoreError};

/// Slow runs that are kept of a day.
pub const SLOW_MAX: usize = 100;
/// Slow runs that one call brings.
const SLOW_PER_CALL: usize = 20;
/// Kinds that one call brings: a call is a few hundred commands for Redis.
const KINDS_PER_CALL: usize = 50;

/// Longest name of an organisation that is counted by itself.
const ORG_BYTES_MAX: usize = 256;

/// A run that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ran<'a> {
    /// The job's name.
    pub name: &'a Arc<str>,
    /// Its organisation; empty = none, or not known.
    pub org: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Which attempt it was.
    pub attempt: u32,
    /// How it ended.
    pub how: How,
    /// How long the handler ran.
    pub ran: Duration,
    /// How long the job waited for its first attempt; `None` = this was a later one.
    pub waited: Option<Duration>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The job completed.
    Completed,
    /// It failed for good.
    Failed,
    /// It will be tried again.
    Retried,
}

impl How {
    fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Retried => "retried",
        }
    }
}

/// Counts since the last call.
#[derive(Debug, Default)]
pub struct Tally {
    kinds: HashMap<Arc<str>, HashMap<Box<str>, Counts>>,
    /// The slowest, ascending: µs, and who.
    slow: Vec<(u64, String)>,
}

#[derive(Debug, Default)]
struct Counts {
    ended: [u64; 3],
    ran: Durations,
    waited: Durations,
}

#[derive(Debug, Default)]
struct Durations {
    sum_us: u64,
    /// Step and count; few, so they are looked through.
    steps: Vec<(u16, u64)>,
}

impl Durations {
    fn add(&mut self, duration: Duration) {
        let us = duration.as_micros() as u64;
        self.sum_us += us;
        let step = step_of(us);
        match self.steps.iter_mut().find(|(known, _)| *known == step) {
            Some((_, n)) => *n += 1,
            None => self.steps.push((step, 1)),
        }
    }
}

impl Tally {
    /// Counts a run.
    pub fn add(&mut self, run: &Ran<'_>) {
        let counts = match self.kinds.get_mut(run.name).and_then(|orgs| orgs.get_mut(run.org)) {
            Some(counts) => counts,
            None => self.kinds.entry(Arc::clone(run.name)).or_default().entry(run.org.into()).or_default(),
        };
        counts.ended[run.how as usize] += 1;
        counts.ran.add(run.ran);
        if let Some(waited) = run.waited {
            counts.waited.add(waited);
        }
        self.add_slow(run);
    }

    fn add_slow(&mut self, run: &Ran<'_>) {
        let us = run.ran.as_micros() as u64;
        let is_full = self.slow.len() >= SLOW_PER_CALL;
        if is_full && self.slow.first().is_some_and(|(least, _)| us <= *least) {
            return;
        }
        let who = serde_json::json!([&**run.name, run.org, run.id, run.attempt, run.how.as_str()]);
        if is_full {
            self.slow.remove(0);
        }
        let at = self.slow.partition_point(|(other, _)| *other < us);
        self.slow.insert(at, (us, who.to_string()));
    }

    /// Nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Takes what one call brings; `None` = nothing is left.
    pub fn take_call(&mut self) -> Option<Counted> {
        let mut args = Vec::new();
        let mut kinds = 0;
        while kinds < KINDS_PER_CALL {
            let Some(name) = self.kinds.keys().next().map(Arc::clone) else { break };
            let Some(orgs) = self.kinds.get_mut(&name) else { break };
            let Some(org) = orgs.keys().next().cloned() else {
                self.kinds.remove(&name);
                continue;
            };
            if let Some(counts) = orgs.remove(&org) {
                counts.push(&name, &org, &mut args);
                kinds += 1;
            }
        }
        self.kinds.retain(|_, orgs| !orgs.is_empty());
        (kinds > 0).then(|| Counted { kinds, args, slow: std::mem::take(&mut self.slow) })
    }
}

impl Counts {
    /// Organisation, name, how many pairs follow, and these: metric and how much more.
    fn push(&self, name: &str, org: &str, args: &mut Vec<String>) {
        let mut pairs = Vec::new();
        for how in [How::Completed, How::Failed, How::Retried] {
            pairs.push((how.as_str().to_owned(), self.ended[how as usize]));
        }
        for (metric, durations) in [("ran", &self.ran), ("waited", &self.waited)] {
            pairs.push((format!("{metric}_us"), durations.sum_us));
            pairs.extend(durations.steps.iter().map(|(step, n)| (format!("{metric}{step}"), *n)));
        }
        pairs.retain(|(_, n)| *n > 0);
        args.extend([field_part(org), name.to_owned(), pairs.len().to_string()]);
        args.extend(pairs.into_iter().flat_map(|(metric, n)| [metric, n.to_string()]));
    }
}

/// An organisation as it stands in a field's name: longer ones are counted together.
fn field_part(org: &str) -> String {
    if org.len() > ORG_BYTES_MAX { "*".to_owned() } else { org.replace('%', "%25").replace(':', "%3A") }
}

/// The organisation that stands so in a field's name.
pub(super) fn org_in(part: &str) -> String {
    part.replace("%3A", ":").replace("%25", "%")
}

/// One call's worth of counts.
#[derive(Debug)]
pub struct Counted {
    kinds: usize,
    args: Vec<String>,
    slow: Vec<(u64, String)>,
}

impl Store {
    /// Adds counts to the history, which keeps them for `kept`. Sent twice with the same number of its lane they count once.
    pub async fn tally(
        &self,
        lane: &Lane,
        reply_kept_ms: u64,
        kept: Duration,
        counted: &Counted,
    ) -> Result<(), StoreError> {
        let script = &self.scripts.tally;
        let mut call = script.call(&self.keys);
        call.arg(&lane.name).arg(lane.request).arg(reply_kept_ms).arg(kept.as_millis() as u64);
        call.arg(SLOW_MAX).arg(counted.kinds).arg(&counted.args);
        for (us, who) in &counted.slow {
            call.arg(us).arg(who);
        }
        script.run(&self.connection, &call).await.map(|_| ())
    }
}
