//! Jobs that look alive and are not: finding them, and mending each by a person's word (docs/zombies.md).

use std::time::Duration;

use redis::Value;

use super::actor::Actor;
use super::doctor::{Finding, Found, SETTLE};
use super::force_done::Forced;
use super::{BATCH_MAX, Store, StoreError, array, bytes, integer, text};
use crate::wire::doctor::{Class, JobFacts, Kind, Place};

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
        Self { silent: Duration::from_secs(600), overdue: Duration::from_secs(60), from_live_runs: false }
    }
}

impl Limits {
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
    /// All zombies of the queue.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn zombies(&self, found: &Found, limits: &Limits) -> Result<Vec<Zombie>, StoreError> {
        let report = self.doctor(found, SETTLE).await?;
        let mut zombies: Vec<Zombie> = report.findings.into_iter().filter_map(of_finding).collect();
        let now_ms = self.time_ms().await?;
        let least = |limit: Duration| now_ms - i64::try_from(limit.as_millis()).unwrap_or(i64::MAX / 2);
        let silent_before = least(limits.silent);
        self.each_active(|id, job| {
            let sign = job.last_sign_ms().unwrap_or(0);
            if job.kind == Kind::Right
                && job.is_held()
                && job.places.has(Place::Active)
                && sign <= silent_before
            {
                let reason = match job.last_sign_ms() {
                    Some(_) => "its lease is renewed, and it has given no sign since",
                    None => "its lease is renewed, and it has given no sign at all",
                };
                zombies.push(Zombie::new(id, Sort::Silent, job, reason));
            }
        })
        .await?;
        zombies.extend(self.overdue(least(limits.overdue)).await?);
        Ok(zombies)
    }

    /// Hands every active job with its facts to `each`, in bounded steps.
    async fn each_active(&self, mut each: impl FnMut(Vec<u8>, JobFacts)) -> Result<(), StoreError> {
        let mut first = 0;
        loop {
            let mut cmd = redis::cmd("LRANGE");
            cmd.arg(self.keys.of("active")).arg(first).arg(first + BATCH_MAX - 1);
            let Some(ids) = page(self.connection.send(&cmd).await)? else { return Ok(()) };
            let read = ids.len();
            let mut rest = &ids[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(self.walkable().await?.min(rest.len()));
                rest = later;
                let refs: Vec<&Vec<u8>> = now.iter().collect();
                for (id, job) in now.iter().zip(self.examine(&refs, true).await?) {
                    each(id.clone(), job);
                }
            }
            if read < BATCH_MAX {
                return Ok(());
            }
            first += BATCH_MAX;
        }
    }

    /// Delayed jobs that were due before; at most [`BATCH_MAX`], those that are latest first.
    async fn overdue(&self, before_ms: i64) -> Result<Vec<Zombie>, StoreError> {
        let mut cmd = redis::cmd("ZRANGEBYSCORE");
        cmd.arg(self.keys.of("delayed")).arg(0).arg(before_ms.max(0) as f64 * 4096.0);
        cmd.arg("LIMIT").arg(0).arg(BATCH_MAX);
        let Some(ids) = page(self.connection.send(&cmd).await)? else { return Ok(Vec::new()) };
        let mut zombies = Vec::new();
        for chunk in ids.chunks(100) {
            let refs: Vec<&Vec<u8>> = chunk.iter().collect();
            for (id, job) in chunk.iter().zip(self.examine(&refs, false).await?) {
                let due = due_ms(&job).filter(|due| *due <= before_ms);
                if due.is_some() && job.kind == Kind::Right {
                    let mut zombie = Zombie::new(
                        id.clone(),
                        Sort::Overdue,
                        job,
                        "it was due, and nobody moved it into line",
                    );
                    zombie.since_ms = due;
                    zombies.push(zombie);
                }
            }
        }
        Ok(zombies)
    }

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

impl Zombie {
    fn new(id: Vec<u8>, sort: Sort, facts: JobFacts, reason: impl Into<String>) -> Self {
        Self { id, sort, since_ms: facts.last_sign_ms(), facts: Box::new(facts), reason: reason.into() }
    }
}

fn of_finding(finding: Finding) -> Option<Zombie> {
    let facts = *finding.facts?;
    let sort = match finding.fault.class {
        Class::ActiveWithoutLease => Sort::ActiveWithoutLease,
        Class::GhostId if facts.places.has(Place::Active) && facts.kind == Kind::None => {
            Sort::ActiveWithoutHash
        }
        Class::TwoStates => Sort::TwoStates,
        Class::OrphanHash => Sort::OrphanHash,
        _ => return None,
    };
    let reason = match sort {
        Sort::ActiveWithoutLease => format!("active, and {}", finding.fault.detail),
        Sort::ActiveWithoutHash => "active, and there is no job behind the id".into(),
        Sort::TwoStates => format!("it is in {}", finding.fault.detail),
        _ => format!("it is in no state; {}", finding.fault.detail),
    };
    let mut zombie = Zombie::new(finding.id, sort, facts, reason);
    if zombie.since_ms.is_none() {
        zombie.since_ms = zombie.facts.timestamp.as_ref().and_then(|ms| ms.parse().ok());
    }
    Some(zombie)
}

/// When a delayed job is due, ms.
fn due_ms(job: &JobFacts) -> Option<i64> {
    let score: f64 = job.delayed.as_ref()?.parse().ok()?;
    Some((score / 4096.0) as i64)
}

/// Ids; `None` = the key is of another type, which doctor finds.
fn page(reply: Result<Value, redis::RedisError>) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
    match reply {
        Ok(page) => Ok(Some(array(page)?.into_iter().filter_map(bytes).collect())),
        Err(error) if error.code() == Some("WRONGTYPE") => Ok(None),
        Err(error) => Err(error.into()),
    }
}
