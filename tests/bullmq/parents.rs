//! Parents that run before their children have ended: handlers that wait for them, and ends that come too early.

use std::sync::{Arc, Mutex};

use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use bullock::handler::native::JobError;
use bullock::worker::HandlerSpec;
use bullock::{Context, Job};
use serde_json::{Value, json};

use crate::rig::{MAJORS, QUEUE, Rig, does, echo, start, stop};
use crate::support::bullock::Bullock;

/// The options of a child of this parent on the queue of the tests.
fn child_of(parent: &str) -> Value {
    json!({"parent": {"id": parent, "queue": format!("bull:{QUEUE}")}})
}

#[tokio::test]
async fn a_function_adds_children_waits_for_them_and_goes_on_with_its_checkpoint() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        rig.mq.listen().await;
        let queue = bullock::Queue::on(rig.store());
        assert!(matches!(queue.store().open().await, Ok(bullock::store::Opened::Ready(..))));
        let parent = move |job: Job<Value>, ctx: Context| {
            let queue = queue.clone();
            async move {
                if let Some(checkpoint) = &job.checkpoint {
                    return Ok(json!({"step": checkpoint.get(), "attempt": job.attempt()}));
                }
                for n in 0..2 {
                    let opts = child_of(job.id.as_str());
                    queue.add("child", &json!({"n": n}), opts).await.map_err(|e| e.to_string())?;
                }
                ctx.checkpoint(&2).await?;
                Err(JobError::wait_for_children())
            }
        };
        let parent = HandlerSpec::new(Arc::new(bullock::handler::native::handler(parent)));
        let worker = start(rig.worker().handler_spec("parent", parent).handler_spec("*", echo())).await;
        let id = rig.mq.add("parent", json!({}), json!({})).await;
        assert_eq!(rig.mq.finished(&id).await, Ok(json!({"step": "2", "attempt": 1})), "major {major}");
        let job = rig.mq.job(&id, "toJSON").await;
        assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(1), &json!(2)), "{job}");
        let values = rig.mq.job(&id, "getChildrenValues").await;
        assert_eq!(values.as_object().map(serde_json::Map::len), Some(2), "{values}");
        let moved = rig.mq.hear("the wait", |line| line["event"] == "waiting-children").await;
        assert_eq!(moved["args"][0], json!({"jobId": id, "prev": "active"}));
        stop(worker).await;
        rig.mq.close().await;
    }
}

