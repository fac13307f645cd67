//! A queue on a server of its own, and short words for what tests do with it.

use std::sync::Arc;

use bullock::job::options::Keep;
use bullock::job::outcome::Fate;
use bullock::store::claim::{ClaimRequest, Claimed, Limiter};
use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::finish::{Completion, FailedRun, HandedBack, Verdict};
use bullock::store::{Connection, Lane, Scripts, Store, StoreError};
use bullock::wire::{Keys, NewJob};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::snapshot::{self, Snapshot};
use crate::support::redis::Redis;

/// Bases of the queue's keys.
pub const P: &str = "bull:q:";
pub const X: &str = "bull::x:q::";
/// A time for fixed clocks: whole minutes, so that metrics are easy to follow.
pub const NOW: i64 = 1_700_000_040_000;
pub const LEASE_MS: u64 = 30_000;

pub struct Ground {
    /// Ends with the test.
    _redis: Redis,
    pub con: MultiplexedConnection,
    pub store: Store,
    pub lane: Lane,
}

impl Ground {
    /// With Redis' own clock.
    pub async fn new() -> Ground {
        Ground::with(None).await
    }

    /// With a clock that stands still.
    pub async fn at(now_ms: i64) -> Ground {
        Ground::with(Some(now_ms)).await
    }

    /// A `BullMQ` queue, with a clock that stands still.
    pub async fn bullmq_at(now_ms: i64) -> Ground {
        Ground::of(Scripts::bullmq(Some(now_ms))).await
    }

    async fn with(clock: Option<i64>) -> Ground {
        Ground::of(Scripts::bull(clock)).await
    }

    /// With these scripts.
    pub fn of(scripts: Scripts) -> impl Future<Output = Ground> {
        Ground::on(Arc::new(scripts))
    }

    async fn on(scripts: Arc<Scripts>) -> Ground {
        let redis = Redis::start();
        let con = redis.connection().await;
        let connection = Connection::new(&redis.url(), None, RESPONSE_TIMEOUT).expect("a connection");
        let store = Store::new(connection, Keys::new("bull", "q"), scripts);
        Ground { _redis: redis, con, store, lane: Lane::new("lane") }
    }

    /// The same queue at another time.
    pub fn at_time(&self, now_ms: i64) -> Store {
        let scripts = Arc::new(Scripts::bull(Some(now_ms)));
        Store::new(self.store.connection().clone(), Keys::new("bull", "q"), scripts)
    }

    /// Any command.
    pub async fn run<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut cmd = redis::cmd(words[0]);
        for word in &words[1..] {
            cmd.arg(*word);
        }
        cmd.query_async(&mut self.con).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Any command whose reply does not matter.
    pub async fn plain(&mut self, words: &[&str]) {
        let _: redis::Value = self.run(words).await;
    }

    pub async fn snapshot(&mut self) -> Snapshot {
        snapshot::take(&mut self.con).await
    }

    /// Every job is in exactly one place, now.
    pub async fn sound(&mut self) {
        let all = self.snapshot().await;
        assert_eq!(snapshot::problems(&all, P), Vec::<String>::new());
    }

    pub async fn add(&self, id: &str, opts: Value) {
        self.store.enqueue("adder", &[job(id, opts)]).await.expect("enqueue");
    }

    pub async fn claim(&mut self, tokens: &[&str]) -> Vec<String> {
        self.lane.next();
        let claimed = claim(&self.store, &self.lane, tokens, None).await.expect("claim");
        claimed.jobs.iter().map(|job| job.id.to_string()).collect()
    }

    /// Adds `id` and claims it with `token`. Nothing else may be waiting.
    pub async fn running(&mut self, id: &str, token: &str, opts: Value) {
        self.add(id, opts).await;
        assert_eq!(self.claim(&[token]).await, [id]);
    }

    pub async fn state_of(&mut self, id: &str) -> Vec<&'static str> {
        snapshot::places(&self.snapshot().await, P).remove(id).unwrap_or_default()
    }

    pub async fn complete(&mut self, runs: &[Completion<'_>]) -> Result<Vec<Verdict>, StoreError> {
        self.lane.next();
        self.store.complete(&self.lane, LEASE_MS, 0, runs).await
    }

    pub async fn fail(&mut self, runs: &[FailedRun<'_>]) -> Result<Vec<Verdict>, StoreError> {
        self.lane.next();
        self.store.fail(&self.lane, LEASE_MS, 0, runs).await
    }

    pub async fn hand_back(&mut self, runs: &[HandedBack<'_>]) -> Result<Vec<Verdict>, StoreError> {
        self.lane.next();
        self.store.hand_back(&self.lane, LEASE_MS, 0, runs).await
    }
}

pub fn store(redis: &Redis, clock: Option<i64>) -> Store {
    let connection = Connection::new(&redis.url(), None, RESPONSE_TIMEOUT).expect("a connection");
    Store::new(connection, Keys::new("bull", "q"), Arc::new(Scripts::bull(clock)))
}

pub async fn claim(
    store: &Store,
    lane: &Lane,
    tokens: &[&str],
    limiter: Option<&Limiter>,
) -> Result<Claimed, StoreError> {
    let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
    store
        .claim(
            lane,
            &ClaimRequest {
                lease_ms: LEASE_MS,
                busy: true,
                worker: "",
                limiter,
                tokens: &tokens,
                may_take_suspect: true,
            },
        )
        .await
}

/// A job with an id ("" = counted) and fixed time.
pub fn job(id: &str, mut opts: Value) -> NewJob {
    opts["timestamp"] = json!(NOW);
    if !id.is_empty() {
        opts["jobId"] = json!(id);
    }
    NewJob::bull("x", &json!({"n": 1}), opts.as_object().expect("opts").clone())
}

pub fn completion<'a>(id: &'a str, token: &'a str) -> Completion<'a> {
    Completion { id, token, result: Some("1"), keep: Keep::All, debounce_id: None, plain_fields: None }
}

pub fn failed<'a>(id: &'a str, token: &'a str, fate: Fate) -> FailedRun<'a> {
    FailedRun {
        id,
        token,
        fate,
        attempts_made: 1,
        attempts: 1,
        spends_attempt: true,
        opts: "{}",
        message: Some("boom"),
        stacktrace: r#"["Error: boom"]"#,
        keep: Keep::All,
        debounce_id: None,
        lifo: false,
        class: "error",
        record: r#""worker":"w"}"#.into(),
    }
}

pub fn back<'a>(id: &'a str, token: &'a str, delay_ms: Option<u64>) -> HandedBack<'a> {
    HandedBack { id, token, delay_ms, held: false, max_deferrals: None }
}
