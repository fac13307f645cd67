//! Jobs that look alive and are not, seen and mended over the API.

use std::time::Instant;

use bullock::admin::Role;
use serde_json::{Value, json};

use crate::site::{Site, claim, run_token, token};
use crate::support::wait::DEADLINE;

/// A job of each queue that is active and that nobody holds: its worker died, and no worker is up.
async fn two_zombies(site: &Site) {
    let mut con = site.redis.connection().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let id = claim(handle.store(), &run_token(3)).await;
        let lock = format!("bull:{queue}:{id}:lock");
        let gone: usize = redis::cmd("DEL").arg(&lock).query_async(&mut con).await.unwrap();
        assert_eq!(gone, 1, "{lock}");
    }
}

#[tokio::test]
async fn active_jobs_that_nobody_holds_are_listed_and_put_back_in_line() {
    let site = Site::start().with_jobs().await;
    assert_eq!(site.get("/zombies").await["items"], json!([]));
    two_zombies(&site).await;
    // Which queues have active jobs is known as of a second ago.
    let (started, mut shown) = (Instant::now(), Value::Null);
    while shown["items"].as_array().is_none_or(|items| items.len() < 2) {
        assert!(started.elapsed() < DEADLINE, "{shown}");
        shown = site.get("/zombies").await;
    }
    let queues: Vec<&str> =
        shown["items"].as_array().unwrap().iter().map(|one| one["queue"].as_str().unwrap()).collect();
    assert_eq!(queues, ["pdf", "shop"], "{shown}");
    for one in shown["items"].as_array().unwrap() {
        assert_eq!((one["kind"].as_str(), &one["held"]), (Some("active_without_lease"), &json!(false)));
        assert_eq!(one["allowedActions"], json!(["requeue", "fail", "force-done"]));
        assert!(one["activeMs"].as_i64().unwrap() >= 0 && !one["detail"].as_str().unwrap().is_empty());
    }
    assert_eq!(site.get("/zombies?queue=shop").await["items"].as_array().unwrap().len(), 1);
    for (queue, action, state) in [("shop", "requeue", "waiting"), ("pdf", "fail", "failed")] {
        let order =
            json!({"queue": queue, "ids": ["first", "nobody"], "action": action, "reason": "dead host"});
        let answer = site.ask("POST", "/zombies/resolve", order.clone()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let said = answer.json();
        assert_eq!((said["done"].as_u64(), &said["items"][0]["was"]), (Some(1), &json!("active")), "{said}");
        assert_eq!((&said["items"][1]["done"], &said["items"][1]["was"]), (&json!(false), &Value::Null));
        assert_eq!(site.get(&format!("/queues/{queue}/jobs/first")).await["state"], state);
        let entry = &site.get(&format!("/audit?queue={queue}")).await["items"][0];
        assert_eq!((entry["why"].as_str(), entry["by"].as_str()), (Some("dead host"), Some("admin")));
        let again = site.ask("POST", "/zombies/resolve", order).await.json();
        assert_eq!(again["done"], 0, "it is none any more: {again}");
    }
    assert_eq!(site.get("/zombies").await["items"], json!([]));
}

#[tokio::test]
async fn a_job_that_a_live_run_holds_is_no_zombie_and_nobody_mends_the_zombies_of_other_queues() {
    let site = Site::start_with(|options| options.tokens.push(token("pdf-only", Role::Operator, &["pdf"])))
        .with_jobs()
        .await;
    let id = claim(site.shop.store(), &run_token(4)).await;
    assert_eq!(site.get("/zombies?queue=shop").await["items"], json!([]));
    let dump = site.dump().await;
    let order = json!({"queue": "shop", "ids": [id], "action": "requeue", "force": true});
    assert_eq!(site.ask("POST", "/zombies/resolve", order.clone()).await.json()["done"], 0);
    let body = order.to_string();
    site.send("pdf-only", "POST", "/zombies/resolve", Some(&body)).await.refused(403);
    site.send("pdf-only", "GET", "/zombies?queue=shop", None).await.refused(403);
    let without = json!({"queue": "shop", "ids": ["first"], "action": "force-done"});
    let (_, detail) = site.ask("POST", "/zombies/resolve", without).await.refused(400);
    assert!(detail.contains("reason"), "{detail}");
    let elsewhere = json!({"queue": "nowhere", "ids": ["first"], "action": "requeue"});
    site.ask("POST", "/zombies/resolve", elsewhere).await.refused(404);
    assert_eq!(site.dump().await, dump, "nothing was written");
}
