//! Queues that Node's workers and ours use: no false findings while they are busy, true ones after a death.

use std::time::Duration;

use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::doctor::{SETTLE, scan};
use bullock::store::{Connection, Store};
use bullock::wire::Keys;
use bullock::{Context, Job, JobError, Worker};
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use super::support::node::{BullQueue, Node};
use super::support::redis::Redis;
use super::support::wait;
use super::{doctor, found};

/// 4 = npm bull.
const LIBRARIES: [u8; 3] = [4, 5, 6];

async fn open(major: u8, redis: &Redis) -> BullQueue {
    match major {
        4 => BullQueue::open(&redis.url(), "q").await,
        major => BullQueue::open_mq(major, &redis.url(), "q", &json!({})).await,
    }
}

/// Locks of the libraries by default, ms: what they write after losing one is a true fault.
const LOCK_MS: u64 = 30_000;
/// Locks that run out soon, ms.
const SHORT_LOCK_MS: u64 = 1000;

/// A Node process with a worker whose runs take `run_ms`.
async fn node_worker(major: u8, redis: &Redis, run_ms: u64, concurrency: u32, lock_ms: u64) -> Node {
    let mut node = match major {
        4 => {
            let settings =
                json!({"settings": {"lockDuration": lock_ms, "stalledInterval": 600_000}}).to_string();
            Node::start("bull.mjs", &[&redis.url(), "q", &settings])
        }
        major => Node::start("bullmq.mjs", &[&major.to_string(), &redis.url(), "q"]),
    };
    assert_eq!(node.next().await, json!({"ready": true}));
    let options = json!({"lockDuration": lock_ms, "stalledInterval": 600_000});
    node.send(
        &json!({"request": 1, "do": "work", "concurrency": concurrency, "runMs": run_ms, "options": options}),
    );
    node.next_where("its worker", |line| line["request"] == 1).await;
    node
}

async fn our_worker(redis: &Redis) -> Worker {
    Worker::builder(redis.url(), "q")
        .concurrency(20)
        .handler("*", |job: Job<Value>, _: Context| async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            let fails = job.data["failsOnce"] == true && job.attempts_made == 0;
            if fails { Err(JobError::retry("once")) } else { Ok(json!({"by": "bullock"})) }
        })
        .start()
        .await
        .unwrap()
}

/// A job of a mixed load.
fn job(n: usize) -> Value {
    let mut opts = match n % 10 {
        6 | 7 => json!({"attempts": 2, "priority": 1 + n % 5}),
        8 | 9 => json!({"attempts": 2, "delay": 1 + n % 1000}),
        _ => json!({"attempts": 2}),
    };
    opts["removeOnComplete"] = if n.is_multiple_of(3) { json!(true) } else { json!(1000) };
    json!({"name": "x", "data": {"n": n, "failsOnce": n % 20 == 3}, "opts": opts})
}

