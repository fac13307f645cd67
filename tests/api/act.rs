//! Acts on jobs and queues: what they do in Redis, and what they refuse.

use serde_json::json;

use crate::site::{Site, claim, complete_next, fail_next, run_token};

#[tokio::test]
async fn a_failed_job_is_retried_and_its_crashes_start_anew_in_both_dialects() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let id = fail_next(handle.store(), "it broke").await;
        let record = handle.store().keys().extra_of(&format!("job:{id}"));
        let mut con = site.redis.connection().await;
        redis::cmd("HSET").arg(&record).arg("crashes").arg(2).exec_async(&mut con).await.unwrap();
        let before = site.get(&format!("/queues/{queue}/jobs/{id}")).await;
        assert_eq!((before["state"].as_str(), before["crashes"].as_u64()), (Some("failed"), Some(2)));
        assert!(before["allowedActions"].as_array().unwrap().contains(&json!("retry")), "{before}");
        let answer =
            site.ask("POST", &format!("/queues/{queue}/jobs/{id}/retry"), json!({"reason": "again"})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let after = answer.json();
        assert_eq!(
            (after["state"].as_str(), after["crashes"].as_u64()),
            (Some("waiting"), Some(0)),
            "{after}"
        );
        let (kind, detail) =
            site.ask("POST", &format!("/queues/{queue}/jobs/{id}/retry"), json!({})).await.refused(409);
        assert_eq!(kind, "state-conflict");
        assert!(detail.contains("retry needs failed") && detail.contains("is waiting"), "{detail}");
    }
}

#[tokio::test]
async fn a_running_job_is_neither_removed_nor_edited_and_the_refusal_says_who_holds_it() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let id = claim(handle.store(), &run_token(7)).await;
        let path = format!("/queues/{queue}/jobs/{id}");
        let answer = site.ask("DELETE", &path, json!({})).await;
        let (_, detail) = answer.refused(409);
        assert!(detail.contains("is active (lease held by w-1,"), "{detail}");
        assert_eq!(
            (answer.json()["state"].as_str(), answer.json()["jobId"].as_str()),
            (Some("active"), Some(&*id))
        );
        site.ask("PATCH", &path, json!({"data": 1})).await.refused(409);
        site.ask("POST", &format!("{path}/promote"), json!({})).await.refused(409);
        site.ask("PATCH", &path, json!({"priority": 1})).await.refused(409);
        let shown = site.get(&path).await;
        assert_eq!((shown["status"].as_str(), shown["worker"].as_str()), (Some("running"), Some("w-1")));
        assert_eq!(shown["data"]["shop"].as_str().or(Some("acme")), Some("acme"), "untouched");
    }
}

#[tokio::test]
async fn delay_and_priority_are_changed_where_there_is_a_way_to() {
    let site = Site::start().with_jobs().await;
    for handle in [&site.shop, &site.pdf] {
        handle.add("x", &json!({}), json!({"jobId": "later", "delay": 600_000})).await.unwrap();
    }
    let delayed = site.ask("PATCH", "/queues/pdf/jobs/later", json!({"delay": 5000})).await;
    assert_eq!(delayed.status, 200, "{delayed:?}");
    let due = delayed.json()["dueOn"].as_i64().unwrap() - delayed.json()["serverTime"].as_i64().unwrap();
    assert!((0..=5000).contains(&due), "{due}");
    let changed = site.ask("PATCH", "/queues/pdf/jobs/first", json!({"priority": 3})).await.json();
    assert_eq!((changed["state"].as_str(), changed["priority"].as_i64()), (Some("prioritized"), Some(3)));
    for body in [json!({"delay": 5000}), json!({"priority": 3})] {
        let (kind, detail) = site.ask("PATCH", "/queues/shop/jobs/later", body).await.refused(409);
        assert!(kind == "state-conflict" && detail.contains("Bull 4"), "{detail}");
    }
    let shown = site.get("/queues/shop/jobs/later").await;
    assert!(!shown["allowedActions"].as_array().unwrap().contains(&json!("change-delay")));
    assert_eq!(
        site.ask("POST", "/queues/shop/jobs/later/promote", json!({})).await.json()["state"],
        "waiting"
    );
}

