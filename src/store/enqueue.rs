//! Adding jobs.

use redis::Cmd;

use super::act::Terms;
use super::{Scripts, Store, StoreError, array, integer, text};
use crate::job::JobId;
use crate::wire::{Dialect, NewJob};

/// What became of a job to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id, or the id of the job that stands for it.
    pub id: JobId,
    /// A job of this id (or deduplication id) existed: nothing was written.
    pub existed: bool,
    /// It has a parent that cannot be its own: nothing was written.
    pub refused: Option<Refusal>,
}

/// Why a child was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such parent.
    #[error("its parent does not exist")]
    ParentMissing,
    /// A job of this id exists and is another parent's child.
    #[error("a job of this id exists and belongs to another parent")]
    OtherParent,
}

impl Enqueued {
    /// Reads the code that scripts answer for one job.
    pub(super) fn read(id: String, code: i64) -> Self {
        let refused = match code {
            -5 => Some(Refusal::ParentMissing),
            -7 => Some(Refusal::OtherParent),
            _ => None,
        };
        Self { id: id.into(), existed: code == 1, refused }
    }

    /// The same, where a refusal is an error.
    pub(super) fn accepted(self) -> Result<Self, StoreError> {
        match self.refused {
            Some(refusal) => Err(StoreError::Invalid(format!("job {}: {refusal}", self.id))),
            None => Ok(self),
        }
    }
}

impl Store {
    /// Adds jobs in order, in as many calls as [`super::fitting`] wants. `token` names the sender in events.
    pub async fn enqueue(&self, token: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        // Asked once: a store whose dialect nobody named may learn it meanwhile.
        let scripts: &Scripts = &self.scripts;
        let mut all = Vec::with_capacity(jobs.len());
        let mut left = jobs;
        while !left.is_empty() {
            let (chunk, rest) = left.split_at(super::fitting(left.iter().map(|job| job.data.len())));
            left = rest;
            let mut act = self.act(&scripts.enqueue);
            act.arg(token);
            for job in chunk {
                push_job(act.call(), job, scripts.dialect());
            }
            let terms = Terms { what: "add", done: "added", ..Terms::default() };
            let mut reply = array(act.run(terms).await?)?.into_iter().skip(1);
            while let (Some(id), Some(code)) = (reply.next(), reply.next()) {
                all.push(Enqueued::read(text(id)?, integer(&code)?));
            }
        }
        Ok(all)
    }
}

/// The arguments of one job, as the scripts of the dialect take them.
pub(super) fn push_job(call: &mut Cmd, job: &NewJob, dialect: Dialect) {
    call.arg(job.id.as_deref().unwrap_or("")).arg(&job.name).arg(&job.data).arg(&job.opts_head);
    if dialect == Dialect::Bull {
        call.arg(&job.opts_tail);
    }
    match job.timestamp {
        Some(ms) => call.arg(ms),
        None => call.arg(""),
    };
    call.arg(&job.delay).arg(&job.priority).arg(u8::from(job.lifo));
    match dialect {
        Dialect::Bull => push_debounce(call, job),
        Dialect::BullMq => push_rare(call, job),
    }
}

fn push_debounce(call: &mut Cmd, job: &NewJob) {
    let debounce = job.deduplication.as_ref();
    call.arg(debounce.map_or("", |debounce| &debounce.id));
    match debounce.and_then(|debounce| debounce.ttl_ms) {
        Some(ttl) => call.arg(ttl),
        None => call.arg(""),
    };
}

/// What few jobs have: how many pairs, then the pairs.
fn push_rare(call: &mut Cmd, job: &NewJob) {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let ttl;
    if let Some(parent) = &job.parent {
        pairs.extend([("parent_key", &*parent.key), ("parent", &*parent.json)]);
    }
    if job.has_children {
        pairs.push(("has_children", "1"));
    }
    if let Some(de) = &job.deduplication {
        pairs.push(("deid", &de.id));
        if let Some(ms) = de.ttl_ms {
            ttl = ms.to_string();
            pairs.push(("de_ttl", &ttl));
        }
        for (name, is_set) in [
            ("de_extend", de.extend),
            ("de_replace", de.replace),
            ("de_keep_last", de.keep_last_if_active),
            ("de_reschedule", de.reschedule),
        ] {
            if is_set {
                pairs.push((name, "1"));
            }
        }
    }
    call.arg(pairs.len());
    for (name, value) in pairs {
        call.arg(name).arg(value);
    }
}
