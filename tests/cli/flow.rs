//! `bullock flow show`, of flows that npm `bullmq` added.

use serde_json::json;

use super::Place;
use super::support::node::BullQueue;

#[tokio::test]
async fn a_flow_is_shown_as_a_tree_over_its_queues() {
    let place = Place::start();
    let mut mq = BullQueue::open_mq(6, &place.redis.url(), "reports", &json!({})).await;
    let page = |id: &str| json!({"name": "render", "queueName": "pdf", "data": {}, "opts": {"jobId": id}});
    let mut last = page("p3");
    last["children"] = json!([{"name": "fetch", "queueName": "web", "data": {}, "opts": {"jobId": "w1"}}]);
    mq.flow(json!({"name": "send", "queueName": "reports", "opts": {"jobId": "root"}, "children": [page("p1"), last]})).await;

    let tree = place.json(&["flow", "show", "reports", "root"]).await;
    assert_eq!(
        (&tree["nodes"], &tree["truncated"], &tree["above"]),
        (&json!(4), &json!(false), &json!(null))
    );
    assert_eq!(tree["root"]["state"], "waiting-children");
    assert_eq!(tree["root"]["rollup"], json!({"pending": 2, "processed": 0, "failed": 0, "ignored": 0}));
    let text = place.ok(&["flow", "show", "reports", "root", "-o", "table"]).await;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("JOB") && lines[1].starts_with("reports/root"), "{text}");
    let below: Vec<&str> = lines[2..].iter().map(|line| line.split("  ").next().unwrap()).collect();
    // Redis keeps children in no order.
    assert!(below.contains(&"├─ pdf/p1") || below.contains(&"└─ pdf/p1"), "{text}");
    assert!(text.contains("└─ web/w1") && text.contains("0 of 2 done"), "{text}");

    let below = place.json(&["flow", "show", "pdf", "p3"]).await;
    assert_eq!(below["above"], json!({"queue": "reports", "id": "root"}));
    let cut = place.json(&["flow", "show", "reports", "root", "--limit", "2"]).await;
    assert_eq!(
        (&cut["nodes"], &cut["truncated"], &cut["root"]["more"]),
        (&json!(2), &json!(true), &json!(1))
    );
    let error = place.fails(3, &["flow", "show", "reports", "none"]).await;
    assert!(error.starts_with("error: no such job (reports): none"), "{error}");
}
