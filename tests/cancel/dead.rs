//! Jobs whose worker died, or gave them back, after they were cancelled: found, and ended without another run.

use std::time::Duration;

use bullock::store::Lane;
use bullock::store::cancel::Cancelled;
use bullock::store::claim::ClaimRequest;
use bullock::store::finish::HandedBack;
use serde_json::{Value, json};

use crate::rig::{ALL, BOTH, Library, Rig, Seen, does, start, stop};
use crate::support::wait;

const TOKEN: &str = "w-1:0123456789abcdef0123456789abcdef";

/// Adds a job and holds it as a worker that is about to die.
async fn held(rig: &mut Rig, lease_ms: u64, opts: Value) -> (String, Lane) {
    let id = rig.node.add("x", json!({}), opts).await;
    let mut lane = Lane::new(format!("victim of {id}"));
    lane.next();
    let tokens = [TOKEN.to_owned()];
    let request = ClaimRequest {
        lease_ms,
        busy: false,
        worker: "w-1",
        limiter: None,
        tokens: &tokens,
        may_take_suspect: true,
    };
    let claimed = rig.store.claim(&lane, &request).await.unwrap();
    assert_eq!(claimed.jobs[0].id.as_str(), id);
    (id, lane)
}

/// Starts a worker that sweeps often, sees the job end as cancelled, and that it was never run.
async fn never_runs_again(rig: &mut Rig, id: &str) {
    let seen = Seen::default();
    let notes = seen.clone();
    let echo = does(move |job, _| {
        notes.note(&job.id);
        async move { Ok(Value::Null) }
    });
    let worker = start(
        rig.worker().lease(Duration::from_millis(900), Duration::from_millis(300)).handler_spec("*", echo),
    )
    .await;
    rig.ends_cancelled(id).await;
    let other = rig.node.add("x", json!({}), json!({})).await;
    assert_eq!(rig.node.finished(&other).await, Ok(Value::Null));
    assert_eq!(seen.all(), [other], "{:?}", rig.library);
    stop(worker).await;
}

#[tokio::test]
async fn a_job_that_was_cancelled_while_its_worker_died_is_ended_by_the_sweep() {
    for library in ALL {
        let mut rig = Rig::start(library).await;
        let (id, _) = held(&mut rig, 300, json!({"attempts": 5})).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Told, "{library:?}");
        never_runs_again(&mut rig, &id).await;
        assert_eq!(rig.record(&id, "crashes").await, None, "{library:?}: it was not given another run");
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_job_of_a_dead_node_worker_is_ended_by_the_librarys_own_check() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let (id, _) = held(&mut rig, 200, json!({})).await;
        // As a Node worker holds it: with a lock, and no entry of ours.
        rig.ask::<()>(&["SREM", "X:leases", &id]).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Marked, "{library:?}");
        let lock = format!("Q:{id}:lock");
        while rig.ask::<bool>(&["EXISTS", &lock]).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rig.store.stalled(1, 1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        rig.store.stalled(1, 1).await.unwrap();
        rig.ends_cancelled(&id).await;
        never_runs_again(&mut rig, &id).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_cancelled_job_that_was_handed_back_ends_at_its_next_claim() {
    for library in ALL {
        let mut rig = Rig::start(library).await;
        for opts in [json!({}), json!({"priority": 2})] {
            let (id, mut lane) = held(&mut rig, 60_000, opts).await;
            assert_eq!(rig.cancel(&id).await, Cancelled::Told, "{library:?}");
            lane.next();
            let back = HandedBack { id: &id, token: TOKEN, delay_ms: None, held: false, max_deferrals: None };
            rig.store.hand_back(&lane, 1000, 0, &[back]).await.unwrap();
            never_runs_again(&mut rig, &id).await;
            if library == Library::Bull {
                assert_eq!(rig.ask::<u64>(&["ZCARD", "Q:priority"]).await, 0);
            }
        }
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_job_that_is_active_without_a_lock_is_ended_at_once() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let (id, _) = held(&mut rig, 60_000, json!({})).await;
        rig.ask::<()>(&["DEL", &format!("Q:{id}:lock")]).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Done, "{library:?}");
        rig.ends_cancelled(&id).await;
        assert_eq!(rig.ask::<u64>(&["EXISTS", "X:leases", "X:leases:stalled"]).await, 0, "{library:?}");
        assert_eq!(rig.audit().await[0][2..4], ["active", "failed"], "{library:?}");
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_run_that_lost_its_job_cannot_end_a_cancelled_one_otherwise() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let (id, mut lane) = held(&mut rig, 60_000, json!({})).await;
        rig.ask::<()>(&["DEL", &format!("Q:{id}:lock")]).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Done);
        lane.next();
        let too_late = bullock::store::finish::Completion {
            id: &id,
            token: TOKEN,
            result: Some("1"),
            keep: bullock::job::options::Keep::All,
            debounce_id: None,
            plain_fields: None,
        };
        let verdict = rig.store.complete(&lane, 1000, 0, &[too_late]).await.unwrap();
        assert_eq!(verdict, [bullock::store::finish::Verdict::LeaseLost], "{library:?}");
        rig.ends_cancelled(&id).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn cancels_are_heard_of_again_after_redis_was_away() {
    let mut rig = Rig::start(Library::Bull).await;
    let seen = Seen::default();
    let notes = seen.clone();
    let works = does(move |_, ctx| {
        notes.note("started");
        async move {
            ctx.cancelled.cancelled().await;
            Err("noticed".into())
        }
    });
    let worker = start(rig.worker().handler_spec("*", works)).await;
    let id = rig.node.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    // Every connection but the test's own is cut; the next renewal is a minute away.
    rig.ask::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    wait::until("the cancel to be taken", async || {
        matches!(
            rig.store.cancel(&crate::rig::kim(), &[&id]).await.as_deref(),
            Ok([Cancelled::Told | Cancelled::ToldBefore])
        )
    })
    .await;
    rig.ends_cancelled(&id).await;
    stop(worker).await;
    rig.node.close().await;
}
