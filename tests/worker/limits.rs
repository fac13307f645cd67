//! Limits on one run: the producer's `timeout`, and the handler's own.

use std::convert::Infallible;
use std::time::Duration;

use bullock::handler::native;
use bullock::worker::HandlerSpec;
use bullock::{Context, Job, JobError};
use serde_json::{Value, json};

use crate::rig::{Rig, Running};

/// A worker with one slot: "hang" never ends by itself, "x" shows that the slot is free again.
async fn hanging(rig: &Rig, limits: impl FnOnce(&mut HandlerSpec)) -> Running {
    let hang = native::handler(|_: Job<Value>, _: Context| std::future::pending::<Result<(), Infallible>>());
    rig.plan()
        .handler("hang", hang, limits)
        .on("x", |_, _| async move { Ok::<_, Infallible>(1) })
        .start()
        .await
}

async fn slot_is_free(rig: &mut Rig) {
    let id = rig.bull.add("x", json!({}), json!({})).await;
    assert_eq!(rig.bull.finished(&id).await, Ok(json!(1)));
}

#[tokio::test]
async fn the_timeout_of_the_producer_fails_the_attempt_in_bulls_words() {
    let mut rig = Rig::start().await;
    let worker = hanging(&rig, |_| {}).await;
    let id = rig.bull.add("hang", json!({}), json!({"timeout": 120, "attempts": 2})).await;
    assert_eq!(rig.bull.finished(&id).await, Err("Promise timed out after 120 milliseconds".into()));
    assert_eq!(rig.bull.job(&id, "attemptsMade").await, 2);
    assert_eq!(rig.db.record(&id, "reason").await.as_deref(), Some("timeout"));
    let ran = rig.db.number(&id, "finishedOn").await - rig.db.number(&id, "processedOn").await;
    assert!(ran >= 120, "stopped after {ran} ms");
    slot_is_free(&mut rig).await;
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_timeout_that_is_no_number_fails_every_try_in_bulls_words() {
    let mut rig = Rig::start().await;
    let worker = hanging(&rig, |_| {}).await;
    let id = rig.bull.add("x", json!({}), json!({"timeout": "100", "attempts": 2})).await;
    let text = "Expected `milliseconds` to be a positive number, got `100`";
    assert_eq!(rig.bull.finished(&id).await, Err(text.into()));
    assert_eq!(rig.bull.job(&id, "attemptsMade").await, 2);
    for harmless in [json!(0), json!(null)] {
        let id = rig.bull.add("x", json!({}), json!({"timeout": harmless})).await;
        assert_eq!(rig.bull.finished(&id).await, Ok(json!(1)));
    }
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn the_run_limit_of_a_handler_frees_the_slot() {
    let mut rig = Rig::start().await;
    let worker = hanging(&rig, |limits| limits.run_limit = Some(Duration::from_millis(150))).await;
    let id = rig.bull.add("hang", json!({}), json!({})).await;
    let text = rig.bull.finished(&id).await.unwrap_err();
    assert_eq!(text, "the run went on for longer than its limit of 150ms");
    assert_eq!(rig.db.record(&id, "reason").await.as_deref(), Some("timeout"));
    slot_is_free(&mut rig).await;
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_handler_without_progress_is_stopped_and_one_with_progress_is_not() {
    let mut rig = Rig::start().await;
    let limit = Duration::from_millis(400);
    let busy = native::handler(|_: Job<Value>, ctx: Context| async move {
        // Three times the limit in all, never half of it in silence.
        for step in 0..12 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            ctx.progress(&step).await?;
        }
        Ok::<_, JobError>("worked")
    });
    let hang = native::handler(|_: Job<Value>, _: Context| std::future::pending::<Result<(), Infallible>>());
    let worker = rig
        .plan()
        .handler("busy", busy, |limits| limits.no_progress = Some(limit))
        .handler("hang", hang, |limits| limits.no_progress = Some(limit))
        .start()
        .await;
    let hung = rig.bull.add("hang", json!({}), json!({})).await;
    assert_eq!(rig.bull.finished(&hung).await, Err("no progress for 400ms".into()));
    assert_eq!(rig.db.record(&hung, "reason").await.as_deref(), Some("no_progress"));
    let busy = rig.bull.add("busy", json!({}), json!({})).await;
    assert_eq!(rig.bull.finished(&busy).await, Ok(json!("worked")));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_stopped_handler_is_told_and_may_take_no_longer_than_its_notice() {
    let mut rig = Rig::start().await;
    let seen = crate::rig::Seen::default();
    let notes = seen.clone();
    let told = native::handler(move |_: Job<Value>, ctx: Context| {
        let notes = notes.clone();
        async move {
            ctx.cancelled.cancelled().await;
            notes.note("told");
            std::future::pending::<Result<(), Infallible>>().await
        }
    });
    let worker = rig
        .plan()
        .handler("x", told, |limits| limits.run_limit = Some(Duration::from_millis(50)))
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    rig.bull.finished(&id).await.unwrap_err();
    assert_eq!(seen.all(), ["told"]);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_handlers_own_concurrency_leaves_the_other_slots_to_others() {
    let mut rig = Rig::start().await;
    let (gate, seen) = (crate::rig::Gate::closed(), crate::rig::Seen::default());
    let (door, notes) = (gate.clone(), seen.clone());
    let slow = native::handler(move |job: Job<Value>, _: Context| {
        let (door, notes) = (door.clone(), notes.clone());
        async move {
            notes.note(&job.id);
            door.pass().await;
            Ok::<_, Infallible>(())
        }
    });
    let worker = rig
        .plan()
        .concurrency(4)
        .handler("slow", slow, |limits| limits.concurrency = Some(1))
        .on("x", |_, _| async move { Ok::<_, Infallible>(1) })
        .start()
        .await;
    for _ in 0..2 {
        rig.bull.add("slow", json!({}), json!({})).await;
    }
    seen.has(1).await;
    slot_is_free(&mut rig).await;
    assert_eq!(seen.len(), 1, "the second slow job waits for its turn");
    gate.open(2);
    rig.db.sorted_has("completed", 3).await;
    worker.stop().await;
    rig.bull.close().await;
}
