//! A redis-server, a proxy before it, a queue of either dialect, and a worker that writes down what it did.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bullock::store::Scripts;
use bullock::wire::Dialect;
use bullock::worker::{Builder, Ended, Observer};
use bullock::{Context, Job, Queue, Worker};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use serde_json::{Value, json};

use crate::support::proxy::Proxy;
use crate::support::redis::Redis;
use crate::support::wait;

pub(crate) const QUEUE: &str = "q";
pub(crate) const BOTH: [Dialect; 2] = [Dialect::Bull, Dialect::BullMq];

pub(crate) struct Rig {
    pub redis: Redis,
    pub proxy: Proxy,
    /// The test's own producer, past the proxy.
    pub queue: Queue,
    pub dialect: Dialect,
    pub record: Arc<Record>,
}

impl Rig {
    pub(crate) async fn start(dialect: Dialect) -> Rig {
        Rig::on(Redis::start(), dialect).await
    }

    pub(crate) async fn on(redis: Redis, dialect: Dialect) -> Rig {
        if std::env::var_os("TELL").is_some() {
            let _ = tracing_subscriber::fmt().try_init();
        }
        let proxy = Proxy::to(redis.port()).await;
        let queue = Queue::open_as(dialect, &redis.url(), "bull", QUEUE).unwrap();
        Rig { redis, proxy, queue, dialect, record: Arc::default() }
    }

    /// A worker through the proxy. A job's `ms` is how long it takes.
    pub(crate) fn plan(&self) -> Builder {
        self.plan_at(self.proxy.url())
    }

    pub(crate) fn plan_at(&self, url: impl Into<String>) -> Builder {
        let seen = Arc::clone(&self.record);
        let observer: Arc<dyn Observer> = Arc::clone(&self.record) as _;
        Worker::builder(url, QUEUE).dialect(self.dialect).concurrency(4).observer(observer).handler(
            "*",
            move |job: Job<Value>, _: Context| {
                let seen = Arc::clone(&seen);
                async move {
                    seen.started(job.id.as_str());
                    tokio::time::sleep(Duration::from_millis(job.data["ms"].as_u64().unwrap_or(0))).await;
                    if job.data["fails"] == true { Err("as told") } else { Ok(1) }
                }
            },
        )
    }

    /// Adds a job that takes so long.
    pub(crate) async fn add(&self, ms: u64) -> String {
        self.queue.add("x", &json!({ "ms": ms }), json!({})).await.unwrap().id.to_string()
    }

    pub(crate) async fn db(&self) -> Db {
        Db(self.redis.connection().await)
    }

    /// The hash of a script of this dialect, which is in each of its requests.
    pub(crate) fn sha(&self, script: &str) -> String {
        let scripts = Scripts::of(self.dialect);
        let (_, script) = scripts.all().into_iter().find(|(name, _)| *name == script).unwrap();
        redis::Script::new(script.text()).get_hash().to_owned()
    }

    /// Waits until these are completed, and checks that each was started once, and that nothing is left of them.
    pub(crate) async fn each_once(&self, ids: &[String]) {
        let db = self.db().await;
        wait::until("all jobs to be completed", async || {
            let mut done = 0;
            for id in ids {
                done += usize::from(db.score("completed", id).await.is_some());
            }
            done == ids.len()
        })
        .await;
        for id in ids {
            assert_eq!(self.record.starts(id), 1, "starts of {id}");
            assert_eq!(db.ask::<u8>(redis::cmd("EXISTS").arg(db.key(&format!("{id}:lock")))).await, 0);
        }
        assert_eq!(db.ask::<u64>(redis::cmd("LLEN").arg(db.key("active"))).await, 0);
        assert_eq!(self.record.count(Ended::LeaseLost), 0);
        assert_eq!(self.record.count(Ended::Failed), 0);
    }
}

/// The test's own view of Redis.
#[derive(Clone)]
pub(crate) struct Db(pub MultiplexedConnection);

impl Db {
    pub(crate) async fn ask<T: FromRedisValue>(&self, cmd: &Cmd) -> T {
        cmd.query_async(&mut self.0.clone()).await.unwrap_or_else(|error| panic!("{cmd:?}: {error}"))
    }

    /// A command in words.
    pub(crate) async fn say(&self, words: &str) {
        let mut words = words.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        for word in words {
            cmd.arg(if word == "\"\"" { "" } else { word });
        }
        let _: redis::Value = self.ask(&cmd).await;
    }

    #[allow(clippy::unused_self, reason = "reads well at its callers")]
    pub(crate) fn key(&self, suffix: &str) -> String {
        format!("bull:{QUEUE}:{suffix}")
    }

    pub(crate) async fn score(&self, set: &str, id: &str) -> Option<f64> {
        self.ask(redis::cmd("ZSCORE").arg(self.key(set)).arg(id)).await
    }
}

/// What the worker did and told.
#[derive(Default)]
pub(crate) struct Record {
    starts: Mutex<HashMap<String, Vec<Instant>>>,
    ends: Mutex<Vec<Ended>>,
    redis: Mutex<Vec<Option<String>>>,
    unconfirmed: Mutex<u64>,
}

impl Record {
    pub(crate) fn started(&self, id: &str) {
        self.starts.lock().unwrap().entry(id.to_owned()).or_default().push(Instant::now());
    }

    pub(crate) fn starts(&self, id: &str) -> usize {
        self.starts.lock().unwrap().get(id).map_or(0, Vec::len)
    }

    /// Waits until the job is started; when that was.
    pub(crate) async fn start_of(&self, id: &str) -> Instant {
        wait::value(&format!("the start of {id}"), || async {
            self.starts.lock().unwrap().get(id).and_then(|starts| starts.first().copied())
        })
        .await
    }

    pub(crate) fn count(&self, what: Ended) -> usize {
        self.ends.lock().unwrap().iter().filter(|ended| **ended == what).count()
    }

    /// Waits until the worker has told this of Redis.
    pub(crate) async fn tells(&self, part: &str) {
        wait::until(&format!("the worker to tell: {part}"), async || {
            self.redis.lock().unwrap().iter().flatten().any(|text| text.contains(part))
        })
        .await;
    }

    /// Waits until the worker has told that all is well again.
    pub(crate) async fn is_well(&self) {
        wait::until("the worker to be well", async || {
            self.redis.lock().unwrap().last().is_some_and(Option::is_none)
        })
        .await;
    }

    /// How often it has told anything.
    pub(crate) fn told(&self) -> usize {
        self.redis.lock().unwrap().len()
    }

    pub(crate) fn unconfirmed(&self) -> u64 {
        *self.unconfirmed.lock().unwrap()
    }
}

impl Observer for Record {
    fn ended(&self, _: &str, _: &str, ended: Ended, _: Duration, _: u32) {
        self.ends.lock().unwrap().push(ended);
    }

    fn unconfirmed(&self, _: &str, runs: u64) {
        *self.unconfirmed.lock().unwrap() += runs;
    }

    fn redis(&self, _: &str, problem: Option<&str>) {
        self.redis.lock().unwrap().push(problem.map(str::to_owned));
    }
}

/// Stops a worker and waits for its end.
pub(crate) async fn stop(worker: Worker) {
    worker.stop();
    assert!(worker.join().await.clean, "a duty of the worker ended early");
}
