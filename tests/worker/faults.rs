//! Redis misbehaves: scripts forgotten, connections cut, the server killed. Nothing is lost, nothing runs twice.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use bullock::worker::Ended;
use redis::cmd;
use serde_json::{Value, json};

use crate::rig::{Plan, Rig, Seen, add_bulk};
use crate::support::redis::Redis;
use crate::support::wait;

fn counted(plan: Plan, seen: &Seen, takes_ms: u64) -> Plan {
    let notes = seen.clone();
    plan.on("x", move |job, ctx| {
        let notes = notes.clone();
        async move {
            notes.note(&job.id);
            let _ = ctx.progress(&1).await;
            tokio::time::sleep(Duration::from_millis(takes_ms)).await;
            if job.data["fails"] == true && job.attempt() == 1 {
                Err("once")
            } else {
                Ok(job.data["n"].clone())
            }
        }
    })
}

fn jobs(many: usize) -> Value {
    (0..many).map(|n| json!({"name": "x", "data": {"n": n}, "opts": {"attempts": 2}})).collect()
}

/// Every job has its own result, and each was started once.
async fn all_once(rig: &mut Rig, ids: &[String], seen: &Seen) {
    let mut starts: HashMap<String, usize> = HashMap::new();
    for id in seen.all() {
        *starts.entry(id).or_default() += 1;
    }
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(rig.db.field(id, "returnvalue").await, Some(n.to_string()), "result of {id}");
        assert_eq!(starts.get(id), Some(&1), "starts of {id}");
    }
}

#[tokio::test]
async fn a_server_that_forgets_all_scripts_again_and_again_is_taught_them_again() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let worker = counted(rig.plan(), &seen, 1).start().await;
    for n in 0..15 {
        let _: () = rig.db.ask(cmd("SCRIPT").arg("FLUSH")).await;
        let id = rig.bull.add("x", json!({"n": n, "fails": n % 3 == 0}), json!({"attempts": 2})).await;
        assert_eq!(rig.bull.finished(&id).await, Ok(json!(n)));
    }
    assert_eq!(seen.len(), 20);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn connections_that_are_cut_again_and_again_lose_no_job_and_double_none() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let ids = add_bulk(&mut rig.bull, jobs(600)).await;
    let worker = counted(rig.plan().concurrency(8), &seen, 10).start().await;
    for _ in 0..20 {
        for kind in ["normal", "pubsub"] {
            let _: u64 =
                rig.db.ask(cmd("CLIENT").arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes")).await;
        }
        let done = seen.len();
        // Some work between two cuts, so that each cut hits something.
        wait::until("a few more starts", async || seen.len() > done + 5 || seen.len() == 600).await;
    }
    assert!(seen.len() < 600, "the storm was over before the jobs");
    rig.db.sorted_has("completed", ids.len()).await;
    all_once(&mut rig, &ids, &seen).await;
    assert_eq!(worker.record.count(Ended::LeaseLost), 0);
    rig.db.quiet().await;
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_redis_that_is_killed_and_comes_back_with_its_log_costs_nothing() {
    let redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut rig = Rig::on(redis, &json!({})).await;
    let seen = Seen::default();
    let ids = add_bulk(&mut rig.bull, jobs(400)).await;
    let worker = counted(rig.plan().concurrency(8), &seen, 10).start().await;
    seen.has(50).await;
    rig.redis.crash_and_restart();
    let back = Instant::now();
    assert!(seen.len() < 400, "the crash came too late");
    let done = seen.len();
    wait::until("work to go on", async || seen.len() > done + 16).await;
    println!("work goes on {:?} after the server is back", back.elapsed());
    rig.db = crate::rig::Db(rig.redis.connection().await);
    rig.db.sorted_has("completed", ids.len()).await;
    all_once(&mut rig, &ids, &seen).await;
    rig.db.quiet().await;
    assert_eq!(rig.db.locks().await, [""; 0]);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_worker_outlives_a_redis_that_is_frozen_and_goes_on() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let worker = counted(rig.plan(), &seen, 0).start().await;
    let id = rig.bull.add("x", json!({"n": 0}), json!({})).await;
    rig.bull.finished(&id).await.unwrap();
    // Longer than the deadline of a blocked call, so that the socket is given up and replaced.
    rig.redis.freeze();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    rig.redis.thaw();
    let id = rig.bull.add("x", json!({"n": 1}), json!({})).await;
    assert_eq!(rig.bull.finished(&id).await, Ok(json!(1)));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_worker_started_before_its_redis_server_works_once_it_is_there() {
    let mut rig = Rig::start().await;
    let worker = rig.plan().on("x", |_, _| async move { Ok::<_, Infallible>(1) }).start().await;
    // Without persistence the server comes back empty: no scripts, no keys.
    rig.redis.crash_and_restart();
    let id = rig.bull.add("x", json!({}), json!({})).await;
    assert_eq!(rig.bull.finished(&id).await, Ok(json!(1)));
    worker.stop().await;
    rig.bull.close().await;
}
