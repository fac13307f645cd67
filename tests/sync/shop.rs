//! A shop and a back office: the items that there are, how the back office takes them, and a ledger of what it took.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bullock::handler::{Context, Handler, native};
use bullock::store::{Connection, Queue, Store};
use bullock::sync::{Sync, SyncOptions};
use bullock::wire::{Dialect, Keys};
use bullock::worker::HandlerSpec;
use bullock::{Job, JobError, Worker};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::support::redis::Redis;
use crate::support::wait;

pub const QUEUE: &str = "shop";
pub const BOTH: [Dialect; 2] = [Dialect::Bull, Dialect::BullMq];

/// One push, as the back office saw it.
#[derive(Debug, Clone)]
pub struct Pushed {
    pub at: Instant,
    pub key: String,
    pub ids: Vec<String>,
}

/// How often an item fails before it goes well.
type Fails = HashMap<String, u32>;

#[derive(Default)]
struct Ledger {
    pushed: Vec<Pushed>,
    /// Tries by item.
    tries: HashMap<String, u32>,
}

/// Both sides, and what happened.
#[derive(Clone)]
pub struct Shop {
    items: usize,
    page: usize,
    fails: Arc<Fails>,
    ledger: Arc<Mutex<Ledger>>,
}

impl Shop {
    pub fn new(items: usize, page: usize) -> Shop {
        Shop { items, page, fails: Arc::default(), ledger: Arc::default() }
    }

    /// These items fail so often; `u32::MAX` = always.
    pub fn failing(mut self, fails: impl IntoIterator<Item = (usize, u32)>) -> Shop {
        self.fails = Arc::new(fails.into_iter().map(|(id, times)| (id.to_string(), times)).collect());
        self
    }

    pub fn source(&self) -> Arc<dyn Handler> {
        let (items, page) = (self.items, self.page);
        source(move |from: usize| {
            let end = (from + page).min(items);
            let list: Vec<Value> =
                (from..end).map(|id| json!({"id": id, "name": format!("item {id}")})).collect();
            let next = if end < items { json!(end) } else { Value::Null };
            json!({"items": list, "next": next, "total": items})
        })
    }

    /// Takes batches. Like any back office it must cope with a batch that comes again under its key.
    pub fn sink(&self) -> Arc<dyn Handler> {
        let shop = self.clone();
        Arc::new(native::handler(move |job: Job<Value>, ctx: Context| {
            let shop = shop.clone();
            async move {
                let key = ctx.run.key.as_deref().unwrap_or_default().to_owned();
                Ok::<_, JobError>(shop.take(&job.data, key))
            }
        }))
    }

    fn take(&self, batch: &Value, key: String) -> Value {
        let ids: Vec<String> =
            batch["items"].as_array().unwrap().iter().map(|item| item["id"].to_string()).collect();
        let mut ledger = self.ledger.lock().unwrap();
        ledger.pushed.push(Pushed { at: Instant::now(), key, ids: ids.clone() });
        let answers = ids.into_iter().map(|id| {
            let tries = ledger.tries.entry(id.clone()).or_default();
            *tries += 1;
            let failing = self.fails.get(&id).is_some_and(|times| *tries <= *times);
            let number: u64 = id.parse().unwrap();
            if failing {
                json!({"id": number, "status": "failed", "code": "E42", "message": format!("{id} is refused")})
            } else {
                json!({"id": number, "status": "ok"})
            }
        });
        answers.collect()
    }

    pub fn pushed(&self) -> Vec<Pushed> {
        self.ledger.lock().unwrap().pushed.clone()
    }

    /// How often each item was pushed.
    pub fn tries(&self) -> BTreeMap<usize, u32> {
        let ledger = self.ledger.lock().unwrap();
        ledger.tries.iter().map(|(id, tries)| (id.parse().unwrap(), *tries)).collect()
    }

    pub fn options(&self) -> SyncOptions {
        SyncOptions::new(Some(self.source()), Some(self.sink()))
    }
}

/// A source that answers a cursor, 0 for the first page.
pub fn source(page: impl Fn(usize) -> Value + Send + std::marker::Sync + 'static) -> Arc<dyn Handler> {
    let page = Arc::new(page);
    Arc::new(native::handler(move |job: Job<Value>, _: Context| {
        let page = Arc::clone(&page);
        async move { Ok::<_, JobError>(page(job.data["cursor"].as_u64().unwrap_or(0) as usize)) }
    }))
}

/// A sink that is a function from the batch to its answer.
pub fn sink(
    take: impl Fn(&Value) -> Result<Value, JobError> + Send + std::marker::Sync + 'static,
) -> Arc<dyn Handler> {
    let take = Arc::new(take);
    Arc::new(native::handler(move |job: Job<Value>, _: Context| {
        let take = Arc::clone(&take);
        async move { take(&job.data) }
    }))
}

/// What a sink answers that is content.
pub fn all_ok(batch: &Value) -> Value {
    batch["items"].as_array().unwrap().iter().map(|item| json!({"id": item["id"], "status": "ok"})).collect()
}

/// A Redis with one queue, and whoever works on it.
pub struct Ground {
    pub redis: Arc<Redis>,
    pub dialect: Dialect,
    pub db: MultiplexedConnection,
    pub name: String,
    queue: Queue,
}

impl Ground {
    pub async fn start(dialect: Dialect) -> Ground {
        let redis = Arc::new(Redis::start());
        let queue = Queue::open_as(dialect, &redis.url(), "bull", QUEUE).unwrap();
        Ground { db: redis.connection().await, redis, dialect, name: QUEUE.to_owned(), queue }
    }

