//! One queue, two Node workers and two of ours.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::backend::{Backend, starts};
use crate::support::bullock::Bullock;
use crate::support::node::{BullQueue, Node};
use crate::support::redis::Redis;
use crate::support::wait;

const JOBS: usize = 10_000;

/// Every kind of job: in ten, six plain, two urgent, two delayed up to a second; one in twenty fails once.
fn job(n: usize) -> Value {
    let opts = match n % 10 {
        6 | 7 => json!({"attempts": 2, "priority": 1 + n % 5}),
        8 | 9 => json!({"attempts": 2, "delay": 1 + n % 1000}),
        _ => json!({"attempts": 2}),
    };
    json!({"name": "x", "data": {"n": n, "failsOnce": fails_once(n)}, "opts": opts})
}

fn fails_once(n: usize) -> bool {
    n % 20 == 3
}

async fn node_worker(redis: &Redis) -> Node {
    let mut node = Node::start("bull.mjs", &[&redis.url(), "q"]);
    assert_eq!(node.next().await, json!({"ready": true}));
    node.send(&json!({"request": 1, "do": "work", "concurrency": 10, "runMs": 0}));
    node.next_where("its worker", |line| line["request"] == 1).await;
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_jobs_shared_by_node_and_us_are_all_done_and_none_twice() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let mut bull = BullQueue::open(&redis.url(), "q").await;
    let config = format!(
        "[redis]\nurl = \"{}\"\n[log]\nlevel = \"warn\"\n[queues.q]\nconcurrency = 10\n[queues.q.handlers.\"*\"]\nhttp = \"{}/quick\"\n",
        redis.url(),
        backend.url
    );
    let ours = [Bullock::run(&config).await, Bullock::run(&config).await];
    let nodes = [node_worker(&redis).await, node_worker(&redis).await];
    let began = Instant::now();
    let mut ids = Vec::new();
    for first in (0..JOBS).step_by(1000) {
        let jobs: Vec<Value> = (first..first + 1000).map(job).collect();
        let added = bull.call("addBulk", json!([jobs])).await.unwrap();
        ids.extend(added.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
    }
    let mut db = redis.connection().await;
    wait::value_within(Duration::from_secs(90), "all jobs to be completed", || {
        let mut db = db.clone();
        async move {
            let done: usize = redis::cmd("ZCARD").arg("bull:q:completed").query_async(&mut db).await.unwrap();
            (done == JOBS).then_some(())
        }
    })
    .await;
    let took = began.elapsed();

    // By Bull's own getters: every job, its state, its result.
    let counts = bull.call("getJobCounts", json!([])).await.unwrap();
    let expected =
        json!({"waiting": 0, "active": 0, "completed": JOBS, "failed": 0, "delayed": 0, "paused": 0});
    assert_eq!(counts, expected);
    let completed = bull.call("getCompleted", json!([0, -1])).await.unwrap();
    let completed: HashMap<&str, &Value> =
        completed.as_array().unwrap().iter().map(|job| (job["id"].as_str().unwrap(), job)).collect();
    let mut by_us = 0;
    for (n, id) in ids.iter().enumerate() {
        let job = completed[id.as_str()];
        assert!(["node", "bullock"].contains(&job["returnvalue"]["by"].as_str().unwrap_or("")), "{job}");
        by_us += usize::from(job["returnvalue"]["by"] == "bullock");
        assert_eq!(job["attemptsMade"], usize::from(fails_once(n)), "{job}");
    }
    let left: Vec<String> = redis::cmd("KEYS").arg("bull:q:*:lock").query_async(&mut db).await.unwrap();
    assert_eq!(left, [""; 0]);

    // By what the handlers saw: each attempt of each job began once, at them or at us.
    let at_us = starts(&backend.runs());
    let mut began: HashMap<String, usize> = HashMap::new();
    for ((job, attempt), times) in &at_us {
        assert_eq!(*times, 1, "attempt {attempt} of job {job} at us");
        *began.entry(job.clone()).or_default() += times;
    }
    for node in nodes {
        for line in node.finish().await {
            if let Some(id) = line["started"].as_str() {
                *began.entry(id.to_owned()).or_default() += 1;
            }
        }
    }
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(began.get(id), Some(&(1 + usize::from(fails_once(n)))), "starts of job {id}");
    }
    println!("{JOBS} jobs in {took:?}, {by_us} of them by us");
    assert!(by_us > 0 && by_us < JOBS, "one side did all the work: {by_us}");
    for bullock in ours {
        assert_eq!(bullock.stop().await.code, Some(0));
    }
    bull.close().await;
}
