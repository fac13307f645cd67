//! Leases: kept while a handler is busy, and nothing of a run that lost its own is written.

use std::convert::Infallible;
use std::time::Duration;

use bullock::JobError;
use bullock::worker::Ended;
use redis::cmd;
use serde_json::{Value, json};

use crate::rig::{Db, Gate, Plan, QUEUE, Rig, Seen};
use crate::support::node::BullQueue;
use crate::support::wait;

/// A worker with a runtime of its own, as another process would have. Ends with the value.
struct Peer {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Peer {
    fn start(plan: Plan) -> Peer {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let worker = plan.start().await;
                let _ = stopped.await;
                worker.stop().await;
            });
        });
        Peer { stop: Some(stop), thread: Some(thread) }
    }

    fn end(mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_block_every_thread_for_longer_than_the_lease_keep_their_jobs() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let noted = |plan: Plan| {
        let notes = seen.clone();
        plan.lease(300).on("x", move |job, _| {
            let notes = notes.clone();
            async move {
                notes.note(&job.id);
                std::thread::sleep(Duration::from_millis(1_200));
                Ok::<_, Infallible>("blocked")
            }
        })
    };
    let worker = noted(rig.plan().concurrency(2)).start().await;
    let first = rig.bull.add("x", json!({}), json!({})).await;
    let second = rig.bull.add("x", json!({}), json!({})).await;
    seen.has(2).await;
    // It would take over what is not renewed.
    let peer = Peer::start(noted(rig.plan()));
    for id in [&first, &second] {
        assert_eq!(rig.bull.finished(id).await, Ok(json!("blocked")));
    }
    peer.end();
    worker.stop().await;
    assert_eq!(seen.len(), 2, "each ran once");
    rig.bull.close().await;
}

/// A worker that renews seldom, with a handler for each thing that a run can try too late.
fn too_late(rig: &Rig, gate: &Gate) -> Plan {
    let door = gate.clone();
    rig.plan().on("*", move |job, ctx| {
        let door = door.clone();
        async move {
            door.pass().await;
            match &*job.name {
                "completes" => {}
                "fails" => return Err(JobError::retry("no")),
                "fails for good" => return Err(JobError::permanent("no")),
                "defers" => return Err(JobError::defer(Duration::from_secs(60), "later")),
                "throttles" => return Err(JobError::throttle(Duration::from_secs(60), "later")),
                "tells progress" => ctx.progress(&50).await?,
                "logs" => ctx.log("a line").await?,
                "updates data" => ctx.update_data(&json!({"changed": true})).await?,
                "leaves a checkpoint" => ctx.checkpoint(&json!({"at": 7})).await?,
                other => panic!("{other}"),
            }
            Ok(json!({"result": 1}))
        }
    })
}

