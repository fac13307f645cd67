//! All queues of a Redis: found without anybody naming them, and equal to what Redis holds.

use serde_json::{Value, json};

use crate::site::{Site, claim, complete_next, run_token};
use crate::support::node::BullQueue;
use crate::support::wait;

fn queue<'a>(list: &'a Value, name: &str) -> &'a Value {
    list["items"].as_array().unwrap().iter().find(|queue| queue["name"] == name).unwrap_or(&Value::Null)
}

/// The list, once it is newer than what was done before the call.
async fn fresh(site: &Site, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait::value("the list to show it", || async {
        let found = queue(&site.get("/queues").await, name).clone();
        wanted(&found).then_some(found)
    })
    .await
}

#[tokio::test]
async fn queues_of_npm_bull_and_bullmq_are_found_and_their_jobs_are_where_node_says() {
    let site = Site::start();
    let url = site.redis.url();
    let mut bull = BullQueue::open(&url, "woo:customers").await;
    let mut mq = BullQueue::open_mq(6, &url, "shopify", &json!({})).await;
    for (name, node) in [("woo:customers", &mut bull), ("shopify", &mut mq)] {
        let waiting = node.add("sync", json!({"shop": "acme"}), json!({})).await;
        let delayed = node.add("sync", json!({"shop": "acme"}), json!({"delay": 600_000})).await;
        let found = fresh(&site, name, |queue| queue["counts"]["waiting"] == 1).await;
        assert_eq!(found["dialect"], if name == "shopify" { "bullmq" } else { "bull" });
        assert_eq!(
            (found["counts"]["delayed"].as_u64(), found["configured"].as_bool()),
            (Some(1), Some(false))
        );
        assert!(found["oldestWaitingMs"].as_u64().is_some());
        for id in [waiting, delayed] {
            let path = format!("/queues/{}/jobs/{id}", name.replace(':', "%3A"));
            let shown = site.get(&path).await;
            assert_eq!(shown["state"], node.job(&id, "getState").await);
            assert_eq!(shown["data"], json!({"shop": "acme"}));
        }
    }
    // What the API adds, Node reads.
    let added = site
        .ask(
            "POST",
            "/queues/shopify/jobs",
            json!({"name": "pull", "data": {"n": 1}, "opts": {"attempts": 3}}),
        )
        .await;
    let id = added.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(mq.job(&id, "getState").await, "waiting");
    assert_eq!(mq.job(&id, "toJSON").await["data"], json!({"n": 1}));
    bull.close().await;
    mq.close().await;
}

#[tokio::test]
async fn counts_pauses_and_figures_are_those_of_redis() {
    let site = Site::start().with_jobs().await;
    for (name, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        for n in 0..5 {
            handle.add("sync", &json!({}), json!({"jobId": format!("j{n}")})).await.unwrap();
        }
        for _ in 0..3 {
            complete_next(handle.store(), "1").await;
        }
        claim(handle.store(), &run_token(9)).await;
        handle.store().pause(true).await.unwrap();
        let shown = fresh(&site, name, |queue| queue["paused"] == true).await;
        let counts = handle.store().counts().await.unwrap().0;
        assert_eq!(shown["counts"], serde_json::to_value(counts).unwrap(), "{name}");
        let page = site.get(&format!("/queues/{name}")).await;
        assert_eq!((page["latency"]["sampled"].as_u64(), page["prefix"].as_str()), (Some(3), Some("bull")));
        assert!(
            page["latency"]["runMs"]["p95"].as_u64().is_some()
                && page["latency"]["waitMs"]["p50"].as_u64().is_some()
        );
        let stats = site.get(&format!("/stats?queue={name}")).await;
        let names = stats["queues"][0]["names"].as_array().unwrap();
        let sampled: u64 = names.iter().map(|name| name["sampled"].as_u64().unwrap()).sum();
        assert_eq!((stats["queues"][0]["successRate"].as_f64(), sampled), (Some(1.0), 3));
    }
    let workers = site.get("/workers").await;
    let w1 = &workers["items"].as_array().unwrap().iter().find(|worker| worker["name"] == "w-1").unwrap();
    assert_eq!((w1["running"].as_u64(), w1["kind"].as_str()), (Some(2), Some("bullock")), "{workers}");
}

#[tokio::test]
async fn a_queue_whose_keys_are_of_wrong_types_or_of_both_kinds_is_shown_as_that() {
    let site = Site::start().with_jobs().await;
    let mut con = site.redis.connection().await;
    redis::cmd("SET").arg("bull:shop:failed").arg("x").exec_async(&mut con).await.unwrap();
    redis::cmd("SET").arg("bull:pdf:meta-paused").arg("1").exec_async(&mut con).await.unwrap();
    let shown = fresh(&site, "shop", |queue| queue["problem"].is_string()).await;
    assert_eq!(shown["counts"], json!(null));
    assert_eq!(fresh(&site, "pdf", |queue| queue["dialect"] == "mixed").await["dialect"], "mixed");
    let (kind, detail) = site.send("admin", "GET", "/queues/pdf/jobs", None).await.refused(409);
    assert!(kind == "state-conflict" && detail.contains("Bull 4") && detail.contains("BullMQ"), "{detail}");
}

#[tokio::test]
async fn dead_letters_of_all_queues_are_grouped_by_their_error() {
    let site = Site::start();
    for handle in [&site.shop, &site.pdf] {
        for n in 0..4 {
            handle.add("sync", &json!({}), json!({})).await.unwrap();
            let error = if n == 0 {
                "no such shop".to_owned()
            } else {
                format!("HTTP 429: retry after {n} s\n  at x")
            };
            crate::site::fail_next(handle.store(), &error).await;
        }
    }
    let groups = site.get("/failed?groupBy=error").await;
    let first = &groups["items"][0];
    assert_eq!(
        (first["signature"].as_str(), first["count"].as_u64()),
        (Some("HTTP #: retry after # s"), Some(6))
    );
    assert_eq!(first["queues"], json!({"pdf": 3, "shop": 3}));
    assert_eq!((groups["scanned"].as_u64(), groups["items"].as_array().unwrap().len()), (Some(8), 2));
    let classes = site.get("/failed?groupBy=class&queue=pdf").await;
    let only = &classes["items"][0];
    assert_eq!((only["signature"].as_str(), only["count"].as_u64()), (Some("error"), Some(4)), "{classes}");
    assert_eq!(classes["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_hundred_open_dashboards_cost_redis_what_one_does() {
    let site = Site::start().with_jobs().await;
    for n in 0..48 {
        let queue = crate::site::queue(&site.redis, bullock::wire::Dialect::BullMq, &format!("q{n}"));
        queue.add("x", &json!({}), json!({})).await.unwrap();
    }
    wait::until("all queues to be found", || async { site.get("/queues").await["total"] == 50 }).await;
    let calls = || async {
        let info: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut site.redis.connection().await)
            .await
            .unwrap();
        let count = |name: &str| -> u64 {
            let line =
                info.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:"))).unwrap_or_default();
            line.split("calls=").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
        };
        count("evalsha") + count("scan") + count("client|list")
    };
    let (before, started) = (calls().await, std::time::Instant::now());
    for _ in 0..100 {
        site.get("/queues").await;
    }
    let (spent, seconds) = (calls().await - before, started.elapsed().as_secs_f64());
    assert!((spent as f64) <= 10.0 * (seconds + 1.0), "{spent} commands in {seconds:.1} s");
}
