//! One `BullMQ` queue, two Node workers and two of ours: plain, urgent, delayed and failing jobs, and flows.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::streams::StreamRangeReply;
use serde_json::{Value, json};

use crate::backend::{Backend, starts};
use crate::support::bullock::Bullock;
use crate::support::node::{BullQueue, Node};
use crate::support::redis::Redis;
use crate::support::wait;

/// Jobs of no flow.
const PLAIN: usize = 9_000;
/// Flows of a parent and its children.
const FLOWS: usize = 250;
const CHILDREN: usize = 3;
const JOBS: usize = PLAIN + FLOWS * (1 + CHILDREN);

/// In ten, six plain, two urgent, two delayed up to a second; one in twenty fails once.
fn opts(n: usize) -> Value {
    match n % 10 {
        6 | 7 => json!({"attempts": 2, "priority": 1 + n % 5}),
        8 | 9 => json!({"attempts": 2, "delay": 1 + n % 1000}),
        _ => json!({"attempts": 2}),
    }
}

fn data(n: usize) -> Value {
    json!({"n": n, "failsOnce": n % 20 == 3})
}

fn flow(n: usize) -> Value {
    let children: Vec<Value> = (0..CHILDREN)
        .map(|child| n * 7 + child)
        .map(|c| json!({"name": "child", "queueName": "q", "data": data(c), "opts": opts(c)}))
        .collect();
    json!({"name": "parent", "queueName": "q", "data": data(n), "opts": {"attempts": 2}, "children": children})
}

/// Every event is kept: they are what is counted.
fn options() -> Value {
    json!({"streams": {"events": {"maxLen": 1_000_000}}})
}

async fn node_worker(major: u8, redis: &Redis) -> Node {
    let arguments = [&major.to_string(), &redis.url(), "q", &options().to_string()];
    let mut node = Node::start("bullmq.mjs", &arguments);
    assert_eq!(node.next().await, json!({"ready": true}));
    node.send(&json!({"request": 1, "do": "work", "concurrency": 10, "runMs": 0}));
    node.next_where("its worker", |line| line["request"] == 1).await;
    node
}

/// Adds all jobs: how often each is to begin, by id.
async fn add_all(mq: &mut BullQueue) -> (HashMap<String, usize>, Vec<(String, Vec<String>)>) {
    let id = |job: &Value| job["id"].as_str().unwrap().to_owned();
    let runs = |job: &Value| 1 + usize::from(job["data"]["failsOnce"] == true);
    let (mut expected, mut parents) = (HashMap::new(), Vec::new());
    for first in (0..PLAIN).step_by(1000) {
        let jobs: Vec<Value> =
            (first..first + 1000).map(|n| json!({"name": "x", "data": data(n), "opts": opts(n)})).collect();
        let added = mq.call("addBulk", json!([jobs])).await.unwrap();
        expected.extend(added.as_array().unwrap().iter().map(|job| (id(job), runs(job))));
        let share = FLOWS * 1000 / PLAIN + 1;
        let begun = parents.len();
        let trees: Vec<Value> = (begun..(begun + share).min(FLOWS)).map(flow).collect();
        for tree in mq.flows(trees).await.as_array().unwrap() {
            let children = tree["children"].as_array().unwrap();
            let members = std::iter::once(tree).chain(children).map(|node| &node["job"]);
            expected.extend(members.map(|job| (id(job), runs(job))));
            parents.push((id(&tree["job"]), children.iter().map(|node| id(&node["job"])).collect()));
        }
    }
    assert_eq!((expected.len(), parents.len()), (JOBS, FLOWS));
    (expected, parents)
}

/// The place of each job's one `completed` event in the stream.
async fn completions(redis: &Redis) -> HashMap<String, usize> {
    let mut db = redis.connection().await;
    let stream: StreamRangeReply =
        redis::cmd("XRANGE").arg("bull:q:events").arg("-").arg("+").query_async(&mut db).await.unwrap();
    let mut places = HashMap::new();
    for (place, entry) in stream.ids.iter().enumerate() {
        if entry.get::<String>("event").as_deref() == Some("completed") {
            let job: String = entry.get("jobId").unwrap();
            assert!(places.insert(job, place).is_none(), "completed twice: {entry:?}");
        }
    }
    places
}