#[tokio::test]
async fn a_run_whose_lock_is_another_ones_changes_nothing() {
    let mut rig = Rig::start().await;
    let gate = Gate::closed();
    let worker = too_late(&rig, &gate).start().await;
    let attempts = json!({"attempts": 3, "backoff": 1000, "removeOnComplete": true});
    for (n, name) in (1..).zip([
        "completes",
        "fails",
        "fails for good",
        "defers",
        "throttles",
        "tells progress",
        "logs",
        "updates data",
        "leaves a checkpoint",
    ]) {
        let id = rig.bull.add(name, json!({}), attempts.clone()).await;
        wait::until("the lock", async || rig.db.lock(&id).await.is_some()).await;
        // As if a peer of ours had taken the job over.
        let peer = "peer:0123456789abcdef0123456789abcdef";
        let key = Db::key(&format!("{id}:lock"));
        let _: () = rig.db.ask(cmd("SET").arg(&key).arg(peer).arg("PX").arg(60_000)).await;
        let before = rig.redis.dump().await;
        gate.open(1);
        let ended = || worker.record.ends().len();
        wait::until(&format!("the run that {name} too late to end"), async || ended() >= n).await;
        assert_eq!(worker.record.ends()[n - 1], Ended::LeaseLost, "{name}");
        assert_eq!(rig.redis.dump().await, before, "{name}");
        // Out of the way of the next one.
        let _: () = rig.db.ask(cmd("DEL").arg(&key)).await;
        let _: () = rig.db.ask(cmd("LREM").arg(Db::key("active")).arg(0).arg(&id)).await;
    }
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_handler_whose_lock_was_taken_is_told_to_stop_and_frees_its_slot() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let worker = rig
        .plan()
        .lease(600)
        .on("x", move |job, ctx| {
            let notes = notes.clone();
            async move {
                if job.data["quick"] == true {
                    return Ok(());
                }
                notes.note("began");
                ctx.cancelled.cancelled().await;
                notes.note("told");
                std::future::pending::<Result<(), Infallible>>().await
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    let key = Db::key(&format!("{id}:lock"));
    let _: () = rig.db.ask(cmd("SET").arg(&key).arg("somebody else").arg("PX").arg(60_000)).await;
    seen.has(2).await;
    assert_eq!(seen.all(), ["began", "told"]);
    worker.record.has(1, Ended::LeaseLost).await;
    let quick = rig.bull.add("x", json!({"quick": true}), json!({})).await;
    rig.bull.finished(&quick).await.unwrap();
    assert_eq!(rig.db.lock(&id).await.as_deref(), Some("somebody else"));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_job_whose_lock_vanished_is_run_again_and_counted_as_a_crash_not_as_an_attempt() {
    let mut rig = Rig::start().await;
    rig.bull.listen().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let worker = rig
        .plan()
        .lease(600)
        .on("x", move |job, ctx| {
            let notes = notes.clone();
            async move {
                notes.note(job.attempt());
                if notes.len() == 1 {
                    ctx.cancelled.cancelled().await;
                }
                Ok::<_, Infallible>(notes.len())
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    let _: () = rig.db.ask(cmd("DEL").arg(Db::key(&format!("{id}:lock")))).await;
    assert_eq!(rig.bull.finished(&id).await, Ok(json!(2)));
    rig.bull.hear("stalled", |line| line["event"] == "global:stalled" && line["args"][0] == id).await;
    assert_eq!(seen.all(), ["1", "1"]);
    assert_eq!(rig.bull.job(&id, "attemptsMade").await, 0);
    assert_eq!(rig.db.record(&id, "crashes").await.as_deref(), Some("1"));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_handler_that_panics_fails_the_attempt_with_the_text_and_frees_its_slot() {
    let mut rig = Rig::start().await;
    let worker = rig
        .plan()
        .on("x", |job, _| {
            assert!(job.data["early"] != true, "before the first await");
            async move {
                assert!(job.data["good"] == true, "boom {}", job.attempt());
                Ok::<_, Infallible>(1)
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({"attempts": 2})).await;
    assert_eq!(rig.bull.finished(&id).await, Err("panicked: boom 2".into()));
    assert_eq!(rig.bull.job(&id, "attemptsMade").await, 2);
    let early = rig.bull.add("x", json!({"early": true}), json!({})).await;
    assert_eq!(rig.bull.finished(&early).await, Err("panicked: before the first await".into()));
    let good = rig.bull.add("x", json!({"good": true}), json!({})).await;
    assert_eq!(rig.bull.finished(&good).await, Ok(json!(1)));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_job_that_was_deleted_while_it_ran_ends_in_the_dead_letters_and_not_as_a_ghost() {
    let mut rig = Rig::start().await;
    let (seen, gate) = (Seen::default(), Gate::closed());
    let (notes, door) = (seen.clone(), gate.clone());
    let worker = rig
        .plan()
        .lease(300)
        .on("x", move |job, _| {
            let (notes, door) = (notes.clone(), door.clone());
            async move {
                notes.note(&job.id);
                door.pass().await;
                Ok::<_, Infallible>(())
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    let _: () = rig.db.ask(cmd("DEL").arg(Db::key(&id))).await;
    gate.open(1);
    rig.db.sorted_has("failed", 1).await;
    assert_eq!(rig.db.record(&id, "reason").await.as_deref(), Some("body_missing"));
    rig.db.quiet().await;
    assert_eq!((seen.len(), rig.db.lock(&id).await), (1, None));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_redis_that_is_silent_for_less_than_the_lease_costs_no_job_its_run() {
    let mut rig = Rig::start().await;
    let (seen, gate) = (Seen::default(), Gate::closed());
    let (notes, door) = (seen.clone(), gate.clone());
    let plan = |plan: Plan| {
        let (notes, door) = (notes.clone(), door.clone());
        plan.concurrency(4).lease(1_500).on("x", move |job, _| {
            let (notes, door) = (notes.clone(), door.clone());
            async move {
                notes.note(&job.id);
                door.pass().await;
                Ok::<_, Infallible>(())
            }
        })
    };
    let workers = [plan(rig.plan()).start().await, plan(rig.plan()).start().await];
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(rig.bull.add("x", json!({}), json!({})).await);
    }
    seen.has(4).await;
    // Leases have two thirds of their time left at least.
    let _: () = rig.db.ask(cmd("CLIENT").arg("PAUSE").arg(700).arg("ALL")).await;
    // Answered when the pause is over; then both workers sweep.
    let _: () = rig.db.ask(&cmd("PING")).await;
    for worker in &workers {
        let _ = worker.worker.not_ready();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    gate.open(8);
    for id in &ids {
        rig.bull.finished(id).await.unwrap();
    }
    assert_eq!(seen.len(), 4, "each ran once: {:?}", seen.all());
    for worker in workers {
        worker.stop().await;
    }
    rig.bull.close().await;
}

#[tokio::test]
async fn a_redis_that_is_silent_for_longer_than_the_lease_costs_a_rerun_and_no_stale_end() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let worker = rig
        .plan()
        .concurrency(4)
        .lease(400)
        .on("x", move |job, ctx| {
            let notes = notes.clone();
            async move {
                notes.note(&job.id);
                let mine = notes.all().iter().filter(|id| **id == *job.id.as_str()).count();
                // The first run goes on until it is told; the pause outlives its lease.
                if mine == 1 {
                    ctx.cancelled.cancelled().await;
                }
                Ok::<_, Infallible>(mine)
            }
        })
        .start()
        .await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(rig.bull.add("x", json!({}), json!({})).await);
    }
    seen.has(4).await;
    let _: () = rig.db.ask(cmd("CLIENT").arg("PAUSE").arg(900).arg("ALL")).await;
    for id in &ids {
        assert_eq!(rig.bull.finished(id).await, Ok(json!(2)), "only the second run counts");
        assert_eq!(rig.bull.job(id, "attemptsMade").await, 0);
        assert_eq!(rig.bull.job(id, "failedReason").await, Value::Null);
    }
    assert_eq!(worker.record.count(Ended::LeaseLost), 4);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_job_of_a_dead_node_worker_is_taken_back_by_bulls_own_two_passes() {
    let mut rig = Rig::start().await;
    rig.bull.listen().await;
    let options = json!({"settings": {"lockDuration": 500, "stalledInterval": 600_000}});
    let mut node = BullQueue::open_with(&rig.redis.url(), QUEUE, &options).await;
    node.work(1, 600_000).await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    node.hear("its start", |line| line["started"] == id.as_str()).await;
    node.node().signal(nix::sys::signal::Signal::SIGKILL);
    wait::until("the lock to run out", async || rig.db.lock(&id).await.is_none()).await;
    // Each start makes one pass, once the guard of the last pass is gone: the first marks, the second takes back.
    let plan = || rig.plan().on("x", |_, _| async move { Ok::<_, Infallible>("by us") });
    let mut workers = Vec::new();
    for _ in 0..2 {
        let _: () = rig.db.ask(cmd("DEL").arg(Db::key("stalled-check"))).await;
        workers.push(plan().start().await);
        wait::until("a pass", async || rig.db.ask(cmd("EXISTS").arg(Db::key("stalled-check"))).await).await;
    }
    assert_eq!(rig.bull.finished(&id).await, Ok(json!("by us")));
    rig.bull.hear("stalled", |line| line["event"] == "global:stalled" && line["args"][0] == id).await;
    assert_eq!(rig.db.number(&id, "stalledCounter").await, 1);
    for worker in workers {
        worker.stop().await;
    }
    rig.bull.close().await;
}