#[tokio::test]
async fn an_edit_that_has_not_seen_the_last_one_is_refused_and_writes_nothing() {
    let site = Site::start().with_jobs().await;
    for queue in ["shop", "pdf"] {
        let path = format!("/queues/{queue}/jobs/first");
        let seen = site.send("admin", "GET", &path, None).await;
        let etag = seen.header("etag").unwrap().to_owned();
        assert_eq!(seen.json()["etag"], json!(etag));
        let edit = |data: &'static str| {
            let (site, path, etag) = (&site, &path, &etag);
            async move { site.send_with("admin", "PATCH", path, &[("if-match", etag)], Some(data)).await }
        };
        // Bytes are kept as they are: no number is rounded, no empty list becomes an object.
        let first = edit(r#"{"data": {"big": 9007199254740993, "none": []}}"#).await;
        assert_eq!(first.status, 200, "{first:?}");
        assert_ne!(first.header("etag"), Some(&*etag));
        assert_eq!(edit(r#"{"data": 2}"#).await.refused(412).0, "precondition-failed");
        let stored: String = redis::cmd("HGET")
            .arg(format!("bull:{queue}:first"))
            .arg("data")
            .query_async(&mut site.redis.connection().await)
            .await
            .unwrap();
        assert_eq!(stored, r#"{"big": 9007199254740993, "none": []}"#);
    }
}

#[tokio::test]
async fn a_copy_has_a_new_id_and_the_same_options() {
    let site = Site::start();
    let opts =
        json!({"jobId": "one", "attempts": 3, "backoff": {"type": "fixed", "delay": 5}, "removeOnFail": 10});
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        handle.add("sync", &json!({"n": 1}), opts.clone()).await.unwrap();
        complete_next(handle.store(), "1").await;
        let path = format!("/queues/{queue}/jobs/one/duplicate");
        let added = site.ask("POST", &path, json!({"opts": {"attempts": 5}})).await;
        assert_eq!(added.status, 201, "{added:?}");
        let copy = site.get(added.header("location").unwrap().strip_prefix("/api/v1").unwrap()).await;
        assert_ne!(copy["id"], "one");
        assert_eq!((copy["name"].as_str(), &copy["data"]), (Some("sync"), &json!({"n": 1})));
        assert_eq!((copy["attempts"].as_u64(), copy["opts"]["removeOnFail"].as_u64()), (Some(5), Some(10)));
    }
}

#[tokio::test]
async fn a_queue_is_paused_drained_cleaned_and_obliterated() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let path = |act: &str| format!("/queues/{queue}/{act}");
        let paused = site.ask("POST", &path("pause"), json!({})).await.json();
        assert_eq!(paused, json!({"queue": queue, "paused": true, "changed": true}));
        assert_eq!(site.ask("POST", &path("pause"), json!({})).await.json()["changed"], false);
        assert_eq!(site.ask("POST", &path("resume"), json!({})).await.json()["paused"], false);
        fail_next(handle.store(), "it broke").await;
        for n in 0..5 {
            handle.add("x", &json!({"n": n}), json!({})).await.unwrap();
        }
        assert_eq!(site.ask("POST", &path("drain"), json!({})).await.json()["removed"], 5);
        let cleaned =
            site.ask("POST", &path("clean"), json!({"state": "failed", "olderThanMs": 600_000})).await;
        assert_eq!(cleaned.json()["removed"], 0);
        handle.add("x", &json!({}), json!({"jobId": "runs"})).await.unwrap();
        claim(handle.store(), &run_token(1)).await;
        let wanted = json!({"confirm": queue});
        site.ask("POST", &path("obliterate"), wanted.clone()).await.refused(409);
        assert_eq!(
            handle.store().counts().await.unwrap().1,
            false,
            "what was refused left the queue unpaused"
        );
        let forced = json!({"confirm": queue, "force": true});
        assert_eq!(site.ask("POST", &path("obliterate"), forced).await.json()["obliterated"], true);
        site.ask("POST", &path("pause"), json!({})).await.refused(404);
    }
}

#[tokio::test]
async fn waiting_for_a_job_ends_with_the_job() {
    let site = Site::start().with_jobs().await;
    let not_yet = site.send("viewer", "GET", "/queues/shop/jobs/first/wait?timeout=100ms", None).await;
    assert_eq!((not_yet.status, not_yet.json()["status"].as_str()), (202, Some("queued")));
    let (answer, _) = tokio::join!(
        site.send("viewer", "GET", "/queues/shop/jobs/first/wait?timeout=20s", None),
        complete_next(site.shop.store(), r#"{"synced":5,"failed":1}"#)
    );
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("partial")), "{answer:?}");
    assert_eq!(answer.json()["returnvalue"], json!({"synced": 5, "failed": 1}));
}
