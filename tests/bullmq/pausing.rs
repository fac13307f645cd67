//! Pauses of 5.x and 6.x: no job is lost between the list that one fills and the one that the other empties.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::rig::{MAJORS, QUEUE, Rig, does, echo, start, stop};
use crate::support::bullock::cli;
use crate::support::node::BullQueue;
use crate::support::wait;

/// Every job that either list of the queue holds.
async fn held(rig: &mut Rig) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for list in ["Q:wait", "Q:paused"] {
        all.extend(rig.ask::<Vec<String>>(&["LRANGE", list, "0", "-1"]).await);
    }
    all
}

/// Pauses by `pauser`; while it lasts, jobs come back from a stopped run, from delayed, from failed, from a parent's
/// children and from a retry, all by our hand; then `resumer` resumes.
async fn every_way_back(major: u8, resumer: &str) {
    let mut rig = Rig::start(major).await;
    let url = rig.redis.url();
    // What runs when the queue is paused: one that is handed back, one that fails and is tried again at once.
    let gate = Arc::new(Semaphore::new(0));
    let (held_back, at) = (Arc::clone(&gate), Arc::new(Semaphore::new(0)));
    let begun = Arc::clone(&at);
    let worker = rig.worker().concurrency(3).shutdown_grace(Duration::from_millis(50));
    let worker = start(worker.handler_spec(
        "*",
        does(move |job, ctx| {
            let (gate, begun) = (Arc::clone(&held_back), Arc::clone(&begun));
            async move {
                begun.add_permits(1);
                if job.data == json!("stays") {
                    ctx.cancelled.cancelled().await;
                    return Err("stopped".into());
                }
                gate.acquire().await.map_err(|e| e.to_string())?.forget();
                if job.data == json!("fails") && job.attempts_made == 0 {
                    Err("once".into())
                } else {
                    Ok(job.data)
                }
            }
        }),
    ))
    .await;
    let mut ids = BTreeSet::new();
    let tree = json!({"name": "parent", "queueName": "q", "data": "parent",
        "children": [{"name": "child", "queueName": "q", "data": "child"}]});
    let tree = rig.mq.flow(tree).await;
    ids.insert(tree["job"]["id"].as_str().unwrap().to_owned());
    ids.insert(rig.mq.add("x", json!("stays"), json!({})).await);
    ids.insert(rig.mq.add("x", json!("fails"), json!({"attempts": 2})).await);
    at.acquire_many(3).await.unwrap().forget();

    rig.mq.call("pause", json!([])).await.unwrap();
    // By our own producer, and by hand, from delayed.
    for data in ["plain", "by hand"] {
        let text = json!(data).to_string();
        let mut words = vec!["job", "add", QUEUE, "x", "--json", "-d", &text];
        if data == "by hand" {
            words.extend(["--delay", "1h"]);
        }
        let answer = cli(&words, &[("BULLOCK_REDIS_URL", &url)]).await;
        assert_eq!(answer.code, 0, "{answer:?}");
        let added: Value = serde_json::from_str(&answer.stdout).unwrap();
        let id = added["id"].as_str().unwrap().to_owned();
        if data == "by hand" {
            let answer = cli(&["job", "promote", QUEUE, &id], &[("BULLOCK_REDIS_URL", &url)]).await;
            assert_eq!(answer.code, 0, "{answer:?}");
        }
        ids.insert(id);
    }
    ids.insert(rig.mq.add("x", json!("by node"), json!({})).await);
    ids.insert(rig.mq.add("x", json!("due"), json!({"delay": 1})).await);
    // The child ends and lets its parent go, the other fails and waits again; what stays is handed back.
    gate.add_permits(2);
    wait::until("both to end", async || {
        let mut db = rig.db.clone();
        let active: u64 = redis::cmd("LLEN").arg("bull:q:active").query_async(&mut db).await.unwrap();
        let delayed: u64 = redis::cmd("ZCARD").arg("bull:q:delayed").query_async(&mut db).await.unwrap();
        (active, delayed) == (1, 0)
    })
    .await;
    stop(worker).await;
    assert_eq!(held(&mut rig).await, ids, "while it is paused");

    let version = format!("major {major}, resumed by {resumer}");
    match resumer {
        "us" => {
            let answer = cli(&["queue", "resume", QUEUE], &[("BULLOCK_REDIS_URL", &url)]).await;
            assert_eq!(answer.code, 0, "{answer:?}");
        }
        _ => {
            rig.mq.call("resume", json!([])).await.unwrap();
        }
    }
    let waiting: BTreeSet<String> =
        rig.ask::<Vec<String>>(&["LRANGE", "Q:wait", "0", "-1"]).await.into_iter().collect();
    assert_eq!(waiting, ids, "{version}");
    let worker = start(rig.worker().handler_spec("*", echo())).await;
    for id in &ids {
        rig.mq.finished(id).await.unwrap();
    }
    stop(worker).await;
    rig.mq.close().await;
}

