//! Rate limits, and queues that rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bullock::Job;
use bullock::handler::{BoxFuture, Context, Handler};
use bullock::job::outcome::{Outcome, ReturnValue};
use bullock::worker::HandlerSpec;
use serde_json::{Value, json};

use crate::rig::{MAJORS, Rig, echo, start, stop};
use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;
use crate::support::wait;

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

#[tokio::test]
async fn a_job_that_was_picked_up_too_often_fails_unrun_as_with_nodes_worker() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let mut ends = Vec::new();
        for who in ["node", "bullock"] {
            let mut queue = BullQueue::open_mq(major, &rig.redis.url(), who, &json!({})).await;
            let id = queue.add("x", json!({}), json!({"attempts": 9})).await;
            // Two runs were cut off before.
            let _: u64 = rig.ask(&["HSET", &format!("bull:{who}:{id}"), "ats", "2"]).await;
            let worker = if who == "node" {
                queue.work_with(1, 0, json!({"maxStartedAttempts": 2})).await;
                None
            } else {
                Some(start(rig.worker_of(who).max_started(2).handler_spec("*", echo())).await)
            };
            let why = queue.finished(&id).await.unwrap_err();
            let job = queue.job(&id, "toJSON").await;
            let first_line = |stack: &Value| stack[0].as_str().unwrap().lines().next().unwrap().to_owned();
            let counts = (job["attemptsMade"].clone(), job["attemptsStarted"].clone());
            ends.push((why, first_line(&job["stacktrace"]), counts));
            if let Some(worker) = worker {
                stop(worker).await;
            }
            queue.close().await;
        }
        assert_eq!(ends[0].0, "job started more than allowable limit");
        assert_eq!(ends[0], ends[1], "major {major}");
        rig.mq.close().await;
    }
}

/// Adds jobs and tells how long it takes until they are done.
async fn timed(rig: &mut Rig, many: usize) -> Duration {
    let begun = Instant::now();
    let added = rig.mq.call("addBulk", json!([vec![json!({"name": "x", "data": {}}); many]])).await.unwrap();
    for job in added.as_array().unwrap() {
        rig.mq.finished(job["id"].as_str().unwrap()).await.unwrap();
    }
    begun.elapsed()
}

#[tokio::test]
async fn a_rate_limit_that_node_sets_for_the_whole_queue_holds_for_us_until_it_is_lifted() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        rig.mq.call("setGlobalRateLimit", json!([2, 400])).await.unwrap();
        let worker = start(rig.worker().concurrency(8).handler_spec("*", echo())).await;
        // Three windows hold five jobs.
        let took = timed(&mut rig, 5).await;
        assert!(took >= Duration::from_millis(700), "major {major}: {took:?}");
        rig.mq.call("removeGlobalRateLimit", json!([])).await.unwrap();
        let job = rig.mq.add("x", json!({}), json!({})).await;
        rig.mq.finished(&job).await.unwrap();
        let took = timed(&mut rig, 20).await;
        assert!(took < Duration::from_secs(3), "major {major}: {took:?}");
        stop(worker).await;
        rig.mq.close().await;
    }
}

/// A backend that is overrun at its first request of all.
async fn overrun_once() -> (String, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let answer = move |headers: axum::http::HeaderMap| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let attempt = headers["job-attempt"].to_str().unwrap().to_owned();
            if first {
                (axum::http::StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], attempt)
            } else {
                (axum::http::StatusCode::OK, [("x", "y")], attempt)
            }
        }
    };
    let router = axum::Router::new().route("/", axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

#[tokio::test]
async fn a_429_of_a_backend_rests_the_queue_for_nodes_limited_workers_too_and_the_config_limits_as_nodes_limiter()
 {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let (url, asked) = overrun_once().await;
        let config = format!(
            "[redis]\nurl = \"{}\"\n[queues.q]\nconcurrency = 8\n[queues.q.rate]\nmax = 3\nper = \"500ms\"\n\
             [queues.q.handlers.\"*\"]\nhttp = \"{url}\"\n",
            rig.redis.url()
        );
        let bullock = Bullock::run(&config).await;
        let begun = Instant::now();
        let id = rig.mq.add("x", json!({}), json!({"attempts": 1})).await;
        wait::until("the first answer", async || asked.load(Ordering::SeqCst) == 1).await;
        wait::until("the rest", async || {
            let mut db = rig.db.clone();
            redis::cmd("PTTL").arg("bull:q:limiter").query_async::<i64>(&mut db).await.unwrap() > 500
        })
        .await;
        // Node sees the rest, and a worker of Node's with a limiter keeps to it.
        let ttl = rig.mq.call("getRateLimitTtl", json!([])).await.unwrap();
        assert!(ttl.as_i64().is_some_and(|ms| (1..=1000).contains(&ms)), "{ttl}");
        rig.mq.work_with(4, 0, json!({"limiter": {"max": 3, "duration": 500}})).await;
        assert!(rig.mq.finished(&id).await.is_ok());
        assert!(begun.elapsed() >= Duration::from_millis(900), "major {major}: {:?}", begun.elapsed());
        let job = rig.mq.job(&id, "toJSON").await;
        assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(1), &json!(2)), "{job}");
        // Both keep the one count: four windows hold ten jobs.
        let took = timed(&mut rig, 10).await;
        assert!(took >= Duration::from_millis(900), "major {major}: {took:?}");
        assert_eq!(bullock.stop().await.code, Some(0));
        rig.mq.close().await;
    }
}
