//! One queue "q": a Redis of the test's own, npm bull on it, and workers of ours as the test wants them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bullock::handler::{Context, Handler, native};
use bullock::job::Job;
use bullock::job::cron::Zone;
use bullock::job::options::Keep;
use bullock::store::claim::Limiter;
use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::wakeup::BLOCK_DEADLINE;
use bullock::store::{Connection, Opened, Scripts, Store};
use bullock::wire::{Dialect, Keys};
use bullock::worker::{Ended, HandlerSpec, Observer, Options, PAYLOAD_BYTES_MAX, QueueSpec, Worker};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, cmd};
use serde_json::{Value, json};

use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

/// The queue of every test.
pub(crate) const QUEUE: &str = "q";

/// Redis, npm bull on queue "q", and a connection for looking.
pub(crate) struct Rig {
    pub redis: Redis,
    pub bull: BullQueue,
    pub db: Db,
}

impl Rig {
    pub(crate) async fn start() -> Rig {
        Rig::start_with(&json!({})).await
    }

    /// With Bull's own queue options.
    pub(crate) async fn start_with(bull_options: &Value) -> Rig {
        Rig::on(Redis::start(), bull_options).await
    }

    pub(crate) async fn on(redis: Redis, bull_options: &Value) -> Rig {
        let bull = BullQueue::open_with(&redis.url(), QUEUE, bull_options).await;
        let db = Db(redis.connection().await);
        Rig { redis, bull, db }
    }

    /// A worker to be told what to do.
    pub(crate) fn plan(&self) -> Plan {
        Plan::new(self.redis.url())
    }
}

/// The test's own view of Redis.
#[derive(Clone)]
pub(crate) struct Db(pub MultiplexedConnection);

impl Db {
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query_async(&mut self.0.clone()).await.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// `P + suffix`.
    pub(crate) fn key(suffix: &str) -> String {
        format!("bull:{QUEUE}:{suffix}")
    }

    pub(crate) async fn field(&self, id: &str, field: &str) -> Option<String> {
        self.ask(cmd("HGET").arg(Db::key(id)).arg(field)).await
    }

    pub(crate) async fn number(&self, id: &str, field: &str) -> i64 {
        self.field(id, field).await.unwrap_or_else(|| panic!("{id} has no {field}")).parse().unwrap()
    }

    /// A field of our own record of a job.
    pub(crate) async fn record(&self, id: &str, field: &str) -> Option<String> {
        self.ask(cmd("HGET").arg(format!("bull::x:{QUEUE}::job:{id}")).arg(field)).await
    }

    /// Ids of a list, left to right.
    pub(crate) async fn list(&self, name: &str) -> Vec<String> {
        self.ask(cmd("LRANGE").arg(Db::key(name)).arg(0).arg(-1)).await
    }

    /// Ids of a sorted set in the order of their scores.
    pub(crate) async fn sorted(&self, name: &str) -> Vec<String> {
        self.ask(cmd("ZRANGE").arg(Db::key(name)).arg(0).arg(-1)).await
    }

    pub(crate) async fn score(&self, name: &str, id: &str) -> Option<f64> {
        self.ask(cmd("ZSCORE").arg(Db::key(name)).arg(id)).await
    }

    pub(crate) async fn lock(&self, id: &str) -> Option<String> {
        self.ask(cmd("GET").arg(Db::key(&format!("{id}:lock")))).await
    }

    /// All `*:lock` keys of the queue.
    pub(crate) async fn locks(&self) -> Vec<String> {
        self.ask(cmd("KEYS").arg(Db::key("*:lock"))).await
    }

    /// Waits until this many jobs are in a sorted set.
    pub(crate) async fn sorted_has(&self, name: &str, jobs: usize) {
        wait::until(&format!("{jobs} jobs in {name}"), async || {
            self.ask::<usize>(cmd("ZCARD").arg(Db::key(name))).await >= jobs
        })
        .await;
    }

    pub(crate) async fn list_has(&self, name: &str, jobs: usize) {
        wait::until(&format!("{jobs} jobs in {name}"), async || {
            self.ask::<usize>(cmd("LLEN").arg(Db::key(name))).await >= jobs
        })
        .await;
    }

    /// Waits until nothing waits, is delayed or runs.
    pub(crate) async fn quiet(&self) {
        wait::until("the queue to come to rest", async || {
            let mut pipe = redis::pipe();
            pipe.atomic();
            for list in ["wait", "paused", "active"] {
                pipe.cmd("LLEN").arg(Db::key(list));
            }
            pipe.cmd("ZCARD").arg(Db::key("delayed"));
            let left: Vec<u64> = pipe.query_async(&mut self.0.clone()).await.unwrap();
            left.iter().sum::<u64>() == 0
        })
        .await;
    }
}

/// The queue as our own commands see it.
pub(crate) fn store(url: &str) -> Store {
    let connection = Connection::new(url, None, RESPONSE_TIMEOUT).unwrap();
    Store::new(connection, Keys::new("bull", QUEUE), Arc::new(Scripts::bull(None)))
}

/// A worker before its start.
pub(crate) struct Plan {
    url: String,
    pub options: Options,
    pub concurrency: usize,
    pub limiter: Option<Limiter>,
    pub metrics_points: u64,
    pub keep_completed: Keep,
    pub keep_failed: Keep,
    handlers: HashMap<String, HandlerSpec>,
    record: Arc<Record>,
}

