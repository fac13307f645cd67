//! `bullock job watch` and `bullock job logs -f`, with our own worker and Node's.

use std::time::Duration;

use bullock::{Context, Job, JobError, Worker};
use serde_json::{Value, json};

use super::Place;
use super::support::node::BullQueue;

type AnyJob = Job<Value>;

/// A worker whose jobs fail for good, each with the same words.
pub(super) async fn failing_worker(place: &Place, queue: &str) -> Worker {
    Worker::builder(place.redis.url(), queue)
        .handler("*", |_: AnyJob, ctx: Context| async move {
            let _ = ctx.log("looking for stamps").await;
            Err::<(), _>(JobError::permanent("out of stamps\nsecond line"))
        })
        .start()
        .await
        .expect("the worker starts")
}

/// A worker whose jobs run until they are cancelled.
pub(super) async fn slow_worker(place: &Place, queue: &str) -> Worker {
    Worker::builder(place.redis.url(), queue)
        .shutdown_grace(Duration::from_millis(10))
        .handler("*", |_: AnyJob, ctx: Context| async move {
            ctx.cancelled.cancelled().await;
            Ok::<_, JobError>(())
        })
        .start()
        .await
        .expect("the worker starts")
}

/// A worker whose jobs go through a hundred items in some steps.
pub(super) async fn stepping_worker(place: &Place, queue: &str) -> Worker {
    Worker::builder(place.redis.url(), queue)
        .handler("*", |_: AnyJob, ctx: Context| async move {
            for step in 1..=4 {
                let _ = ctx.log(format!("step {step}")).await;
                let _ = ctx.progress(&json!({"total": 100, "processed": step * 25, "failed": 0})).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            Ok::<_, JobError>(json!({"synced": 100}))
        })
        .start()
        .await
        .expect("the worker starts")
}

#[tokio::test]
async fn a_watch_tells_every_step_as_json_lines_and_ends_with_the_job() {
    let place = Place::start();
    let id = place.add(&["sync", "customers"]).await;
    let arguments = ["job", "watch", "sync", &id];
    let watching = place.run(&arguments);
    let worker = stepping_worker(&place, "sync").await;
    let answer = watching.await;
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{answer:?}");
    let lines: Vec<Value> = answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().expect("at least the end");
    assert_eq!(
        (&last["status"], &last["returnvalue"]),
        (&json!("completed"), &json!({"synced": 100})),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line["status"] == "running" && line["progress"]["processed"] == 50),
        "{lines:?}"
    );
    // A job that is over already is told at once.
    assert_eq!(place.ok(&arguments).await.lines().count(), 1);
    worker.stop();
    worker.join().await;
}

#[tokio::test]
async fn a_watch_ends_with_1_when_the_job_failed_3_when_there_is_none_and_7_when_it_takes_too_long() {
    let place = Place::start();
    let id = place.add(&["mail", "x"]).await;
    let late = place.run(&["job", "watch", "mail", &id, "--timeout", "300ms"]).await;
    assert_eq!(late.code, 7, "{late:?}");
    assert!(late.stderr.contains("the job has not ended (mail/"), "{late:?}");
    assert!(place.fails(3, &["job", "watch", "mail", "999"]).await.contains("no such job (mail): 999"));

    let worker = failing_worker(&place, "mail").await;
    let failed = place.run(&["job", "watch", "mail", &id]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.ends_with("): out of stamps\n"), "{failed:?}");
    worker.stop();
    worker.join().await;
}

#[tokio::test]
async fn a_job_that_is_removed_at_its_end_is_still_seen_to_end() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let id = mail.add("x", json!({}), json!({"removeOnComplete": true})).await;
    let arguments = ["job", "watch", "mail", &id];
    let watching = place.run(&arguments);
    let working = async {
        // The watch is there when it has subscribed.
        super::support::wait::until("the watch to listen", async || {
            let heard = place.redis(&["PUBSUB", "NUMSUB", "bull:mail:completed"]).await;
            format!("{heard:?}").contains("int(1)")
        })
        .await;
        mail.work(1, 200).await;
    };
    let (answer, ()) = tokio::join!(watching, working);
    assert_eq!(answer.code, 0, "{answer:?}");
    let last: Value = serde_json::from_str(answer.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["returnvalue"], json!({"by": "node"}));
}

#[tokio::test]
async fn logs_are_printed_and_followed_to_the_end_of_the_job() {
    let place = Place::start();
    let worker = stepping_worker(&place, "sync").await;
    let id = place.add(&["sync", "customers"]).await;
    let followed = place.ok(&["job", "logs", "sync", &id, "--follow"]).await;
    assert_eq!(followed, "step 1\nstep 2\nstep 3\nstep 4\n");
    assert_eq!(place.ok(&["job", "logs", "sync", &id, "--limit", "1"]).await, "step 4\n");
    assert_eq!(
        place.json(&["job", "logs", "sync", &id, "--limit", "1"]).await,
        json!({"line": 3, "text": "step 4"})
    );
    assert!(place.fails(3, &["job", "logs", "sync", "999"]).await.contains("no such job"));
    worker.stop();
    worker.join().await;
}
