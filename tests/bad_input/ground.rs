//! A real worker on a queue, with handlers that write down what they were given.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bullock::handler::{BoxFuture, Context, Handler};
use bullock::job::outcome::{Outcome, ReturnValue};
use bullock::job::{Data, Job};
use bullock::worker::HandlerSpec;
use bullock::{Queue, Worker};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::snapshot;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

pub const P: &str = "bull:q:";
pub const X: &str = "bull::x:q::";

/// One job as its handler saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub name: String,
    pub data: String,
    pub opts: String,
    pub raw_text: bool,
    pub attempt: u32,
}

/// Writes down every job and returns its data, or `null`. A job named `fails` fails, one named `hangs` goes on until it
/// is told to stop.
#[derive(Clone, Default)]
pub struct Recorder(pub Arc<Mutex<Vec<Seen>>>);

impl Recorder {
    pub fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    pub fn ids(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.id).collect()
    }

    pub fn of(&self, id: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.id == id).collect()
    }
}

impl Handler for Recorder {
    fn run(&self, job: Arc<Job<Data>>, ctx: Context) -> BoxFuture<'static, Outcome> {
        let seen = Seen {
            id: job.id.to_string(),
            name: job.name.to_string(),
            data: job.data.as_str().to_owned(),
            opts: job.opts_text.to_string(),
            raw_text: matches!(job.data, Data::Text(_)),
            attempt: job.attempt(),
        };
        self.0.lock().unwrap().push(seen);
        Box::pin(async move {
            match &*job.name {
                "fails" => Outcome::Failed(bullock::job::outcome::Failure::new(
                    bullock::job::outcome::ReasonClass::Error,
                    "as asked",
                )),
                "hangs" => {
                    ctx.cancelled.cancelled().await;
                    Outcome::Completed(None)
                }
                _ => Outcome::Completed(ReturnValue::from_json(job.data.as_str().to_owned()).ok()),
            }
        })
    }

    fn label(&self) -> &'static str {
        "recorder"
    }
}

pub struct Ground {
    pub redis: Redis,
    pub con: MultiplexedConnection,
    pub queue: Queue,
    pub recorder: Recorder,
}

impl Ground {
    pub async fn new() -> Ground {
        let redis = Redis::start();
        let con = redis.connection().await;
        let queue = Queue::open(&redis.url(), "bull", "q").unwrap();
        Ground { redis, con, queue, recorder: Recorder::default() }
    }

    /// A worker with one slot, so that a bad job in front stands in the way if it can.
    pub async fn worker(&self) -> Worker {
        self.worker_with(1).await
    }

    pub async fn worker_with(&self, concurrency: usize) -> Worker {
        Worker::builder(self.redis.url(), "q")
            .concurrency(concurrency)
            .lease(Duration::from_secs(2), Duration::from_millis(500))
            .shutdown_grace(Duration::from_secs(1))
            .handler_spec("*", HandlerSpec::new(Arc::new(self.recorder.clone())))
            .start()
            .await
            .expect("the worker starts")
    }

    /// Any command.
    pub async fn run<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.run_bytes(&words).await
    }

    pub async fn run_bytes<T: redis::FromRedisValue>(&mut self, words: &[&[u8]]) -> T {
        let mut cmd = redis::cmd(&String::from_utf8_lossy(words[0]));
        for word in &words[1..] {
            cmd.arg(*word);
        }
        cmd.query_async(&mut self.con).await.unwrap_or_else(|error| panic!("{cmd:?}: {error}"))
    }

    pub async fn plain(&mut self, words: &[&str]) {
        let _: redis::Value = self.run(words).await;
    }

    /// A good job.
    pub async fn good(&self, id: &str) {
        self.queue.add("good", &json!({"id": id}), json!({"jobId": id})).await.expect("added");
    }

    /// A hash with these fields beside the usual ones, and its id at the producer's end of `wait`.
    pub async fn place(&mut self, id: &str, fields: &[(&str, &str)]) {
        let mut words: Vec<&str> = vec!["HSET"];
        let key = format!("{P}{id}");
        words.push(&key);
        let usual =
            [("name", "bad"), ("data", "{}"), ("opts", r#"{"attempts":3}"#), ("timestamp", "1700000000000")];
        for (field, value) in usual.iter().chain(fields) {
            words.extend([*field, *value]);
        }
        self.plain(&words).await;
        self.plain(&["LPUSH", "bull:q:wait", id]).await;
    }

    /// Where a job is, as a state scan sees it.
    pub async fn place_of(&mut self, id: &str) -> Vec<&'static str> {
        snapshot::places(&snapshot::take(&mut self.con).await, P).remove(id).unwrap_or_default()
    }

    /// Waits until `id` is in `place` and nowhere else.
    pub async fn comes_to(&self, id: &str, place: &'static str) {
        let con = self.con.clone();
        wait::until(&format!("{id} to be in {place}"), || {
            let mut con = con.clone();
            async move { snapshot::places(&snapshot::take(&mut con).await, P).get(id) == Some(&vec![place]) }
        })
        .await;
    }

    pub async fn field(&mut self, key: &str, field: &str) -> String {
        let value: Option<Vec<u8>> = self.run(&["HGET", key, field]).await;
        String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
    }

    /// `id` is a dead letter of this class whose reason says all of `words`, and no handler saw it.
    pub async fn is_buried(&mut self, id: &str, class: &str, words: &[&str]) {
        self.comes_to(id, "failed").await;
        assert_eq!(self.field(&format!("{X}job:{id}"), "reason").await, class, "{id}");
        let reason = self.field(&format!("{P}{id}"), "failedReason").await;
        for word in words {
            assert!(reason.contains(word), "{id}: \"{reason}\" does not say \"{word}\"");
        }
        assert!(self.recorder.of(id).is_empty(), "{id} was run: {:?}", self.recorder.of(id));
    }

    /// Every job is in exactly one place, every id has a job, no lock is left.
    pub async fn sound(&mut self) {
        let all = snapshot::take(&mut self.con).await;
        assert_eq!(snapshot::problems(&all, P), Vec::<String>::new());
        let locks: Vec<_> = all.keys().filter(|key| key.starts_with(P) && key.ends_with(":lock")).collect();
        assert!(locks.is_empty(), "{locks:?}");
    }

    /// Bull's own getters read all that there is.
    pub async fn bull_reads_all(&mut self) {
        let mut bull = BullQueue::open(&self.redis.url(), "q").await;
        for getter in ["getFailed", "getCompleted", "getWaiting", "getDelayed", "getActive", "getJobCounts"] {
            let got = bull.call(getter, json!([])).await;
            assert!(got.is_ok(), "{getter}: {got:?}");
        }
        let failed: Vec<String> = self.run(&["ZRANGE", "bull:q:failed", "0", "-1"]).await;
        for id in failed {
            let job = bull.call("getJob", json!([id])).await;
            assert!(job.as_ref().is_ok_and(|job| job["failedReason"].is_string()), "getJob {id}: {job:?}");
        }
        bull.close().await;
    }

    /// Stops the worker, then checks what must hold whatever stood in the queue.
    pub async fn ends_well(&mut self, worker: Worker) {
        worker.stop();
        worker.join().await;
        self.sound().await;
        self.bull_reads_all().await;
    }
}

/// Whether Bull's listeners heard an event of this job.
pub fn is_about(event: &'static str, id: &str) -> impl Fn(&Value) -> bool {
    let id = id.to_owned();
    move |line| line["event"] == event && line["args"][0] == id.as_str()
}
