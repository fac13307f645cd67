//! NDJSON from a backend.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::post;
use bullock::handler::WriteError;
use bullock::handler::http::HttpOptions;
use bullock::job::outcome::{Outcome, ReasonClass};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};

use super::support::{Server, Write, call, failure, finish, http, job, result, run, serve, until};

/// A backend that streams these pieces, each flushed by itself.
async fn streaming<S>(pieces: impl Fn() -> S + Clone + Send + Sync + 'static) -> Server
where
    S: Stream<Item = Bytes> + Send + 'static,
{
    let answer = move || async move {
        let mut response = Response::new(Body::from_stream(pieces().map(Ok::<_, Infallible>)));
        let kind = HeaderValue::from_static("application/x-ndjson; charset=utf-8");
        response.headers_mut().insert("content-type", kind);
        response
    };
    serve(Router::new().fallback(post(answer))).await
}

async fn lines(text: &'static str) -> Server {
    streaming(move || stream::iter([Bytes::from_static(text.as_bytes())])).await
}

/// The pieces, and then silence.
fn and_silence(text: &'static str) -> impl Stream<Item = Bytes> + Send {
    stream::iter([Bytes::from_static(text.as_bytes())]).chain(stream::pending())
}

#[tokio::test]
async fn each_line_does_what_it_says() {
    let server = lines(concat!(
        "{\"progress\":{\"total\":3,\"processed\":1}}\n",
        "\n",
        "{\"log\":\"page 1\"}\r\n",
        "{\"checkpoint\":{\"page\":2},\"log\":{\"two\":1}}\n",
        "{\"progress\":100,\"ours-does-not-know\":1}\n",
        "{\"result\":{\"big\":12345678901234567890}}\n",
    ))
    .await;
    let run = run();
    let outcome = finish(&http(server.options("/")), job(), &run).await;
    match outcome {
        Outcome::Completed(Some(value)) => assert_eq!(value.as_str(), r#"{"big":12345678901234567890}"#),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        run.record.writes(),
        [
            Write::Progress(r#"{"total":3,"processed":1}"#.into()),
            Write::Log("page 1".into()),
            Write::Log(r#"{"two":1}"#.into()),
            Write::Checkpoint(r#"{"page":2}"#.into()),
            Write::Progress("100".into()),
        ]
    );
}

#[tokio::test]
async fn lines_are_whole_however_the_network_cuts_them() {
    let text = "{\"log\":\"ä→😀\"}\n\n{\"progress\":7}\n{\"result\":\"ü\"}";
    for size in [1, 2, 3, 7] {
        let server =
            streaming(move || stream::iter(text.as_bytes().chunks(size).map(Bytes::from_static))).await;
        let run = run();
        assert_eq!(result(finish(&http(server.options("/")), job(), &run).await), "ü", "{size}");
        assert_eq!(run.record.writes(), [Write::Log("ä→😀".into()), Write::Progress("7".into())], "{size}");
    }
}

#[tokio::test]
async fn the_last_result_or_error_line_decides() {
    assert_eq!(result(call(lines("{\"error\":\"x\"}\n{\"result\":1}\n").await.options("/")).await), 1);
    assert_eq!(
        failure(call(lines("{\"result\":1}\n{\"error\":\"x\"}\n").await.options("/")).await).message,
        "x"
    );
    assert_eq!(result(call(lines("{\"result\":null}\n").await.options("/")).await), Value::Null);
}

#[tokio::test]
async fn an_error_line_says_all_that_a_response_could() {
    let server = lines(
        "{\"error\":{\"message\":\"bad shop\",\"stack\":\"E: bad shop\\n    at a\",\"retryable\":false,\"retryAfterMs\":1500}}",
    )
    .await;
    let told = failure(call(server.options("/")).await);
    assert_eq!((told.message.as_str(), told.retryable), ("bad shop", false));
    assert_eq!(told.retry_after, Some(Duration::from_millis(1500)));
    assert!(told.stack.unwrap().starts_with("E: bad shop\n    at a\n    at POST "));
    assert!(
        failure(call(lines("{\"error\":{}}\n").await.options("/")).await)
            .message
            .contains("without a message")
    );
}

#[tokio::test]
async fn an_end_without_result_or_error_is_a_retryable_failure() {
    for text in ["", "\n\n", "{\"progress\":1}\n"] {
        let told = failure(call(lines(text).await.options("/")).await);
        assert!(
            told.retryable && told.message.ends_with("ended without a result or error line"),
            "{}",
            told.message
        );
    }
}

#[tokio::test]
async fn lines_that_are_not_json_objects_are_a_retryable_failure() {
    for text in ["hello\n", "[1,2]\n", "17\n", "{\"progress\":\n}", "{\"log\":\"\u{1}\"}\n", "{\"result\":1"]
    {
        let told = failure(call(lines(text).await.options("/")).await);
        assert!(told.retryable, "{text}");
        assert!(told.message.starts_with("bad NDJSON from 127.0.0.1:"), "{}", told.message);
        assert!(told.message.contains("line 1"), "{}", told.message);
    }
}

#[tokio::test]
async fn a_line_without_end_is_cut_off() {
    let server = streaming(|| stream::repeat(Bytes::from_static(&[b'x'; 16 * 1024]))).await;
    let told = failure(call(HttpOptions { response_max: 1024, ..server.options("/") }).await);
    assert!(told.retryable && told.message.contains("line 1 is longer than"), "{}", told.message);
}

#[tokio::test]
async fn a_result_line_above_the_limit_becomes_a_marker() {
    let server =
        streaming(|| stream::iter([Bytes::from(format!("{{\"result\":\"{}\"}}\n", "x".repeat(5000)))])).await;
    let marker = result(call(HttpOptions { response_max: 4096, ..server.options("/") }).await);
    assert_eq!(marker["truncated"], json!(true));
}

#[tokio::test]
async fn silence_longer_than_the_heartbeat_is_a_failure() {
    let server = streaming(|| and_silence("{\"progress\":1}\n")).await;
    let told =
        failure(call(HttpOptions { heartbeat: Duration::from_millis(300), ..server.options("/") }).await);
    assert_eq!((told.message.as_str(), told.class), ("no heartbeat for 300 ms", ReasonClass::NoProgress));
    assert!(told.retryable);
}

#[tokio::test]
async fn bytes_that_never_make_a_line_are_no_sign_of_life() {
    let server = streaming(|| {
        stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Bytes::from_static(b" "), ()))
        })
    })
    .await;
    let told =
        failure(call(HttpOptions { heartbeat: Duration::from_millis(300), ..server.options("/") }).await);
    assert_eq!(told.message, "no heartbeat for 300 ms");
}

#[tokio::test]
async fn empty_lines_keep_a_long_job_alive() {
    let server = streaming(|| {
        stream::unfold(0, |n| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let line: &'static [u8] = if n < 40 { b"\n" } else { b"{\"result\":\"done\"}\n" };
            (n <= 40).then_some((Bytes::from_static(line), n + 1))
        })
    })
    .await;
    let run = run();
    let before = run.ctx.pulse.read();
    let options = HttpOptions { heartbeat: Duration::from_secs(1), ..server.options("/") };
    assert_eq!(result(finish(&http(options), job(), &run).await), "done");
    let after = run.ctx.pulse.read();
    assert!(after.beat > before.beat, "the executor sees them");
    assert_eq!(after.progress, before.progress, "but they are no progress");
}

