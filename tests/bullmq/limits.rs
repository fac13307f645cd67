//! Rate limits, and queues that rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bullock::Job;
use bullock::handler::{BoxFuture, Context, Handler};
use bullock::job::outcome::{Outcome, ReturnValue};
use bullock::worker::HandlerSpec;
use serde_json::json;

use crate::rig::{MAJORS, Rig, echo, start, stop};

/// Says once that the whole queue is to rest, as a backend does with 429 and Retry-After.
struct Throttles {
    times: AtomicU32,
    rest: Duration,
}

impl Handler for Throttles {
    fn run(&self, job: Arc<Job>, _: Context) -> BoxFuture<'static, Outcome> {
        let first = self.times.fetch_add(1, Ordering::SeqCst) == 0;
        let after = self.rest;
        Box::pin(async move {
            if first {
                Outcome::Throttled { after, why: "429".into() }
            } else {
                Outcome::Completed(ReturnValue::of(&job.attempt()).ok())
            }
        })
    }

    fn label(&self) -> &'static str {
        "throttles"
    }
}

#[tokio::test]
async fn a_backend_that_is_overrun_lets_the_queue_rest_and_spends_no_attempt() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let handler = Throttles { times: AtomicU32::new(0), rest: Duration::from_millis(700) };
        let worker = start(rig.worker().handler_spec("*", HandlerSpec::new(Arc::new(handler)))).await;
        let begun = Instant::now();
        let id = rig.mq.add("x", json!({}), json!({})).await;
        assert_eq!(rig.mq.finished(&id).await, Ok(json!(1)), "the first attempt is not spent");
        assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
        let job = rig.mq.job(&id, "toJSON").await;
        assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(1), &json!(2)), "{job}");
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_rate_limit_is_counted_with_nodes_workers_and_node_can_see_and_set_it() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = rig.worker().rate_limit(3, Duration::from_millis(500)).concurrency(8);
        let worker = start(worker.handler_spec("*", echo())).await;
        let begun = Instant::now();
        let jobs = vec![json!({"name": "x", "data": {}}); 7];
        let added = rig.mq.call("addBulk", json!([jobs])).await.unwrap();
        for job in added.as_array().unwrap() {
            rig.mq.finished(job["id"].as_str().unwrap()).await.unwrap();
        }
        // Three windows hold seven jobs: two of them are waited out.
        assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
        rig.mq.call("rateLimit", json!([800])).await.unwrap();
        let begun = Instant::now();
        rig.run("x", json!({}), json!({})).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(600), "{:?}", begun.elapsed());
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_deduplicated_job_is_added_once_and_again_after_its_end() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let opts = json!({"deduplication": {"id": "d"}});
        let first = rig.mq.add("x", json!({"n": 1}), opts.clone()).await;
        assert_eq!(rig.mq.add("x", json!({"n": 2}), opts.clone()).await, first);
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        assert_eq!(rig.mq.finished(&first).await, Ok(json!({"n": 1})));
        let second = rig.mq.add("x", json!({"n": 3}), opts).await;
        assert_ne!(second, first);
        assert_eq!(rig.mq.finished(&second).await, Ok(json!({"n": 3})));
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_job_with_a_deferred_failure_fails_with_its_text_and_no_handler_sees_it() {
    let mut rig = Rig::start(6).await;
    let id = rig.mq.add("x", json!({}), json!({"attempts": 5})).await;
    let key = format!("Q:{id}");
    let _: u64 = rig.ask(&["HSET", &key, "defa", "child bull:leaf:7 failed"]).await;
    let worker = start(rig.worker().handler_spec("*", echo())).await;
    assert_eq!(rig.mq.finished(&id).await, Err("child bull:leaf:7 failed".into()));
    let job = rig.mq.job(&id, "toJSON").await;
    assert_eq!((&job["attemptsMade"], job.get("deferredFailure")), (&json!(1), None), "{job}");
    stop(worker).await;
    rig.mq.close().await;
}