#[tokio::test]
async fn what_we_give_back_to_a_paused_queue_is_there_after_its_resume() {
    for major in MAJORS {
        for resumer in ["them", "us"] {
            every_way_back(major, resumer).await;
        }
    }
}

#[tokio::test]
async fn what_our_sweep_takes_back_during_a_pause_of_5_is_there_after_its_resume() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let first = rig.mq.add("x", json!(1), json!({})).await;
        let lease = Duration::from_millis(400);
        let config = format!(
            "[redis]\nurl = \"{}\"\n[worker]\nallow_short_leases = true\nlease = \"400ms\"\nrenew = \"100ms\"\n[queues.q]\n\
             [queues.q.handlers.\"*\"]\nexec = [\"sleep\", \"60\"]\n",
            rig.redis.url()
        );
        let victim = crate::support::bullock::Bullock::run(&config).await;
        wait::until("the run", async || {
            let mut db = rig.db.clone();
            redis::cmd("LLEN").arg("bull:q:active").query_async::<u64>(&mut db).await.unwrap() == 1
        })
        .await;
        rig.mq.call("pause", json!([])).await.unwrap();
        let second = rig.mq.add("x", json!(2), json!({})).await;
        victim.crash().await;
        let peer = start(rig.worker().lease(lease * 3, lease).handler_spec("*", echo())).await;
        wait::until("the sweep", async || {
            let mut db = rig.db.clone();
            redis::cmd("LLEN").arg("bull:q:active").query_async::<u64>(&mut db).await.unwrap() == 0
        })
        .await;
        rig.mq.call("resume", json!([])).await.unwrap();
        for (id, data) in [(first, 1), (second, 2)] {
            assert_eq!(rig.mq.finished(&id).await, Ok(json!(data)), "major {major}");
        }
        stop(peer).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_queue_that_6_and_5_pause_and_fill_by_turns_loses_nothing_to_our_resume() {
    // 5.x may rename its list over the other: only a resume that puts both together is safe for both kinds of producer.
    let mut rig = Rig::start(5).await;
    let mut six = BullQueue::open_mq(6, &rig.redis.url(), QUEUE, &json!({})).await;
    let mut ids = BTreeSet::new();
    ids.insert(rig.mq.add("x", json!(1), json!({})).await);
    rig.mq.call("pause", json!([])).await.unwrap();
    ids.insert(six.add("x", json!(2), json!({})).await);
    ids.insert(rig.mq.add("x", json!(3), json!({})).await);
    let answer = cli(&["queue", "resume", QUEUE], &[("BULLOCK_REDIS_URL", &rig.redis.url())]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(held(&mut rig).await, ids);
    let worker = start(rig.worker().handler_spec("*", echo())).await;
    for id in &ids {
        six.finished(id).await.unwrap();
    }
    stop(worker).await;
    six.close().await;
    rig.mq.close().await;
}
