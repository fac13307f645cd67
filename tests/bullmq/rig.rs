//! One queue "q" on a Redis of the test's own, npm `bullmq` on it, and workers of ours.

use std::future::Future;

use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::{Connection, Store};
use bullock::wire::Keys;
use bullock::worker::{Builder, HandlerSpec};
use bullock::{Context, Job, Worker};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait::DEADLINE;

/// The queue of every test.
pub(crate) const QUEUE: &str = "q";
/// The majors of npm `bullmq` that every test is done with.
pub(crate) const MAJORS: [u8; 2] = [5, 6];

/// Redis, npm `bullmq` on queue "q", and a connection for looking.
pub(crate) struct Rig {
    pub redis: Redis,
    pub mq: BullQueue,
    pub db: MultiplexedConnection,
}

impl Rig {
    pub(crate) async fn start(major: u8) -> Rig {
        let redis = Redis::start();
        let mq = BullQueue::open_mq(major, &redis.url(), QUEUE, &json!({})).await;
        let db = redis.connection().await;
        Rig { redis, mq, db }
    }

    /// A worker of queue "q" before its start; it finds the dialect out by itself.
    pub(crate) fn worker(&self) -> Builder {
        self.worker_of(QUEUE)
    }

    pub(crate) fn worker_of(&self, queue: &str) -> Builder {
        Worker::builder(self.redis.url(), queue).cron_zone(bullock::job::cron::Zone::Utc)
    }

    /// The queue as our own commands see it.
    pub(crate) fn store(&self) -> Store {
        let connection = Connection::new(&self.redis.url(), None, RESPONSE_TIMEOUT).unwrap();
        Store::of(connection, Keys::new("bull", QUEUE), None)
    }

    /// One command; `Q:` in front of a word becomes the queue's base.
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut cmd = redis::cmd(words[0]);
        for word in &words[1..] {
            cmd.arg(word.replace("Q:", "bull:q:"));
        }
        cmd.query_async(&mut self.db).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Adds a job and waits for its end.
    pub(crate) async fn run(&mut self, name: &str, data: Value, opts: Value) -> Result<Value, String> {
        let id = self.mq.add(name, data, opts).await;
        self.mq.finished(&id).await
    }
}

/// Asks npm `bullmq` again and again until it answers what is wanted.
pub(crate) async fn asked(queue: &mut BullQueue, method: &str, args: Value, wanted: impl Fn(&Value) -> bool) {
    let started = std::time::Instant::now();
    loop {
        let answer = queue.call(method, args.clone()).await.unwrap();
        if wanted(&answer) {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "{method}({args}) still answers {answer}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Starts a worker and waits until it claims, or waits for a first key.
pub(crate) async fn start(builder: Builder) -> Worker {
    let worker = builder.start().await.unwrap();
    for (_, mut ready) in worker.readiness() {
        ready.wait_for(|ready| *ready).await.unwrap();
    }
    worker
}

/// Stops a worker, all of whose duties must end well.
pub(crate) async fn stop(worker: Worker) {
    worker.stop();
    assert!(worker.join().await.clean, "a duty of the worker ended early");
}

/// A handler spec for a Rust function.
pub(crate) fn does<F, Fut>(function: F) -> HandlerSpec
where
    F: Fn(Job<Value>, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, String>> + Send + 'static,
{
    HandlerSpec::new(std::sync::Arc::new(bullock::handler::native::handler(function)))
}

/// Returns its data, or fails with the text `fail` of it.
pub(crate) fn echo() -> HandlerSpec {
    does(|job, _| async move {
        match job.data["fail"].as_str() {
            Some(text) => Err(text.to_owned()),
            None => Ok(job.data),
        }
    })
}