    /// Another queue on the same Redis, over the same connections.
    pub fn beside(&self, dialect: Dialect, name: &str) -> Ground {
        let keys = Keys::new("bull", name);
        let store = Store::of(self.store().connection().clone(), keys, Some(dialect));
        let (redis, db) = (Arc::clone(&self.redis), self.db.clone());
        Ground { redis, dialect, db, name: name.to_owned(), queue: Queue::on(store) }
    }

    /// The ids that the index of an organisation lists.
    pub async fn ids_of_org(&self, org: &str) -> Vec<String> {
        let key = format!("bull::x:{QUEUE}::org:{org}");
        let all = redis::cmd("ZRANGE").arg(key).arg(0).arg(-1).query_async(&mut self.db.clone()).await;
        all.unwrap()
    }

    pub async fn work(&self, options: SyncOptions) -> Worker {
        self.work_with(options, |_| {}).await
    }

    pub async fn work_with(&self, options: SyncOptions, limits: impl FnOnce(&mut HandlerSpec)) -> Worker {
        let mut spec = HandlerSpec::new(Arc::new(Sync::new(options).unwrap()));
        limits(&mut spec);
        let builder = Worker::builder(self.redis.url(), &*self.name).dialect(self.dialect);
        let builder = builder.lease(Duration::from_millis(1500), Duration::from_millis(400));
        builder.handler_spec("sync", spec).start().await.unwrap()
    }

    pub async fn add(&self, id: &str, data: &Value) {
        self.queue.add("sync", data, json!({"jobId": id, "attempts": 3})).await.unwrap();
    }

    /// Runs a sync to its end and gives its result.
    pub async fn sync(&mut self, options: SyncOptions) -> Value {
        let worker = self.work(options).await;
        self.add("s", &json!({})).await;
        self.ended("s").await;
        let result = self.field("s", "returnvalue").await.unwrap_or_else(|| panic!("no result"));
        worker.stop();
        worker.join().await;
        serde_json::from_str(&result).unwrap()
    }

    /// Runs a sync that fails; gives its reason.
    pub async fn fails(&mut self, options: SyncOptions) -> String {
        let worker = self.work(options).await;
        self.add("s", &json!({})).await;
        self.ended("s").await;
        worker.stop();
        worker.join().await;
        self.field("s", "failedReason").await.unwrap_or_else(|| panic!("it did not fail"))
    }

    pub async fn ended(&self, id: &str) {
        let db = self.db.clone();
        let in_set = async |set: &str| {
            let score: Option<f64> = redis::cmd("ZSCORE")
                .arg(format!("bull:{}:{set}", self.name))
                .arg(id)
                .query_async(&mut db.clone())
                .await
                .unwrap();
            score.is_some()
        };
        wait::value_within(Duration::from_mins(1), "the sync to end", async || {
            (in_set("completed").await || in_set("failed").await).then_some(())
        })
        .await;
    }

    pub async fn field(&self, id: &str, field: &str) -> Option<String> {
        let key = format!("bull:{}:{id}", self.name);
        redis::cmd("HGET").arg(key).arg(field).query_async(&mut self.db.clone()).await.unwrap()
    }

    pub async fn record(&self, id: &str, field: &str) -> Option<String> {
        let key = format!("bull::x:{}::job:{id}", self.name);
        redis::cmd("HGET").arg(key).arg(field).query_async(&mut self.db.clone()).await.unwrap()
    }

    pub async fn plan(&self, id: &str) -> Value {
        let plan = self.record(id, "plan").await.unwrap_or_else(|| panic!("no plan"));
        serde_json::from_str(&plan).unwrap()
    }

    /// Notes of items, by id.
    pub async fn items(&self, id: &str) -> BTreeMap<String, Value> {
        let key = format!("bull::x:{}::items:{id}", self.name);
        let notes: BTreeMap<String, String> =
            redis::cmd("HGETALL").arg(key).query_async(&mut self.db.clone()).await.unwrap();
        notes.into_iter().map(|(id, note)| (id, serde_json::from_str(&note).unwrap())).collect()
    }

    /// Keys of ours about the job.
    pub async fn keys_of(&self, id: &str) -> Vec<String> {
        let mut keys: Vec<String> = redis::cmd("KEYS")
            .arg(format!("bull::x:{}::*:{id}", self.name))
            .query_async(&mut self.db.clone())
            .await
            .unwrap();
        keys.sort();
        keys
    }

    pub fn store(&self) -> Store {
        self.queue.store().clone()
    }

    pub async fn state(&self, id: &str) -> String {
        self.store().job(id).await.unwrap().unwrap().1.to_owned()
    }

    /// The audit entries of these acts: what, job, was, is, by, why.
    pub async fn acts(&self) -> Vec<[String; 6]> {
        let key = format!("bull::x:{}::audit", self.name);
        let entries: redis::streams::StreamRangeReply =
            redis::cmd("XRANGE").arg(key).arg("-").arg("+").query_async(&mut self.db.clone()).await.unwrap();
        let acts = entries.ids.iter().map(|entry| {
            ["what", "job", "was", "is", "by", "why"]
                .map(|field| entry.get::<String>(field).unwrap_or_default())
        });
        acts.filter(|act| act[0] != "commit").collect()
    }

    pub fn connection(&self) -> Connection {
        Connection::new(&self.redis.url(), None, Duration::from_secs(5)).unwrap()
    }
}
