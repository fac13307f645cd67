use serde_json::json;

use crate::stage::{BULL, BULLMQ, Stage};
use crate::support::node::BullQueue;

#[tokio::test]
async fn a_scaler_is_told_of_all_work_there_is() {
    let stage = Stage::start_with(|options| options.queues[0].concurrency = 2);
    let mut queue = BullQueue::open(&stage.redis.url(), BULL).await;
    for n in 0..5 {
        queue.add("sync", json!({"n": n}), json!({})).await;
    }
    queue.add("later", json!({}), json!({"delay": 3_600_000})).await;
    // Due, and nobody has put it in line yet.
    queue.add("due", json!({}), json!({"delay": 1})).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let path = "/api/v1/scale?queue=woo%3Acustomers";
    let answer = stage.get(path).await.json();
    assert_eq!((&answer["backlog"], &answer["desired"]), (&json!(6), &json!(3)), "{answer}");
    assert!(answer["oldestSeconds"].as_f64().is_some_and(|age| age > 0.0) && answer["serverTime"].is_u64());
    assert_eq!(stage.get(&format!("{path}&per=6")).await.json()["desired"], 1);
    queue.call("pause", json!([])).await.unwrap();
    let paused = stage.get(path).await.json();
    assert_eq!(
        (&paused["backlog"], &paused["desired"], &paused["paused"]),
        (&json!(6), &json!(0), &json!(true))
    );
    queue.close().await;
}

#[tokio::test]
async fn a_scaler_that_asks_for_something_else_gets_an_error() {
    let stage = Stage::start();
    for (query, status, problem) in [
        ("?queue=woo", 404, "not-found"),
        ("", 400, "validation"),
        ("?queue=", 400, "validation"),
        ("?queue=orders&per=0", 400, "validation"),
        ("?queue=orders&queue=orders", 400, "validation"),
        ("?name=orders", 400, "validation"),
    ] {
        let answer = stage.get(&format!("/api/v1/scale{query}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{query}");
    }
    assert_eq!(stage.get("/api/v1/scale?queue=orders").await.json()["backlog"], 0, "known, and empty");
}

#[tokio::test]
async fn health_says_how_everything_does() {
    let stage = Stage::start_with(|options| {
        options.readiness = std::sync::Arc::new(|| bullock::admin::Readiness {
            queues: vec![(BULL.to_owned(), true), (BULLMQ.to_owned(), true)],
            ..bullock::admin::Readiness::default()
        });
    });
    let _events = stage.events("").await;
    let health = stage.get("/api/v1/health").await.json();
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(health["redis"]["ok"], true, "{health}");
    assert_eq!(health["redis"]["evictionPolicy"], "noeviction");
    assert_eq!(
        health["queues"][0],
        json!({"name": BULL, "dialect": "bull", "claimed": true, "problem": null})
    );
    assert_eq!((&health["streams"]["clients"], &health["streams"]["reading"]), (&json!(1), &json!(true)));
    stage.redis.freeze();
    let health = stage.get("/api/v1/health").await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("down")));
    stage.redis.thaw();
    assert_eq!(stage.get("/readyz?verbose").await.status, 200);
}

#[tokio::test]
async fn the_names_of_bullmqs_own_exporter_are_shown_when_asked_for() {
    let shown = bullock::admin::Metrics::with_names([(BULL, 4), (BULLMQ, 4)], true);
    let stage = Stage::start_with(move |options| options.metrics = shown);
    let mut queue = BullQueue::open_mq(6, &stage.redis.url(), BULLMQ, &json!({})).await;
    queue.work_with(1, 1, json!({"metrics": {"maxDataPoints": 10}})).await;
    let id = queue.add("ship", json!({}), json!({})).await;
    queue.finished(&id).await.unwrap();
    queue.call("pause", json!([])).await.unwrap();
    queue.add("ship", json!({}), json!({"delay": 3_600_000})).await;
    crate::support::wait::until("the figures", async || {
        let text = stage.get("/metrics").await.body;
        [
            "bullmq_job_count{queue=\"orders\",state=\"delayed\"} 1",
            "bullmq_job_completed_total{queue=\"orders\"} 1",
            "bullock_queue_paused{queue=\"orders\"} 1",
        ]
        .iter()
        .all(|line| text.contains(line))
    })
    .await;
    queue.close().await;
    let plain = Stage::start().get("/metrics").await.body;
    assert!(!plain.contains("bullmq_"), "{plain}");
}
