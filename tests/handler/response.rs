//! The table of responses, row by row.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use bullock::handler::Handler as _;
use bullock::handler::http::HttpOptions;
use bullock::http::health::REFUSALS_UNHEALTHY;
use bullock::job::outcome::{Outcome, ReasonClass};
use serde_json::{Value, json};

use super::support::{Server, call, failure, finish, http, job, result, run, serve};

/// A backend that always gives the same answer.
async fn answering(status: u16, headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> Server {
    let status = StatusCode::from_u16(status).unwrap();
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    let body = body.into();
    let answer = move || async move {
        let mut response = (status, body).into_response();
        response.headers_mut().remove("content-type");
        response.headers_mut().extend(headers);
        response
    };
    serve(Router::new().fallback(post(answer))).await
}

async fn outcome(status: u16, headers: &[(&'static str, &str)], body: &str) -> Outcome {
    let server = answering(status, headers, body).await;
    call(server.options("/jobs/sync?key=secret")).await
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");

#[tokio::test]
async fn success_with_json_is_the_result_byte_for_byte() {
    for status in [200, 201, 203, 205, 206] {
        let body = r#"{"big":12345678901234567890,"list":[],"z":1,"a":2}"#;
        match outcome(status, &[JSON], body).await {
            Outcome::Completed(Some(value)) => assert_eq!(value.as_str(), body, "{status}"),
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn no_body_is_null() {
    assert_eq!(result(outcome(204, &[], "").await), Value::Null);
    assert_eq!(result(outcome(200, &[JSON], "").await), Value::Null);
    assert_eq!(result(outcome(200, &[JSON], " \n").await), Value::Null);
}

#[tokio::test]
async fn a_result_that_is_not_json_is_kept_as_text() {
    assert_eq!(result(outcome(200, &[("content-type", "text/html")], "OK").await), "OK");
    assert_eq!(result(outcome(200, &[("content-type", "text/plain")], "17").await), "17");
    assert_eq!(result(outcome(200, &[JSON], "{oops").await), "{oops");
    assert_eq!(result(outcome(200, &[], r#"{"n":1}"#).await), json!({ "n": 1 }));
}

#[tokio::test]
async fn a_result_above_the_limit_is_replaced_by_a_marker() {
    let server = answering(200, &[JSON], format!("\"{}\"", "x".repeat(5000))).await;
    let marker = result(call(HttpOptions { response_max: 4096, ..server.options("/") }).await);
    assert_eq!((&marker["truncated"], &marker["maxBytes"]), (&json!(true), &json!(4096)));
    assert!(marker["head"].as_str().unwrap().starts_with("\"xxx"));
    let whole = result(call(HttpOptions { response_max: 5002, ..server.options("/") }).await);
    assert_eq!(whole.as_str().unwrap().len(), 5000);
}

#[tokio::test]
async fn the_listed_statuses_fail_the_job_for_good() {
    for status in [400, 410, 422] {
        let failure = failure(outcome(status, &[JSON], r#"{"message":"no such shop"}"#).await);
        assert_eq!((failure.message.as_str(), failure.retryable), ("no such shop", false), "{status}");
        assert_eq!(failure.class, ReasonClass::Error);
    }
    let server = answering(404, &[], "").await;
    let listed = HttpOptions { permanent: vec![404], ..server.options("/") };
    assert!(!failure(call(listed).await).retryable);
}

#[tokio::test]
async fn a_backend_says_by_header_or_body_that_no_retry_helps() {
    assert!(!failure(outcome(500, &[("job-no-retry", "true")], "x").await).retryable);
    assert!(failure(outcome(500, &[("job-no-retry", "false")], "x").await).retryable);
    let problem = r#"{"title":"Out of stock","detail":"SKU 7","retryable":false}"#;
    let told = failure(outcome(500, &[PROBLEM], problem).await);
    assert_eq!((told.message.as_str(), told.retryable), ("Out of stock: SKU 7", false));
    let throttled = outcome(429, &[("retry-after", "5"), ("job-no-retry", "true")], "x").await;
    assert!(!failure(throttled).retryable, "a permanent failure is not tried later");
    assert!(failure(outcome(422, &[PROBLEM], r#"{"title":"x","retryable":true}"#).await).retryable);
}

#[tokio::test]
async fn unavailable_with_retry_after_defers_the_job() {
    let body = r#"{"message":"deploying"}"#;
    let deferred = outcome(503, &[JSON, ("retry-after", "1.5")], body).await;
    assert_eq!(deferred, Outcome::Deferred { after: Duration::from_millis(1500), why: "deploying".into() });
    let now = outcome(503, &[JSON, ("retry-after", "0")], body).await;
    assert_eq!(now, Outcome::Deferred { after: Duration::ZERO, why: "deploying".into() });
    let plain = failure(outcome(503, &[JSON], body).await);
    assert!(plain.retryable && plain.retry_after.is_none());
}

#[tokio::test]
async fn too_many_requests_with_retry_after_lets_the_queue_rest() {
    let throttled = outcome(429, &[("retry-after", "30")], "slow down").await;
    assert_eq!(throttled, Outcome::Throttled { after: Duration::from_secs(30), why: "slow down".into() });
    assert!(failure(outcome(429, &[], "slow down").await).retryable);
}

#[tokio::test]
async fn what_a_backend_may_ask_for_is_capped() {
    let hour = Duration::from_hours(1);
    let far = outcome(503, &[("retry-after", "999999999999")], "x").await;
    assert_eq!(far, Outcome::Deferred { after: hour, why: "x".into() });
    let dated = outcome(429, &[("retry-after", "Thu, 31 Dec 2099 23:59:59 GMT")], "x").await;
    assert_eq!(dated, Outcome::Throttled { after: hour, why: "x".into() });
    let past = outcome(429, &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")], "x").await;
    assert_eq!(past, Outcome::Throttled { after: Duration::ZERO, why: "x".into() });
    assert!(failure(outcome(503, &[("retry-after", "soon")], "x").await).retry_after.is_none());
    let body = failure(outcome(500, &[PROBLEM], r#"{"title":"x","retryAfterMs":1e300}"#).await);
    assert_eq!(body.retry_after, Some(hour));
}

#[tokio::test]
async fn any_other_failure_may_bring_its_own_backoff() {
    for status in [401, 404, 409, 500, 502] {
        let told = failure(outcome(status, &[("retry-after", "7")], "x").await);
        assert_eq!((told.retryable, told.retry_after), (true, Some(Duration::from_secs(7))), "{status}");
    }
    let told = failure(outcome(500, &[PROBLEM], r#"{"title":"x","retryAfterMs":250}"#).await);
    assert_eq!(told.retry_after, Some(Duration::from_millis(250)));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let told = failure(outcome(status, &[("location", "http://127.0.0.1:1/x?token=t")], "moved").await);
        assert!(told.retryable);
        assert!(
            told.message.ends_with("(to http://127.0.0.1:1/x): redirects are not followed"),
            "{}",
            told.message
        );
    }
}

#[tokio::test]
async fn the_text_of_the_backend_is_the_text_of_the_failure() {
    let text = failure(outcome(500, &[], " as it is ").await);
    assert_eq!(text.message, " as it is ");
    let stack = r#"{"message":"boom","stack":"TypeError: boom\n    at x.js:1:1"}"#;
    let told = failure(outcome(500, &[JSON], stack).await);
    assert_eq!(told.message, "boom");
    let stack = told.stack.unwrap();
    assert!(stack.starts_with("TypeError: boom\n    at x.js:1:1\n    at POST 127.0.0.1:"), "{stack}");
    assert!(stack.ends_with("/jobs/sync (HTTP 500)"), "the query may hold a key: {stack}");
}

#[tokio::test]
async fn an_answer_without_text_names_status_and_host() {
    let server = answering(502, &[], "").await;
    let told = failure(call(server.options("/")).await);
    assert_eq!(told.message, format!("HTTP 502 from {}", server.address));
}

#[tokio::test]
async fn a_backend_that_refuses_five_times_in_a_row_is_unhealthy() {
    let server = answering(404, &[], "").await;
    let handler = http(server.options("/"));
    for _ in 0..REFUSALS_UNHEALTHY {
        assert!(!handler.health().is_unhealthy());
        failure(finish(&handler, job(), &run()).await);
    }
    assert!(handler.health().is_unhealthy());
    assert!(handler.label().starts_with("http 127.0.0.1:"));
}

#[tokio::test]
async fn answers_about_the_job_do_not_count_against_the_backend() {
    for status in [200, 409, 422, 429, 500] {
        let server = answering(status, &[], "").await;
        let handler = http(server.options("/"));
        handler.health().refused();
        finish(&handler, job(), &run()).await;
        assert_eq!(handler.health().refusals(), 0, "{status}");
    }
}

#[tokio::test]
async fn compressed_answers_are_not_asked_for_and_not_unpacked() {
    let server = answering(200, &[JSON, ("content-encoding", "gzip")], [0x1f, 0x8b, 8, 0]).await;
    assert!(result(call(server.options("/")).await).is_string());
}
