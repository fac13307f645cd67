//! What stands around jobs: deduplication ids, schedulers, wake-up tokens; and what remains of jobs that are gone.

use redis::Value;

use super::{Finding, Found};
use crate::job::cron::Cron;
use crate::store::{Store, StoreError, bytes, integer};
use crate::wire::Dialect;
use crate::wire::doctor::keys::KeyOf;
use crate::wire::doctor::{Class, Fault};

/// Schedulers that are looked at.
const SCHEDULERS_MAX: usize = 10_000;
/// Time to live of a key without one, as PTTL says it.
const FOR_EVER: i64 = -1;

impl Store {
    /// Everything that is not about one job's own keys.
    pub(super) async fn around(&self, found: &Found) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        self.dedups(found, &mut findings).await?;
        if self.dialect() == Dialect::BullMq {
            self.parked(found, &mut findings).await?;
            self.schedulers(&mut findings).await?;
            self.families(found, &mut findings).await?;
            findings.extend(self.missing_marker().await?);
        }
        Ok(findings)
    }

    async fn dedups(&self, found: &Found, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
        let ids = found.of(self.dialect(), |key| match key {
            KeyOf::Dedup(id) => Some(id),
            _ => None,
        });
        for id in ids {
            let key = [self.keys.base.as_bytes(), b"de:", id].concat();
            let Some(owner) = self.connection.send(redis::cmd("GET").arg(&key)).await.ok().and_then(bytes)
            else {
                continue;
            };
            let mut pipe = redis::pipe();
            pipe.atomic();
            pipe.cmd("GET").arg(&key);
            pipe.cmd("PTTL").arg(&key);
            pipe.cmd("EXISTS").arg([self.keys.base.as_bytes(), &owner].concat());
            let Ok(mut now) = self.connection.atomic::<Vec<Value>>(&pipe).await else { continue };
            let (there, left) = (integer(&now[2])?, integer(&now[1])?);
            if there == 0 && left == FOR_EVER && bytes(now.swap_remove(0)).as_ref() == Some(&owner) {
                let detail = format!("it belongs to job {}, which is gone", owner.escape_ascii());
                findings
                    .push(Finding::about(id, Fault::new(Class::DedupDangling, "dedup_dangling", "", detail)));
            }
        }
        Ok(())
    }

    async fn parked(&self, found: &Found, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
        let ids = found.of(self.dialect(), |key| match key {
            KeyOf::Parked(id) => Some(id),
            _ => None,
        });
        for id in ids {
            let key = |head: &[u8]| [self.keys.base.as_bytes(), head, id].concat();
            let mut pipe = redis::pipe();
            pipe.atomic();
            pipe.cmd("EXISTS").arg(key(b"dn:"));
            pipe.cmd("EXISTS").arg(key(b"de:"));
            let there: Vec<i64> = self.connection.atomic(&pipe).await?;
            if there == [1, 0] {
                let detail = "a payload waits for the end of a job that is gone";
                findings.push(Finding::about(id, Fault::without_rule(Class::DedupDangling, detail)));
            }
        }
        Ok(())
    }

    async fn schedulers(&self, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
        let mut cmd = redis::cmd("ZRANGE");
        cmd.arg(self.keys.of("repeat")).arg(0).arg(SCHEDULERS_MAX - 1);
        let Ok(ids) = self.connection.query::<Vec<Vec<u8>>>(&cmd).await else { return Ok(()) };
        for id in ids {
            let record = [self.keys.base.as_bytes(), b"repeat:", &id].concat();
            let mut score = redis::cmd("ZSCORE");
            score.arg(self.keys.of("repeat")).arg(&id);
            let Some(due) = self.connection.query::<Option<f64>>(&score).await? else { continue };
            let mut pipe = redis::pipe();
            pipe.atomic();
            pipe.add_command(score);
            pipe.cmd("TYPE").arg(&record);
            pipe.cmd("EXISTS").arg([&record, format!(":{due:.0}").as_bytes()].concat());
            pipe.cmd("EXISTS").arg(self.keys.of("meta"));
            let (now, kind, planned, _): (Option<f64>, String, i64, i64) =
                self.connection.atomic(&pipe).await?;
            if now != Some(due) {
                continue;
            }
            if let Some(fault) = self.fault_of_scheduler(&id, &record, &kind, planned == 1).await? {
                findings.push(Finding::about(id, fault));
            }
        }
        Ok(())
    }

    async fn fault_of_scheduler(
        &self,
        id: &[u8],
        record: &[u8],
        kind: &str,
        planned: bool,
    ) -> Result<Option<Fault>, StoreError> {
        // Repeatable jobs of old have a key of their own form, and at times no record.
        let legacy = id.split(|byte| *byte == b':').count() > 2;
        let class = Class::SchedulerBroken;
        match kind {
            "none" if planned || legacy => return Ok(None),
            "none" => {
                let detail = "there is no record of it, and its planned job is gone";
                return Ok(Some(Fault::new(class, "scheduler_dead", "", detail)));
            }
            "hash" => {}
            other => {
                return Ok(Some(Fault::without_rule(
                    class,
                    format!("its record is a {other}, expected a hash"),
                )));
            }
        }
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(record).arg("pattern").arg("every");
        let (pattern, every): (Option<String>, Option<String>) = self.connection.query(&cmd).await?;
        Ok(match (pattern, every) {
            (Some(pattern), _) => Cron::parse(&pattern).err().map(|problem| {
                Fault::without_rule(class, format!("pattern \"{}\": {problem}", pattern.escape_debug()))
            }),
            (None, Some(every)) if every.parse::<f64>().is_ok_and(|ms| ms >= 1.0) => None,
            (None, Some(every)) => Some(Fault::without_rule(
                class,
                format!("every \"{}\" is no time in ms", every.escape_debug()),
            )),
            (None, None) => None,
        })
    }
}
