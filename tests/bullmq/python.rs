//! The Python package `bullmq` as producer, listener and fellow worker.

use bullock::wire::Dialect;
use serde_json::{Value, json};

use crate::rig::{QUEUE, echo, start, stop};
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

#[tokio::test]
async fn jobs_that_python_adds_are_run_and_their_ends_are_heard_there() {
    let redis = Redis::start();
    // Python writes no version, and nothing at all before its first job.
    let mut python = BullQueue::open_python(&redis.url(), QUEUE).await;
    let worker = start(bullock::Worker::builder(redis.url(), QUEUE).handler_spec("*", echo())).await;
    for opts in [json!({}), json!({"delay": 100}), json!({"priority": 3}), json!({"lifo": true})] {
        let data = json!({"name": "zoë", "opts": opts});
        let id = python.add("x", data.clone(), opts).await;
        assert_eq!(python.finished(&id).await, Ok(data));
    }
    let opts = json!({"attempts": 2, "backoff": {"type": "fixed", "delay": 10}});
    let id = python.add("x", json!({"fail": "no such shop"}), opts).await;
    assert_eq!(python.finished(&id).await, Err("no such shop".into()));
    let job = python.job(&id, "toJSON").await;
    assert_eq!((&job["attemptsMade"], &job["failedReason"]), (&json!(2), &json!("no such shop")), "{job}");
    let counts = python.call("getJobCounts", json!([])).await.unwrap();
    assert_eq!(
        (&counts["completed"], &counts["failed"], &counts["active"]),
        (&json!(4), &json!(1), &json!(0))
    );
    stop(worker).await;
    python.close().await;
}

#[tokio::test]
async fn a_flow_of_pythons_completes_from_its_leaves_to_its_root() {
    let redis = Redis::start();
    let mut python = BullQueue::open_python(&redis.url(), QUEUE).await;
    let worker = |queue| bullock::Worker::builder(redis.url(), queue).dialect(Dialect::BullMq);
    let root = start(worker(QUEUE).handler_spec("*", echo())).await;
    let leaves = start(worker("leaf").handler_spec("*", echo())).await;
    let added = python
        .flow(json!({"name": "root", "queueName": QUEUE, "data": {"root": true}, "children": [
            {"name": "a", "queueName": "leaf", "data": {"n": 1}},
            {"name": "b", "queueName": "leaf", "data": {"n": 2}}]}))
        .await;
    let id = added["job"]["id"].as_str().unwrap().to_owned();
    assert_eq!(python.finished(&id).await, Ok(json!({"root": true})));
    let values = python.job(&id, "getChildrenValues").await;
    assert_eq!(values.as_object().map(serde_json::Map::len), Some(2), "{values}");
    stop(root).await;
    stop(leaves).await;
    python.close().await;
}

#[tokio::test]
async fn a_worker_of_python_and_one_of_ours_share_a_queue_and_every_job_runs_once() {
    let redis = Redis::start();
    let mut python = BullQueue::open_python(&redis.url(), QUEUE).await;
    let mut node = BullQueue::open_mq(6, &redis.url(), QUEUE, &json!({})).await;
    let worker = bullock::Worker::builder(redis.url(), QUEUE).dialect(Dialect::BullMq).concurrency(2);
    let worker = start(worker.handler_spec("*", echo())).await;
    python.work(2, 1).await;
    let jobs: Vec<Value> = (0..100).map(|n| json!({"name": "x", "data": {"n": n}, "opts": {}})).collect();
    node.call("addBulk", json!([jobs])).await.unwrap();
    let db = redis.connection().await;
    wait::until("all jobs to complete", async || {
        let mut db = db.clone();
        let done: u64 = redis::cmd("ZCARD").arg("bull:q:completed").query_async(&mut db).await.unwrap();
        done == 100
    })
    .await;
    for job in node.call("getJobs", json!([["completed"]])).await.unwrap().as_array().unwrap() {
        assert_eq!(job["attemptsStarted"], 1, "{job}");
    }
    stop(worker).await;
    python.close().await;
    node.close().await;
}
