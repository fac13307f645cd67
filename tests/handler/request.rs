//! What a backend is told about a job.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::any;
use bullock::handler::http::{BodyMode, HttpOptions};
use bullock::handler::idempotency;
use bullock::job::{Data, JobId};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::support::{Server, call, finish, http, job, result, run, serve};

type Seen = Arc<Mutex<Vec<(Method, Uri, HeaderMap, Bytes)>>>;

/// A backend that remembers each request and answers 204.
async fn listener() -> (Server, Seen) {
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let keep = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        kept.lock().unwrap().push((method, uri, headers, body));
        axum::http::StatusCode::NO_CONTENT
    };
    (serve(Router::new().fallback(any(keep))).await, seen)
}

fn header(seen: &Seen, name: &str) -> Option<String> {
    let seen = seen.lock().unwrap();
    let value = seen.last().unwrap().2.get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

fn body(seen: &Seen) -> Bytes {
    seen.lock().unwrap().last().unwrap().3.clone()
}

#[tokio::test]
async fn the_data_of_the_job_is_the_body_byte_for_byte() {
    let (server, seen) = listener().await;
    call(server.options("/api/sync?shop=1")).await;
    assert_eq!(body(&seen), job().data.as_str().as_bytes());
    let (method, uri, ..) = seen.lock().unwrap()[0].clone();
    assert_eq!((method, uri.to_string().as_str()), (Method::POST, "/api/sync?shop=1"));
    assert_eq!(header(&seen, "content-type").unwrap(), "application/json");
}

#[tokio::test]
async fn the_headers_say_which_job_it_is() {
    let (server, seen) = listener().await;
    call(server.options("/")).await;
    for (name, value) in [
        ("user-agent", concat!("bullock/", env!("CARGO_PKG_VERSION"))),
        ("job-queue", "woo%3Acustomers"),
        ("job-id", "20"),
        ("job-name", "sync"),
        ("job-attempt", "1"),
        ("job-max-attempts", "3"),
        ("job-enqueued-at", "2026-11-22T04:13:37.201Z"),
        ("job-deadline", "2026-11-22T07:13:37Z"),
        ("job-callback", "http://127.0.0.1:7979/api/v1/queues/woo%3Acustomers/jobs/20"),
        ("job-token", "w-1:0123456789abcdef"),
        ("job-fence", "7"),
    ] {
        assert_eq!(header(&seen, name).as_deref(), Some(value), "{name}");
    }
    let key = header(&seen, "idempotency-key").unwrap();
    assert!(key.len() == 43 && !key.contains('.'), "{key}");
    assert_eq!(header(&seen, "job-checkpoint"), None);
    assert_eq!(header(&seen, "webhook-signature"), None, "there is no secret");
}

#[tokio::test]
async fn an_id_with_line_breaks_and_foreign_letters_is_percent_encoded() {
    let (server, seen) = listener().await;
    let mut job = job();
    job.id = JobId::from("7\r\nX: y/ä~");
    job.name = "".into();
    result(finish(&http(server.options("/")), job, &run()).await);
    assert_eq!(header(&seen, "job-id").unwrap(), "7%0D%0AX%3A%20y%2F%C3%A4~");
    assert_eq!(header(&seen, "job-name").unwrap(), "");
    assert_eq!(header(&seen, "x"), None);
}

#[tokio::test]
async fn the_idempotency_key_is_the_same_for_all_attempts_and_new_for_a_reused_id() {
    let info = run().ctx.run;
    let first = job();
    let mut second = job();
    second.attempts_made = 1;
    assert_eq!(idempotency::key(&info, &first), idempotency::key(&info, &second));
    second.timestamp += 1;
    assert_ne!(idempotency::key(&info, &first), idempotency::key(&info, &second));
    let (mut left, mut right) = (job(), job());
    (left.queue, left.id) = ("a".into(), JobId::from("bc"));
    (right.queue, right.id) = ("ab".into(), JobId::from("c"));
    assert_ne!(idempotency::key(&info, &left), idempotency::key(&info, &right));
}

#[tokio::test]
async fn a_checkpoint_travels_in_a_header_while_it_is_small() {
    let (server, seen) = listener().await;
    let handler = http(server.options("/"));
    let mut small = job();
    small.checkpoint = Some(RawValue::from_string(r#"{"page":4}"#.into()).unwrap());
    finish(&handler, small, &run()).await;
    assert_eq!(header(&seen, "job-checkpoint").unwrap(), "eyJwYWdlIjo0fQ");
    let mut large = job();
    large.checkpoint = Some(RawValue::from_string(format!("\"{}\"", "x".repeat(4000))).unwrap());
    finish(&handler, large, &run()).await;
    assert_eq!(header(&seen, "job-checkpoint"), None);
}

#[tokio::test]
async fn the_envelope_holds_the_whole_job() {
    let (server, seen) = listener().await;
    let mut job = job();
    job.attempts_made = 1;
    job.progress = Some(RawValue::from_string("50".into()).unwrap());
    job.checkpoint = Some(RawValue::from_string(r#"{"page":4}"#.into()).unwrap());
    let data = job.data.as_str().to_owned();
    let options = HttpOptions { body: BodyMode::Envelope, ..server.options("/") };
    finish(&http(options), job, &run()).await;
    let text = String::from_utf8(body(&seen).to_vec()).unwrap();
    assert!(text.contains(&format!("\"data\":{data}")), "the data is not touched: {text}");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["queue"], "woo:customers");
    assert_eq!((&value["id"], &value["name"], &value["attempt"]), (&json!("20"), &json!("sync"), &json!(2)));
    assert_eq!(value["opts"], json!({ "attempts": 3, "backoff": 1000, "mine": [] }));
    assert_eq!((&value["progress"], &value["checkpoint"]), (&json!(50), &json!({ "page": 4 })));
}

#[tokio::test]
async fn a_backend_made_for_bullmq_proxy_gets_job_and_token() {
    let (server, seen) = listener().await;
    call(HttpOptions { body: BodyMode::BullmqProxy, ..server.options("/") }).await;
    let value: Value = serde_json::from_slice(&body(&seen)).unwrap();
    assert_eq!(value["token"], "w-1:0123456789abcdef");
    assert_eq!((&value["job"]["id"], &value["job"]["attemptsMade"]), (&json!("20"), &json!(0)));
    assert_eq!(value["job"]["data"]["store"], "big.example.com");
}

#[tokio::test]
async fn data_that_is_raw_text_is_sent_as_text() {
    let (server, seen) = listener().await;
    let mut job = job();
    job.data = Data::Text("not { json".into());
    finish(&http(server.options("/")), job.clone(), &run()).await;
    assert_eq!(body(&seen), "not { json");
    assert_eq!(header(&seen, "content-type").unwrap(), "text/plain; charset=utf-8");
    let options = HttpOptions { body: BodyMode::Envelope, ..server.options("/") };
    finish(&http(options), job, &run()).await;
    assert_eq!(serde_json::from_slice::<Value>(&body(&seen)).unwrap()["data"], "not { json");
}

#[tokio::test]
async fn configured_headers_are_sent_and_may_replace_the_content_type() {
    let (server, seen) = listener().await;
    let headers = vec![
        ("authorization".into(), "Bearer abc".into()),
        ("Content-Type".into(), "application/vnd.shop+json".into()),
    ];
    call(HttpOptions { headers, ..server.options("/") }).await;
    assert_eq!(header(&seen, "authorization").unwrap(), "Bearer abc");
    assert_eq!(header(&seen, "content-type").unwrap(), "application/vnd.shop+json");
}

#[tokio::test]
async fn many_jobs_share_a_few_connections() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let server = super::support::raw(move |mut socket| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut buffer = vec![0; 4096];
            // Each request fits into one read: it is far below the size of a segment on loopback.
            while socket.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                if socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let handler = http(server.options("/"));
    for _ in 0..20 {
        result(finish(&handler, job(), &run()).await);
    }
    assert_eq!(opened.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_backend_on_a_unix_socket_is_reached() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let routes =
        Router::new().route("/api/sync", any(|uri: Uri| async move { axum::Json(uri.path().to_owned()) }));
    let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    for url in [format!("unix://{}/api/sync", path.display()), format!("unix:{}:/api/sync", path.display())] {
        assert_eq!(result(call(HttpOptions::new(url)).await), "/api/sync");
    }
    server.abort();
}