async fn shared_with_node(major: u8) {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let mut mq = BullQueue::open_mq(major, &redis.url(), "q", &options()).await;
    let config = format!(
        "[redis]\nurl = \"{}\"\n[log]\nlevel = \"warn\"\n[queues.q]\ndialect = \"bullmq\"\nconcurrency = 10\n\
         [queues.q.handlers.\"*\"]\nhttp = \"{}/quick\"\n",
        redis.url(),
        backend.url
    );
    let ours = [Bullock::run(&config).await, Bullock::run(&config).await];
    let nodes = [node_worker(major, &redis).await, node_worker(major, &redis).await];
    let began = Instant::now();
    let (expected, parents) = add_all(&mut mq).await;
    let db = redis.connection().await;
    wait::value_within(Duration::from_secs(90), "all jobs to be completed", || {
        let mut db = db.clone();
        async move {
            let done: usize = redis::cmd("ZCARD").arg("bull:q:completed").query_async(&mut db).await.unwrap();
            (done == JOBS).then_some(())
        }
    })
    .await;
    let took = began.elapsed();

    // By BullMQ's own getters: every job, its state, its result, its counts.
    let counts = mq.call("getJobCounts", json!([])).await.unwrap();
    for (state, count) in counts.as_object().unwrap() {
        assert_eq!(*count, if state == "completed" { JOBS } else { 0 }, "{counts}");
    }
    let completed = mq.call("getCompleted", json!([0, -1])).await.unwrap();
    let completed: HashMap<&str, &Value> =
        completed.as_array().unwrap().iter().map(|job| (job["id"].as_str().unwrap(), job)).collect();
    let mut by_us = 0;
    for (id, runs) in &expected {
        let job = completed[id.as_str()];
        assert!(["node", "bullock"].contains(&job["returnvalue"]["by"].as_str().unwrap_or("")), "{job}");
        by_us += usize::from(job["returnvalue"]["by"] == "bullock");
        assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(runs), &json!(runs)), "{job}");
        assert!(job["stalledCounter"].as_u64().unwrap_or(0) == 0, "{job}");
    }
    // By the events: each once, and parents after their children.
    let places = completions(&redis).await;
    assert_eq!(places.len(), JOBS);
    for (parent, children) in &parents {
        assert!(children.iter().all(|child| places[child] < places[parent]), "{parent} before a child");
    }
    for (parent, children) in parents.iter().take(20) {
        let values = mq.job(parent, "getChildrenValues").await;
        assert_eq!(values.as_object().map(serde_json::Map::len), Some(children.len()), "{values}");
        let pending = mq.job(parent, "getDependenciesCount").await;
        assert_eq!((&pending["processed"], &pending["unprocessed"]), (&json!(CHILDREN), &json!(0)));
    }
    let left: Vec<String> =
        redis::cmd("KEYS").arg("bull:q:*:lock").query_async(&mut db.clone()).await.unwrap();
    assert_eq!(left, [""; 0]);

    // By what the handlers saw: each attempt of each job began once, at them or at us.
    let mut began: HashMap<String, usize> = HashMap::new();
    for ((job, attempt), times) in &starts(&backend.runs()) {
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
    assert!(began == expected, "jobs began more or less often than they were to");
    println!("BullMQ {major}: {JOBS} jobs in {took:?}, {by_us} of them by us");
    assert!(by_us > 0 && by_us < JOBS, "one side did all the work: {by_us}");
    for bullock in ours {
        assert_eq!(bullock.stop().await.code, Some(0));
    }
    mq.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_jobs_and_flows_shared_by_bullmq_6_and_us_are_all_done_and_none_twice() {
    shared_with_node(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_jobs_and_flows_shared_by_bullmq_5_and_us_are_all_done_and_none_twice() {
    shared_with_node(5).await;
}
