//! What cannot move stays, whole and with its reason.

use serde_json::json;

use super::Scene;
use super::support::bullock::cli;

#[tokio::test]
async fn jobs_that_cannot_move_stay_and_are_listed_by_reason() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let good = bull.add("a", json!({}), json!({})).await;
    bull.add("taken", json!({"of": "bull"}), json!({"jobId": "order-7"})).await;
    bull.add("zero", json!({}), json!({"jobId": 0})).await;
    bull.add("zero", json!({}), json!({"jobId": "0:5"})).await;
    bull.add("spoilt", json!({}), json!({"jobId": "spoilt"})).await;
    scene.redis::<u8>("HSET bull:orders:spoilt data {x").await;
    scene.redis::<u8>("LPUSH bull:orders:wait ghost").await;
    scene.redis::<String>("SET bull:orders:text x").await;
    scene.redis::<u8>("LPUSH bull:orders:wait text").await;
    let mut mq = scene.mq(6).await;
    mq.add("taken", json!({"of": "mq"}), json!({"jobId": "order-7"})).await;
    let planned = scene.moved(0, &["--dry-run"]).await;
    let report = scene.moved(5, &[]).await;
    assert_eq!(planned["left"], report["left"]);
    let ids = |reason: &str| {
        let jobs = report["left"][reason]["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("conflict"), ["order-7"]);
    assert_eq!(ids("id"), ["0", "0:5"]);
    assert_eq!(ids("data"), ["spoilt"]);
    assert_eq!(ids("no_body"), ["ghost"]);
    assert_eq!(ids("wrong_type"), ["text"]);
    assert_eq!(mq.job("order-7", "data").await, json!({"of": "mq"}));
    assert_eq!(bull.job("order-7", "data").await, json!({"of": "bull"}));
    assert_eq!(mq.job(&good, "getState").await, "waiting");
    // The target's job has gone: now it has room.
    mq.job_call("order-7", "remove", json!([])).await.unwrap();
    scene.moved(5, &[]).await;
    assert_eq!(mq.job("order-7", "data").await, json!({"of": "bull"}));
}

#[tokio::test]
async fn a_key_of_the_wrong_type_stops_the_move_before_anything_is_written() {
    for key in ["mq:orders:wait", "mq:orders:repeat", "bull:orders:priority"] {
        let scene = Scene::start();
        let mut bull = scene.bull().await;
        bull.add("a", json!({}), json!({"delay": 1000})).await;
        scene.mq(6).await.close().await;
        scene.redis::<String>(&format!("SET {key} x")).await;
        let before = scene.redis.dump().await;
        let answer = scene.run(&[]).await;
        assert_eq!(answer.code, 5, "{answer:?}");
        assert!(answer.stderr.contains(key) && answer.stderr.contains("expected a"), "{answer:?}");
        assert_eq!(scene.redis.dump().await, before);
    }
}

#[tokio::test]
async fn queues_that_are_not_what_they_are_said_to_be_are_refused() {
    let scene = Scene::start();
    let url = scene.redis.url();
    let run = async |from: &str, to: &str| {
        let arguments = ["move", "--from", from, "--to", to];
        cli(&arguments, &[("BULLOCK_REDIS_URL", &url)]).await
    };
    assert_eq!(run("bull:orders", "mq:orders").await.code, 3);
    let mut bull = scene.bull().await;
    bull.add("a", json!({}), json!({})).await;
    scene.mq(6).await.close().await;
    for (from, to, code) in [
        ("bull:orders", "bull:orders", 2),
        ("orders", "mq:orders", 2),
        ("bull:orders", "orders", 2),
        // A BullMQ queue as the source, a Bull 4 queue as the target.
        ("mq:orders", "mq:more", 5),
    ] {
        let answer = run(from, to).await;
        assert_eq!(answer.code, code, "{from} {to}: {answer:?}");
        assert!(answer.stderr.starts_with("error: "), "{answer:?}");
    }
    bull.call("pause", json!([])).await.unwrap();
    let mut other = super::support::node::BullQueue::open(&url, "other").await;
    other.add("a", json!({}), json!({})).await;
    let answer = run("bull:other", "bull:orders").await;
    assert_eq!(answer.code, 5, "{answer:?}");
    assert!(answer.stderr.contains("Bull 4"), "{answer:?}");
}

#[tokio::test]
async fn a_full_memory_stops_the_move_between_two_batches_and_not_within_one() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    bull.call("addBulk", json!([super::resumed::many(0, 500)])).await.unwrap();
    let expected = (0..500).map(|n| format!("j{n}")).collect();
    let before = scene.redis.dump().await;
    scene.redis::<String>("CONFIG SET maxmemory 1mb").await;
    let answer = scene.run(&[]).await;
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.stderr.contains("out of memory"), "{answer:?}");
    assert_eq!(scene.redis.dump().await, before);
    scene.redis::<String>("CONFIG SET maxmemory 0").await;
    scene.moved(0, &[]).await;
    scene.is_whole(&expected).await;
}
