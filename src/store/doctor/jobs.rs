//! The jobs of a queue: a quick look at all, and a sure look at those that seem wrong.

use std::collections::{BTreeSet, HashMap, HashSet};

use redis::Value;

use super::bodies::Unreadable;
use super::{CONFIRMED_MAX, Finding, Found, Report};
use crate::store::{BATCH_MAX, Store, StoreError, array, bytes, integer};
use crate::wire::Dialect;
use crate::wire::doctor::{Class, Fault, JobFacts, Kind, PLACES, Place, Places, judge};

/// Ids in one call of the script: less than half a ms of Redis.
pub(in crate::store) const AT_ONCE: usize = 25;
/// Elements of lists that one call of the script may walk over, about 3 ms of Redis; a longer list is walked once.
const WALKED_MAX: usize = 200_000;
/// Elements that one look may walk over in all, about 3 s of Redis.
const WALKED_SUM_MAX: usize = 200_000_000;

type Id = Vec<u8>;
/// What seems wrong, and the worst that it seems to be.
pub(super) type Suspect = (Id, Class);

/// In which lists the script looks for a job: that costs their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Lists {
    /// In none: they were read page by page.
    None = 0,
    /// In all.
    All = 1,
    /// In the one that is short.
    Active = 2,
}

impl Store {
    /// Jobs of a queue that has no other key. Neither is it known whose they were, nor is there a state to put them into:
    /// they are told, and left as they are.
    pub(super) async fn leftovers(&self, found: &Found) -> Result<Report, StoreError> {
        let ids: Vec<Id> = found.ids(self.dialect()).into_iter().map(<[u8]>::to_vec).collect();
        let mut report = Report::default();
        for chunk in ids.chunks(AT_ONCE) {
            let ids: Vec<&Id> = chunk.iter().collect();
            let facts = self.examine(&ids, Lists::None).await?;
            let jobs = chunk.iter().zip(facts);
            for (id, _) in jobs.filter(|(_, job)| job.kind == Kind::Right && job.looks_like_a_job()) {
                let fault = Fault::without_rule(Class::OrphanHash, "nothing but jobs is left of its queue");
                report.findings.push(Finding::about(id.clone(), fault));
            }
        }
        report.jobs = report.findings.len();
        Ok(report)
    }

    /// How many jobs there are, and those that seem wrong at a look that is not of one instant.
    pub(super) async fn suspects(&self, found: &Found) -> Result<(usize, Vec<Suspect>), StoreError> {
        let mut places = self.places().await?;
        let listed: Vec<Id> = self.members().await?;
        for id in found.ids(self.dialect()).into_iter().map(<[u8]>::to_vec).chain(listed) {
            places.entry(id).or_default();
        }
        let (jobs, mut suspects) = self.quick(places.into_iter().collect()).await?;
        if !suspects.is_empty() && self.walkable(Lists::All).await?.0 < AT_ONCE {
            // Most have only moved on between the page that named them and the look at them. Where the lists are long, a
            // search through them costs more than reading all pages again.
            let mut again = self.places().await?;
            let named = |(id, _): Suspect| (again.remove(&id).unwrap_or_default(), id);
            let places = suspects.into_iter().map(named).map(|(places, id)| (id, places)).collect();
            suspects = self.quick(places).await?.1;
        }
        Ok((jobs, suspects))
    }

    /// A look at jobs of which the lists are known by pages.
    async fn quick(&self, all: Vec<(Id, Places)>) -> Result<(usize, Vec<Suspect>), StoreError> {
        let (mut jobs, mut suspects, now_ms) = (0, Vec::new(), self.time_ms().await?);
        for chunk in all.chunks(AT_ONCE) {
            let ids: Vec<&Id> = chunk.iter().map(|(id, _)| id).collect();
            let mut facts = self.examine(&ids, Lists::None).await?;
            for ((_, lists), job) in chunk.iter().zip(&mut facts) {
                job.places.take_lists(lists);
                jobs += usize::from(job.kind == Kind::Right && job.looks_like_a_job());
            }
            let read: Vec<(&Id, JobFacts)> = ids.into_iter().zip(facts).collect();
            let unreadable = self.unreadable(read.iter().map(|(id, job)| (id.as_slice(), job))).await?;
            for (id, job) in &read {
                let faults = judge(self.dialect(), job, now_ms);
                let body = unreadable.get(*id).map(|Unreadable(fault)| fault);
                suspects.extend(worst(faults.iter().chain(body)).map(|class| ((*id).clone(), class)));
            }
        }
        Ok((jobs, suspects))
    }

    /// Reads suspects again, each at one instant, and says what is wrong with them; and the classes of which there may
    /// be more.
    pub(super) async fn confirm(
        &self,
        mut suspects: Vec<Suspect>,
    ) -> Result<(Vec<Finding>, Vec<Class>), StoreError> {
        suspects.sort_unstable();
        suspects.dedup_by(|later, first| later.0 == first.0);
        let mut counts: HashMap<Class, usize> = HashMap::new();
        let (mut findings, mut more, mut walked) = (Vec::new(), BTreeSet::new(), 0);
        let (mut rest, now_ms) = (suspects.iter(), self.time_ms().await?);
        loop {
            let (at_once, length) = self.walkable(Lists::All).await?;
            let mut chunk: Vec<&Id> = Vec::new();
            while chunk.len() < at_once
                && let Some((id, class)) = rest.next()
            {
                let known = counts.get(class).copied().unwrap_or(0);
                if known < CONFIRMED_MAX && walked < WALKED_SUM_MAX {
                    walked += length;
                    chunk.push(id);
                } else {
                    more.insert(*class);
                }
            }
            if chunk.is_empty() {
                return Ok((findings, more.into_iter().collect()));
            }
            for finding in self.look_at(&chunk, now_ms).await? {
                *counts.entry(finding.fault.class).or_default() += 1;
                findings.push(finding);
            }
        }
    }

