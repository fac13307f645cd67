//! The jobs of a queue: a quick look at all, and a sure look at those that seem wrong.

use std::collections::{HashMap, HashSet};

use redis::Value;

use super::bodies::Unreadable;
use super::{CONFIRMED_MAX, Finding, Found};
use crate::store::{BATCH_MAX, Store, StoreError, array, bytes};
use crate::wire::Dialect;
use crate::wire::doctor::facts::VALUES;
use crate::wire::doctor::{Class, JobFacts, PLACES, Place, Places, judge};

/// Ids in one call of the script.
const AT_ONCE: usize = 50;
/// Elements of lists that one call of the script may walk over: it must not hold Redis up for longer than some ms.
const WALKED_MAX: usize = 400_000;

type Id = Vec<u8>;

impl Store {
    /// How many jobs there are, and those that seem wrong at a look that is not of one instant.
    pub(super) async fn suspects(&self, found: &Found) -> Result<(usize, Vec<Id>), StoreError> {
        let mut places = self.places().await?;
        let listed: Vec<Id> = self.members().await?;
        for id in found.ids(self.dialect()).into_iter().map(<[u8]>::to_vec).chain(listed) {
            places.entry(id).or_default();
        }
        let (mut jobs, mut suspects, now_ms) = (0, Vec::new(), self.time_ms().await?);
        let all: Vec<(Id, Places)> = places.into_iter().collect();
        for chunk in all.chunks(AT_ONCE) {
            let ids: Vec<&Id> = chunk.iter().map(|(id, _)| id).collect();
            let facts = self.examine(&ids, false).await?;
            let mut read = Vec::with_capacity(chunk.len());
            for ((id, lists), mut job) in chunk.iter().zip(facts) {
                job.places.take_lists(lists);
                jobs += usize::from(job.kind == crate::wire::doctor::Kind::Right && job.looks_like_a_job());
                read.push((id, job));
            }
            let unreadable = self.unreadable(read.iter().map(|(id, job)| (id.as_slice(), job))).await?;
            for (id, job) in read {
                if unreadable.contains_key(id) || !judge(self.dialect(), &job, now_ms).is_empty() {
                    suspects.push(id.clone());
                }
            }
        }
        Ok((jobs, suspects))
    }

    /// Reads suspects again, each at one instant, and says what is wrong with them; and the classes of which there may
    /// be more.
    pub(super) async fn confirm(&self, mut ids: Vec<Id>) -> Result<(Vec<Finding>, Vec<Class>), StoreError> {
        ids.sort_unstable();
        ids.dedup();
        let mut counts: HashMap<Class, usize> = HashMap::new();
        let (mut findings, mut more) = (Vec::new(), Vec::new());
        let (mut at, now_ms) = (0, self.time_ms().await?);
        while at < ids.len() {
            let chunk: Vec<&Id> = ids[at..].iter().take(self.walkable().await?).collect();
            at += chunk.len();
            let facts = self.examine(&chunk, true).await?;
            let pairs = chunk.iter().zip(&facts).map(|(id, job)| (id.as_slice(), job));
            let mut unreadable = self.unreadable(pairs).await?;
            for (id, job) in chunk.into_iter().zip(facts) {
                let mut faults = judge(self.dialect(), &job, now_ms);
                // What has no body, or is in no state, is not read.
                let readable =
                    job.places.is_unfinished() && faults.iter().all(|fault| fault.class != Class::GhostId);
                faults.extend(unreadable.remove(id).filter(|_| readable).map(|Unreadable(fault)| fault));
                for fault in faults {
                    let count = counts.entry(fault.class).or_default();
                    *count += 1;
                    findings.push(Finding { id: id.clone(), fault, facts: Some(Box::new(job.clone())) });
                }
            }
            if let Some((class, _)) = counts.iter().find(|(_, count)| **count >= CONFIRMED_MAX) {
                if at < ids.len() {
                    more.push(*class);
                }
                break;
            }
        }
        Ok((findings, more))
    }

    /// The facts of some ids, all at one instant.
    pub(in crate::store) async fn examine(
        &self,
        ids: &[&Id],
        with_lists: bool,
    ) -> Result<Vec<JobFacts>, StoreError> {
        let script = &self.scripts.examine;
        let mut call = script.call(&self.keys);
        call.arg(u8::from(with_lists)).arg(ids);
        let values: Vec<Option<Vec<u8>>> =
            array(script.run(&self.connection, &call).await?)?.into_iter().map(bytes).collect();
        let facts: Option<Vec<JobFacts>> = values.chunks(VALUES).map(JobFacts::read).collect();
        facts
            .filter(|facts| facts.len() == ids.len())
            .ok_or_else(|| StoreError::Protocol("examine answered another number of values".into()))
    }

    /// How many ids one call may look for in the lists.
    pub(in crate::store) async fn walkable(&self) -> Result<usize, StoreError> {
        let mut pipe = redis::pipe();
        for list in ["wait", "paused", "active"] {
            pipe.cmd("LLEN").arg(self.keys.of(list));
        }
        let lengths = self.connection.pipeline(&pipe, 3).await?;
        let walked: usize =
            lengths.iter().filter_map(|reply| crate::store::integer(reply).ok()).sum::<i64>() as usize;
        Ok((WALKED_MAX / walked.max(1)).clamp(1, AT_ONCE))
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
