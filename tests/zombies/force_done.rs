//! `bullock job force-done`.

use std::sync::Arc;
use std::time::Duration;

use bullock::{Context, Job, JobError, Worker};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::support::node::BullQueue;
use super::support::wait;
use super::{LIBRARIES, Place};

fn forced(reason: &str) -> Value {
    json!({"forced": true, "by": "kim", "reason": reason})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_waits_is_delayed_or_has_failed_is_completed_with_who_and_why() {
    for major in LIBRARIES {
        let mut place = Place::start(major).await;
        place.queue.listen().await;
        let wait = place.queue.add("x", json!({}), json!({})).await;
        let delayed = place.queue.add("x", json!({}), json!({"delay": 3_600_000})).await;
        let ranked = place.queue.add("x", json!({}), json!({"priority": 3})).await;
        let failed = failed_job(&mut place).await;
        let was = [
            ("wait", &wait),
            ("delayed", &delayed),
            (if major == 4 { "wait" } else { "prioritized" }, &ranked),
            ("failed", &failed),
        ];
        for (was, id) in was {
            let answer = place.json(0, &["job", "force-done", "q", id, "--reason", "done by hand"]).await;
            assert_eq!((&answer["was"], &answer["by"]), (&json!(was), &json!("kim")), "{major} {answer}");
            assert_eq!(place.queue.job(id, "getState").await, "completed", "{major} {was}");
            assert_eq!(place.queue.finished(id).await, Ok(forced("done by hand")), "{major} {was}");
            assert_eq!(place.queue.job(id, "failedReason").await, Value::Null);
            place
                .queue
                .hear("completed", |line| {
                    line["event"].as_str().is_some_and(|event| event.ends_with("completed"))
                })
                .await;
            // Once more is as good as once; nothing is written.
            let again = place.json(0, &["job", "force-done", "q", id, "--reason", "again"]).await;
            assert_eq!(again["was"], "completed");
            assert_eq!(place.queue.finished(id).await, Ok(forced("done by hand")));
        }
        let mut audit = place.audit().await;
        audit.retain(|entry| entry[0] != "promote"); // how they were put back in line
        assert_eq!(audit.len(), 4, "{audit:?}");
        let expected = ["force-done", &wait, "wait", "completed", "kim", "done by hand"].map(str::to_owned);
        assert_eq!(audit[0], expected);
        let counts = place.queue.call("getJobCounts", json!([])).await.unwrap();
        assert_eq!(
            (&counts["completed"], &counts["failed"], &counts["delayed"]),
            (&json!(4), &json!(0), &json!(0)),
            "{counts}"
        );
        let clean = place.run(&["doctor", "q"]).await;
        assert_eq!(clean.code, 0, "{clean:?}");
        place.queue.close().await;
    }
}

/// A job that our worker failed for good.
async fn failed_job(place: &mut Place) -> String {
    // Others wait before it: it alone is let through.
    let id = place.queue.add("boom", json!({}), json!({"lifo": true})).await;
    let worker = Worker::builder(place.redis.url(), "q")
        .concurrency(1)
        .handler("boom", |_: Job<Value>, _: Context| async { Err::<(), _>(JobError::permanent("no")) })
        .handler("x", |_: Job<Value>, _: Context| async {
            Err::<(), _>(JobError::defer(Duration::from_hours(1), "later"))
        })
        .start()
        .await
        .unwrap();
    wait::until("the job to fail", async || {
        place.send::<Option<f64>>(&format!("ZSCORE bull:q:failed {id}")).await.is_some()
    })
    .await;
    worker.stop();
    worker.join().await;
    // What was put off meanwhile comes back.
    for other in place.send::<Vec<String>>("ZRANGE bull:q:delayed 0 -1").await {
        if other != "2" {
            place.run(&["job", "promote", "q", &other]).await;
        }
    }
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_has_completed_is_refused_and_so_is_an_act_without_a_reason() {
    for major in LIBRARIES {
        let mut place = Place::start(major).await;
        let id = place.queue.add("x", json!({}), json!({})).await;
        let without = place.run(&["job", "force-done", "q", &id]).await;
        assert_eq!((without.code, without.stderr.contains("--reason")), (2, true), "{without:?}");
        place.queue.work(1, 0).await;
        assert_eq!(place.queue.finished(&id).await, Ok(json!({"by": "node"})));
        let answer = place.run(&["job", "force-done", "q", &id, "--reason", "no"]).await;
        assert_eq!(answer.code, 5, "{answer:?}");
        assert!(answer.stderr.contains("has completed"), "{answer:?}");
        assert_eq!(place.queue.finished(&id).await, Ok(json!({"by": "node"})));
        let nothing = place.run(&["job", "force-done", "q", "nobody", "--reason", "no"]).await;
        assert_eq!(nothing.code, 3, "{nothing:?}");
        assert_eq!(place.audit().await.len(), 0);
        place.queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_ours_that_is_forced_is_stopped_and_what_it_writes_is_refused() {
    for major in LIBRARIES {
        let mut place = Place::start(major).await;
        let id = place.queue.add("x", json!({}), json!({})).await;
        let (began, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell_began, tell_ended) = (Arc::clone(&began), Arc::clone(&ended));
        let worker = Worker::builder(place.redis.url(), "q")
            .lease(Duration::from_secs(1), Duration::from_millis(200))
            .handler("*", move |_: Job<Value>, ctx: Context| {
                let (began, ended) = (Arc::clone(&tell_began), Arc::clone(&tell_ended));
                async move {
                    began.notify_one();
                    ctx.cancelled.cancelled().await;
                    let refused = ctx.progress(&json!(99)).await.is_err();
                    if refused {
                        ended.notify_one();
                    }
                    Ok::<_, JobError>(json!({"late": true}))
                }
            })
            .start()
            .await
            .unwrap();
        began.notified().await;
        let answer = place.json(0, &["job", "force-done", "q", &id, "--reason", "hangs"]).await;
        assert_eq!(answer["was"], "active");
        tokio::time::timeout(Duration::from_secs(20), ended.notified())
            .await
            .expect("stopped, and its write refused");
        worker.stop();
        worker.join().await;
        assert_eq!(place.queue.finished(&id).await, Ok(forced("hangs")));
        assert_ne!(place.queue.job(&id, "progress").await, json!(99));
        let told: redis::streams::StreamRangeReply = place.send("XRANGE bull::x:q::cancel - +").await;
        let told = &told.ids[0];
        assert_eq!(
            (told.get::<String>("job"), told.get::<String>("act")),
            (Some(id.clone()), Some("force-done".into()))
        );
        let clean = place.run(&["doctor", "q"]).await;
        assert_eq!(clean.code, 0, "{clean:?}");
        place.queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_nodes_that_is_forced_cannot_overwrite_the_result() {
    for major in LIBRARIES {
        let mut place = Place::start(major).await;
        let mut worker = match major {
            4 => BullQueue::open(&place.redis.url(), "q").await,
            major => BullQueue::open_mq(major, &place.redis.url(), "q", &json!({})).await,
        };
        let id = place.queue.add("x", json!({}), json!({})).await;
        worker.work(1, 700).await;
        worker.hear("the job to begin", |line| line["started"] == id.as_str()).await;
        place.json(0, &["job", "force-done", "q", &id, "--reason", "enough"]).await;
        // The worker's late end is over when it has done the next job.
        let next = place.queue.add("x", json!({}), json!({})).await;
        assert_eq!(place.queue.finished(&next).await, Ok(json!({"by": "node"})));
        assert_eq!(place.queue.finished(&id).await, Ok(forced("enough")), "{major}");
        assert_eq!(place.queue.job(&id, "getState").await, "completed");
        worker.close().await;
        place.queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_job_says_of_completed_ones_is_done() {
    for major in LIBRARIES {
        let mut place = Place::start(major).await;
        let id = place.queue.add("x", json!({}), json!({"removeOnComplete": true})).await;
        place.json(0, &["job", "force-done", "q", &id, "--reason", "gone"]).await;
        assert!(!place.send::<bool>(&format!("EXISTS bull:q:{id}")).await);
        assert_eq!(place.send::<usize>("ZCARD bull:q:completed").await, 0);
        assert_eq!(place.audit().await.len(), 1);
        place.queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_is_forced_lets_its_parent_go_on_and_a_parent_need_not_wait() {
    for major in [5, 6] {
        let mut place = Place::start(major).await;
        let tree = json!({"name": "parent", "queueName": "q", "children": [
            {"name": "child", "queueName": "other", "opts": {"jobId": "one"}},
            {"name": "child", "queueName": "other", "opts": {"jobId": "two"}}]});
        let flow = place.queue.flow(tree.clone()).await;
        let parent = flow["job"]["id"].as_str().unwrap().to_owned();
        for id in ["one", "two"] {
            assert_eq!(place.queue.job(&parent, "getState").await, "waiting-children", "{major} {id}");
            place.json(0, &["job", "force-done", "other", id, "--reason", "by hand"]).await;
        }
        assert_eq!(place.queue.job(&parent, "getState").await, "waiting");
        let values = place.queue.job(&parent, "getChildrenValues").await;
        assert_eq!(values["bull:other:one"], forced("by hand"), "{values}");

        let flow = place.queue.flow(tree).await;
        let other = flow["job"]["id"].as_str().unwrap().to_owned();
        place.json(0, &["job", "force-done", "q", &other, "--reason", "enough"]).await;
        assert_eq!(place.queue.finished(&other).await, Ok(forced("enough")));
        place.queue.close().await;
    }
}