#[tokio::test]
async fn a_result_stands_although_the_connection_lingers() {
    let server = streaming(|| and_silence("{\"result\":5}\n")).await;
    assert_eq!(
        result(call(HttpOptions { heartbeat: Duration::from_secs(1), ..server.options("/") }).await),
        5
    );
}

/// Says when it is dropped: held by a stream, that its connection was closed.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A backend that tells progress and then streams empty lines for ever, and the flag that says it stopped.
async fn endless() -> (Server, Arc<AtomicBool>) {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    let pieces = move || {
        let first = stream::iter([Bytes::from_static(b"{\"progress\":1}\n")]);
        first.chain(stream::unfold(Held(Arc::clone(&flag)), |held| async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Bytes::from_static(b"\n"), held))
        }))
    };
    (streaming(pieces).await, stopped)
}

#[tokio::test]
async fn a_lost_lease_stops_the_run_and_closes_the_connection() {
    let (server, stopped) = endless().await;
    let run = run();
    run.record.refuse(WriteError::LeaseLost);
    assert_eq!(finish(&http(server.options("/")), job(), &run).await, Outcome::EndedElsewhere);
    until("the backend's stream stopped", || stopped.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn cancelling_closes_the_connection_while_it_streams() {
    let (server, stopped) = endless().await;
    let run = run();
    let handler = http(server.options("/"));
    let stop = async {
        until("the first progress", || !run.record.writes().is_empty()).await;
        run.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(finish(&handler, job(), &run), stop);
    assert_eq!(failure(outcome).class, ReasonClass::Cancelled);
    until("the backend's stream stopped", || stopped.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_write_that_fails_does_not_end_the_run() {
    for error in [
        WriteError::Redis("connection refused".into()),
        WriteError::TooLarge { what: "checkpoint", got: 70_000, max: 65_536 },
    ] {
        let server = lines("{\"progress\":1}\n{\"checkpoint\":1}\n{\"log\":\"x\"}\n{\"result\":1}\n").await;
        let run = run();
        run.record.refuse(error);
        assert_eq!(result(finish(&http(server.options("/")), job(), &run).await), 1);
    }
}
