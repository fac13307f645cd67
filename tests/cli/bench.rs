//! `bullock bench`: it measures on what is its own, and leaves a Redis as it was.

use serde_json::{Value, json};

use super::Place;

#[tokio::test]
async fn each_measurement_leaves_nothing_behind_and_touches_nothing_else() {
    let place = Place::start();
    place.add(&["mail", "x", "--job-id", "one"]).await;
    let before = place.redis.dump().await;
    for dialect in ["bull", "bullmq"] {
        for operation in ["drain", "add", "latency"] {
            let line = place.ok(&["bench", operation, "--dialect", dialect, "-n", "20", "-c", "5"]).await;
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&line["op"], &line["n"]), (&json!(operation), &json!(20)));
            assert_eq!(place.redis.dump().await, before, "{operation} {dialect}");
        }
    }
}

#[tokio::test]
async fn a_queue_that_is_there_is_not_measured_on() {
    let place = Place::start();
    place.add(&["mail", "x", "--job-id", "one"]).await;
    let before = place.redis.dump().await;
    for operation in ["add", "latency"] {
        let error = place.fails(5, &["bench", operation, "--queue", "mail", "-n", "1"]).await;
        assert!(
            error.starts_with("error: there is such a queue, and it may be somebody's (mail)"),
            "{error}"
        );
    }
    assert_eq!(place.redis.dump().await, before);
    place.ok(&["bench", "add", "--queue", "fresh", "-n", "3", "-c", "1"]).await;
    assert_eq!(place.json(&["queue", "show", "fresh"]).await["counts"]["waiting"], 3);
}
