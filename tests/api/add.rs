//! Adding jobs: once, twice, many, and what is refused before anything is written.

use serde_json::{Value, json};

use crate::site::Site;

#[tokio::test]
async fn the_same_id_twice_is_one_job_and_the_second_answer_says_so() {
    let site = Site::start().with_jobs().await;
    for queue in ["shop", "pdf"] {
        let path = format!("/queues/{queue}/jobs");
        let body = json!({"name": "sync", "data": {"n": 1}, "opts": {"jobId": "order-7"}});
        let first = site.ask("POST", &path, body.clone()).await;
        assert_eq!((first.status, first.json()["duplicate"].as_bool()), (201, Some(false)));
        assert_eq!(first.header("location"), Some(&*format!("/api/v1/queues/{queue}/jobs/order-7")));
        let other = json!({"name": "sync", "data": {"n": 2}, "opts": {"jobId": "order-7"}});
        let second = site.ask("POST", &path, other.clone()).await;
        assert_eq!((second.status, second.json()["duplicate"].as_bool()), (200, Some(true)));
        let (kind, _) = site.ask("POST", &format!("{path}?onDuplicate=conflict"), other).await.refused(409);
        assert_eq!(kind, "state-conflict");
        assert_eq!(site.get(&format!("{path}/order-7")).await["data"]["n"], 1, "the first one stands");
    }
}

#[tokio::test]
async fn an_idempotency_key_makes_sending_twice_harmless() {
    let site = Site::start().with_jobs().await;
    let body = json!({"name": "sync"}).to_string();
    let headers = [("idempotency-key", "7oYk: start of the month")];
    let send = || site.send_with("operator", "POST", "/queues/shop/jobs", &headers, Some(&body));
    let (first, second) = (send().await, send().await);
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(first.json()["id"], second.json()["id"]);
    let both = json!({"name": "sync", "opts": {"jobId": "x"}}).to_string();
    site.send_with("operator", "POST", "/queues/shop/jobs", &headers, Some(&both)).await.refused(400);
    site.send_with("operator", "POST", "/queues/shop/jobs", &headers, Some("[]")).await.refused(400);
}

#[tokio::test]
async fn many_jobs_are_added_in_order_and_all_or_none() {
    let site = Site::start().with_jobs().await;
    let jobs: Vec<Value> = (0..500).map(|n| json!({"name": "sync", "data": {"n": n}})).collect();
    let answer = site.ask("POST", "/queues/pdf/jobs", json!(jobs)).await;
    assert_eq!((answer.status, answer.json()["added"].as_u64()), (201, Some(500)));
    let mut bad = jobs;
    bad[300]["opts"] = json!({"attempts": -1});
    let answer = site.ask("POST", "/queues/pdf/jobs", json!(bad)).await;
    let (_, detail) = answer.refused(400);
    assert!(detail.contains("attempts"), "{detail}");
    assert_eq!(answer.json()["pointer"], "/300");
    assert_eq!(
        site.pdf.store().counts().await.unwrap().0.waiting,
        501,
        "nothing of the second array was added"
    );
}

#[tokio::test]
async fn a_new_queue_begins_in_the_dialect_that_is_named() {
    let site = Site::start();
    let body = json!({"name": "x"});
    assert_eq!(site.ask("POST", "/queues/a/jobs?dialect=bullmq", body.clone()).await.status, 201);
    assert_eq!(site.ask("POST", "/queues/b/jobs", body.clone()).await.status, 201);
    site.ask("POST", "/queues/a/jobs?dialect=bull", body.clone()).await.refused(409);
    site.ask("POST", "/queues/a%3Ab/jobs?dialect=bullmq", body.clone()).await.refused(400);
    site.ask("POST", "/queues/a%0Ab/jobs", body.clone()).await.refused(400);
    site.ask("POST", "/queues/a*/jobs", body).await.refused(400);
    let dialect = |name: &str| {
        let path = format!("/queues/{name}");
        let site = &site;
        async move { site.get(&path).await["dialect"].as_str().unwrap().to_owned() }
    };
    assert_eq!((dialect("a").await.as_str(), dialect("b").await.as_str()), ("bullmq", "bull"));
}

#[tokio::test]
async fn what_would_harm_a_queue_is_refused_and_nothing_is_written() {
    let site = Site::start().with_jobs().await;
    let long = "x".repeat(3000);
    let mut refused: Vec<Value> = Vec::new();
    for name in [json!(""), json!(" "), json!("n".repeat(257)), json!(5), json!(null)] {
        refused.push(json!({"name": name}));
    }
    refused.push(json!({}));
    refused.push(json!({"name": "x", "options": {}}));
    let opts = [
        json!({"attempts": -1}),
        json!({"attempts": 1.5}),
        json!({"attempts": "abc"}),
        json!({"delay": -5}),
        json!({"delay": "x"}),
        json!({"delay": 1e18}),
        json!({"priority": -1}),
        json!({"priority": 3_000_000}),
        json!({"priority": 1.5}),
        json!({"backoff": {"delay": 5}}),
        json!({"backoff": "fast"}),
        json!({"removeOnComplete": {"age": "x"}}),
        json!({"lifo": "yes"}),
    ];
    let ids = [
        "active",
        "wait",
        "paused",
        "delayed",
        "completed",
        "failed",
        "priority",
        "prioritized",
        "pc",
        "meta",
        "meta-paused",
        "id",
        "events",
        "marker",
        "stalled",
        "stalled-check",
        "limiter",
        "repeat",
        "drained",
        "metrics",
        "de",
        "1:lock",
        "5:logs",
        "a:b",
        "12",
        "0",
        "0:1",
        "",
        " ",
        "a\u{0}b",
        "a\nb",
        &long,
    ];
    refused.extend(opts.into_iter().map(|opts| json!({"name": "x", "opts": opts})));
    refused.extend(ids.map(|id| json!({"name": "x", "opts": {"jobId": id}})));
    for queue in ["shop", "pdf"] {
        let before = site.dump().await;
        for body in &refused {
            let (kind, detail) =
                site.ask("POST", &format!("/queues/{queue}/jobs"), body.clone()).await.refused(400);
            assert!(kind == "validation" && !detail.is_empty(), "{body}: {detail}");
        }
        let raw = r#"{"name":"x","data":"\ud800"}"#;
        site.send("admin", "POST", &format!("/queues/{queue}/jobs"), Some(raw)).await.refused(400);
        assert_eq!(site.dump().await, before);
    }
    for data in [json!(null), json!(5), json!("text"), json!([1]), json!({"\u{202e}": "\u{200b}😀"})] {
        let added = site.ask("POST", "/queues/pdf/jobs", json!({"name": "x", "data": data})).await;
        assert_eq!(added.status, 201, "{added:?}");
        let id = added.json()["id"].as_str().unwrap().to_owned();
        let stored = site.get(&format!("/queues/pdf/jobs/{id}")).await["data"].clone();
        assert_eq!(stored, if data.is_null() { json!({}) } else { data });
    }
}
