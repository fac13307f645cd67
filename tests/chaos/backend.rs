//! The HTTP backend that does the jobs. It outlives every worker and tells the recorder what it sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::recorder::Recorder;

/// Where jobs are sent.
pub(crate) struct Backend {
    pub url: String,
}

#[derive(Clone)]
struct Shared {
    recorder: Recorder,
    runs: Arc<AtomicU64>,
}

/// One run under way. Dropped before its end, it says so.
struct Work {
    recorder: Recorder,
    run: String,
    attempt: u64,
    ms: u64,
    fails: bool,
    is_over: bool,
}

impl Backend {
    pub(crate) async fn start(recorder: &Recorder) -> Backend {
        let shared = Shared { recorder: recorder.clone(), runs: Arc::default() };
        let router =
            Router::new().route("/plain", post(plain)).route("/stream", post(stream)).with_state(shared);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Backend { url }
    }
}

impl Shared {
    fn begin(&self, headers: &HeaderMap, body: &[u8]) -> Work {
        let text = |name: &str| headers[name].to_str().unwrap();
        let run = format!("r{}", self.runs.fetch_add(1, Ordering::Relaxed));
        let attempt: u64 = text("job-attempt").parse().unwrap();
        self.recorder.start(&run, text("job-id"), attempt, text("job-token"), "ours");
        let data: Value = serde_json::from_slice(body).unwrap();
        let (ms, fails) = (data["ms"].as_u64().unwrap(), data["fails"].as_u64().unwrap());
        Work { recorder: self.recorder.clone(), run, attempt, ms, fails: attempt <= fails, is_over: false }
    }
}

impl Work {
    fn result(&self) -> Value {
        json!({"run": self.run})
    }

    fn failure(&self) -> String {
        format!("designed failure of attempt {}, run {}.", self.attempt, self.run)
    }

    /// Written down before it is said: what the worker knows, the record knows.
    fn end(mut self) -> bool {
        self.is_over = true;
        self.recorder.end(&self.run, if self.fails { "failed" } else { "done" });
        self.fails
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.is_over {
            self.recorder.end(&self.run, "dropped");
        }
    }
}

async fn plain(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let work = shared.begin(&headers, &body);
    tokio::time::sleep(Duration::from_millis(work.ms)).await;
    let (result, failure) = (work.result(), work.failure());
    if work.end() {
        return (StatusCode::INTERNAL_SERVER_ERROR, failure).into_response();
    }
    axum::Json(result).into_response()
}

/// Tells progress at its beginning, in the middle and before its end.
async fn stream(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let work = shared.begin(&headers, &body);
    let (lines, sent) = mpsc::channel::<Value>(1);
    tokio::spawn(async move {
        let closed = lines.clone();
        let telling = async move {
            for part in 0..3 {
                let progress = json!({"progress": {"run": work.run, "part": part}});
                if lines.send(progress).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(work.ms / 3)).await;
            }
            let (result, failure) = (work.result(), work.failure());
            let last = if work.end() { json!({"error": failure}) } else { json!({"result": result}) };
            let _ = lines.send(last).await;
        };
        // The worker is gone when nobody reads any more.
        tokio::select! {
            () = telling => {}
            () = closed.closed() => {}
        }
    });
    let body = futures_util::stream::unfold(sent, |mut sent| async move {
        let line = sent.recv().await?;
        Some((Ok::<_, std::io::Error>(format!("{line}\n")), sent))
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(body)).into_response()
}
