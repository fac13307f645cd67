//! The Python package `bullmq` as producer, listener and fellow worker.

use bullock::wire::Dialect;
use serde_json::{Value, json};

use crate::rig::{QUEUE, asked, does, echo, start, stop};
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

#[tokio::test]
async fn python_reads_logs_states_and_limits_of_jobs_that_we_ran_and_retries_what_failed() {
    let redis = Redis::start();
    let mut python = BullQueue::open_python(&redis.url(), QUEUE).await;
    let worker = bullock::Worker::builder(redis.url(), QUEUE).dialect(Dialect::BullMq);
    let worker = worker.handler_spec(
        "*",
        does(|job, ctx| async move {
            ctx.log(format!("attempt {}", job.attempt())).await.map_err(|e| e.to_string())?;
            ctx.progress(&json!({"total": 4, "processed": 1})).await.map_err(|e| e.to_string())?;
            if job.data["fail"] == true { Err("no such shop".into()) } else { Ok(json!(["ü", null])) }
        }),
    );
    let worker = start(worker).await;
    let jobs: Vec<Value> = (0..20)
        .map(|n| json!({"name": "x", "data": {"n": n}, "opts": {"priority": n % 3, "delay": n % 2 * 50}}))
        .collect();
    let added = python.call("addBulk", json!([jobs])).await.unwrap();
    for job in added.as_array().unwrap() {
        assert_eq!(python.finished(job["id"].as_str().unwrap()).await, Ok(json!(["ü", null])));
    }
    let id = python.add("x", json!({"fail": true}), json!({"attempts": 2})).await;
    assert_eq!(python.finished(&id).await, Err("no such shop".into()));
    let logs = python.call("getJobLogs", json!([id])).await.unwrap();
    assert_eq!((&logs["logs"], &logs["count"]), (&json!(["attempt 1", "attempt 2"]), &json!(2)));
    assert_eq!(python.call("getJobState", json!([id])).await, Ok(json!("failed")));
    let job = python.job(&id, "toJSON").await;
    assert_eq!(job["stacktrace"].as_array().map(Vec::len), Some(2), "{job}");
    assert_eq!(job["progress"]["progress"], 25, "{job}");
    python.job_call(&id, "updateData", json!([{"fail": false}])).await.unwrap();
    python.job_call(&id, "retry", json!([])).await.unwrap();
    asked(&mut python, "getJobState", json!([id]), |state| state == "completed").await;
    // Paused, and resumed, from there.
    python.call("pause", json!([])).await.unwrap();
    let id = python.add("x", json!({}), json!({})).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(python.call("getJobState", json!([id])).await, Ok(json!("waiting")));
    python.call("resume", json!([])).await.unwrap();
    assert_eq!(python.finished(&id).await, Ok(json!(["ü", null])));
    stop(worker).await;
    python.close().await;
}

#[tokio::test]
async fn a_scheduler_of_pythons_goes_on_and_ends_at_its_limit() {
    let redis = Redis::start();
    let mut python = BullQueue::open_python(&redis.url(), QUEUE).await;
    let worker = bullock::Worker::builder(redis.url(), QUEUE).dialect(Dialect::BullMq);
    let worker = start(worker.handler_spec("*", echo())).await;
    let args = json!(["tick", {"every": 150, "limit": 3}, "beat", {"n": 1}, {}]);
    python.call("upsertJobScheduler", args).await.unwrap();
    asked(&mut python, "getCompletedCount", json!([]), |done| done.as_u64() >= Some(3)).await;
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    let counts = python.call("getJobCounts", json!([])).await.unwrap();
    assert_eq!((&counts["completed"], &counts["delayed"]), (&json!(3), &json!(0)), "{counts}");
    for job in python.call("getCompleted", json!([])).await.unwrap().as_array().unwrap() {
        assert_eq!((&job["name"], &job["data"]), (&json!("beat"), &json!({"n": 1})), "{job}");
        assert!(job["id"].as_str().unwrap().starts_with("repeat:tick:"), "{job}");
    }
    stop(worker).await;
    python.close().await;
}
