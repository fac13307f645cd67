//! Lists and searches: what a page holds, where the next one begins, what is cut and what is hidden.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::site::{Site, claim, complete_next, fail_next, run_token};

/// All ids of a list, page by page.
async fn pages(site: &Site, path: &str) -> Vec<String> {
    pages_from(site, path, String::new()).await
}

/// The same from the end of another page on.
async fn pages_from(site: &Site, path: &str, mut cursor: String) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = site.get(&format!("{path}{cursor}")).await;
        ids.extend(
            page["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { return ids };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn pages_hold_every_job_once_in_the_order_of_its_state() {
    let site = Site::start();
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        for n in 0..25 {
            handle.add("x", &json!({"n": n}), json!({"jobId": format!("w{n:02}")})).await.unwrap();
            handle
                .add("x", &json!({}), json!({"jobId": format!("d{n:02}"), "delay": 600_000 + n * 1000}))
                .await
                .unwrap();
        }
        let expected = |from: char| (0..25).map(|n| format!("{from}{n:02}")).collect::<Vec<_>>();
        assert_eq!(pages(&site, &format!("/queues/{queue}/jobs?state=waiting&limit=7")).await, expected('w'));
        assert_eq!(pages(&site, &format!("/queues/{queue}/jobs?state=delayed&limit=7")).await, expected('d'));
        let mut backwards =
            pages(&site, &format!("/queues/{queue}/jobs?state=waiting&sort=desc&limit=6")).await;
        backwards.reverse();
        assert_eq!(backwards, expected('w'));
        for n in 0..25 {
            if n % 2 == 0 {
                complete_next(handle.store(), "1").await
            } else {
                fail_next(handle.store(), "no").await
            };
        }
        let ended: Vec<String> =
            pages(&site, &format!("/queues/{queue}/jobs?state=completed,failed&limit=4")).await;
        assert_eq!(ended.len(), 25);
        assert_eq!(ended.iter().collect::<HashSet<_>>().len(), 25);
        assert_eq!(pages(&site, &format!("/queues/{queue}/jobs?limit=9")).await.len(), 50);
    }
}

#[tokio::test]
async fn a_page_goes_on_where_the_last_one_ended_though_jobs_come_and_go() {
    let site = Site::start();
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        for n in 0..30 {
            handle.add("x", &json!({}), json!({"jobId": format!("j{n:02}")})).await.unwrap();
        }
        let list = format!("/queues/{queue}/jobs?state=waiting&limit=10");
        let first = site.get(&list).await;
        // Five of those seen are taken, the last one of the page among them, and new ones come.
        for n in 0..3 {
            claim(handle.store(), &run_token(n)).await;
        }
        handle.store().remove(&["j09", "j15"], true).await.unwrap();
        handle.add("x", &json!({}), json!({"jobId": "new"})).await.unwrap();
        let second = site.get(&format!("{list}&cursor={}", first["next"].as_str().unwrap())).await;
        let ids: Vec<&str> =
            second["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert!(!ids.contains(&"j08") && !ids.contains(&"j15"), "{ids:?}");
        let ended = format!("/queues/{queue}/jobs?state=failed&limit=5");
        for _ in 0..20 {
            fail_next(handle.store(), "no").await;
        }
        let first = site.get(&ended).await;
        let last = first["items"][4]["id"].as_str().unwrap().to_owned();
        handle.store().retry("t", &last, false).await.unwrap();
        let mut seen: HashSet<String> = first["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["id"].as_str().unwrap().to_owned())
            .collect();
        let rest = pages_from(&site, &ended, format!("&cursor={}", first["next"].as_str().unwrap())).await;
        assert_eq!(rest.len(), 15, "{rest:?}");
        assert!(rest.into_iter().all(|id| seen.insert(id)), "no job twice");
    }
}

#[tokio::test]
async fn a_search_finds_by_data_name_error_and_id() {
    let site = Site::start();
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        for n in 0..40 {
            let data = json!({"shop": if n % 10 == 0 { "Nhà hàng \"x\"" } else { "acme" }, "n": n, "items": [{"sku": format!("sku-{n}")}]});
            handle
                .add(if n < 20 { "sync" } else { "sync-all" }, &data, json!({"jobId": format!("j{n}")}))
                .await
                .unwrap();
        }
        for n in 0..10 {
            fail_next(handle.store(), &format!("HTTP 42{n}: Slow Down")).await;
        }
        let found = |query: &'static str| {
            let (site, path) = (&site, format!("/queues/{queue}/jobs?limit=200&{query}"));
            async move { site.get(&path).await["items"].as_array().unwrap().len() }
        };
        for (query, expected) in [
            ("where=data.n%3D5", 1),
            ("where=data.shop%3Dacme", 36),
            ("where=data.shop%3Dacme&where=data.n%3D7", 1),
            ("where=data.shop%3DNh%C3%A0+h%C3%A0ng+%22x%22", 4),
            ("where=data.items.0.sku%7Eu-39", 1),
            ("where=data.n%21%3D5", 39),
            ("name=sync", 20),
            ("name=sync*", 40),
            ("error=slow+down", 10),
            ("error=HTTP+423", 1),
            ("state=waiting&error=HTTP", 0),
            ("id=j7", 1),
            ("id=gone", 0),
            ("id=meta", 0),
        ] {
            assert_eq!(found(query).await, expected, "{queue}: {query}");
        }
        let paged = pages(&site, &format!("/queues/{queue}/jobs?limit=5&where=data.shop%3Dacme")).await;
        assert_eq!(paged.iter().collect::<HashSet<_>>().len(), 36);
    }
}

