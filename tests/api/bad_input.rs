//! Requests that make no sense: each is refused with its own status, in the one form, and nothing is written.

use serde_json::json;

use crate::site::Site;

#[tokio::test]
async fn query_parameters_that_are_unknown_twice_or_out_of_range_are_named() {
    let site = Site::start().with_jobs().await;
    for (path, parameter) in [
        ("/queues?page=-1", "page"),
        ("/queues/shop/jobs?limit=0", "limit"),
        ("/queues/shop/jobs?limit=100000000", "limit"),
        ("/queues/shop/jobs?limit=abc", "limit"),
        ("/queues/shop/jobs?limit=5&limit=6", "limit"),
        ("/queues/shop/jobs?state=bogus", "state"),
        ("/queues/shop/jobs?sort=sideways", "sort"),
        ("/queues/shop/jobs?cursor=nonsense", "cursor"),
        ("/queues/shop/jobs?cursor=WyJmYWlsZWQiLCJOYU4iLCJ4Il0", "cursor"),
        ("/queues/shop/jobs?where=shop%3D1", "where"),
        ("/queues/shop/jobs?status=failed", "status"),
        ("/queues/shop/jobs/first?include=everything", "include"),
        ("/queues/shop/jobs/first?include=logs&include=audit", "include"),
        ("/queues/shop/jobs/first/logs?cursor=99999999999999999999", "cursor"),
        ("/queues/shop/jobs/first/wait?timeout=5", "timeout"),
        ("/queues/shop/jobs/first/wait?timeout=1h", "timeout"),
        ("/audit?since=yesterday", "since"),
        ("/audit?cursor=!!", "cursor"),
        ("/flows/shop/first?depth=11", "depth"),
    ] {
        let answer = site.send("viewer", "GET", path, None).await;
        assert_eq!(answer.refused(400).0, "validation", "{path}");
        assert_eq!(answer.json()["parameter"], parameter, "{path}");
    }
}

#[tokio::test]
async fn times_far_in_past_or_future_are_taken_for_what_they_are() {
    let site = Site::start().with_jobs().await;
    assert_eq!(site.get("/audit?since=0&until=8640000000000000").await["items"], json!([]));
    assert_eq!(site.get("/audit?since=8640000000000000&until=0").await["items"], json!([]));
    site.send("viewer", "GET", "/audit?until=8640000000000001", None).await.refused(400);
    site.send("viewer", "GET", "/audit?since=-1", None).await.refused(400);
}