impl Plan {
    pub(crate) fn new(url: String) -> Plan {
        let options = Options { zone: Zone::Utc, ..Options::default() };
        Plan {
            url,
            options,
            concurrency: 1,
            limiter: None,
            metrics_points: 0,
            keep_completed: Keep::All,
            keep_failed: Keep::All,
            handlers: HashMap::new(),
            record: Arc::default(),
        }
    }

    pub(crate) fn concurrency(mut self, jobs: usize) -> Plan {
        self.concurrency = jobs;
        self
    }

    pub(crate) fn lease(mut self, lease_ms: u64) -> Plan {
        self.options.lease = Duration::from_millis(lease_ms);
        self.options.renew = Duration::from_millis(lease_ms / 3);
        self.options.sweep = Duration::from_millis(100);
        self
    }

    pub(crate) fn options(mut self, change: impl FnOnce(&mut Options)) -> Plan {
        change(&mut self.options);
        self
    }

    /// A Rust function for jobs of this name.
    pub(crate) fn on<R, E, F, Fut>(self, name: &str, function: F) -> Plan
    where
        R: serde::Serialize + Send + 'static,
        E: std::fmt::Display + Send + Sync + 'static,
        F: Fn(Job<Value>, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
    {
        self.handler(name, native::handler(function), |_| {})
    }

    /// Any handler, with limits.
    pub(crate) fn handler(
        mut self,
        name: &str,
        handler: impl Handler,
        limits: impl FnOnce(&mut HandlerSpec),
    ) -> Plan {
        let mut spec = HandlerSpec::new(Arc::new(handler));
        limits(&mut spec);
        self.handlers.insert(name.to_owned(), spec);
        self
    }

    /// Starts it and waits until it claims.
    pub(crate) async fn start(self) -> Running {
        let store = store(&self.url);
        let name = store.keys().client_name(&self.options.name);
        let connect = |name, timeout| Connection::new(&self.url, name, timeout).unwrap();
        assert!(matches!(store.open().await.unwrap(), Opened::Ready(Dialect::Bull, _)));
        let spec = QueueSpec {
            history: std::time::Duration::ZERO,
            org: None,
            retention: Vec::new(),
            schedules: None,
            store,
            blocking: connect(Some(name), BLOCK_DEADLINE),
            lease_connection: connect(None, RESPONSE_TIMEOUT),
            redis_url: self.url.clone(),
            concurrency: self.concurrency,
            limiter: self.limiter,
            metrics_points: self.metrics_points,
            keep_completed: self.keep_completed,
            keep_failed: self.keep_failed,
            payload_max: PAYLOAD_BYTES_MAX,
            handlers: self.handlers,
        };
        let record = Arc::clone(&self.record);
        let observer: Arc<dyn Observer> = self.record;
        let worker = Worker::start(&self.options, vec![spec], &observer).unwrap();
        for (_, mut ready) in worker.readiness() {
            ready.wait_for(|ready| *ready).await.unwrap();
        }
        Running { worker, record }
    }
}

/// A worker at work.
pub(crate) struct Running {
    pub worker: Worker,
    pub record: Arc<Record>,
}

impl Running {
    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) {
        self.worker.stop();
        assert!(self.worker.join().await.clean, "a duty of the worker ended early");
    }
}

/// What the worker told its observer.
#[derive(Default)]
pub(crate) struct Record(Mutex<Vec<Ended>>);

impl Record {
    pub(crate) fn ends(&self) -> Vec<Ended> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, what: Ended) -> usize {
        self.ends().into_iter().filter(|ended| *ended == what).count()
    }

    /// Waits until this many runs ended so.
    pub(crate) async fn has(&self, runs: usize, what: Ended) {
        wait::until(&format!("{runs} runs to be {what:?}"), async || self.count(what) >= runs).await;
    }
}

impl Observer for Record {
    fn ended(&self, _queue: &str, _name: &str, ended: Ended, _ran: Duration, _attempt: u32) {
        self.0.lock().unwrap().push(ended);
    }
}

/// A list that handlers write and the test reads.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn note(&self, what: &(impl std::fmt::Display + ?Sized)) {
        self.0.lock().unwrap().push(what.to_string());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) async fn has(&self, many: usize) {
        wait::until(&format!("{many} notes of handlers"), async || self.len() >= many).await;
    }
}

/// A door that handlers wait at until the test opens it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<tokio::sync::Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Gate {
        Gate(Arc::new(tokio::sync::Semaphore::new(0)))
    }

    /// Lets this many through.
    pub(crate) fn open(&self, many: usize) {
        self.0.add_permits(many);
    }

    pub(crate) async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

/// A handler from any function of job id to outcome, for outcomes that Rust functions do not give.
pub(crate) struct Answer(pub fn() -> bullock::job::outcome::Outcome);

impl Handler for Answer {
    fn run(
        &self,
        _: Arc<Job>,
        _: Context,
    ) -> bullock::handler::BoxFuture<'static, bullock::job::outcome::Outcome> {
        let answer = self.0;
        Box::pin(async move { answer() })
    }

    fn label(&self) -> &'static str {
        "answer"
    }
}

/// Jobs from an array of Bull's `addBulk`: their ids.
pub(crate) async fn add_bulk(bull: &mut BullQueue, jobs: Value) -> Vec<String> {
    let added = bull.call("addBulk", json!([jobs])).await.unwrap();
    added.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}
