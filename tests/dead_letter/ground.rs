//! A queue with dead letters in it, and the command line.

use bullock::wire::Dialect;
use bullock::{Context, Job, JobError, Worker};
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::support::bullock::{Answer, cli};
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

/// npm `bull` 4 and npm `bullmq` 5.
pub(crate) const KINDS: [u8; 2] = [4, 5];

pub(crate) struct Ground {
    pub(crate) redis: Redis,
    pub(crate) queue: BullQueue,
    pub(crate) kind: u8,
}

impl Ground {
    pub(crate) async fn new(kind: u8) -> Ground {
        let redis = Redis::start();
        let queue = producer(&redis, kind, "q").await;
        Ground { redis, queue, kind }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        if self.kind == 4 { Dialect::Bull } else { Dialect::BullMq }
    }

    /// A worker that fails each job for good with the text in its data.
    pub(crate) async fn failing_worker(&self) -> Worker {
        Worker::builder(self.redis.url(), "q")
            .dialect(self.dialect())
            .concurrency(20)
            .name("w-1")
            .handler("*", |job: Job<Value>, _: Context| async move {
                let text = job.data["says"].as_str().unwrap_or("no").to_owned();
                Err::<(), _>(JobError::permanent(text))
            })
            .start()
            .await
            .unwrap()
    }

    /// Adds these jobs (data, options) and waits until all are dead letters.
    pub(crate) async fn bury(&mut self, jobs: Vec<(Value, Value)>) {
        let many = jobs.len();
        let before = self.count("failed").await;
        let jobs: Vec<Value> = jobs
            .into_iter()
            .map(|(data, opts)| json!({"name": "charge", "data": data, "opts": opts}))
            .collect();
        self.queue.call("addBulk", json!([jobs])).await.unwrap();
        let worker = self.failing_worker().await;
        wait::until("the dead letters", async || self.count("failed").await == before + many).await;
        worker.stop();
        worker.join().await;
    }

    /// How many jobs there are in a list or set of the queue.
    pub(crate) async fn count(&self, state: &str) -> usize {
        let mut db = self.redis.connection().await;
        match state {
            "wait" | "active" => db.llen(format!("bull:q:{state}")).await.unwrap(),
            set => db.zcard(format!("bull:q:{set}")).await.unwrap(),
        }
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Answer {
        cli(arguments, &[("BULLOCK_REDIS_URL", &self.redis.url()), ("USER", "kim")]).await
    }

    /// Standard output of a command that must succeed.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments).await;
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        answer.stdout
    }

    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let text = self.ok(&all).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Standard error of a command that must end with `code`.
    pub(crate) async fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let answer = self.run(arguments).await;
        assert_eq!(answer.code, code, "{arguments:?}: {answer:?}");
        answer.stderr
    }

    /// Ids that `dead ls` shows, with these flags.
    pub(crate) async fn listed(&self, flags: &[&str]) -> Vec<String> {
        let mut all = vec!["dead", "ls", "q"];
        all.extend(flags);
        let rows = self.json(&all).await;
        let mut ids: Vec<String> =
            rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }

    /// The audit log: what, job, by, why.
    pub(crate) async fn audit(&self) -> Vec<[String; 4]> {
        let mut db = self.redis.connection().await;
        let read: redis::streams::StreamRangeReply = db.xrange_all("bull::x:q::audit").await.unwrap();
        read.ids
            .iter()
            .map(|entry| ["what", "job", "by", "why"].map(|field| entry.get::<String>(field).unwrap()))
            .collect()
    }
}

pub(crate) async fn producer(redis: &Redis, kind: u8, queue: &str) -> BullQueue {
    match kind {
        4 => BullQueue::open(&redis.url(), queue).await,
        major => BullQueue::open_mq(major, &redis.url(), queue, &json!({})).await,
    }
}

/// A job with this id that fails with this text.
pub(crate) fn saying(id: &str, says: &str) -> (Value, Value) {
    (json!({"says": says, "shop": {"name": id}}), json!({"jobId": id}))
}
