//! Finding zombies: by what doctor finds, and by the times that are written down.

use redis::Value;

use super::{Limits, Sort, Zombie};
use crate::store::doctor::jobs::{AT_ONCE, Lists};
use crate::store::doctor::{Finding, Found, SETTLE};
use crate::store::{BATCH_MAX, Store, StoreError, array, bytes};
use crate::wire::doctor::{Class, JobFacts, Kind, Place, judge};

/// Jobs that are looked at in one call where no list is walked.
const SUSPECTS_AT_ONCE: usize = 100;

impl Store {
    /// All zombies of the queue.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn zombies(&self, found: &Found, limits: &Limits) -> Result<Vec<Zombie>, StoreError> {
        let report = self.doctor(found, SETTLE).await?;
        let mut zombies: Vec<Zombie> = report.findings.into_iter().filter_map(of_finding).collect();
        let now_ms = self.time_ms().await?;
        let before_ms = limits.silent_before(now_ms);
        self.each_active(|id, job| zombies.extend(silent(&id, &job, before_ms))).await?;
        zombies.extend(self.overdue(limits.overdue_before(now_ms)).await?);
        Ok(zombies)
    }

    /// Those among some jobs that are zombies at this instant. Nothing else is looked at.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn zombies_among(&self, ids: &[String], limits: &Limits) -> Result<Vec<Zombie>, StoreError> {
        let now_ms = self.time_ms().await?;
        let ids: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        let (mut zombies, mut rest) = (Vec::new(), &ids[..]);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.walkable(Lists::All).await?.0.min(rest.len()));
            rest = later;
            let refs: Vec<&Vec<u8>> = now.iter().collect();
            for (id, job) in now.iter().zip(self.examine(&refs, Lists::All).await?) {
                let faults = judge(self.dialect(), &job, now_ms);
                let finding = |fault| Finding { id: id.clone(), fault, facts: Some(Box::new(job.clone())) };
                let known = faults.into_iter().find_map(|fault| of_finding(finding(fault)));
                let by_time = || {
                    silent(id, &job, limits.silent_before(now_ms))
                        .or_else(|| overdue(id, &job, limits.overdue_before(now_ms)))
                };
                zombies.extend(known.or_else(by_time));
            }
        }
        Ok(zombies)
    }

    /// Ids of jobs that may be zombies, at most `most` of each kind: active ones, looked at from the one that is active for
    /// longest, and delayed ones. Cheap enough to be asked often, other than [`Store::zombies`]: no list is walked. Whether
    /// they are zombies is for [`Store::zombies_among`] to say, a moment ([`SETTLE`]) later; what is in no state at all is
    /// found by neither.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn zombie_suspects(&self, limits: &Limits, most: usize) -> Result<Vec<String>, StoreError> {
        Ok(self.suspected(limits, most).await?.into_iter().map(|(id, _)| id).collect())
    }

    /// The same, each with the kind of zombie that it looks like. A job that looks like one at two looks, a moment
    /// ([`SETTLE`]) apart, is one. That a job is in two states is not seen here: its lists would have to be walked.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn suspected(&self, limits: &Limits, most: usize) -> Result<Vec<(String, Sort)>, StoreError> {
        let now_ms = self.time_ms().await?;
        let mut cmd = redis::cmd("LRANGE");
        cmd.arg(self.keys.of("active")).arg(-i64::try_from(most).unwrap_or(i64::MAX)).arg(-1);
        let ids = page(self.connection.send(&cmd).await)?.unwrap_or_default();
        let mut suspects = Vec::new();
        for chunk in ids.chunks(SUSPECTS_AT_ONCE) {
            let refs: Vec<&Vec<u8>> = chunk.iter().collect();
            for (id, job) in chunk.iter().zip(self.examine(&refs, Lists::None).await?) {
                let is_quiet = job.last_sign_ms().unwrap_or(0) <= limits.silent_before(now_ms);
                let sort = match (&job.kind, job.is_held()) {
                    (Kind::Right, true) if is_quiet => Sort::Silent,
                    (Kind::Right, true) => continue,
                    (Kind::Right, false) => Sort::ActiveWithoutLease,
                    _ => Sort::ActiveWithoutHash,
                };
                suspects.push((String::from_utf8_lossy(id).into_owned(), sort));
            }
        }
        let overdue = self.overdue(limits.overdue_before(now_ms)).await?;
        suspects.extend(overdue.iter().take(most).map(|zombie| (zombie.shown_id(), Sort::Overdue)));
        Ok(suspects)
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
                let (now, later) = rest.split_at(self.walkable(Lists::Active).await?.0.min(rest.len()));
                rest = later;
                let refs: Vec<&Vec<u8>> = now.iter().collect();
                for (id, job) in now.iter().zip(self.examine(&refs, Lists::Active).await?) {
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
        for chunk in ids.chunks(AT_ONCE) {
            let refs: Vec<&Vec<u8>> = chunk.iter().collect();
            for (id, job) in chunk.iter().zip(self.examine(&refs, Lists::None).await?) {
                zombies.extend(overdue(id, &job, before_ms));
            }
        }
        Ok(zombies)
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

/// A job that is held and gave no sign since.
fn silent(id: &[u8], job: &JobFacts, before_ms: i64) -> Option<Zombie> {
    let sign = job.last_sign_ms();
    let is_active = job.kind == Kind::Right && job.is_held() && job.places.has(Place::Active);
    let reason = match sign {
        Some(_) => "its lease is alive, and it has given no sign since",
        None => "its lease is alive, and it has given no sign at all",
    };
    (is_active && sign.unwrap_or(0) <= before_ms)
        .then(|| Zombie::new(id.to_vec(), Sort::Silent, job.clone(), reason))
}

/// A delayed job that was due before.
fn overdue(id: &[u8], job: &JobFacts, before_ms: i64) -> Option<Zombie> {
    let due = due_ms(job).filter(|due| *due <= before_ms && job.kind == Kind::Right)?;
    let mut zombie =
        Zombie::new(id.to_vec(), Sort::Overdue, job.clone(), "it was due, and nobody moved it into line");
    zombie.since_ms = Some(due);
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