/// Adds up to 2,000 jobs a second for ever, if they are done as fast.
async fn load(mut queue: BullQueue, mut db: MultiplexedConnection) {
    for first in (0..).step_by(100) {
        let jobs: Vec<Value> = (first..first + 100).map(job).collect();
        queue.call("addBulk", json!([jobs])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        while db.llen::<_, usize>("bull:q:wait").await.unwrap() > 1000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// One after the other; answers the most jobs that one saw.
async fn looks(redis: &Redis, major: u8, times: usize) -> usize {
    let connection = Connection::new(&redis.url(), None, RESPONSE_TIMEOUT).unwrap();
    let mut most = 0;
    for _ in 0..times {
        let keys = scan(&connection, "bull", &[]).await.unwrap().remove("q").unwrap();
        let store = Store::of(connection.clone(), Keys::new("bull", "q"), None);
        let report = store.doctor(&keys, SETTLE).await.unwrap();
        assert_eq!(report.findings, [], "major {major}");
        most = most.max(report.jobs);
    }
    most
}

async fn twenty_looks(major: u8) {
    let redis = Redis::start();
    let mut queue = open(major, &redis).await;
    queue.add("x", json!({}), json!({})).await;
    let node = node_worker(major, &redis, 2, 10, LOCK_MS).await;
    let ours = our_worker(&redis).await;
    let db = redis.connection().await;
    let load = tokio::spawn(load(queue, db.clone()));
    wait::until("the load to be under way", || {
        let mut db = db.clone();
        async move { db.zcard::<_, usize>("bull:q:completed").await.unwrap() >= 500 }
    })
    .await;
    let seen = join_all((0..4).map(|_| looks(&redis, major, 5))).await;
    assert!(seen.iter().all(|jobs| *jobs > 200), "a busy queue: {seen:?}");
    assert!(!load.is_finished(), "the load came to an end");
    load.abort();
    ours.stop();
    ours.join().await;
    node.signal(Signal::SIGKILL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_looks_at_a_bull_queue_that_node_and_we_keep_busy_find_nothing() {
    twenty_looks(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_looks_at_a_bullmq_5_queue_that_node_and_we_keep_busy_find_nothing() {
    twenty_looks(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_looks_at_a_bullmq_6_queue_that_node_and_we_keep_busy_find_nothing() {
    twenty_looks(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_node_worker_leaves_is_found_and_put_back_in_line() {
    for major in LIBRARIES {
        let redis = Redis::start();
        let mut queue = open(major, &redis).await;
        for n in 0..8 {
            queue.add("x", json!({"n": n}), json!({"attempts": 2})).await;
        }
        let mut victim = node_worker(major, &redis, 600_000, 5, SHORT_LOCK_MS).await;
        for _ in 0..5 {
            victim.next_where("a job to begin", |line| line["started"].is_string()).await;
        }
        victim.signal(Signal::SIGKILL);
        let mut db = redis.connection().await;
        wait::until("the locks to run out", || {
            let mut db = db.clone();
            async move {
                let locks: Vec<String> =
                    redis::cmd("KEYS").arg("bull:q:*:lock").query_async(&mut db).await.unwrap();
                locks.is_empty()
            }
        })
        .await;
        let classes = found(&redis, &["q"]).await;
        assert_eq!(
            classes.into_iter().collect::<Vec<_>>(),
            [("active_without_lease".to_owned(), 5)],
            "major {major}"
        );
        let answer = doctor(&redis, &["q", "--repair"]).await;
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(found(&redis, &["q"]).await.len(), 0);
        let active: usize = db.llen("bull:q:active").await.unwrap();
        assert_eq!(active, 0);
        // Whoever works now does all eight.
        let heir = node_worker(major, &redis, 0, 2, SHORT_LOCK_MS).await;
        wait::until("all jobs to be done", || {
            let mut db = db.clone();
            async move { db.zcard::<_, usize>("bull:q:completed").await.unwrap() == 8 }
        })
        .await;
        drop(heir);
        queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bull_worker_that_slept_past_its_lock_wrote_into_a_completed_job_is_found_and_taken_out() {
    let redis = Redis::start();
    let mut queue = open(4, &redis).await;
    let id = queue.add("x", json!({}), json!({})).await;
    let mut sleeper = node_worker(4, &redis, 300, 1, SHORT_LOCK_MS).await;
    sleeper.next_where("the job to begin", |line| line["started"] == id.as_str()).await;
    sleeper.signal(Signal::SIGSTOP);
    let mut db = redis.connection().await;
    let lock = format!("bull:q:{id}:lock");
    wait::until("its lock to run out", || {
        let (mut db, lock) = (db.clone(), lock.clone());
        async move { !db.exists::<_, bool>(&lock).await.unwrap() }
    })
    .await;
    assert_eq!(doctor(&redis, &["--repair", "q"]).await.code, 0, "back in line");
    let other = node_worker(4, &redis, 0, 1, SHORT_LOCK_MS).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({"by": "node"})));
    assert_eq!(found(&redis, &["q"]).await.len(), 0);
    sleeper.signal(Signal::SIGCONT);
    wait::until("the late failure", || {
        let (mut db, key) = (db.clone(), format!("bull:q:{id}"));
        async move { db.hexists::<_, _, bool>(&key, "failedReason").await.unwrap() }
    })
    .await;
    let classes = found(&redis, &["q"]).await;
    assert_eq!(classes.into_keys().collect::<Vec<_>>(), ["dirty_terminal_hash"]);
    assert_eq!(doctor(&redis, &["q", "--repair"]).await.code, 0);
    assert_eq!(queue.job(&id, "failedReason").await, Value::Null);
    assert_eq!(queue.job(&id, "getState").await, "completed");
    let kept: String = db.hget(format!("bull::x:q::job:{id}"), "raw:failedReason").await.unwrap();
    assert!(kept.contains("Missing lock"), "{kept}");
    drop((sleeper, other));
    queue.close().await;
}
