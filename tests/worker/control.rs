//! People's acts, by npm bull on jobs that we ran, and by us on jobs that Bull added.

use std::convert::Infallible;

use serde_json::{Value, json};

use crate::rig::{Gate, Plan, Rig, Seen, add_bulk, store};

fn noting(plan: Plan, seen: &Seen) -> Plan {
    let notes = seen.clone();
    plan.on("x", move |job, _| {
        notes.note(&job.id);
        async move { Ok::<_, Infallible>("done") }
    })
}

#[tokio::test]
async fn a_queue_that_bull_paused_is_not_worked_until_bull_resumes_it() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let worker = noting(rig.plan(), &seen).start().await;
    rig.bull.call("pause", json!([])).await.unwrap();
    let plain = rig.bull.add("x", json!({}), json!({})).await;
    let delayed = rig.bull.add("x", json!({}), json!({"delay": 10})).await;
    // The delayed one comes due meanwhile, and waits with the other.
    rig.db.list_has("paused", 2).await;
    assert_eq!(rig.bull.job(&delayed, "getState").await, "paused");
    assert_eq!(seen.len(), 0);
    rig.bull.call("resume", json!([])).await.unwrap();
    for id in [&plain, &delayed] {
        assert_eq!(rig.bull.finished(id).await, Ok(json!("done")));
    }
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_queue_that_we_paused_is_paused_for_bull_and_resumed_for_both() {
    let mut rig = Rig::start().await;
    rig.bull.listen().await;
    let store = store(&rig.redis.url());
    assert!(store.pause(true).await.unwrap());
    assert!(!store.pause(true).await.unwrap(), "it was paused already");
    rig.bull.hear("paused", |line| line["event"] == "global:paused").await;
    assert_eq!(rig.bull.call("isPaused", json!([])).await, Ok(json!(true)));
    rig.bull.work(1, 0).await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    assert_eq!(rig.db.list("paused").await, [id.clone()]);
    assert!(store.pause(false).await.unwrap());
    rig.bull.hear("resumed", |line| line["event"] == "global:resumed").await;
    assert_eq!(rig.bull.finished(&id).await, Ok(json!({"by": "node"})));
    rig.bull.close().await;
}

#[tokio::test]
async fn a_job_that_fails_while_the_queue_is_paused_waits_with_the_others() {
    let mut rig = Rig::start().await;
    let gate = Gate::closed();
    let door = gate.clone();
    let worker = rig
        .plan()
        .on("x", move |job, _| {
            let door = door.clone();
            async move {
                door.pass().await;
                if job.attempt() == 1 { Err("once") } else { Ok(()) }
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({"attempts": 2})).await;
    rig.db.list_has("active", 1).await;
    rig.bull.call("pause", json!([])).await.unwrap();
    gate.open(2);
    rig.db.list_has("paused", 1).await;
    assert_eq!(rig.bull.job(&id, "getState").await, "paused");
    rig.bull.call("resume", json!([])).await.unwrap();
    rig.bull.finished(&id).await.unwrap();
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn bull_retries_removes_and_retries_all_of_the_jobs_that_we_failed() {
    let mut rig = Rig::start().await;
    let worker = rig
        .plan()
        .concurrency(4)
        .on("x", |job, _| async move {
            // Fails until somebody retries it by hand: then `attemptsMade` is kept.
            if job.attempt() <= job.opts.attempts { Err("not yet") } else { Ok("now") }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({"attempts": 2})).await;
    rig.bull.finished(&id).await.unwrap_err();
    rig.bull.job(&id, "retry").await;
    rig.db.sorted_has("completed", 1).await;
    assert_eq!(rig.bull.job(&id, "returnvalue").await, "now");
    assert_ne!(rig.bull.job(&id, "retriedOn").await, Value::Null);
    assert_eq!(rig.bull.job(&id, "failedReason").await, Value::Null);

    let jobs: Vec<Value> = (0..30).map(|_| json!({"name": "x", "data": {}, "opts": {}})).collect();
    let ids = add_bulk(&mut rig.bull, json!(jobs)).await;
    rig.db.sorted_has("failed", 30).await;
    rig.bull.job(&ids[0], "remove").await;
    assert_eq!(rig.bull.call("getJob", json!([ids[0]])).await, Ok(Value::Null));
    rig.bull.call("retryJobs", json!([{"count": 7}])).await.unwrap();
    rig.db.sorted_has("completed", 30).await;
    assert_eq!(rig.db.sorted("failed").await, [""; 0]);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn bull_cannot_remove_a_job_that_we_run() {
    let mut rig = Rig::start().await;
    let gate = Gate::closed();
    let door = gate.clone();
    let worker = rig
        .plan()
        .on("x", move |_, _| {
            let door = door.clone();
            async move {
                door.pass().await;
                Ok::<_, Infallible>(())
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    rig.db.list_has("active", 1).await;
    let refused = rig.bull.job_call(&id, "remove", json!([])).await.unwrap_err();
    assert!(refused.contains("Could not remove job"), "{refused}");
    gate.open(1);
    rig.bull.finished(&id).await.unwrap();
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn jobs_that_we_retry_or_promote_are_finished_by_bulls_own_worker() {
    let mut rig = Rig::start().await;
    let worker = rig.plan().on("x", |_, _| async move { Err::<(), _>("no") }).start().await;
    let failed = rig.bull.add("x", json!({}), json!({})).await;
    rig.bull.finished(&failed).await.unwrap_err();
    worker.stop().await;
    let delayed = rig.bull.add("x", json!({}), json!({"delay": 3_600_000})).await;
    rig.bull.work(1, 0).await;
    let store = store(&rig.redis.url());
    assert!(store.promote_job("t", &delayed).await.unwrap());
    assert_eq!(rig.bull.finished(&delayed).await, Ok(json!({"by": "node"})));
    assert_eq!(store.retry_all(10).await.unwrap(), 1);
    rig.db.sorted_has("completed", 2).await;
    assert_eq!(rig.bull.job(&failed, "returnvalue").await, json!({"by": "node"}));
    rig.bull.close().await;
}
