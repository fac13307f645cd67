//! Rust functions under limits.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bullock::handler::StopReason;
use serde_json::{Value, json};

use crate::rig::{BOTH, Library, Rig, Seen, does, start, stop};
use crate::support::wait;

/// How long past its limit a run was there, by Redis' clock. A net, not a promise: two slow cores run all tests.
async fn left_soon(rig: &mut Rig, id: &str, limit_ms: i64) {
    wait::until("the job to fail", async || rig.score("failed", id).await).await;
    let begun: i64 = rig.field(id, "processedOn").await.unwrap().parse().unwrap();
    let ended: i64 = rig.field(id, "finishedOn").await.unwrap().parse().unwrap();
    let late = ended - begun - limit_ms;
    println!("{:?}: left active {late} ms after its limit", rig.library);
    assert!((0..5000).contains(&late), "{:?}: {late} ms", rig.library);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_function_that_blocks_its_thread_is_left_behind_and_its_slot_is_free() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let blocks = does(move |_, _| {
            let blocked = Arc::clone(&blocked);
            async move {
                let _ = blocked.lock().map(|blocked| blocked.recv());
                Ok(json!("too late"))
            }
        });
        let mut blocks = blocks;
        blocks.run_limit = Some(Duration::from_millis(200));
        let echo = does(|_, _| async { Ok(json!("ran")) });
        let worker = start(rig.worker().handler_spec("blocks", blocks).handler_spec("*", echo)).await;
        let id = rig.node.add("blocks", json!({}), json!({})).await;
        left_soon(&mut rig, &id, 200).await;
        assert_eq!(rig.record(&id, "reason").await.as_deref(), Some("timeout"));
        let next = rig.node.add("x", json!({}), json!({})).await;
        assert_eq!(rig.node.finished(&next).await, Ok(json!("ran")), "{library:?}");
        // What it answers in the end changes nothing.
        drop(release);
        stop(worker).await;
        assert_eq!(rig.field(&id, "returnvalue").await, None, "{library:?}");
        rig.node.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_function_that_blocks_its_thread_is_cancelled_all_the_same() {
    let mut rig = Rig::start(Library::Bull).await;
    let (release, blocked) = mpsc::channel::<()>();
    let (blocked, seen) = (Arc::new(Mutex::new(blocked)), Seen::default());
    let notes = seen.clone();
    let blocks = does(move |_, _| {
        let (blocked, notes) = (Arc::clone(&blocked), notes.clone());
        async move {
            notes.note("started");
            let _ = blocked.lock().map(|blocked| blocked.recv());
            Ok(Value::Null)
        }
    });
    let worker = start(rig.worker().handler_spec("*", blocks)).await;
    let id = rig.node.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    rig.kill(&id).await;
    rig.ends_cancelled(&id).await;
    drop(release);
    stop(worker).await;
    rig.node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_process_whose_threads_are_all_blocked_gives_its_jobs_up_when_their_limits_are_over() {
    let mut rig = Rig::start(Library::Bull).await;
    let (release, blocked) = mpsc::channel::<()>();
    let (blocked, seen) = (Arc::new(Mutex::new(blocked)), Seen::default());
    let notes = seen.clone();
    let mut blocks = does(move |_, _| {
        let (blocked, notes) = (Arc::clone(&blocked), notes.clone());
        async move {
            notes.note("started");
            let _ = blocked.lock().map(|blocked| blocked.recv());
            Ok(Value::Null)
        }
    });
    blocks.run_limit = Some(Duration::from_millis(200));
    let builder = rig.worker().lease(Duration::from_millis(900), Duration::from_millis(300));
    let worker = start(builder.handler_spec("*", blocks)).await;
    // The thread that will be blocked serves this test too: what is asked from now on is asked by another program.
    let asked = tokio::task::spawn_blocking({
        let (url, seen) = (rig.redis.url(), seen.clone());
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = redis::Client::open(url).unwrap();
                let mut db = client.get_multiplexed_async_connection().await.unwrap();
                seen.has(1).await;
                wait::until("the lease to run out", || {
                    let mut db = db.clone();
                    async move {
                        redis::cmd("EXISTS").arg("bull:q:1:lock").query_async::<u64>(&mut db).await.unwrap()
                            == 0
                    }
                })
                .await;
                let active: Vec<String> = redis::cmd("LRANGE")
                    .arg("bull:q:active")
                    .arg(0)
                    .arg(-1)
                    .query_async(&mut db)
                    .await
                    .unwrap();
                drop(release);
                active
            })
        }
    });
    let id = rig.node.add("x", json!({}), json!({})).await;
    assert_eq!(asked.await.unwrap(), [id.as_str()], "whoever sweeps next finds it");
    stop(worker).await;
    rig.node.close().await;
}

#[tokio::test]
async fn a_function_learns_why_it_is_stopped() {
    let mut rig = Rig::start(Library::Bull).await;
    let seen = Seen::default();
    let notes = seen.clone();
    let works = move |_, ctx: bullock::Context| {
        let notes = notes.clone();
        async move {
            notes.note("started");
            ctx.cancelled.cancelled().await;
            notes.note(match ctx.stop_reason().unwrap() {
                StopReason::Limit(text) => text,
                other => other.as_str().to_owned(),
            });
            Err::<Value, _>("noticed".to_owned())
        }
    };
    let (mut limited, free) = (does(works.clone()), does(works));
    limited.run_limit = Some(Duration::from_millis(50));
    let builder = rig.worker().lease(Duration::from_millis(900), Duration::from_millis(300));
    let builder = builder.shutdown_grace(Duration::from_millis(50));
    let worker = start(builder.handler_spec("limited", limited).handler_spec("*", free)).await;
    rig.node.add("limited", json!({}), json!({})).await;
    seen.has(2).await;
    assert_eq!(seen.all()[1], "the run went on for longer than its limit of 50ms");
    let taken = rig.node.add("x", json!({}), json!({})).await;
    seen.has(3).await;
    rig.ask::<()>(&["SET", &format!("Q:{taken}:lock"), "somebody:else"]).await;
    seen.has(4).await;
    assert_eq!(seen.all()[3], "lease-lost");
    rig.node.add("x", json!({}), json!({})).await;
    seen.has(5).await;
    stop(worker).await;
    assert_eq!(seen.all()[5], "shutting-down");
    rig.node.close().await;
}

#[tokio::test]
async fn a_producers_timeout_is_kept_on_both_kinds_of_queues_and_tried_again() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let hangs = does(move |_, _| {
            notes.note("started");
            std::future::pending()
        });
        let mut limited = hangs.clone();
        limited.run_limit = Some(Duration::from_millis(100));
        let worker = start(rig.worker().handler_spec("limited", limited).handler_spec("*", hangs)).await;
        if library == Library::Bull {
            let id = rig.node.add("x", json!({}), json!({"timeout": 100})).await;
            left_soon(&mut rig, &id, 100).await;
            let text = "Promise timed out after 100 milliseconds";
            assert_eq!(rig.field(&id, "failedReason").await.as_deref(), Some(text));
            assert_eq!(seen.all().len(), 1);
        }
        let before = seen.all().len();
        let id = rig.node.add("limited", json!({}), json!({"attempts": 3})).await;
        left_soon(&mut rig, &id, 100).await;
        assert_eq!(seen.all().len() - before, 3, "{library:?}: a limit costs one attempt");
        stop(worker).await;
        rig.node.close().await;
    }
}
