//! Jobs that run: their handlers learn it at once, have their grace, and no attempt follows.

use std::time::{Duration, Instant};

use bullock::handler::StopReason;
use bullock::store::cancel::Cancelled;
use serde_json::{Value, json};

use crate::rig::{ALL, BOTH, Library, Rig, Seen, does, start, stop};

/// Notes that it was dropped.
struct Dropped(Seen);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

#[tokio::test]
async fn a_running_handler_is_told_by_whom_and_why_and_its_job_is_never_tried_again() {
    for library in ALL {
        let mut rig = Rig::start(library).await;
        rig.node.listen().await;
        let seen = Seen::default();
        let notes = seen.clone();
        let works = does(move |_, ctx| {
            let notes = notes.clone();
            async move {
                notes.note("started");
                ctx.cancelled.cancelled().await;
                let told = StopReason::Cancelled { by: "kim".into(), why: "wrong store".into() };
                assert_eq!(ctx.stop_reason(), Some(told));
                notes.note("told");
                Err("noticed".into())
            }
        });
        let worker = start(rig.worker().handler_spec("*", works)).await;
        let id = rig.node.add("x", json!({}), json!({"attempts": 5, "backoff": 10})).await;
        seen.has(1).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Told, "{library:?}");
        rig.ends_cancelled(&id).await;
        assert_eq!(seen.all(), ["started", "told"], "{library:?}");
        let event = if library == Library::Bull { "global:failed" } else { "failed" };
        rig.node.hear("the event", |line| line["event"] == event).await;
        let made = if library == Library::Bull { "attemptsMade" } else { "atm" };
        assert_eq!(
            rig.field(&id, made).await.as_deref(),
            Some("1"),
            "{library:?}: four are left and not taken"
        );
        // The slot is free, and nothing of the cancelled job comes back.
        let next = rig.node.add("x", json!({}), json!({})).await;
        seen.has(3).await;
        assert_eq!(rig.cancel(&next).await, Cancelled::Told);
        rig.ends_cancelled(&next).await;
        assert_eq!(seen.all().len(), 4, "{library:?}");
        assert_eq!(rig.audit().await.len(), 2, "{library:?}");
        stop(worker).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn cancelling_twice_is_harmless_and_says_so() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let works = does(move |_, _| {
            notes.note("started");
            std::future::pending()
        });
        let worker = start(rig.worker().cancel_grace(Duration::from_secs(1)).handler_spec("*", works)).await;
        let id = rig.node.add("x", json!({}), json!({})).await;
        seen.has(1).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Told, "{library:?}");
        assert_eq!(rig.cancel(&id).await, Cancelled::ToldBefore, "{library:?}");
        rig.ends_cancelled(&id).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Before, "{library:?}");
        assert_eq!(rig.audit().await.len(), 1, "{library:?}");
        stop(worker).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_function_that_says_the_work_is_done_within_its_grace_has_completed() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let unaware = does(move |_, ctx| {
            let notes = notes.clone();
            async move {
                notes.note("started");
                ctx.cancelled.cancelled().await;
                ctx.checkpoint(&json!({"page": 9})).await.unwrap();
                Ok(json!("done"))
            }
        });
        let worker = start(rig.worker().handler_spec("*", unaware)).await;
        let id = rig.node.add("x", json!({}), json!({})).await;
        seen.has(1).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Told);
        assert_eq!(rig.node.finished(&id).await, Ok(json!("done")), "{library:?}");
        assert_eq!(rig.record(&id, "checkpoint").await.as_deref(), Some(r#"{"page":9}"#), "{library:?}");
        assert_eq!(rig.cancel(&id).await, Cancelled::Completed, "{library:?}");
        stop(worker).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_handler_that_does_not_care_is_dropped_after_the_grace_and_its_slot_is_free() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let deaf = does(move |_, _| {
            let guard = Dropped(notes.clone());
            async move {
                guard.0.note("started");
                std::future::pending::<()>().await;
                Ok(Value::Null)
            }
        });
        let worker =
            start(rig.worker().cancel_grace(Duration::from_millis(300)).handler_spec("*", deaf)).await;
        let id = rig.node.add("x", json!({}), json!({"attempts": 9})).await;
        seen.has(1).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Told);
        rig.ends_cancelled(&id).await;
        rig.node.add("x", json!({}), json!({})).await;
        seen.has(3).await;
        assert_eq!(seen.all()[..3], ["started", "dropped", "started"], "{library:?}");
        worker.stop();
        worker.stop();
        worker.join().await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_kill_needs_no_grace_also_after_a_cancel_that_gave_one() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let deaf = does(move |_, _| {
            notes.note("started");
            std::future::pending()
        });
        let worker = start(rig.worker().cancel_grace(Duration::from_hours(1)).handler_spec("*", deaf)).await;
        for both in [false, true] {
            let id = rig.node.add("x", json!({}), json!({})).await;
            seen.has(if both { 2 } else { 1 }).await;
            if both {
                assert_eq!(rig.cancel(&id).await, Cancelled::Told);
            }
            assert_eq!(rig.kill(&id).await, Cancelled::Told, "{library:?}");
            rig.ends_cancelled(&id).await;
        }
        let acts: Vec<String> = rig.audit().await.into_iter().map(|entry| entry[0].clone()).collect();
        assert_eq!(acts, ["kill", "cancel", "kill"], "{library:?}");
        stop(worker).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_wake_up_that_is_lost_costs_one_beat() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let works = does(move |_, ctx| {
            notes.note("started");
            async move {
                ctx.cancelled.cancelled().await;
                Err("noticed".into())
            }
        });
        let builder = rig.worker().lease(Duration::from_millis(1500), Duration::from_millis(500));
        let worker = start(builder.handler_spec("*", works)).await;
        let id = rig.node.add("x", json!({}), json!({})).await;
        seen.has(1).await;
        let begun: String = rig.field(&id, "processedOn").await.unwrap();
        let mark = format!(r#"{{"at":{begun},"by":"kim","from":"api","why":"wrong store"}}"#);
        rig.ask::<()>(&["HSET", &format!("X:job:{id}"), "cancel", &mark]).await;
        // What another job's wake-up leaves; that of this one never came.
        rig.ask::<()>(&["XADD", "X:cancel", "*", "job", "another", "act", "cancel"]).await;
        rig.ends_cancelled(&id).await;
        stop(worker).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_claimed_job_that_waits_for_its_handlers_turn_is_cancelled_without_it() {
    let mut rig = Rig::start(Library::Bull).await;
    let seen = Seen::default();
    let notes = seen.clone();
    let mut slow = does(move |job, ctx| {
        notes.note(&job.id);
        async move {
            ctx.cancelled.cancelled().await;
            Err("noticed".into())
        }
    });
    slow.concurrency = Some(1);
    let worker = start(rig.worker().concurrency(4).handler_spec("*", slow)).await;
    let first = rig.node.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    let second = rig.node.add("x", json!({}), json!({})).await;
    crate::support::wait::until("the second to be claimed", async || {
        rig.store.counts().await.unwrap().0.active == 2
    })
    .await;
    assert_eq!(rig.cancel(&second).await, Cancelled::Told);
    rig.ends_cancelled(&second).await;
    assert_eq!(seen.all(), [first.as_str()], "it was never run");
    rig.cancel(&first).await;
    rig.ends_cancelled(&first).await;
    stop(worker).await;
    rig.node.close().await;
}

#[tokio::test]
async fn a_stop_of_the_worker_ends_the_grace_of_a_cancel_and_the_job_is_not_handed_back() {
    let mut rig = Rig::start(Library::Bull).await;
    let seen = Seen::default();
    let notes = seen.clone();
    let deaf = does(move |_, _| {
        notes.note("started");
        std::future::pending()
    });
    let builder =
        rig.worker().cancel_grace(Duration::from_hours(1)).shutdown_grace(Duration::from_millis(100));
    let worker = start(builder.handler_spec("*", deaf)).await;
    let id = rig.node.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    assert_eq!(rig.cancel(&id).await, Cancelled::Told);
    stop(worker).await;
    rig.ends_cancelled(&id).await;
    rig.node.close().await;
}

#[tokio::test]
async fn a_job_of_a_node_worker_is_marked_and_ends_as_its_worker_says_or_as_cancelled_when_it_is_tried_again()
{
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        rig.node.work(1, 400).await;
        let done = rig.node.add("x", json!({}), json!({})).await;
        rig.node.hear("the start", |line| line["started"] == done.as_str()).await;
        assert_eq!(rig.cancel(&done).await, Cancelled::Marked, "{library:?}");
        rig.node.finished(&done).await.unwrap();
        assert_eq!(rig.cancel(&done).await, Cancelled::Completed, "{library:?}");
        rig.node.close().await;
    }
}

/// Prints how long a cancel takes from its call to the handler. Asserts only that it does not take for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_its_handler_soon() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
        let seen = Seen::default();
        let notes = seen.clone();
        let works = does(move |_, ctx| {
            let sender = sender.clone();
            notes.note("started");
            async move {
                ctx.cancelled.cancelled().await;
                let _ = sender.send(Instant::now());
                Err("noticed".into())
            }
        });
        let worker = start(rig.worker().handler_spec("*", works)).await;
        let mut took = Vec::new();
        for n in 0..rounds() {
            let id = rig.node.add("x", json!({}), json!({})).await;
            seen.has(n + 1).await;
            let asked = Instant::now();
            assert_eq!(rig.cancel(&id).await, Cancelled::Told);
            took.push(told.recv().await.unwrap().duration_since(asked));
        }
        took.sort();
        let (half, most) = (took[took.len() / 2], took[took.len() * 99 / 100]);
        println!("{library:?}: cancel to token, {} rounds: p50 {half:?}, p99 {most:?}", took.len());
        assert!(half < Duration::from_secs(2), "{library:?}: {half:?}");
        stop(worker).await;
        rig.node.close().await;
    }
}

/// `CANCEL_ROUNDS`, or a few.
pub(crate) fn rounds() -> usize {
    std::env::var("CANCEL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(10)
}
