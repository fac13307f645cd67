//! A real HTTP backend that does the jobs. It outlives every worker, so what it saw counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::wait;

/// A backend on a free loopback port, gone with the test's runtime.
#[derive(Clone)]
pub(crate) struct Backend {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    runs: Mutex<Vec<Run>>,
    /// The first run of each job on `/first-hangs` and `/first-streams` goes on when this is true.
    released: watch::Sender<bool>,
}

/// One request of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub queue: String,
    pub job: String,
    pub attempt: u32,
    pub began: Instant,
    /// When the worker dropped the request before it was answered.
    pub dropped: Option<Instant>,
}

impl Backend {
    pub(crate) async fn start() -> Backend {
        let shared = Arc::new(Shared { runs: Mutex::default(), released: watch::Sender::new(false) });
        let router = Router::new()
            .route("/quick", post(quick))
            .route("/first-hangs", post(first_hangs))
            .route("/first-streams", post(first_streams))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Backend { url, shared }
    }

    pub(crate) fn runs(&self) -> Vec<Run> {
        self.shared.runs.lock().unwrap().clone()
    }

    /// The runs of one queue, oldest first.
    pub(crate) fn runs_of(&self, queue: &str) -> Vec<Run> {
        self.runs().into_iter().filter(|run| run.queue == queue).collect()
    }

    /// Waits until so many runs of a queue have begun.
    pub(crate) async fn has_runs(&self, queue: &str, many: usize, limit: Duration) -> Vec<Run> {
        wait::value_within(limit, &format!("{many} runs on {queue}"), async || {
            Some(self.runs_of(queue)).filter(|runs| runs.len() >= many)
        })
        .await
    }

    /// Lets the first runs go on.
    pub(crate) fn release(&self) {
        self.shared.released.send_replace(true);
    }
}

impl Shared {
    /// Notes a run: its place in the list, and how many runs of this job there were before.
    fn note(&self, headers: &HeaderMap) -> (usize, usize) {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        let run = Run {
            queue: text("job-queue"),
            job: text("job-id"),
            attempt: text("job-attempt").parse().unwrap(),
            began: Instant::now(),
            dropped: None,
        };
        let mut runs = self.runs.lock().unwrap();
        let before = runs.iter().filter(|other| other.queue == run.queue && other.job == run.job).count();
        runs.push(run);
        (runs.len() - 1, before)
    }

    async fn released(&self) {
        self.released.subscribe().wait_for(|released| *released).await.unwrap();
    }
}

/// Notes when a request is dropped unanswered.
struct Unanswered(Arc<Shared>, usize);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.runs.lock().unwrap()[self.1].dropped = Some(Instant::now());
    }
}

async fn quick(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    shared.note(&headers);
    let data: Value = serde_json::from_slice(&body).unwrap();
    if data["failsOnce"] == true && headers["job-attempt"] == "1" {
        return (StatusCode::INTERNAL_SERVER_ERROR, "once").into_response();
    }
    axum::Json(json!({"by": "bullock"})).into_response()
}

async fn first_hangs(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let (place, before) = shared.note(&headers);
    if before == 0 {
        let unanswered = Unanswered(Arc::clone(&shared), place);
        shared.released().await;
        std::mem::forget(unanswered);
        return axum::Json(json!({"run": "stale"})).into_response();
    }
    axum::Json(json!({"run": "second"})).into_response()
}

/// The first run tells everything that a stream can tell, once it is released.
async fn first_streams(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let (place, before) = shared.note(&headers);
    let lines = if before == 0 {
        r#"{"log":"stale line"}
{"progress":99}
{"checkpoint":{"stale":true}}
{"result":{"run":"stale"}}
"#
    } else {
        "{\"result\":{\"run\":\"second\"}}\n"
    };
    let first = futures_util::stream::once(std::future::ready(Ok::<_, std::io::Error>(Bytes::from_static(
        b"{\"log\":\"began\"}\n",
    ))));
    let rest = futures_util::stream::once(async move {
        let _unanswered = (before == 0).then(|| Unanswered(Arc::clone(&shared), place));
        if before == 0 {
            shared.released().await;
        }
        Ok(Bytes::from_static(lines.as_bytes()))
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(first.chain(rest))).into_response()
}

/// How often each job began, by attempt.
pub(crate) fn starts(runs: &[Run]) -> HashMap<(String, u32), usize> {
    let mut starts = HashMap::new();
    for run in runs {
        *starts.entry((run.job.clone(), run.attempt)).or_default() += 1;
    }
    starts
}
