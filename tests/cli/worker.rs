//! `bullock worker ls`, with our workers and Node's.

use serde_json::json;

use super::Place;
use super::support::node::BullQueue;
use super::support::wait;
use super::watch::slow_worker;

#[tokio::test]
async fn workers_are_listed_with_their_queues_and_what_they_run() {
    let place = Place::start();
    assert_eq!(place.json(&["worker", "ls"]).await, json!([]));
    let ours = slow_worker(&place, "mail").await;
    let mut node = BullQueue::open(&place.redis.url(), "shop:orders").await;
    node.work(1, 0).await;
    place.add(&["mail", "slow"]).await;
    node.add("x", json!({}), json!({"delay": 3_600_000})).await;
    let listed = wait::value("both workers", async || {
        let listed = place.json(&["worker", "ls"]).await;
        let busy = listed.as_array().unwrap().iter().any(|worker| worker["running"] == 1);
        (listed.as_array().unwrap().len() == 2 && busy).then_some(listed)
    })
    .await;
    let of = |kind: &str| listed.as_array().unwrap().iter().find(|one| one["kind"] == kind).unwrap().clone();
    assert_eq!(
        (&of("bullock")["queues"][0]["queue"], &of("bullock")["running"]),
        (&json!("mail"), &json!(1))
    );
    assert_eq!(
        (&of("node")["queues"][0]["queue"], &of("node")["running"]),
        (&json!("shop:orders"), &json!(0))
    );
    let only = place.json(&["worker", "ls", "--queue", "mail"]).await;
    assert_eq!(only.as_array().unwrap().len(), 1, "{only}");
    let table = place.ok(&["worker", "ls", "-o", "table"]).await;
    assert!(table.starts_with("WORKER") && table.contains("shop:orders"), "{table}");
    assert!(place.fails(3, &["worker", "ls", "--queue", "none"]).await.starts_with("error: no such queue"));
    ours.stop();
    ours.join().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_be_quiet_takes_nothing_more_until_it_is_resumed() {
    let place = Place::start();
    place.add(&["mail", "first"]).await;
    let ours = slow_worker(&place, "mail").await;
    let running = async || place.json(&["queue", "show", "mail"]).await["counts"]["active"] == 1;
    wait::until("the first job to run", running).await;
    let name = place.json(&["worker", "ls"]).await[0]["name"].as_str().unwrap().to_owned();
    let told = place.json(&["worker", "quiet", &name, "--reason", "a look inside"]).await;
    assert_eq!(
        (&told["quiet"], &told["changed"], &told["queues"]),
        (&json!(true), &json!(true), &json!(["mail"]))
    );
    assert_eq!(place.json(&["worker", "quiet", &name]).await["changed"], false);
    assert_eq!(place.json(&["worker", "ls"]).await[0]["quiet"]["why"], "a look inside");
    let again = place.json(&["worker", "resume", &name]).await;
    assert_eq!((&again["quiet"], &again["changed"]), (&json!(false), &json!(true)));
    let acts = place.json(&["audit", "--job", &name]).await;
    assert_eq!(
        (&acts[0]["what"], &acts[1]["what"]),
        (&json!("worker.resume"), &json!("worker.quiet")),
        "{acts:#}"
    );
    assert!(
        place.fails(3, &["worker", "quiet", "nobody"]).await.starts_with("error: no such worker: nobody")
    );

    let mut node = BullQueue::open(&place.redis.url(), "other").await;
    node.work(1, 0).await;
    node.add("x", json!({}), json!({"delay": 3_600_000})).await;
    wait::until("Node's worker", async || place.json(&["worker", "ls"]).await.as_array().unwrap().len() == 2)
        .await;
    assert!(place.fails(5, &["worker", "quiet", "Node"]).await.contains("a Node worker does not listen"));
    ours.stop();
    ours.join().await;
}
