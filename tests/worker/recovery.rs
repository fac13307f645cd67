//! Leases that run out: because Redis was silent, because a worker died, while the queue was paused.

use std::convert::Infallible;
use std::time::Duration;

use bullock::worker::Ended;
use redis::cmd;
use serde_json::{Value, json};

use crate::rig::{Db, Gate, Plan, QUEUE, Rig, Seen};
use crate::support::node::BullQueue;
use crate::support::wait;

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
    // Answered when the pause is over.
    let _: () = rig.db.ask(&cmd("PING")).await;
    // Time for several sweeps of both, which would take back whatever ran out.
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
    // A claim whose answer came after its lease is over too, before its handler ever begins.
    assert!(worker.record.count(Ended::LeaseLost) >= 4);
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

#[tokio::test]
async fn a_job_taken_back_while_the_queue_is_paused_waits_with_the_paused_ones() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let worker = rig
        .plan()
        .lease(600)
        .on("x", move |_, ctx| {
            let notes = notes.clone();
            async move {
                notes.note("run");
                if notes.len() == 1 {
                    ctx.cancelled.cancelled().await;
                }
                Ok::<_, Infallible>(())
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    rig.bull.call("pause", json!([])).await.unwrap();
    let _: () = rig.db.ask(cmd("DEL").arg(Db::key(&format!("{id}:lock")))).await;
    rig.db.list_has("paused", 1).await;
    assert_eq!(rig.bull.job(&id, "getState").await, "paused");
    rig.bull.call("resume", json!([])).await.unwrap();
    rig.bull.finished(&id).await.unwrap();
    assert_eq!(seen.len(), 2);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_handler_is_told_to_stop_while_redis_cannot_be_asked_before_another_worker_could_take_its_job() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let worker = rig
        .plan()
        .lease(600)
        .on("x", move |_, ctx| {
            let notes = notes.clone();
            async move {
                notes.note("run");
                if notes.len() == 1 {
                    ctx.cancelled.cancelled().await;
                    notes.note("told");
                }
                Ok::<_, Infallible>(notes.len())
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    rig.redis.freeze();
    // Redis answers nobody: our own clock decides.
    seen.has(2).await;
    rig.redis.thaw();
    assert_eq!(rig.bull.finished(&id).await, Ok(json!(3)));
    assert_eq!(seen.all(), ["run", "told", "run"]);
    worker.stop().await;
    rig.bull.close().await;
}
