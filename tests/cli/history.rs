//! `bullock history`, of what workers have counted.

use std::sync::Arc;
use std::time::Duration;

use bullock::store::Lane;
use bullock::store::history::tally::{How, Ran, Tally};
use serde_json::json;

use super::Place;

#[tokio::test]
async fn what_ran_is_told_per_hour_and_day() {
    let place = Place::start();
    assert!(place.fails(3, &["history", "--queue", "mail"]).await.starts_with("error: no such queue"));
    place.add(&["mail", "boom"]).await;
    assert_eq!(place.json(&["history", "--queue", "mail"]).await, json!([]));
    let queue = bullock::Queue::open(&place.redis.url(), "bull", "mail").unwrap();
    let name: Arc<str> = "boom".into();
    let mut tally = Tally::default();
    for n in 0..10 {
        let how = if n < 8 { How::Completed } else { How::Failed };
        let (ran, waited) = (Duration::from_secs(n + 1), Some(Duration::from_millis(100)));
        tally.add(&Ran { name: &name, org: "acme", id: &n.to_string(), attempt: 1, how, ran, waited });
    }
    let mut lane = Lane::new("test".to_owned());
    lane.next();
    let counted = tally.take_call().unwrap();
    queue.store().tally(&lane, 60_000, Duration::from_hours(24), &counted).await.unwrap();

    for by in ["hour", "day"] {
        let lines = place.json(&["history", "--queue", "mail", "--by", by]).await;
        assert_eq!(lines.as_array().unwrap().len(), 1, "{by}: {lines}");
        let first = &lines[0];
        assert_eq!((&first["name"], &first["org"]), (&json!("boom"), &json!("acme")), "{by}: {lines}");
        assert_eq!((&first["completed"], &first["failed"]), (&json!(8), &json!(2)), "{by}: {lines}");
        assert!(first["runMs"]["p95"].is_number() && first["fromTime"].is_string(), "{by}: {lines}");
    }
    assert_eq!(place.json(&["history", "--queue", "mail", "--name", "other"]).await, json!([]));
    let table = place.ok(&["history", "--queue", "mail", "-o", "table"]).await;
    assert!(table.starts_with("FROM") && table.contains("boom") && table.contains("acme"), "{table}");
    assert_eq!(place.run(&["history", "--queue", "mail", "--by", "year"]).await.code, 2);
}
