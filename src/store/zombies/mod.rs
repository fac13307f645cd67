//! Jobs that look alive and are not: finding them, and mending each by a person's word (docs/zombies.md).

mod find;

use std::time::Duration;

use super::actor::Actor;
use super::force_done::Forced;
use super::{Store, StoreError, array, integer, text};
use crate::wire::doctor::JobFacts;

/// What kind of zombie a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // docs/zombies.md says what each is
#[rustfmt::skip]
pub enum Sort { ActiveWithoutLease, Silent, Overdue, ActiveWithoutHash, TwoStates, OrphanHash }

impl Sort {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ActiveWithoutLease,
        Self::Silent,
        Self::Overdue,
        Self::ActiveWithoutHash,
        Self::TwoStates,
        Self::OrphanHash,
    ];

    /// The word used in output and docs, and by the scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActiveWithoutLease => "active_without_lease",
            Self::Silent => "silent",
            Self::Overdue => "overdue",
            Self::ActiveWithoutHash => "active_without_hash",
            Self::TwoStates => "two_states",
            Self::OrphanHash => "orphan_hash",
        }
    }

    /// The one of a word.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(word: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|sort| sort.as_str() == word)
            .ok_or_else(|| format!("expected one of {}", known()))
    }
}

/// From when on a job counts as a zombie, and what may be done to it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A held job that gave no sign for longer is silent.
    pub silent: Duration,
    /// A delayed job that is due for longer is overdue.
    pub overdue: Duration,
    /// Take jobs from runs that hold a live lease, too.
    pub from_live_runs: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { silent: Duration::from_mins(10), overdue: Duration::from_mins(1), from_live_runs: false }
    }
}

impl Limits {
    fn silent_before(&self, now_ms: i64) -> i64 {
        before(now_ms, self.silent)
    }

    fn overdue_before(&self, now_ms: i64) -> i64 {
        before(now_ms, self.overdue)
    }

    /// What a class must have lasted, ms.
    pub(super) fn of(&self, class: &str) -> u64 {
        let least = match class {
            "silent" => self.silent,
            "overdue" => self.overdue,
            _ => Duration::ZERO,
        };
        u64::try_from(least.as_millis()).unwrap_or(u64::MAX)
    }
}

fn before(now_ms: i64, least: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(least.as_millis()).unwrap_or(i64::MAX))
}

/// A job that looks alive and is not.
#[derive(Debug, Clone)]
pub struct Zombie {
    /// Its id.
    pub id: Vec<u8>,
    /// What kind it is.
    pub sort: Sort,
    /// Everything known of it.
    pub facts: Box<JobFacts>,
    /// Since when it may have been one, ms since the epoch; `None` = nobody wrote that down.
    pub since_ms: Option<i64>,
    /// Why it counts as one, in words.
    pub reason: String,
}

impl Zombie {
    /// The id as text.
    pub fn shown_id(&self) -> String {
        String::from_utf8_lossy(&self.id).into_owned()
    }

    /// Who ran it last, where that is known: the lock's token, or the name that a `BullMQ` worker wrote down. Nobody else
    /// writes it down.
    pub fn last_owner(&self) -> Option<String> {
        let token = &self.facts.lock.token;
        if self.facts.is_held() {
            let holder = super::look::Holder { token: token.clone(), left: None };
            return Some(holder.worker().map_or_else(|| format!("a Node worker ({token})"), str::to_owned));
        }
        self.facts.processed_by.clone()
    }
}

/// What is done to a zombie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Back in line, next to run.
    Requeue,
    /// Into the dead letters.
    Fail,
    /// Into `completed`.
    ForceDone,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acted {
    /// Done: the states before and after.
    Done(String, String),
    /// It is no such zombie any more.
    Gone,
    /// A run holds it: nothing was written.
    Held,
    /// There is nothing to run or to complete.
    NoBody,
}

impl Store {
    /// Does one thing to one zombie, if it still is one.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn mend_zombie(
        &self,
        actor: &Actor,
        act: Act,
        sort: Sort,
        id: &str,
        limits: &Limits,
    ) -> Result<Acted, StoreError> {
        let verb = match act {
            Act::Requeue => "requeue",
            Act::Fail => "fail",
            Act::ForceDone => {
                return Ok(match self.send_force_done(actor, id, Some((sort.as_str(), limits))).await? {
                    Forced::Done(was) => Acted::Done(was, "completed".into()),
                    Forced::Held => Acted::Held,
                    Forced::NotFound => Acted::NoBody,
                    Forced::Already | Forced::Completed | Forced::NoZombie => Acted::Gone,
                });
            }
        };
        let script = &self.scripts.zombies;
        let mut call = script.call(&self.keys);
        call.arg(&actor.args()).arg(verb).arg(sort.as_str()).arg(limits.of(sort.as_str()));
        call.arg(u8::from(limits.from_live_runs)).arg(id);
        let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter();
        let mut next =
            || reply.next().ok_or_else(|| StoreError::Protocol("zombies answered too little".into()));
        Ok(match integer(&next()?)? {
            1 => Acted::Done(text(next()?)?, text(next()?)?),
            -1 => Acted::Held,
            -3 => Acted::NoBody,
            _ => Acted::Gone,
        })
    }
}
