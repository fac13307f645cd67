//! The tools around `BullMQ`: `getWorkers`, `getMetrics`, workers of Node beside ours.

use std::time::Instant;

use serde_json::{Value, json};

use crate::rig::{MAJORS, Rig, echo, start, stop};
use crate::support::node::Node;
use crate::support::wait::DEADLINE;

#[tokio::test]
async fn get_workers_lists_ours_by_its_name_beside_those_of_node() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().name("shop-1").handler_spec("*", echo())).await;
        let started = Instant::now();
        let listed = loop {
            let listed = rig.mq.call("getWorkers", json!([])).await.unwrap();
            match listed.as_array() {
                Some(all) if !all.is_empty() => break all.clone(),
                _ => assert!(started.elapsed() < DEADLINE, "no worker is listed"),
            }
        };
        assert_eq!(listed.len(), 1, "{listed:?}");
        let raw = listed[0]["rawname"].as_str().unwrap();
        assert!(raw.ends_with(":w:shop-1"), "{raw}");
        stop(worker).await;
        assert_eq!(rig.mq.call("getWorkers", json!([])).await, Ok(json!([])));
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn node_reads_the_metrics_that_we_count() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().metrics(10).handler_spec("*", echo())).await;
        for data in [json!({}), json!({}), json!({"fail": "no"})] {
            let _ = rig.run("x", data, json!({})).await;
        }
        for (kind, many) in [("completed", 2), ("failed", 1)] {
            let metrics = rig.mq.call("getMetrics", json!([kind])).await.unwrap();
            assert_eq!(metrics["meta"]["count"], many, "{kind}: {metrics}");
        }
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_worker_of_node_and_one_of_ours_share_a_queue_and_every_job_runs_once() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        rig.mq.work(4, 0).await;
        let worker = start(rig.worker().concurrency(4).handler_spec("*", echo())).await;
        let jobs: Vec<Value> = (0..300)
            .map(|n| {
                let opts = match n % 5 {
                    0 => json!({"priority": 1 + n % 3}),
                    1 => json!({"delay": n % 50}),
                    _ => json!({}),
                };
                json!({"name": "x", "data": {"n": n}, "opts": opts})
            })
            .collect();
        rig.mq.call("addBulk", json!([jobs])).await.unwrap();
        crate::support::wait::until("all jobs to complete", async || {
            let mut db = rig.db.clone();
            let done: u64 = redis::cmd("ZCARD").arg("bull:q:completed").query_async(&mut db).await.unwrap();
            done == 300
        })
        .await;
        let listed = rig.mq.call("getJobs", json!([["completed"]])).await.unwrap();
        for job in listed.as_array().unwrap() {
            assert_eq!(job["attemptsStarted"], 1, "{job}");
        }
        let counts = rig.mq.call("getJobCounts", json!([])).await.unwrap();
        for state in ["active", "waiting", "delayed", "prioritized", "failed"] {
            assert_eq!(counts[state], 0, "{counts}");
        }
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn limits_that_node_sets_for_the_whole_fleet_hold_for_us() {
    let mut rig = Rig::start(6).await;
    rig.mq.call("setGlobalConcurrency", json!([1])).await.unwrap();
    let most = std::sync::Arc::new(std::sync::Mutex::new((0, 0)));
    let running = std::sync::Arc::clone(&most);
    let worker = start(rig.worker().concurrency(8).handler_spec(
        "*",
        crate::rig::does(move |_, _| {
            let running = std::sync::Arc::clone(&running);
            async move {
                {
                    let mut now = running.lock().unwrap();
                    now.0 += 1;
                    now.1 = now.0.max(now.1);
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                running.lock().unwrap().0 -= 1;
                Ok(Value::Null)
            }
        }),
    ))
    .await;
    let ids = rig.mq.call("addBulk", json!([vec![json!({"name": "x", "data": {}}); 5]])).await.unwrap();
    for job in ids.as_array().unwrap() {
        rig.mq.finished(job["id"].as_str().unwrap()).await.unwrap();
    }
    assert_eq!(most.lock().unwrap().1, 1);
    stop(worker).await;
    rig.mq.close().await;
}

#[tokio::test]
async fn a_nest_application_adds_a_job_and_hears_of_its_end() {
    let redis = crate::support::redis::Redis::start();
    let worker =
        start(bullock::Worker::builder(redis.url(), crate::rig::QUEUE).handler_spec("*", echo())).await;
    let mut nest = Node::start("nest-bullmq.mjs", &[&redis.url(), crate::rig::QUEUE]);
    assert_eq!(nest.next().await, json!({"ready": true}));
    nest.send(&json!({"add": ["welcome", {"to": "ada"}, {"attempts": 2}]}));
    nest.next_where("the result", |line| line == &json!({"heard": ["1", {"to": "ada"}]})).await;
    nest.send(&json!({"add": ["welcome", {"fail": "no such shop"}, {}]}));
    nest.next_where("the failure", |line| line == &json!({"failed": ["2", "no such shop"]})).await;
    nest.finish().await;
    stop(worker).await;
}
