//! `bullock history`, of what a worker has noted.

use serde_json::json;

use super::Place;
use super::support::wait;
use super::watch::failing_worker;

#[tokio::test]
async fn what_ran_is_told_per_hour_and_day() {
    let place = Place::start();
    assert!(place.fails(3, &["history", "--queue", "mail"]).await.starts_with("error: no such queue"));
    let worker = failing_worker(&place, "mail").await;
    for _ in 0..3 {
        place.add(&["mail", "boom"]).await;
    }
    for by in ["hour", "day"] {
        let lines = wait::value("the worker's figures", async || {
            let lines = place.json(&["history", "--queue", "mail", "--by", by]).await;
            // Jobs that end around the full hour are in two lines.
            let failed: u64 = lines.as_array()?.iter().filter_map(|line| line["failed"].as_u64()).sum();
            (failed == 3).then_some(lines)
        })
        .await;
        assert_eq!((&lines[0]["name"], &lines[0]["completed"]), (&json!("boom"), &json!(0)), "{by}: {lines}");
        assert!(lines[0]["runMs"]["p95"].is_number() && lines[0]["fromTime"].is_string(), "{by}: {lines}");
    }
    assert_eq!(place.json(&["history", "--queue", "mail", "--name", "other"]).await, json!([]));
    let table = place.ok(&["history", "--queue", "mail", "-o", "table"]).await;
    assert!(table.starts_with("FROM") && table.contains("boom"), "{table}");
    assert_eq!(place.run(&["history", "--queue", "mail", "--by", "year"]).await.code, 2);
    worker.stop();
    worker.join().await;
}
