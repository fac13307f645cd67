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
