//! How jobs end: as if npm `bullmq`'s own worker had run them.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::rig::{MAJORS, Rig, does, echo, start, stop};
use crate::support::wait;

#[tokio::test]
async fn a_result_and_a_failure_reach_whoever_waits_until_finished() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        for data in [json!({"to": "ada"}), json!([1, "ü", null]), json!({})] {
            assert_eq!(rig.run("x", data.clone(), json!({})).await, Ok(data));
        }
        let failed = rig.run("x", json!({"fail": "no such shop"}), json!({})).await;
        assert_eq!(failed, Err("no such shop".into()));
        // The listener is the only one to tell of a job that is removed at its end: it must be there before the job is.
        let removed = json!({"removeOnComplete": true, "removeOnFail": true, "delay": 300});
        assert_eq!(rig.run("x", json!({"n": 1}), removed.clone()).await, Ok(json!({"n": 1})));
        assert_eq!(rig.run("x", json!({"fail": "no"}), removed).await, Err("no".into()));
        assert_eq!(rig.mq.call("getJobCountByTypes", json!(["completed", "failed"])).await, Ok(json!(4)));
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn listeners_hear_every_step_with_the_fields_of_bullmqs_own_worker() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        rig.mq.listen().await;
        let worker = start(rig.worker().handler_spec(
            "*",
            does(|_, ctx| async move {
                ctx.progress(&json!({"total": 4, "processed": 1})).await.map_err(|e| e.to_string())?;
                Ok(json!("sent"))
            }),
        ))
        .await;
        let id = rig.mq.add("x", json!({}), json!({})).await;
        for (event, fields) in [
            ("added", json!({"jobId": id, "name": "x"})),
            ("waiting", json!({"jobId": id})),
            ("active", json!({"jobId": id, "prev": "waiting"})),
            ("progress", json!({"jobId": id, "data": {"total": 4, "processed": 1, "progress": 25}})),
            ("completed", json!({"jobId": id, "returnvalue": "sent", "prev": "active"})),
        ] {
            let heard = rig.mq.hear(event, |line| line["event"] == event).await;
            assert_eq!(heard["args"][0], fields, "{event}");
        }
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn node_reads_a_job_that_we_ran_as_one_of_its_own() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().name("shop-1").handler_spec("*", echo())).await;
        let good = rig.mq.add("x", json!({"n": 1}), json!({})).await;
        rig.mq.finished(&good).await.unwrap();
        let bad = rig.mq.add("x", json!({"fail": "no"}), json!({"attempts": 2})).await;
        assert_eq!(rig.mq.finished(&bad).await, Err("no".into()));
        let job = rig.mq.job(&good, "toJSON").await;
        assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(1), &json!(1)), "{job}");
        assert_eq!((&job["returnvalue"], &job["processedBy"]), (&json!({"n": 1}), &json!("shop-1")), "{job}");
        assert!(job["finishedOn"].as_i64() >= job["processedOn"].as_i64() && job["processedOn"].is_i64());
        let job = rig.mq.job(&bad, "toJSON").await;
        assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(2), &json!(2)), "{job}");
        assert_eq!(
            (&job["failedReason"], job["stacktrace"].as_array().map(Vec::len)),
            (&json!("no"), Some(2))
        );
        assert_eq!(rig.mq.job(&good, "getState").await, "completed");
        assert_eq!(rig.mq.job(&bad, "getState").await, "failed");
        let counts = rig.mq.call("getJobCounts", json!([])).await.unwrap();
        assert_eq!((&counts["completed"], &counts["failed"]), (&json!(1), &json!(1)), "{counts}");
        let listed = rig.mq.call("getJobs", json!([["completed", "failed"]])).await.unwrap();
        assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
        // And retries what we failed.
        rig.mq.job_call(&bad, "updateData", json!([{"n": 2}])).await.unwrap();
        rig.mq.job_call(&bad, "retry", json!(["failed"])).await.unwrap();
        wait::until("the retried job to complete", async || {
            let mut db = rig.db.clone();
            let score: Option<f64> =
                redis::cmd("ZSCORE").arg("bull:q:completed").arg(&bad).query_async(&mut db).await.unwrap();
            score.is_some()
        })
        .await;
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn failed_attempts_are_tried_again_after_their_backoff_and_told() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        rig.mq.listen().await;
        let tries = std::sync::Arc::new(AtomicU32::new(0));
        let count = std::sync::Arc::clone(&tries);
        let worker = start(rig.worker().handler_spec(
            "*",
            does(move |job, _| {
                let n = count.fetch_add(1, Ordering::SeqCst) + 1;
                async move { if n < 4 { Err(format!("try {}", job.attempt())) } else { Ok(json!(n)) } }
            }),
        ))
        .await;
        let opts = json!({"attempts": 4, "backoff": {"type": "exponential", "delay": 20}});
        assert_eq!(rig.run("x", json!({}), opts).await, Ok(json!(4)), "major {major}");
        let delayed: Vec<Value> =
            rig.mq.heard.iter().filter(|line| line["event"] == "delayed").cloned().collect();
        assert_eq!(delayed.len(), 3, "{delayed:?}");
        let exhausted = rig.run("x", json!({}), json!({})).await;
        assert_eq!(exhausted, Ok(json!(5)));
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn waiting_jobs_come_before_prioritized_ones_and_those_by_their_number() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        for (n, opts) in [
            (1, json!({"priority": 9})),
            (2, json!({"priority": 2})),
            (3, json!({})),
            (4, json!({"priority": 2})),
            (5, json!({"lifo": true})),
        ] {
            rig.mq.add("x", json!(n), opts).await;
        }
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let note = std::sync::Arc::clone(&seen);
        let worker = start(rig.worker().handler_spec(
            "*",
            does(move |job, _| {
                note.lock().unwrap().push(job.data.as_i64().unwrap());
                async move { Ok(Value::Null) }
            }),
        ))
        .await;
        wait::until("five runs", async || seen.lock().unwrap().len() == 5).await;
        assert_eq!(*seen.lock().unwrap(), [5, 3, 2, 4, 1]);
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_queue_paused_by_either_side_rests_until_it_is_resumed() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        rig.run("x", json!({}), json!({})).await.unwrap();
        rig.mq.call("pause", json!([])).await.unwrap();
        let id = rig.mq.add("x", json!({"n": 1}), json!({})).await;
        // A claim that comes a whole second after it finds nothing.
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        assert_ne!(rig.mq.job(&id, "getState").await, "completed");
        rig.mq.call("resume", json!([])).await.unwrap();
        assert_eq!(rig.mq.finished(&id).await, Ok(json!({"n": 1})));
        stop(worker).await;
        rig.mq.close().await;
    }
}