#[tokio::test]
async fn bodies_that_are_no_strict_json_are_refused_with_the_place() {
    let site = Site::start().with_jobs().await;
    let before = site.dump().await;
    let deep = format!(r#"{{"name":"x","data":{}1{}}}"#, "[".repeat(130), "]".repeat(130));
    for body in [
        "{",
        "{} x",
        "NaN",
        r#"{"name":"x","name":"y"}"#,
        "\u{feff}{}",
        r#"{"name":"x","data":1e999}"#,
        &deep,
        r#"{"name":"x",}"#,
        "\u{fffd}",
        "[",
        r#""text""#,
        "5",
        "null",
    ] {
        let (kind, detail) = site.send("admin", "POST", "/queues/shop/jobs", Some(body)).await.refused(400);
        assert!(kind == "validation" && !detail.is_empty(), "{body}: {detail}");
    }
    for (path, method) in [
        ("/queues/shop/jobs", "POST"),
        ("/queues/shop/bulk", "POST"),
        ("/queues/shop/jobs/first", "PATCH"),
        ("/queues/shop/clean", "POST"),
        ("/queues/pdf/schedulers/x", "PUT"),
    ] {
        site.send("admin", method, path, None).await.refused(400);
        for array in ["[]", "[1]", "[null,null]", r#"["retry",null,null]"#] {
            site.send("admin", method, path, Some(array)).await.refused(400);
        }
        site.send("admin", method, path, Some(r#"{"surprise":1}"#)).await.refused(400);
        let text = [("content-type", "text/plain")];
        site.send_with("admin", method, path, &text, Some("{}")).await.refused(415);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        site.send_with("admin", method, path, &form, Some("a=b")).await.refused(415);
    }
    for path in [
        "/queues/shop/drain",
        "/queues/shop/pause",
        "/queues/shop/jobs/first/retry",
        "/queues/shop/jobs/first/duplicate",
    ] {
        for array in ["[]", "[null]", "[null,null]", "[null,null,null]", "null", "5"] {
            site.send("admin", "POST", path, Some(array)).await.refused(400);
        }
    }
    let item = r#"[["sync",null,null]]"#;
    site.send("admin", "POST", "/queues/shop/jobs", Some(item)).await.refused(400);
    let large = format!(r#"{{"name":"x","data":"{}"}}"#, "x".repeat(1024 * 1024));
    assert_eq!(
        site.send("admin", "POST", "/queues/shop/jobs", Some(&large)).await.refused(413).0,
        "too-large"
    );
    assert_eq!(site.dump().await, before);
}

#[tokio::test]
async fn wrong_methods_and_paths_are_told_apart() {
    let site = Site::start().with_jobs().await;
    for (method, path, status) in [
        ("POST", "/queues", 405),
        ("DELETE", "/queues/shop", 405),
        ("GET", "/queues/shop/pause", 405),
        ("PUT", "/queues/shop/jobs/first", 405),
        ("GET", "/nothing", 404),
        ("GET", "/queues/", 404),
        ("GET", "//queues", 404),
        ("GET", "/queues/shop/jobs/", 404),
        ("GET", "/queues/shop/jobs/first/", 404),
        ("GET", "/queues/shop/jobs/wait", 404),
        ("GET", "/queues/shop/jobs/first%3Alock", 404),
        ("GET", "/queues/shop/jobs/..%2f..%2fetc", 404),
        ("GET", "/queues/%2e%2e/jobs", 404),
        ("GET", "/queues/%22%3E%3Csvg%20onload%3D1%3E", 404),
        ("GET", "/queues/a%00b", 404),
        ("GET", "/queues/%ff", 400),
    ] {
        let answer = site.send("admin", method, path, None).await;
        answer.refused(status);
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}: {answer:?}");
        assert!(!answer.body.contains("<svg"), "{answer:?}");
    }
}

#[tokio::test]
async fn keys_of_the_queue_are_no_jobs_for_any_act() {
    let site = Site::start().with_jobs().await;
    for queue in ["shop", "pdf"] {
        let before = site.dump().await;
        for id in [
            "wait",
            "meta",
            "id",
            "completed",
            "events",
            "repeat",
            "first%3Alock",
            "first%3Alogs",
            "metrics%3Acompleted",
        ] {
            for (method, act, body) in [
                ("GET", "", json!(null)),
                ("DELETE", "", json!({})),
                ("PATCH", "", json!({"data": 1})),
                ("POST", "/retry", json!({})),
                ("POST", "/promote", json!({})),
                ("POST", "/duplicate", json!({})),
                ("GET", "/logs", json!(null)),
                ("GET", "/wait", json!(null)),
            ] {
                let path = format!("/queues/{queue}/jobs/{id}{act}");
                let body = (!body.is_null()).then(|| body.to_string());
                site.send("admin", method, &path, body.as_deref()).await.refused(404);
            }
        }
        assert_eq!(site.dump().await, before);
    }
}

#[tokio::test]
async fn jobs_that_others_have_damaged_are_shown_as_far_as_they_can_be() {
    let site = Site::start().with_jobs().await;
    let mut con = site.redis.connection().await;
    for (queue, prefix) in [("shop", "bull:shop:"), ("pdf", "bull:pdf:")] {
        for (id, field, value) in
            [("no-json", "data", "{oops"), ("bad-opts", "opts", "nope"), ("bad-time", "timestamp", "soon")]
        {
            let hash = format!("{prefix}{id}");
            redis::cmd("HSET")
                .arg(&hash)
                .arg("name")
                .arg("x")
                .arg(field)
                .arg(value)
                .exec_async(&mut con)
                .await
                .unwrap();
            redis::cmd("LPUSH").arg(format!("{prefix}wait")).arg(id).exec_async(&mut con).await.unwrap();
            let shown =
                site.get(&format!("/queues/{queue}/jobs/{id}?include=logs,attempts,children,audit")).await;
            assert_eq!(shown["state"], "waiting");
        }
        // Listed without a hash, of another type, and in no list at all.
        redis::cmd("LPUSH")
            .arg(format!("{prefix}wait"))
            .arg("ghost")
            .arg("string")
            .exec_async(&mut con)
            .await
            .unwrap();
        redis::cmd("SET").arg(format!("{prefix}string")).arg("x").exec_async(&mut con).await.unwrap();
        redis::cmd("HSET")
            .arg(format!("{prefix}lost"))
            .arg("name")
            .arg("x")
            .arg("data")
            .arg("{}")
            .exec_async(&mut con)
            .await
            .unwrap();
        let list = site.get(&format!("/queues/{queue}/jobs")).await;
        assert_eq!(list["items"].as_array().unwrap().len(), 6, "{list}");
        let nowhere = site.get(&format!("/queues/{queue}/jobs/lost")).await;
        assert_eq!((nowhere["state"].as_str(), nowhere["status"].as_str()), (Some("stuck"), Some("stuck")));
        site.send("admin", "GET", &format!("/queues/{queue}/jobs/ghost"), None).await.refused(404);
        site.send("admin", "GET", &format!("/queues/{queue}/jobs/string"), None).await.refused(404);
    }
}

#[tokio::test]
async fn without_redis_every_route_says_so_and_recovers() {
    let site = Site::start().with_jobs().await;
    site.get("/queues/shop/jobs").await;
    site.redis.freeze();
    let answer = site.send("viewer", "GET", "/queues/shop/jobs", None).await;
    assert_eq!(answer.refused(503).0, "redis-unavailable");
    assert!(answer.header("retry-after").is_some());
    site.redis.thaw();
    crate::support::wait::until("the list to come back", || async {
        site.send("viewer", "GET", "/queues/shop/jobs", None).await.status == 200
    })
    .await;
}
