//! A shop, a back office, a Redis and a worker: each a process that can be killed and started again.

use std::collections::BTreeMap;

use bullock::wire::Dialect;
use redis::aio::MultiplexedConnection;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{SECRET, Server, directory};
use crate::support::bullock::Bullock;
use crate::support::http;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;

pub const QUEUE: &str = "shop-sync";

/// What the back office counts when it goes through its ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct Recount {
    pub first_batches: u64,
    /// Batches that came again under their key; under a key of other items; of an old run.
    pub again: u64,
    pub other: u64,
    pub late: u64,
    /// How often shop or office asked for time.
    pub busy: u64,
    pub items: u64,
    /// Every item up to this id was sent.
    pub through: u64,
    pub ok: u64,
    pub failed: u64,
    /// Items by how often they were tried.
    pub tries: BTreeMap<String, u64>,
    /// When items that failed were tried, and when batches of new items came, ms. Only if asked for.
    #[serde(default)]
    pub times: BTreeMap<String, Vec<i64>>,
    #[serde(default)]
    pub pace: Vec<i64>,
}

/// All of it.
pub struct Scene {
    pub dialect: Dialect,
    redis: Redis,
    db: MultiplexedConnection,
    pub office: Server,
    _store: Server,
    config: String,
    _dir: TempDir,
}

impl Scene {
    /// `edit` is given the example's own config.
    pub async fn start(
        dialect: Dialect,
        store: &[&str],
        office: &[&str],
        edit: impl Fn(String) -> String,
    ) -> Scene {
        // What Redis has answered must be there after its `kill -9`. It writes before it answers, and the system keeps what a
        // dead process has written; only with `everysec` may it put off the write while a sync to the disk is under way.
        // `always` would hold against a power cut, too, which no test can make.
        let redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "no"]);
        let db = redis.connection().await;
        let dir = tempfile::tempdir().unwrap();
        let ledger = dir.path().join("ledger.ndjson");
        let store = Server::start("store.mjs", store).await;
        let sides = ["--store", store.url(), "--ledger", ledger.to_str().unwrap()];
        let office = Server::start("office.mjs", &[&sides, office].concat()).await;
        let config = std::fs::read_to_string(directory().join("bullock.toml")).unwrap();
        let config = edit(config.replace("http://127.0.0.1:3000", office.url()));
        let leases =
            "[worker]\nallow_short_leases = true\nlease = \"900ms\"\nrenew = \"250ms\"\nsweep = \"200ms\"\n";
        let dialect_line = format!("[queues.\"{QUEUE}\"]\ndialect = \"{}\"", dialect.as_str());
        let config = config.replace(&format!("[queues.\"{QUEUE}\"]"), &format!("{leases}{dialect_line}"));
        Scene { dialect, redis, db, office, _store: store, config, _dir: dir }
    }

    /// A worker with the example's config.
    pub async fn worker(&self) -> Bullock {
        Bullock::run_with(&self.config, &[("REDIS_URL", &*self.redis.url()), ("WEBHOOK_SECRET", SECRET)])
            .await
    }

    /// `kill -9` of Redis, and starts it again with what it had written.
    pub async fn crash_and_restart_redis(&mut self) {
        self.redis.crash_and_restart();
        self.db = self.redis.connection().await;
    }

    /// Node adds the sync, as any job. A back office that is away costs attempts: there are enough.
    pub async fn add(&self, name: &str, id: &str) {
        let url = self.redis.url();
        let mut queue = match self.dialect {
            Dialect::Bull => BullQueue::open(&url, QUEUE).await,
            Dialect::BullMq => BullQueue::open_mq(6, &url, QUEUE, &json!({})).await,
        };
        queue
            .add(
                name,
                json!({"shop": "acme"}),
                json!({"jobId": id, "attempts": 100, "backoff": {"type": "fixed", "delay": 500}}),
            )
            .await;
        queue.close().await;
    }

    /// The ledger, recounted; `""` or `"?times"`.
    pub async fn recount(&self, kind: &str, with: &str) -> Recount {
        let (status, body) = http::get(self.office.url(), &format!("/ledger/{kind}{with}")).await.unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What the last commit has stored.
    pub async fn plan(&self, id: &str) -> Option<Value> {
        let mut db = self.db.clone();
        let key = format!("bull::x:{QUEUE}::job:{id}");
        let plan: Option<String> =
            redis::cmd("HGET").arg(key).arg("plan").query_async(&mut db).await.unwrap();
        plan.map(|plan| serde_json::from_str(&plan).unwrap())
    }

    /// The result, once the sync has ended well. Panics if it failed.
    pub async fn result(&self, id: &str) -> Option<Value> {
        let mut db = self.db.clone();
        let score = |set: &str| {
            let mut command = redis::cmd("ZSCORE");
            command.arg(format!("bull:{QUEUE}:{set}")).arg(id);
            command
        };
        let field = |field: &str| {
            let mut command = redis::cmd("HGET");
            command.arg(format!("bull:{QUEUE}:{id}")).arg(field);
            command
        };
        let failed: Option<f64> = score("failed").query_async(&mut db).await.unwrap();
        if failed.is_some() {
            let why: Option<String> = field("failedReason").query_async(&mut db).await.unwrap();
            panic!("the sync failed: {why:?}");
        }
        let completed: Option<f64> = score("completed").query_async(&mut db).await.unwrap();
        completed?;
        let result: String = field("returnvalue").query_async(&mut db).await.unwrap();
        Some(serde_json::from_str(&result).unwrap())
    }
}
