//! Job schedulers of npm `bullmq`, whose iterations we run.

use serde_json::json;

use crate::rig::{MAJORS, Rig, echo, start, stop};
use crate::support::wait;

#[tokio::test]
async fn a_scheduler_goes_on_from_one_iteration_to_the_next() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        let args =
            json!(["tick", {"every": 100}, {"name": "beat", "data": {"n": 1}, "opts": {"removeOnFail": 5}}]);
        rig.mq.call("upsertJobScheduler", args).await.unwrap();
        wait::until("three iterations", async || {
            let mut db = rig.db.clone();
            let done: u64 = redis::cmd("ZCARD").arg("bull:q:completed").query_async(&mut db).await.unwrap();
            done >= 3
        })
        .await;
        let scheduler = rig.mq.call("getJobScheduler", json!(["tick"])).await.unwrap();
        assert!(scheduler["iterationCount"].as_u64().is_some_and(|count| count >= 4), "{scheduler}");
        let jobs = rig.mq.call("getJobs", json!([["completed"]])).await.unwrap();
        for job in jobs.as_array().unwrap() {
            assert_eq!((&job["name"], &job["data"]), (&json!("beat"), &json!({"n": 1})), "{job}");
            assert_eq!((&job["repeatJobKey"], &job["attemptsStarted"]), (&json!("tick"), &json!(1)), "{job}");
        }
        assert_eq!(rig.mq.call("removeJobScheduler", json!(["tick"])).await, Ok(json!(true)));
        let delayed = rig.mq.call("getDelayedCount", json!([])).await.unwrap();
        assert_eq!(delayed, json!(0));
        stop(worker).await;
        rig.mq.close().await;
    }
}
