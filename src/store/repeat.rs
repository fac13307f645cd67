//! What comes again: Bull's repeatable jobs and `BullMQ`'s schedulers; the one after a claimed one, and removing them.

use super::act::Terms;
use super::enqueue::{Enqueued, push_job};
use super::{Store, StoreError, array, integer, text};
use crate::job::Job;
use crate::job::cron::Zone;
use crate::job::repeat::{self, RepeatError, scheduler};
use crate::wire::{Dialect, NewJob};

/// The job that comes after a claimed one, worked out and not in Redis yet.
#[derive(Debug, Clone)]
pub struct Successor(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Bull { key: String, due: String, job: Box<NewJob> },
    BullMq(scheduler::Next),
}

impl Store {
    /// Works out what comes after a claimed job; `None` = nothing does. `zone` is that of patterns without `tz`.
    pub fn successor(&self, job: &Job, now_ms: i64, zone: Zone) -> Result<Option<Successor>, RepeatError> {
        Ok(match self.scripts.dialect() {
            Dialect::Bull => repeat::successor(&job.name, &job.opts_text, now_ms, zone)?.map(|next| {
                let due = next.due_text().to_owned();
                let job = Box::new(NewJob::occurrence(&job.name, job.data.as_str(), &next));
                Successor(Kind::Bull { key: next.key, due, job })
            }),
            Dialect::BullMq => {
                let Some(id) = &job.scheduler else { return Ok(None) };
                scheduler::next(id, &job.opts_text, now_ms, zone)?.map(|next| Successor(Kind::BullMq(next)))
            }
        })
    }

    /// Adds the successor of a claimed job that `token` holds; `None`: it holds it no longer, what comes again was
    /// removed meanwhile, or its next is planned already.
    pub async fn add_successor(
        &self,
        token: &str,
        job: &Job,
        successor: &Successor,
    ) -> Result<Option<Enqueued>, StoreError> {
        let next = match &successor.0 {
            Kind::Bull { key, due, job: next } => {
                return self.repeat(token, Some(job.id.as_str()), key, due, next).await;
            }
            Kind::BullMq(next) => next,
        };
        let script = &self.scripts.repeat;
        let mut call = script.call(&self.keys);
        call.arg(token).arg(job.id.as_str()).arg(&next.scheduler);
        call.arg(next.due_ms.map(|ms| ms.to_string()).unwrap_or_default()).arg(&next.every);
        call.arg(&next.opts_head).arg(&next.priority).arg(u8::from(next.lifo));
        call.arg(&*job.name).arg(job.data.as_str());
        read_added(script.run(&self.connection, &call).await?)
    }

    /// Registers `key` as due at `due` (ms, as its id spells it) and adds the occurrence, in one step. `successor_of`: the id of
    /// the claimed occurrence that `token` holds; answers `None` if it holds it no longer, or if the repeatable was
    /// removed meanwhile. Bull only.
    pub async fn repeat(
        &self,
        token: &str,
        successor_of: Option<&str>,
        key: &str,
        due: &str,
        job: &NewJob,
    ) -> Result<Option<Enqueued>, StoreError> {
        let mut act = self.act(&self.scripts.repeat);
        act.arg(token).arg(successor_of.unwrap_or("")).arg(key).arg(due);
        push_job(act.call(), job, Dialect::Bull);
        read_added(act.run(Terms { what: "scheduler-upsert", done: "#", ..Terms::default() }).await?)
    }

    /// Removes what comes again, with the job that is delayed for it. Bull: `occurrence_prefix` is the occurrence id
    /// without its due time. `BullMQ`: `key` is the scheduler's id, and says all.
    pub async fn repeat_remove(&self, key: &str, occurrence_prefix: &str) -> Result<bool, StoreError> {
        let mut act = self.act(&self.scripts.repeat_remove);
        act.arg(key).arg(occurrence_prefix);
        // The scheduler stands where the job does otherwise: it is no id of a job.
        let terms = Terms { what: "scheduler-remove", job: key, done: "1", ..Terms::default() };
        Ok(integer(&act.run(terms).await?)? == 1)
    }
}

fn read_added(reply: redis::Value) -> Result<Option<Enqueued>, StoreError> {
    let mut reply = array(reply)?.into_iter();
    let (Some(id), Some(code)) = (reply.next(), reply.next()) else { return Ok(None) };
    Ok(Some(Enqueued::read(text(id)?, integer(&code)?)))
}
