//! Workers of a `BullMQ` queue that are killed in mid-job: whoever is left takes their jobs over.

use std::time::Duration;

use nix::sys::signal::Signal;
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::support::bullock::Bullock;
use crate::support::node::{BullQueue, Node};
use crate::support::redis::Redis;
use crate::support::wait;

const MAJORS: [u8; 2] = [5, 6];
const GUARD: &str = "bull:q:stalled-check";
/// Well above two passes of the check.
const LONG: Duration = Duration::from_secs(30);

fn config(redis: &Redis, backend: &Backend) -> String {
    format!(
        "[redis]\nurl = \"{}\"\n[worker]\nlease = \"1s\"\nrenew = \"300ms\"\n[queues.q]\n\
         [queues.q.handlers.\"*\"]\nhttp = \"{}/first-hangs\"\n",
        redis.url(),
        backend.url
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_our_killed_worker_is_taken_over_by_a_worker_of_bullmq() {
    for major in MAJORS {
        let (redis, backend) = (Redis::start(), Backend::start().await);
        let mut mq = BullQueue::open_mq(major, &redis.url(), "q", &json!({})).await;
        mq.listen().await;
        let id = mq.add("x", json!({}), json!({})).await;
        let victim = Bullock::run(&config(&redis, &backend)).await;
        backend.has_runs("q", 1, LONG).await;
        // Our worker's own check holds the guard of BullMQ's for 30 s, whatever interval Node has.
        victim.crash().await;
        let _: () = redis.connection().await.del(GUARD).await.unwrap();
        mq.work_with(1, 0, json!({"stalledInterval": 300})).await;
        assert_eq!(mq.finished(&id).await, Ok(json!({"by": "node"})));
        mq.hear("stalled", |line| line["event"] == "stalled" && line["args"][0]["jobId"] == id.as_str())
            .await;
        let job = mq.job(&id, "toJSON").await;
        assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(1), &json!(2)), "{job}");
        assert_eq!(job["failedReason"], Value::Null, "{job}");
        mq.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_killed_worker_of_bullmq_is_taken_over_by_ours() {
    for major in MAJORS {
        let (redis, backend) = (Redis::start(), Backend::start().await);
        let mut mq = BullQueue::open_mq(major, &redis.url(), "q", &json!({})).await;
        mq.listen().await;
        let id = mq.add("x", json!({}), json!({})).await;
        let mut victim = Node::start("bullmq.mjs", &[&major.to_string(), &redis.url(), "q"]);
        assert_eq!(victim.next().await, json!({"ready": true}));
        let work = json!({"request": 1, "do": "work", "concurrency": 1, "runMs": 600_000,
            "options": {"lockDuration": 500, "stalledInterval": 600_000}});
        victim.send(&work);
        victim.next_where("the job to begin", |line| line["started"] == id.as_str()).await;
        victim.signal(Signal::SIGKILL);
        let mut db = redis.connection().await;
        wait::until("its lock to run out", || {
            let mut db = db.clone();
            let lock = format!("bull:q:{id}:lock");
            async move { !db.exists::<_, bool>(&lock).await.unwrap() }
        })
        .await;
        // Two passes: the first marks what is active, the second acts. Ours come every 30 s, so the guard of the first
        // is lifted and a second worker makes the other.
        let _: () = db.del(GUARD).await.unwrap();
        let first = Bullock::run(&config(&redis, &backend)).await;
        wait::until("a pass", || {
            let mut db = db.clone();
            async move { db.sismember::<_, _, bool>("bull:q:stalled", "1").await.unwrap() }
        })
        .await;
        let _: () = db.del(GUARD).await.unwrap();
        let second = Bullock::run(&config(&redis, &backend)).await;
        backend.has_runs("q", 1, LONG).await;
        backend.release();
        assert_eq!(mq.finished(&id).await, Ok(json!({"run": "stale"})), "the first run at our backend");
        mq.hear("stalled", |line| line["event"] == "stalled" && line["args"][0]["jobId"] == id.as_str())
            .await;
        let job = mq.job(&id, "toJSON").await;
        assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(1), &json!(2)), "{job}");
        assert_eq!(job["stalledCounter"], 1, "{job}");
        for bullock in [first, second] {
            assert_eq!(bullock.stop().await.code, Some(0));
        }
        mq.close().await;
    }
}
