//! A person's changes to a job that does not run. Each is refused, and nothing written, if the job is in another state or
//! has been changed since it was looked at.

use redis::Value;

use super::act::Terms;
use super::script::in_dialect;
use super::{Store, StoreError, integer, text};
use crate::job::state::State;
use crate::wire::new_job::PRIORITY_MAX;

/// Answer to a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// Done.
    Done,
    /// There is no such job.
    NotFound,
    /// It is in a state in which this cannot be changed; `None` = in no list.
    Conflict(Option<State>),
    /// It was changed since its etag was read.
    Stale,
}

/// States in which data may be changed: a run has been given the old one, and an end speaks of the old one.
const DATA: &str = " waiting prioritized paused delayed waiting-children failed ";
/// States in which a priority means something.
const PRIORITY: &str = " waiting prioritized paused delayed ";
const DELAY: &str = " delayed ";

impl Store {
    /// Replaces the data (JSON text) of a job that neither runs nor has completed.
    pub async fn edit_data(&self, id: &str, json: &str, etag: &str) -> Result<Edited, StoreError> {
        let mut act = self.act_on_terms(&self.scripts.update_data);
        act.arg(id).arg(super::run::OPERATOR).arg(json);
        let terms = Terms { what: "edit-data", job: id, done: "0", states: DATA, etag };
        read(act.run(terms).await?)
    }

    /// Makes a delayed job due in `delay_ms` from now. `BullMQ` only.
    pub async fn edit_delay(&self, id: &str, delay_ms: u64, etag: &str) -> Result<Edited, StoreError> {
        let mut act = self.act_on_terms(in_dialect(&self.scripts.change_delay, "way to change a delay")?);
        act.arg(id).arg(delay_ms);
        let terms = Terms { what: "change-delay", job: id, done: "0", states: DELAY, etag };
        read(act.run(terms).await?)
    }

    /// Gives a job that waits another priority (0 = none). `BullMQ` only.
    pub async fn edit_priority(&self, id: &str, priority: u64, etag: &str) -> Result<Edited, StoreError> {
        if priority > PRIORITY_MAX {
            return Err(StoreError::Invalid(format!("priority {priority}: expected at most {PRIORITY_MAX}")));
        }
        let mut act =
            self.act_on_terms(in_dialect(&self.scripts.change_priority, "way to change a priority")?);
        act.arg(id).arg(priority).arg(0);
        let terms = Terms { what: "change-priority", job: id, done: "0", states: PRIORITY, etag };
        read(act.run(terms).await?)
    }
}

fn read(reply: Value) -> Result<Edited, StoreError> {
    if let Value::Array(words) = reply {
        let mut words = words.into_iter().map(text);
        return match words.next().transpose()?.as_deref() {
            Some("CONFLICT") => {
                Ok(Edited::Conflict(words.next().transpose()?.and_then(|state| state.parse().ok())))
            }
            Some("STALE") => Ok(Edited::Stale),
            other => Err(StoreError::Protocol(format!("unexpected answer to a change: {other:?}"))),
        };
    }
    Ok(match integer(&reply)? {
        0 => Edited::Done,
        -3 => Edited::Conflict(None),
        _ => Edited::NotFound,
    })
}
