//! A Redis with one queue, in either dialect.

use std::time::Duration;

use bullock::handler::{Context, Handler, native};
use bullock::store::history::{Ask, By, History};
use bullock::store::{Connection, Queue, Store};
use bullock::wire::{Dialect, Keys};
use bullock::worker::Builder;
use bullock::{Job, JobError, Worker};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::support::redis::Redis;
use crate::support::wait;

pub const QUEUE: &str = "q";
pub const BOTH: [Dialect; 2] = [Dialect::Bull, Dialect::BullMq];

pub struct Ground {
    pub redis: Redis,
    pub dialect: Dialect,
    pub db: MultiplexedConnection,
    pub queue: Queue,
}

impl Ground {
    pub async fn start(dialect: Dialect) -> Ground {
        let redis = Redis::start();
        let db = redis.connection().await;
        let queue = Queue::open_as(dialect, &redis.url(), "bull", QUEUE).unwrap();
        Ground { redis, dialect, db, queue }
    }

    pub fn store(&self) -> Store {
        let connection = Connection::new(&self.redis.url(), None, Duration::from_secs(5)).unwrap();
        Store::of(connection, Keys::new("bull", QUEUE), Some(self.dialect))
    }

    pub fn plan(&self) -> Builder {
        let builder = Worker::builder(self.redis.url(), QUEUE).dialect(self.dialect).concurrency(4);
        builder.lease(Duration::from_millis(1500), Duration::from_millis(400))
    }

    /// Its jobs do what their data says: `{ms, fail}`.
    pub fn worker(&self) -> Builder {
        self.plan().handler("*", |job: Job<Value>, _: Context| async move {
            tokio::time::sleep(Duration::from_millis(job.data["ms"].as_u64().unwrap_or(0))).await;
            if job.data["fail"] == true { Err(JobError::retry("as asked")) } else { Ok(json!("done")) }
        })
    }

    pub async fn add(&self, name: &str, data: Value, opts: Value) -> String {
        self.queue.add(name, &data, opts).await.unwrap().id.as_str().to_owned()
    }

    pub async fn card(&self, set: &str) -> usize {
        let key = format!("bull:{QUEUE}:{set}");
        redis::cmd("ZCARD").arg(key).query_async(&mut self.db.clone()).await.unwrap()
    }

    pub async fn ended(&self, jobs: usize) {
        let probe = async || self.card("completed").await + self.card("failed").await >= jobs;
        wait::until("all jobs to end", probe).await;
    }

    pub async fn exists(&self, key: &str) -> bool {
        redis::cmd("EXISTS").arg(key).query_async(&mut self.db.clone()).await.unwrap()
    }

    pub async fn today(&self, by: By) -> History {
        let now = chrono::Utc::now().timestamp_millis();
        self.store().history(&Ask { by, ..Ask::between(now - 60_000, now) }).await.unwrap()
    }
}

pub async fn stop(worker: Worker) {
    worker.stop();
    worker.join().await;
}

/// A source of so many items, all on one page.
pub fn source(items: usize) -> std::sync::Arc<dyn Handler> {
    std::sync::Arc::new(native::handler(move |_: Job<Value>, _: Context| {
        let list: Vec<Value> = (0..items).map(|id| json!({"id": id})).collect();
        async move { Ok::<_, JobError>(json!({"items": list, "next": null, "total": items})) }
    }))
}
