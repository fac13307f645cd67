use serde_json::json;

use crate::site::{Site, TOKEN, callback_path};

async fn post(site: &Site, content_type: &str, body: &[u8]) -> crate::support::http::Answer {
    let id = "1";
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        callback_path(id, "complete"),
        body.len()
    );
    site.raw(&[head.as_bytes(), body].concat()).await
}

#[tokio::test]
async fn a_body_that_is_not_strict_json_is_refused_with_its_offset() {
    let site = Site::start();
    let id = site.running_job(TOKEN, json!({})).await;
    assert_eq!(id, "1");
    let deep = "[".repeat(1001) + &"]".repeat(1001);
    for (body, offset) in [
        (&b"{\"a\":nope}"[..], 6),
        (b"{} {}", 3),
        (b"{\"a\":1,\"a\":2}", 12),
        (b"\xef\xbb\xbf{}", 0),
        (b"\xff\xfe{\x00}\x00", 0),
        (b"NaN", 0),
        (b"\"\\ud800\"", 7),
        (b"\"ab\xff\"", 3),
        (b"[1,2", 4),
        (deep.as_bytes(), 127),
    ] {
        let answer = post(&site, "application/json", body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        assert_eq!((answer.status, answer.problem().as_str()), (400, "validation"), "{shown}");
        let found = answer.json()["offset"].as_u64().unwrap();
        assert!(found.abs_diff(offset) <= 1, "{shown}: offset {found}, expected about {offset}");
    }
    assert_eq!(site.job(&id).await.1, "active", "nothing was written");
}

#[tokio::test]
async fn only_json_is_taken() {
    let site = Site::start();
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
        "application/jsonp",
        "json",
    ] {
        let answer = post(&site, kind, b"{}").await;
        assert_eq!((answer.status, answer.problem().as_str()), (415, "unsupported-media-type"), "{kind}");
    }
    for kind in ["application/json", "Application/JSON;charset=utf-8", "application/cloudevents+json"] {
        assert_eq!(post(&site, kind, b"{}").await.status, 410, "{kind}");
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_however_it_is_sent() {
    let site = Site::start();
    site.running_job(TOKEN, json!({})).await;
    let fits = format!("\"{}\"", "x".repeat(1024 * 1024 - 2));
    assert_eq!(post(&site, "application/json", format!("{fits} ").as_bytes()).await.status, 413);
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\n",
        callback_path("1", "complete")
    );
    let announced = format!("{head}expect: 100-continue\r\ncontent-length: 1048577\r\n\r\n");
    let answer = site.raw(announced.as_bytes()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (413, "too-large"), "refused before it is sent");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(17));
    assert_eq!(site.raw(chunked.as_bytes()).await.status, 413);
    assert_eq!(post(&site, "application/json", fits.as_bytes()).await.status, 200, "the limit itself fits");
}

#[tokio::test]
async fn unknown_paths_are_404_and_wrong_methods_405_with_allow() {
    let site = Site::start();
    for path in [
        "/livez/",
        "//livez",
        "/LIVEZ",
        "/metrics/x",
        "/api/v1/queues/q/jobs/1",
        "/../etc/passwd",
        "/%2e%2e%2fetc",
        "/livez%00",
        "/queue/%22%3E%3Csvg%20onload=alert(1)%3E",
    ] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{path}");
        assert!(!answer.body.contains('<'), "{path}: {}", answer.body);
    }
    for (method, path, allow) in [
        ("POST", "/livez", "GET,HEAD"),
        ("DELETE", "/metrics", "GET,HEAD"),
        ("GET", "/api/v1/queues/q/jobs/1/complete", "POST"),
    ] {
        let answer = site.send(method, path, &[], None).await;
        assert_eq!((answer.status, answer.problem().as_str()), (405, "method-not-allowed"), "{path}");
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
    let head = site.send("HEAD", "/livez", &[], None).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for (path, status) in
        [("/api/v1/queues/%ff/jobs/1/heartbeat", 400), ("/api/v1/queues//jobs/1/heartbeat", 404)]
    {
        assert_eq!(site.send("POST", path, &[], None).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn old_and_odd_http_is_handled() {
    let site = Site::start();
    assert_eq!(site.raw(b"GET /livez HTTP/1.0\r\n\r\n").await.status, 200);
    assert_eq!(site.raw(b"GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n").await.status, 400, "no Host");
    let twice = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(site.raw(twice).await.status, 400);
    assert_eq!(site.raw(b"GET\x00/livez\r\n\r\n").await.status, 400);
    let path = callback_path("1", "heartbeat");
    let expecting = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\n\
         authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    let answer = site.raw(expecting.as_bytes()).await;
    assert!(answer.status == 100 && answer.body.contains("HTTP/1.1 410"), "{answer:?}");
}
