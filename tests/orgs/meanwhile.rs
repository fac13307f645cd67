//! What npm `bull` and `bullmq` do to a queue meanwhile.

use std::time::Duration;

use bullock::store::control::Obliterated;
use serde_json::json;

use crate::rig::{BOTH, Library, Rig, Seen, does, start, stop};
use crate::support::wait;
use crate::terms::{add_bulk, completed, fair, jobs, nothing_left, running};

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_node_removes_leave_nothing_and_hold_up_nobody() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let (seen, gate) = (Seen::default(), std::sync::Arc::new(tokio::sync::Semaphore::new(0)));
        let (notes, wanted) = (seen.clone(), gate.clone());
        let handler = does(move |job, _| {
            notes.note(format!("{}{}", job.data["org"].as_str().unwrap(), job.data["n"]));
            let gate = wanted.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(json!(null))
            }
        });
        let worker = start(rig.worker().turns(running(1)).concurrency(4).handler_spec("*", handler)).await;
        add_bulk(&mut rig, jobs("A", 50, &json!({}))).await;
        add_bulk(&mut rig, jobs("B", 3, &json!({}))).await;
        seen.has(2).await;
        indexed(&mut rig, 51).await;
        // Ids that Node removes one by one, …
        let ids: Vec<String> = rig.ask(&["LRANGE", "Q:wait", "-40", "-1"]).await;
        for id in ids.iter().rev().take(30) {
            rig.node.job(id, "remove").await;
        }
        gate.add_permits(1);
        seen.has(3).await;
        // … all that wait, …
        let drained = if library == Library::Bull { "empty" } else { "drain" };
        rig.node.call(drained, json!([])).await.unwrap();
        gate.add_permits(100);
        nothing_left(&mut rig, library).await;
        // … and what comes then is run.
        add_bulk(&mut rig, jobs("A", 3, &json!({}))).await;
        wait::until("three more", async || seen.all().iter().filter(|note| **note == "A2").count() > 0).await;
        nothing_left(&mut rig, library).await;
        stop(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_rests_and_goes_on_in_turns() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let handler = does(move |job, _| {
            notes.note(job.data["org"].as_str().unwrap());
            async { Ok(json!(null)) }
        });
        rig.node.call("pause", json!([])).await.unwrap();
        add_bulk(&mut rig, jobs("A", 30, &json!({}))).await;
        let worker = start(rig.worker().turns(fair()).handler_spec("*", handler)).await;
        add_bulk(&mut rig, jobs("B", 5, &json!({}))).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(seen.all().is_empty(), "{library:?}: nothing runs while the queue is paused");
        rig.node.call("resume", json!([])).await.unwrap();
        completed(&rig, 35).await;
        nothing_left(&mut rig, library).await;
        stop(worker).await;
        let last_b = seen.all().iter().rposition(|note| note == "B").unwrap();
        assert!(last_b < 15, "{library:?}: {:?}", seen.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_adds_and_workers_come_and_go_and_no_job_is_lost_or_run_twice() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let seen = Seen::default();
        let handler = |seen: &Seen| {
            let notes = seen.clone();
            does(move |job, _| {
                let notes = notes.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    notes.note(&job.id);
                    Ok(json!(null))
                }
            })
        };
        let mut terms = running(3);
        terms.fair = true;
        let mut worker =
            start(rig.worker().turns(terms.clone()).concurrency(8).handler_spec("*", handler(&seen))).await;
        for round in 0..10 {
            for org in ["A", "B", "C"] {
                add_bulk(&mut rig, jobs(org, 20, &json!({}))).await;
            }
            if round % 3 == 2 {
                // In some the limits are others: the last one that started decides.
                let next = rig.worker().turns(terms.clone()).concurrency(8).handler_spec("*", handler(&seen));
                let old = std::mem::replace(&mut worker, start(next).await);
                nothing_left(&mut rig, library).await;
                stop(old).await;
            }
        }
        completed(&rig, 600).await;
        stop(worker).await;
        let mut all = seen.all();
        all.sort();
        all.dedup();
        assert_eq!((all.len(), seen.all().len()), (600, 600), "{library:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn obliterating_removes_what_is_kept_for_organisations() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let worker = rig.worker().turns(fair()).handler_spec("*", does(|_, _| async { Ok(json!(null)) }));
        let worker = start(worker).await;
        add_bulk(&mut rig, jobs("A", 5, &json!({}))).await;
        completed(&rig, 5).await;
        stop(worker).await;
        for word in ["org:acme", "one:acme", "idem:acme:k", "turns:line:x"] {
            let _: () = rig.ask(&["SET", &format!("X:{word}"), "1"]).await;
        }
        let _: () = rig.ask(&["SET", "bull::x:q2::org:acme", "1"]).await;
        assert_eq!(rig.store.obliterate(true).await.unwrap(), Obliterated::Done);
        let mut keys: Vec<String> = rig.ask(&["KEYS", "X:*"]).await;
        // Answers to requests end with their leases; the log outlives the queue.
        keys.retain(|key| !key.contains("::reply:") && !key.ends_with("::audit"));
        assert!(keys.is_empty(), "{library:?}: {keys:?}");
        let other: usize = rig.ask(&["EXISTS", "bull::x:q2::org:acme"]).await;
        assert_eq!(other, 1, "{library:?}: another queue's");
    }
}

async fn indexed(rig: &mut Rig, most: usize) {
    let mut db = rig.redis.connection().await;
    wait::until("the index", async || {
        let known: usize =
            redis::cmd("HLEN").arg("bull::x:q::turns:of").query_async(&mut db.clone()).await.unwrap();
        known == most
    })
    .await;
    let _: String = redis::cmd("PING").query_async(&mut db).await.unwrap();
}
