//! One act on many jobs: what it finds, what it does, how it tells.

use serde_json::{Value, json};

use crate::site::{Site, fail_next};
use crate::support::wait;

async fn ended(site: &Site, answer: Value) -> Value {
    let path = format!("/operations/{}", answer["id"].as_str().unwrap());
    wait::value("the operation to end", || async {
        let now = site.get(&path).await;
        (now["status"] != "running").then_some(now)
    })
    .await
}

async fn with_failures(site: &Site) {
    for handle in [&site.shop, &site.pdf] {
        for n in 0..60 {
            let shop = if n % 3 == 0 { "acme" } else { "s11" };
            handle
                .add("sync", &json!({"shop": shop, "n": n}), json!({"jobId": format!("j{n}")}))
                .await
                .unwrap();
            fail_next(handle.store(), if n % 2 == 0 { "HTTP 429: slow down" } else { "HTTP 500" }).await;
        }
    }
}

#[tokio::test]
async fn all_that_match_are_retried_no_other_and_each_leaves_its_line() {
    let site = Site::start();
    with_failures(&site).await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let wanted =
            json!({"action": "retry", "where": ["data.shop=acme"], "error": "429", "reason": "fixed"});
        let mut dry = wanted.clone();
        dry["dryRun"] = true.into();
        let path = format!("/queues/{queue}/bulk");
        let looked = ended(&site, site.ask("POST", &path, dry).await.json()).await;
        assert_eq!(
            (looked["status"].as_str(), looked["matched"].as_u64(), looked["done"].as_u64()),
            (Some("done"), Some(10), Some(0))
        );
        assert_eq!(handle.store().counts().await.unwrap().0.failed, 60);
        let answer = site.ask("POST", &path, wanted).await;
        assert_eq!(answer.status, 202);
        assert!(answer.header("location").unwrap().starts_with("/api/v1/operations/"));
        let done = ended(&site, answer.json()).await;
        assert_eq!(
            (done["done"].as_u64(), done["skipped"].as_u64(), done["durable"].as_bool()),
            (Some(10), Some(0), Some(false))
        );
        let counts = handle.store().counts().await.unwrap().0;
        assert_eq!((counts.waiting, counts.failed), (10, 50));
        let audit = site.get(&format!("/audit?queue={queue}&what=retry&limit=200")).await;
        assert_eq!(audit["items"].as_array().unwrap().len(), 10);
        assert_eq!(audit["items"][0]["why"], "fixed");
    }
}

#[tokio::test]
async fn given_ids_those_that_cannot_be_served_are_named() {
    let site = Site::start().with_jobs().await;
    site.shop.add("x", &json!({}), json!({"jobId": "bad"})).await.unwrap();
    fail_next(site.shop.store(), "it broke").await;
    let body = json!({"action": "remove", "ids": ["first", "gone", "active", "bad"]});
    let done = ended(&site, site.ask("POST", "/queues/shop/bulk", body).await.json()).await;
    assert_eq!((done["done"].as_u64(), done["skipped"].as_u64()), (Some(2), Some(2)), "{done}");
    let named: Vec<&str> =
        done["problems"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(named, ["gone", "active"]);
}

#[tokio::test]
async fn a_limit_and_a_stop_are_kept() {
    let site = Site::start();
    with_failures(&site).await;
    let limited = json!({"action": "retry", "limit": 7});
    let done = ended(&site, site.ask("POST", "/queues/shop/bulk", limited).await.json()).await;
    assert_eq!((done["matched"].as_u64(), done["done"].as_u64()), (Some(7), Some(7)));
    let started = site.ask("POST", "/queues/pdf/bulk", json!({"action": "retry"})).await.json();
    let stop = format!("/operations/{}/stop", started["id"].as_str().unwrap());
    assert_eq!(site.ask("POST", &stop, json!({})).await.status, 200);
    let done = ended(&site, started).await;
    assert!(["stopped", "done"].contains(&done["status"].as_str().unwrap()), "{done}");
    let counts = site.pdf.store().counts().await.unwrap().0;
    assert_eq!(counts.waiting + counts.failed, 60, "no job is lost");
    assert_eq!(counts.waiting, done["done"].as_u64().unwrap());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let site = Site::start().with_jobs().await;
    for body in [
        json!({"action": "explode"}),
        json!({"action": "retry", "ids": []}),
        json!({"action": "retry", "ids": ["1"], "name": "x"}),
        json!({"action": "retry", "limit": 0}),
        json!({"action": "retry", "where": ["shop=acme"]}),
        json!({"action": "retry", "state": "nonsense"}),
        json!({"action": "remove"}),
        json!({"action": "retry", "reason": "x".repeat(2000)}),
        json!({"action": "retry", "extra": 1}),
    ] {
        site.ask("POST", "/queues/shop/bulk", body).await.refused(400);
    }
}