#[tokio::test]
async fn a_search_that_finds_little_stops_at_its_budget_and_says_so() {
    let site = Site::start();
    let mut con = site.redis.connection().await;
    redis::Script::new(
        "for i = 1, 30000 do local id = 'n' .. i redis.call('HSET', 'bull:shop:' .. id, 'name', 'x', 'data', '{\"n\":' .. i .. '}', 'timestamp', 1)
         redis.call('LPUSH', 'bull:shop:wait', id) end",
    )
    .invoke_async::<_, ()>(&mut con)
    .await
    .unwrap();
    let page = site.get("/queues/shop/jobs?where=data.n%3D29999").await;
    assert_eq!((page["truncated"].as_bool(), page["items"].as_array().unwrap().len()), (Some(true), 0));
    let scanned = page["scanned"].as_u64().unwrap();
    assert!((1..=10_000).contains(&scanned), "{scanned}");
    assert_eq!(page["total"], 30_000);
    assert_eq!(pages(&site, "/queues/shop/jobs?where=data.n%3D29999").await, ["n29999"]);
}

#[tokio::test]
async fn long_bodies_are_cut_in_lists_as_json_and_whole_on_the_jobs_page() {
    let site = Site::start();
    let items: Vec<Value> = (0..800).map(|n| json!({"sku": n, "text": "x".repeat(20)})).collect();
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        handle.add("x", &json!({"shop": "acme", "items": items}), json!({"jobId": "long"})).await.unwrap();
        handle.add("x", &json!({"text": "y".repeat(300_000)}), json!({"jobId": "huge"})).await.unwrap();
        let list = site.get(&format!("/queues/{queue}/jobs")).await;
        assert!(list.to_string().len() < 20_000);
        let of =
            |id: &str| list["items"].as_array().unwrap().iter().find(|job| job["id"] == id).unwrap().clone();
        let long = of("long");
        assert_eq!((long["data"]["shop"].as_str(), &long["truncated"]), (Some("acme"), &json!(["data"])));
        let huge = of("huge");
        assert_eq!((&huge["data"], &huge["truncated"]), (&json!(null), &json!(["data"])));
        let whole = site.get(&format!("/queues/{queue}/jobs/long")).await;
        assert_eq!(whole["data"]["items"].as_array().unwrap().len(), 800);
        assert_eq!(whole["truncated"], json!([]));
    }
}

#[tokio::test]
async fn what_must_not_be_shown_is_hidden_everywhere() {
    let site = Site::start_with(|options| options.redact = vec!["token".into(), "data.card".into()]);
    let data =
        json!({"shop": "acme", "deep": {"token": "hunter2"}, "card": "hunter2", "pad": "z".repeat(9000)});
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        handle.add("x", &data, json!({"jobId": "secret"})).await.unwrap();
        complete_next(handle.store(), r#"{"token":"hunter2"}"#).await;
        for path in [
            "/jobs",
            "/jobs/secret?include=logs,attempts,audit",
            "/jobs?where=data.shop%3Dacme",
            "/jobs?id=secret",
        ] {
            let shown = site.get(&format!("/queues/{queue}{path}")).await.to_string();
            assert!(!shown.contains("hunter2") && shown.contains("[redacted]"), "{path}: {shown}");
        }
    }
}

#[tokio::test]
async fn the_job_s_page_tells_attempts_and_log_and_says_where_the_log_goes_on() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let lines: Vec<String> = (0..250).map(|n| format!("line {n}")).collect();
        handle.store().log("first", "0", 0, &lines).await.unwrap();
        fail_next(handle.store(), "it broke").await;
        let page = site.get(&format!("/queues/{queue}/jobs/first?include=logs,attempts")).await;
        assert_eq!((page["logs"]["total"].as_u64(), page["logs"]["from"].as_u64()), (Some(250), Some(150)));
        assert_eq!(page["logs"]["items"][99], "line 249");
        let attempt = &page["attemptHistory"][0];
        assert_eq!(
            (attempt["attempt"].as_u64(), attempt["worker"].as_str(), attempt["message"].as_str()),
            (Some(1), Some("w-1"), Some("it broke"))
        );
        assert_eq!(
            (page["status"].as_str(), page["needsAttention"].as_bool(), page["reason"].as_str()),
            (Some("failed"), Some(true), Some("error"))
        );
        assert_eq!(page["stacktrace"].as_array().unwrap().len(), 1);
        let first = site.get(&format!("/queues/{queue}/jobs/first/logs?limit=200")).await;
        let rest = site
            .get(&format!("/queues/{queue}/jobs/first/logs?cursor={}", first["next"].as_str().unwrap()))
            .await;
        assert_eq!(
            (rest["items"].as_array().unwrap().len(), rest["from"].as_u64(), &rest["next"]),
            (50, Some(200), &json!(null))
        );
        let follow = site.get(&format!("/queues/{queue}/jobs/first/logs?cursor=249")).await;
        assert_eq!(follow["items"], json!(["line 249"]));
    }
}