    /// What is wrong with a few jobs, at one instant.
    async fn look_at(&self, ids: &[&Id], now_ms: i64) -> Result<Vec<Finding>, StoreError> {
        let facts = self.examine(ids, Lists::All).await?;
        let pairs = ids.iter().zip(&facts).map(|(id, job)| (id.as_slice(), job));
        let mut unreadable = self.unreadable(pairs).await?;
        let mut findings = Vec::new();
        for (id, job) in ids.iter().zip(facts) {
            let mut faults = judge(self.dialect(), &job, now_ms);
            // What has no body, or is in no state, is not read.
            let readable =
                job.places.is_unfinished() && faults.iter().all(|fault| fault.class != Class::GhostId);
            faults.extend(unreadable.remove(*id).filter(|_| readable).map(|Unreadable(fault)| fault));
            let finding = |fault| Finding { id: (*id).clone(), fault, facts: Some(Box::new(job.clone())) };
            findings.extend(faults.into_iter().map(finding));
        }
        Ok(findings)
    }

    /// The facts of some ids, all at one instant.
    pub(in crate::store) async fn examine(
        &self,
        ids: &[&Id],
        lists: Lists,
    ) -> Result<Vec<JobFacts>, StoreError> {
        let script = &self.scripts.examine;
        let mut call = script.call(&self.keys);
        call.arg(lists as u8).arg(ids);
        let answer = bytes(script.run(&self.connection, &call).await?).unwrap_or_default();
        JobFacts::read_all(&answer)
            .filter(|facts| facts.len() == ids.len())
            .ok_or_else(|| StoreError::Protocol("examine answered another number of values".into()))
    }

    /// How many ids one call may look for in these lists, and how many elements each walks over.
    pub(in crate::store) async fn walkable(&self, lists: Lists) -> Result<(usize, usize), StoreError> {
        let names = match lists {
            Lists::None => &[][..],
            Lists::All => &["active", "wait", "paused"],
            Lists::Active => &["active"],
        };
        let mut pipe = redis::pipe();
        for list in names {
            pipe.cmd("LLEN").arg(self.keys.of(list));
        }
        let lengths = self.connection.pipeline(&pipe, names.len()).await?;
        let length = lengths.iter().filter_map(|reply| integer(reply).ok()).sum::<i64>() as usize;
        Ok(((WALKED_MAX / length.max(1)).clamp(1, AT_ONCE), length))
    }

    /// Which states name which ids, read page by page.
    async fn places(&self) -> Result<HashMap<Id, Places>, StoreError> {
        let mut places: HashMap<Id, Places> = HashMap::new();
        for (place, key) in PLACES {
            let of_bullmq = matches!(place, Place::Prioritized | Place::WaitingChildren);
            if of_bullmq && self.dialect() == Dialect::Bull {
                continue;
            }
            let range = match place {
                Place::Active | Place::Wait | Place::Paused => "LRANGE",
                _ => "ZRANGE",
            };
            let mut first = 0;
            loop {
                let mut cmd = redis::cmd(range);
                cmd.arg(self.keys.of(key)).arg(first).arg(first + BATCH_MAX - 1);
                let page = match self.connection.send(&cmd).await {
                    Ok(page) => array(page)?,
                    // Found as such elsewhere.
                    Err(error) if error.code() == Some("WRONGTYPE") => break,
                    Err(error) => return Err(error.into()),
                };
                let read = page.len();
                for id in page.into_iter().filter_map(bytes) {
                    places.entry(id).or_default().add(place);
                }
                if read < BATCH_MAX {
                    break;
                }
                first += BATCH_MAX;
            }
        }
        Ok(places)
    }

    /// Ids that marks and indexes beside the states name.
    async fn members(&self) -> Result<Vec<Id>, StoreError> {
        let mut sets = vec![self.keys.of("stalled"), self.keys.extra_of("leases")];
        let mut ids: HashSet<Id> = HashSet::new();
        if self.dialect() == Dialect::Bull {
            ids.extend(self.walk("ZSCAN", &self.keys.of("priority")).await?);
        }
        for set in sets.drain(..) {
            ids.extend(self.walk("SSCAN", &set).await?);
        }
        Ok(ids.into_iter().collect())
    }

    /// The members of a set or sorted set, in steps.
    pub(super) async fn walk(&self, scan: &str, key: &str) -> Result<Vec<Id>, StoreError> {
        let (mut cursor, mut members) = (b"0".to_vec(), Vec::new());
        loop {
            let mut cmd = redis::cmd(scan);
            cmd.arg(key).arg(&cursor).arg("COUNT").arg(BATCH_MAX);
            let mut reply = match self.connection.send(&cmd).await {
                Ok(reply) => array(reply)?.into_iter(),
                Err(error) if error.code() == Some("WRONGTYPE") => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            cursor = reply.next().and_then(bytes).unwrap_or_else(|| b"0".to_vec());
            let page = array(reply.next().unwrap_or(Value::Array(Vec::new())))?.into_iter().filter_map(bytes);
            members.extend(page.step_by(if scan == "ZSCAN" { 2 } else { 1 }));
            if cursor == b"0" {
                return Ok(members);
            }
        }
    }
}

fn worst<'a>(faults: impl Iterator<Item = &'a Fault>) -> Option<Class> {
    faults.map(|fault| fault.class).min()
}