/// A backend that adds its children at the first request, says that it waits, and completes the second.
async fn backend(queue: bullock::Queue) -> String {
    let seen = Arc::new(Mutex::new(Vec::<String>::new()));
    let parent = move |headers: HeaderMap| {
        let (seen, queue) = (Arc::clone(&seen), queue.clone());
        async move {
            let id = headers["job-id"].to_str().unwrap().to_owned();
            let first = {
                let mut seen = seen.lock().unwrap();
                seen.push(id.clone());
                seen.iter().filter(|other| **other == id).count() == 1
            };
            if !first {
                return axum::Json(json!({"attempt": headers["job-attempt"].to_str().unwrap()}))
                    .into_response();
            }
            queue.add("child", &json!({}), child_of(&id)).await.unwrap();
            if headers["job-name"] == "streamed" {
                let line = "{\"checkpoint\":{\"step\":2},\"waitForChildren\":true}\n";
                return ([("content-type", "application/x-ndjson")], line).into_response();
            }
            [("job-wait-for-children", "true")].into_response()
        }
    };
    let router = axum::Router::new()
        .route("/parent", axum::routing::post(parent))
        .route("/child", axum::routing::post(|| async { axum::Json(json!(1)) }))
        .route("/lonely", axum::routing::post(|| async { [("job-wait-for-children", "true")] }));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_backend_waits_for_its_children_by_a_header_or_a_line_and_no_attempt_is_spent() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let queue = bullock::Queue::on(rig.store());
        queue.store().open().await.unwrap();
        let url = backend(queue).await;
        let config = format!(
            "[redis]\nurl = \"{}\"\n[queues.q]\n[queues.q.handlers]\n\
             plain = {{ http = \"{url}/parent\" }}\nstreamed = {{ http = \"{url}/parent\" }}\n\
             child = {{ http = \"{url}/child\" }}\nlonely = {{ http = \"{url}/lonely\", max_deferrals = 3 }}\n",
            rig.redis.url()
        );
        let bullock = Bullock::run(&config).await;
        for name in ["plain", "streamed"] {
            assert_eq!(rig.run(name, json!({}), json!({})).await, Ok(json!({"attempt": "1"})), "{name}");
        }
        // Without a child there is nothing to wait for: it comes again, but not for ever.
        let why = rig.run("lonely", json!({}), json!({})).await.unwrap_err();
        assert_eq!(why, "deferred more than 3 times, last: it has no pending child to wait for");
        assert_eq!(bullock.stop().await.code, Some(0));
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_parent_that_ends_before_its_children_fails_as_with_nodes_worker() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().concurrency(2).handler_spec("*", echo())).await;
        // The failed child lets the parent run while the other is still to come.
        let tree = json!({"name": "root", "queueName": "q", "data": {}, "children": [
            {"name": "bad", "queueName": "q", "data": {"fail": "no"}, "opts": {"continueParentOnFailure": true}},
            {"name": "late", "queueName": "q", "data": {}, "opts": {"delay": 3_600_000}}]});
        let added = rig.mq.flow(tree).await;
        let id = added["job"]["id"].as_str().unwrap().to_owned();
        let text = format!("Job {id} has pending dependencies. moveToFinished");
        let why = rig.mq.finished(&id).await.unwrap_err();
        assert_eq!(why, text, "major {major}");
        let job = rig.mq.job(&id, "toJSON").await;
        assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(1), &json!(1)), "{job}");
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_job_of_bull_4_cannot_wait_for_children_and_says_so() {
    let redis = crate::support::redis::Redis::start();
    let mut bull = crate::support::node::BullQueue::open(&redis.url(), QUEUE).await;
    let waits = |_: Job<Value>, _: Context| async { Err::<Value, _>(JobError::wait_for_children()) };
    let waits = HandlerSpec::new(Arc::new(bullock::handler::native::handler(waits)));
    let worker = start(bullock::Worker::builder(redis.url(), QUEUE).handler_spec("*", waits)).await;
    let id = bull.add("x", json!({}), json!({"attempts": 3})).await;
    let why = bull.finished(&id).await.unwrap_err();
    assert!(why.starts_with("it cannot wait for children: ") && why.contains("flows"), "{why}");
    stop(worker).await;
    bull.close().await;
}

#[tokio::test]
async fn a_backend_may_move_its_own_job_with_the_token_as_nodes_worker_does() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let open = Arc::clone(&gate);
        let worker = start(rig.worker().handler_spec("child", echo()).handler_spec(
            "*",
            does(move |job, ctx| {
                let (tell, gate) = (tell.clone(), Arc::clone(&open));
                async move {
                    tell.send(ctx.run.token.to_string()).map_err(|e| e.to_string())?;
                    gate.acquire().await.map_err(|e| e.to_string())?.forget();
                    Ok(json!(job.attempt()))
                }
            }),
        ))
        .await;
        for what in ["moveToWaitingChildren", "moveToDelayed", "moveToWait"] {
            let id = rig.mq.add("x", json!({}), json!({})).await;
            let token = told.recv().await.unwrap();
            let args = match what {
                "moveToDelayed" => json!([1, token]),
                _ => json!([token]),
            };
            if what == "moveToWaitingChildren" {
                rig.mq
                    .add("child", json!({}), {
                        let mut opts = child_of(&id);
                        opts["delay"] = json!(300);
                        opts
                    })
                    .await;
            }
            rig.mq.job_call(&id, what, args).await.unwrap();
            // The handler answers as if nothing had happened: that answer is nobody's.
            gate.add_permits(1);
            told.recv().await.unwrap();
            gate.add_permits(1);
            assert_eq!(rig.mq.finished(&id).await, Ok(json!(1)), "{what}, major {major}");
            let job = rig.mq.job(&id, "toJSON").await;
            assert_eq!(
                (&job["attemptsMade"], &job["attemptsStarted"]),
                (&json!(1), &json!(2)),
                "{what}: {job}"
            );
        }
        stop(worker).await;
        rig.mq.close().await;
    }
}
