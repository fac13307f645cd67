//! The tools around Bull that look at the same queue: `getWorkers`, bull-board, Nest.

use std::convert::Infallible;
use std::time::Instant;

use serde_json::{Value, json};

use crate::rig::{Db, Gate, QUEUE, Rig};
use crate::support::http;
use crate::support::node::Node;
use crate::support::wait::{self, DEADLINE};

/// What `getWorkers` lists, once it lists anything.
async fn workers(rig: &mut Rig) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let listed = rig.bull.call("getWorkers", json!([])).await.unwrap();
        match listed.as_array() {
            Some(all) if !all.is_empty() => return all.clone(),
            _ => assert!(started.elapsed() < DEADLINE, "no worker is listed"),
        }
    }
}

#[tokio::test]
async fn bull_lists_a_worker_that_has_been_busy_since_it_started() {
    let mut rig = Rig::start().await;
    let gate = Gate::closed();
    let door = gate.clone();
    for _ in 0..2 {
        rig.bull.add("x", json!({}), json!({})).await;
    }
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
    assert_eq!(workers(&mut rig).await.len(), 1);
    gate.open(2);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn bull_lists_our_worker_also_after_its_connections_were_killed() {
    let mut rig = Rig::start().await;
    let worker = rig
        .plan()
        .options(|options| options.name = "shop-1".into())
        .on("x", |_, _| async move { Ok::<_, Infallible>(()) })
        .start()
        .await;
    for kill in [false, true] {
        if kill {
            let _: () = rig.db.ask(redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal")).await;
        }
        let listed = workers(&mut rig).await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        // The base64 of the queue's name is the part that Bull looks for.
        assert_eq!(listed[0]["rawname"].as_str().or(listed[0]["name"].as_str()), Some(QUEUE), "{listed:?}");
    }
    worker.stop().await;
    assert_eq!(rig.bull.call("getWorkers", json!([])).await, Ok(json!([])));
    rig.bull.close().await;
}

#[tokio::test]
async fn bull_board_lists_the_queue_its_workers_and_the_jobs_that_we_ran() {
    let mut rig = Rig::start().await;
    let worker = rig
        .plan()
        .on("x", |job, ctx| async move {
            let _ = ctx.progress(&json!({"total": 4, "processed": 1})).await;
            if job.data["bad"] == true { Err("no such shop") } else { Ok("sent") }
        })
        .start()
        .await;
    for data in [json!({"n": 1}), json!({"bad": true})] {
        let id = rig.bull.add("x", data, json!({})).await;
        let _ = rig.bull.finished(&id).await;
    }
    let mut board = Node::start("bull-board.mjs", &[&rig.redis.url(), QUEUE]);
    let url = board.next().await["listening"].as_str().unwrap().to_owned();
    let (status, body) =
        http::get(&url, "/api/queues?activeQueue=q&status=latest&page=1&jobsPerPage=10").await.unwrap();
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let queue = &body["queues"][0];
    assert_eq!(queue["name"], QUEUE);
    assert_eq!(
        (&queue["counts"]["completed"], &queue["counts"]["failed"]),
        (&json!(1), &json!(1)),
        "{queue}"
    );
    let jobs = queue["jobs"].as_array().unwrap();
    let find =
        |id: &str| jobs.iter().find(|job| job["id"] == id).unwrap_or_else(|| panic!("{id} in {queue}"));
    assert_eq!(find("1")["returnValue"], "sent");
    assert_eq!(find("1")["progress"]["progress"], 25);
    assert_eq!(find("2")["failedReason"], "no such shop");
    let (status, workers) = http::get(&url, "/api/queues/q/workers").await.unwrap();
    let workers: Value = serde_json::from_str(&workers).unwrap();
    assert_eq!((status, workers["workers"].as_array().map(Vec::len)), (200, Some(1)), "{workers}");
    board.finish().await;
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_nest_application_adds_a_job_and_hears_of_its_end() {
    let rig = Rig::start().await;
    let worker = rig
        .plan()
        .on("welcome", |job, _| async move { Ok::<_, Infallible>(json!({"to": job.data["to"]})) })
        .on("bad", |_, _| async move { Err::<(), _>("no such shop") })
        .start()
        .await;
    let mut nest = Node::start("nest.mjs", &[&rig.redis.url(), QUEUE]);
    assert_eq!(nest.next().await, json!({"ready": true}));
    // Nest subscribes on its own time, after it says that it is ready.
    wait::until("nest to listen", async || {
        let (_, listeners): (String, u64) =
            rig.db.ask(redis::cmd("PUBSUB").arg("NUMSUB").arg(Db::key("completed"))).await;
        listeners > 0
    })
    .await;
    nest.send(&json!({"add": ["welcome", {"to": "ada"}, {"attempts": 2}]}));
    let mut lines = [nest.next().await, nest.next().await, nest.next().await].map(|line| line.to_string());
    lines.sort();
    let expected = [r#"{"added":"1"}"#, r#"{"finished":{"to":"ada"}}"#, r#"{"heard":["1",{"to":"ada"}]}"#];
    assert_eq!(lines, expected);
    nest.send(&json!({"add": ["bad", {}, {}]}));
    nest.next_where("failure", |line| line == &json!({"failed": "no such shop"})).await;
    nest.finish().await;
    worker.stop().await;
    rig.bull.close().await;
}
