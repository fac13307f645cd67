//! What is wrong with a queue as a whole: types of its keys, its counters, its wake-up tokens, its server.

use redis::Value;

use super::{Finding, Found};
use crate::store::server::ServerFacts;
use crate::store::{Connection, LAYOUT_VERSION, Store, StoreError, bytes, text};
use crate::wire::Dialect;
use crate::wire::doctor::keys::{EXTRA, types};
use crate::wire::doctor::{Class, Fault};

/// The policy that throws nothing away.
const SAFE_POLICY: &str = "noeviction";

/// What is wrong with the server; `None` where it may not be asked.
pub async fn fault_of_server(connection: &Connection) -> Result<Option<Fault>, StoreError> {
    let policy = ServerFacts::read(connection).await?.eviction;
    Ok(policy.filter(|policy| policy != SAFE_POLICY).map(|policy| {
        Fault::without_rule(
            Class::EvictionPolicy,
            format!("maxmemory-policy is {policy}, expected {SAFE_POLICY}"),
        )
    }))
}

impl Store {
    /// A newer Bullock keeps its records here.
    pub(super) async fn newer_version(&self) -> Result<Option<Finding>, StoreError> {
        let found = self.connection.send(redis::cmd("GET").arg(self.keys.extra_of("version"))).await;
        let version = found.ok().and_then(|value| text(value).ok());
        let newer = version.filter(|text| text.parse::<u32>().is_ok_and(|version| version > LAYOUT_VERSION));
        Ok(newer.map(|version| {
            let detail = format!("its records have layout {version}, this bullock knows {LAYOUT_VERSION}");
            Finding::about("", Fault::without_rule(Class::NewerVersion, detail))
        }))
    }

    /// Keys of the queue that have a wrong type, and counters that are none.
    pub(super) async fn faults_of_queue(&self, found: &Found) -> Result<Vec<Finding>, StoreError> {
        let own = types(self.dialect()).map(|(name, kind)| (name, self.keys.of(name), kind));
        let extra = EXTRA.iter().map(|(name, kind)| (*name, self.keys.extra_of(name), *kind));
        let wanted: Vec<(&str, String, &str)> = own.chain(extra).collect();
        let mut pipe = redis::pipe();
        for (_, key, _) in &wanted {
            pipe.cmd("TYPE").arg(key);
        }
        let replies = self.connection.pipeline(&pipe, wanted.len()).await?;
        let mut findings = Vec::new();
        for ((name, key, expected), reply) in wanted.iter().zip(replies) {
            let kind = text(reply)?;
            if kind != "none" && kind != *expected {
                let detail = format!("{key} is a {kind}, expected a {expected}");
                findings.push(Finding::about(*name, Fault::without_rule(Class::WrongType, detail)));
            }
        }
        findings.extend(self.bad_counters(found).await?);
        Ok(findings)
    }

    async fn bad_counters(&self, found: &Found) -> Result<Vec<Finding>, StoreError> {
        let counters = match self.dialect() {
            Dialect::Bull => &["id"][..],
            Dialect::BullMq => &["id", "pc"],
        };
        let mut findings = Vec::new();
        for name in counters {
            let Ok(value) = self.connection.send(redis::cmd("GET").arg(self.keys.of(name))).await else {
                continue;
            };
            let Some(stored) = bytes(value) else { continue };
            if std::str::from_utf8(&stored).is_ok_and(|text| text.parse::<i64>().is_ok()) {
                continue;
            }
            let next = if *name == "id" { found.largest_number() } else { 0 };
            let detail = format!("the counter {name} is \"{}\": no job can be added", stored.escape_ascii());
            let fault = Fault::new(Class::BadCounter, "bad_queue_counter", next.to_string(), detail);
            findings.push(Finding::about(*name, fault));
        }
        Ok(findings)
    }

    /// Jobs wait, nobody runs one, and no token wakes a worker.
    pub(super) async fn missing_marker(&self) -> Result<Option<Finding>, StoreError> {
        let key = |name: &str| self.keys.of(name);
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("EXISTS").arg(key("wait")).arg(key("prioritized"));
        pipe.cmd("EXISTS").arg(key("active")).arg(key("limiter"));
        pipe.cmd("HEXISTS").arg(key("meta")).arg("paused");
        pipe.cmd("EXISTS").arg(key("marker"));
        pipe.cmd("LINDEX").arg(key("wait")).arg(-1);
        let replies: Result<Vec<Value>, StoreError> = self.connection.atomic(&pipe).await;
        // A key of a wrong type is found as such elsewhere.
        let Ok(replies) = replies else { return Ok(None) };
        let yes = |at: usize| matches!(replies.get(at), Some(Value::Int(n)) if *n > 0);
        // A worker that knows when the next delayed job is due has taken that token with it: those need none.
        let (waits, busy, paused, marked) = (yes(0), yes(1), yes(2), yes(3));
        if marked || busy || paused || !waits {
            return Ok(None);
        }
        let head = replies.into_iter().nth(4).and_then(bytes).unwrap_or_default();
        let detail =
            format!("jobs wait (next {}), none is active, and there is no marker", head.escape_ascii());
        Ok(Some(Finding::about("marker", Fault::new(Class::MarkerMissing, "marker_missing", "", detail))))
    }
}
