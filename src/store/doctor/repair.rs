//! Mending what was found, one script for each finding, which looks again before it writes.

use super::Finding;
use crate::store::actor::Actor;
use crate::store::{Store, StoreError, array, integer, text};

/// What became of one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The answer.
    pub sort: Sort,
    /// The states before, joined by `+`; empty = none.
    pub was: String,
    /// The state after; empty = none.
    pub is: String,
}

/// How a mend went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Done.
    Done,
    /// It is not so any more: nothing was written.
    Gone,
    /// A run holds the job: nothing was written.
    Held,
    /// There is no safe rule: a person must act.
    NoRule,
}

impl Store {
    /// Mends one finding by its rule.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`] where a key of the queue has a wrong type: nothing was written.
    pub async fn mend(&self, actor: &Actor, finding: &Finding) -> Result<Mended, StoreError> {
        let Some((rule, arg)) = &finding.fault.rule else {
            return Ok(Mended { sort: Sort::NoRule, was: String::new(), is: String::new() });
        };
        let script = &self.scripts.mend;
        let mut call = script.call(&self.keys);
        call.arg(&actor.args()).arg(*rule).arg(&finding.id).arg(arg);
        let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter();
        let mut next = || reply.next().ok_or_else(|| StoreError::Protocol("mend answered too little".into()));
        let sort = match integer(&next()?)? {
            1 => Sort::Done,
            -1 => Sort::Held,
            -9 => Sort::NoRule,
            _ => Sort::Gone,
        };
        Ok(Mended { sort, was: text(next()?)?, is: text(next()?)? })
    }
}
