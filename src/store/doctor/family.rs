//! Parents that wait for children that are gone, and what is left of parents that are.

use redis::Value;

use super::{Finding, Found};
use crate::store::{BATCH_MAX, Store, StoreError, integer, text};
use crate::wire::doctor::keys::KeyOf;
use crate::wire::doctor::{Class, Fault};

impl Store {
    /// `BullMQ` only.
    pub(super) async fn families(
        &self,
        found: &Found,
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        let ids = found.of(self.dialect(), |key| match key {
            KeyOf::Family(id) => Some(id),
            _ => None,
        });
        let mut last: &[u8] = b"";
        for id in ids {
            // Several keys of one job stand beside one another.
            if std::mem::replace(&mut last, id) == id {
                continue;
            }
            self.family(id, findings).await?;
        }
        Ok(())
    }

    async fn family(&self, id: &[u8], findings: &mut Vec<Finding>) -> Result<(), StoreError> {
        let key = [self.keys.base.as_bytes(), id].concat();
        let pending = [&key[..], b":dependencies"].concat();
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("TYPE").arg(&key);
        pipe.cmd("TYPE").arg(&pending);
        let beside = [&b":dependencies"[..], b":processed", b":failed", b":unsuccessful"];
        let mut exists = redis::cmd("EXISTS");
        for suffix in beside {
            exists.arg([&key[..], suffix].concat());
        }
        pipe.add_command(exists);
        let now: Vec<Value> = self.connection.atomic(&pipe).await?;
        let (job, set, left) = (text(now[0].clone())?, text(now[1].clone())?, integer(&now[2])?);
        if job == "none" && left > 0 {
            let detail = "children are noted for a job that is gone";
            findings.push(Finding::about(id, Fault::new(Class::FlowBroken, "flow_left", "", detail)));
        }
        if job != "hash" || set == "none" {
            return Ok(());
        }
        if set != "set" {
            let detail = format!("its dependencies are a {set}, expected a set");
            findings.push(Finding::about(id, Fault::without_rule(Class::WrongType, detail)));
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&pending).into_owned();
        for children in self.walk("SSCAN", &shown).await?.chunks(BATCH_MAX) {
            let mut pipe = redis::pipe();
            for child in children {
                pipe.cmd("EXISTS").arg(child);
            }
            let there = self.connection.pipeline(&pipe, children.len()).await?;
            for (child, _) in children.iter().zip(there).filter(|(_, reply)| matches!(reply, Value::Int(0))) {
                let mut pipe = redis::pipe();
                pipe.atomic();
                pipe.cmd("SISMEMBER").arg(&pending).arg(child);
                pipe.cmd("EXISTS").arg(child);
                let (waits, there): (i64, i64) = self.connection.atomic(&pipe).await?;
                if (waits, there) == (1, 0) {
                    let detail = format!("it waits for {}, which is gone", child.escape_ascii());
                    findings.push(Finding::about(
                        id,
                        Fault::new(Class::FlowBroken, "flow_child", child.clone(), detail),
                    ));
                }
            }
        }
        Ok(())
    }
}
