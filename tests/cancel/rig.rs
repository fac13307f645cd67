//! One queue "q" of any library on a Redis of the test's own, and workers of ours.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bullock::store::actor::Actor;
use bullock::store::cancel::Cancelled;
use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::{Connection, Store};
use bullock::wire::{Dialect, Keys};
use bullock::worker::{Builder, HandlerSpec};
use bullock::{Context, Job, Worker};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

pub(crate) const QUEUE: &str = "q";
/// What cancelled jobs say here.
pub(crate) const TEXT: &str = "cancelled by kim: wrong store";

/// Who adds and judges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Library {
    Bull,
    BullMq(u8),
}

pub(crate) const BOTH: [Library; 2] = [Library::Bull, Library::BullMq(6)];
pub(crate) const ALL: [Library; 3] = [Library::Bull, Library::BullMq(5), Library::BullMq(6)];

pub(crate) struct Rig {
    pub redis: Redis,
    pub node: BullQueue,
    pub store: Store,
    pub library: Library,
    db: MultiplexedConnection,
}

impl Rig {
    pub(crate) async fn start(library: Library) -> Rig {
        let redis = Redis::start();
        let node = match library {
            Library::Bull => BullQueue::open(&redis.url(), QUEUE).await,
            Library::BullMq(major) => BullQueue::open_mq(major, &redis.url(), QUEUE, &json!({})).await,
        };
        let dialect = if library == Library::Bull { Dialect::Bull } else { Dialect::BullMq };
        let connection = Connection::new(&redis.url(), None, RESPONSE_TIMEOUT).unwrap();
        let store = Store::of(connection, Keys::new("bull", QUEUE), Some(dialect));
        store.open().await.unwrap();
        let db = redis.connection().await;
        Rig { redis, node, store, library, db }
    }

    /// A worker before its start. Its leases are long: what is found soon was heard of, and not found by a renewal.
    pub(crate) fn worker(&self) -> Builder {
        Worker::builder(self.redis.url(), QUEUE)
            .dialect(self.store.dialect())
            .lease(Duration::from_mins(2), Duration::from_mins(1))
            .cron_zone(bullock::job::cron::Zone::Utc)
    }

    pub(crate) async fn cancel(&self, id: &str) -> Cancelled {
        self.store.cancel(&kim(), &[id]).await.unwrap()[0]
    }

    pub(crate) async fn kill(&self, id: &str) -> Cancelled {
        self.store.kill(&kim(), &[id]).await.unwrap()[0]
    }

    /// One command; `Q:` in front of a word becomes the queue's base, `X:` that of our records.
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut cmd = redis::cmd(words[0]);
        for word in &words[1..] {
            let word = match (word.strip_prefix("Q:"), word.strip_prefix("X:")) {
                (Some(rest), _) => format!("bull:{QUEUE}:{rest}"),
                (_, Some(rest)) => format!("bull::x:{QUEUE}::{rest}"),
                _ => (*word).to_owned(),
            };
            cmd.arg(word);
        }
        cmd.query_async(&mut self.db).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) async fn field(&mut self, id: &str, field: &str) -> Option<String> {
        self.ask(&["HGET", &format!("Q:{id}"), field]).await
    }

    pub(crate) async fn record(&mut self, id: &str, field: &str) -> Option<String> {
        self.ask(&["HGET", &format!("X:job:{id}"), field]).await
    }

    /// Is it in this sorted set?
    pub(crate) async fn score(&self, set: &str, id: &str) -> bool {
        let mut score = redis::cmd("ZSCORE");
        score.arg(format!("bull:{QUEUE}:{set}")).arg(id);
        score.query_async::<Option<f64>>(&mut self.db.clone()).await.unwrap().is_some()
    }

    /// Waits until a job has failed, and checks that it did as a cancelled one.
    pub(crate) async fn ends_cancelled(&mut self, id: &str) {
        let library = self.library;
        let mut db = self.db.clone();
        wait::until(&format!("{library:?}: job {id} to fail"), async || self.score("failed", id).await).await;
        let mut pipe = redis::pipe();
        for (set, kind) in
            [("completed", "Z"), ("delayed", "Z"), ("waiting-children", "Z"), ("prioritized", "Z")]
        {
            pipe.cmd(&format!("{kind}SCORE")).arg(format!("bull:{QUEUE}:{set}")).arg(id);
        }
        for list in ["wait", "paused", "active"] {
            pipe.cmd("LPOS").arg(format!("bull:{QUEUE}:{list}")).arg(id);
        }
        let elsewhere: Vec<redis::Value> = pipe.query_async(&mut db).await.unwrap();
        assert!(
            elsewhere.iter().all(|found| *found == redis::Value::Nil),
            "{library:?}: {id} is also {elsewhere:?}"
        );
        assert_eq!(self.field(id, "failedReason").await.as_deref(), Some(TEXT), "{library:?}");
        assert_eq!(self.record(id, "reason").await.as_deref(), Some("cancelled"), "{library:?}");
        assert_eq!(self.record(id, "cancel").await, None, "{library:?}: the mark is carried out");
        assert_eq!(self.ask::<Option<String>>(&["GET", &format!("Q:{id}:lock")]).await, None, "{library:?}");
    }

    /// The entries of the audit log: what, job, was, is, by, from, why.
    pub(crate) async fn audit(&mut self) -> Vec<Vec<String>> {
        let entries: Vec<(String, Vec<String>)> = self.ask(&["XRANGE", "X:audit", "-", "+"]).await;
        entries.into_iter().map(|(_, fields)| fields.into_iter().skip(1).step_by(2).collect()).collect()
    }
}

pub(crate) fn kim() -> Actor {
    Actor { by: "kim".into(), from: "cli@shop-1".into(), why: "wrong store".into() }
}

/// Starts a worker and waits until it claims.
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
    HandlerSpec::new(Arc::new(bullock::handler::native::handler(function)))
}

/// A list that handlers write and the test reads.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn note(&self, what: impl std::fmt::Display) {
        self.0.lock().unwrap().push(what.to_string());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) async fn has(&self, many: usize) {
        wait::until(&format!("{many} notes of handlers"), async || self.all().len() >= many).await;
    }
}
