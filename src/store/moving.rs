//! Moving the jobs of a Bull 4 queue to a `BullMQ` queue in the same Redis, while both are in use.
//!
//! Owns: which jobs are next, and what became of each. One script call moves a bounded batch, so that a job is in exactly
//! one of the queues whenever somebody looks, and a mover that was killed is simply started again. Must never know: how
//! long to go on, what a person is told.

mod page;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::Value;

pub use tally::{Left, Noted, Reason, Tally};

use self::page::Prepared;
use super::inspect::Counts;
use super::script::in_dialect;
use super::{CALL_BYTES_MAX, Store, StoreError, array, integer};
use crate::job::cron::Zone;

/// Jobs in one call: Redis serves nobody else meanwhile (measured: 3 to 8 ms).
pub const MOVED_AT_ONCE: usize = 250;
/// The counters of the two queues are kept so far apart, at least half of it: what the producers on either side count from
/// then on does not meet.
pub const COUNTER_GAP: u64 = 1_000_000_000;

/// Where jobs are that nobody runs, in the order in which they are moved: those that are next to run first.
const PLACES: [&str; 4] = ["wait", "paused", "delayed", "failed"];
const COMPLETED: &str = "completed";

/// The two queues of a move.
pub struct Mover {
    from: Store,
    to: Store,
    completed: bool,
    dry: bool,
    zone: Zone,
    stop: Arc<AtomicBool>,
}

impl Mover {
    /// From a Bull 4 queue to a `BullMQ` queue. `completed`: finished jobs, too. `dry`: nothing is written. `zone` is that
    /// of dates without an offset.
    pub fn new(from: Store, to: Store, completed: bool, dry: bool, zone: Zone) -> Self {
        Self { from, to, completed, dry, zone, stop: Arc::default() }
    }

    /// Set to true it ends the pass that is under way after its batch.
    pub fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Moves what nobody runs, each place once; answers how many jobs left the source. Jobs that stay are in the tally,
    /// which is about this pass as far as they are concerned.
    ///
    /// # Errors
    ///
    /// Those of the store. What was moved until then has been moved: start again.
    pub async fn pass(&self, tally: &mut Tally) -> Result<u64, StoreError> {
        tally.begin();
        // Also without any job: the counter is set, and the target is known for BullMQ's.
        self.send(PLACES[0], &[], tally).await?;
        let mut left_source = 0;
        let completed = self.completed.then_some(COMPLETED);
        for place in PLACES.into_iter().chain(completed) {
            left_source += self.empty(place, tally).await?;
        }
        if self.dry || left_source == 0 {
            for series in self.from.repeatables().await? {
                if self.dry {
                    tally.would_be_ended(series.key);
                } else {
                    tally.ended(series.key);
                }
            }
        }
        Ok(left_source)
    }

    async fn empty(&self, place: &'static str, tally: &mut Tally) -> Result<u64, StoreError> {
        let (mut stay, mut gone) = (0, 0);
        loop {
            let ids = self.page(place, stay).await?;
            if ids.is_empty() || self.stop.load(Ordering::Relaxed) {
                return Ok(gone);
            }
            let read = ids.len();
            let (prepared, refused) = self.prepare(ids).await?;
            let mut stayed = refused.len();
            for (id, reason, why) in refused {
                tally.leave(reason, id, why);
            }
            for batch in batches(&prepared) {
                let codes = self.send(place, batch, tally).await?;
                for (job, code) in batch.iter().zip(codes) {
                    if !tally.count(place, job, code)? {
                        stayed += 1;
                    } else if !self.dry {
                        gone += 1;
                    }
                }
            }
            stay += if self.dry { read } else { stayed };
        }
    }

    /// One batch; a code for each of its jobs.
    async fn send(&self, place: &str, jobs: &[Prepared], tally: &mut Tally) -> Result<Vec<i64>, StoreError> {
        let script = in_dialect(&self.to.scripts.move_jobs, "jobs moved to it")?;
        let mut has_paused = false;
        loop {
            let mut call = script.call_with(self.to.keys(), self.from.keys());
            call.arg(place).arg(COUNTER_GAP).arg(u8::from(has_paused)).arg(u8::from(self.dry));
            for job in jobs {
                job.push(&mut call);
            }
            let mut reply = array(script.run(&self.to.connection, &call).await?)?.into_iter();
            if integer(&reply.next().unwrap_or(Value::Nil))? == 0 {
                return reply.map(|code| integer(&code)).collect();
            }
            // The source is paused: nobody shall run its jobs.
            self.to.pause(true).await?;
            (has_paused, tally.paused) = (true, true);
        }
    }

    /// What is in the source now.
    pub async fn source(&self) -> Result<Counts, StoreError> {
        Ok(self.from.counts().await?.0)
    }

    /// What all runs of this move together have moved, by state.
    pub async fn moved_in_all(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut cmd = redis::cmd("HGETALL");
        cmd.arg(self.from.keys().extra_of("move"));
        let fields: Vec<(String, String)> = self.to.connection.query(&cmd).await?;
        let is_this = fields.iter().any(|(name, value)| name == "to" && **value == *self.to.keys().base);
        let counts = fields.into_iter().filter(|(name, _)| is_this && tally::STATES.contains(&name.as_str()));
        Ok(counts.filter_map(|(name, count)| Some((name, count.parse().ok()?))).collect())
    }
}

/// Prepared jobs, so many at once as one call takes.
fn batches(jobs: &[Prepared]) -> impl Iterator<Item = &[Prepared]> {
    let mut rest = jobs;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |job: &&Prepared| {
            bytes += job.bytes();
            bytes <= CALL_BYTES_MAX
        };
        let n = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (batch, after) = rest.split_at(n);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}
