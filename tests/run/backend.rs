//! A backend whose routes the tests steer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use crate::support::wait::DEADLINE;

/// A request that arrived.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_else(|| panic!("no {name}"))
    }
}

#[derive(Clone)]
struct Shared {
    asked: mpsc::UnboundedSender<Asked>,
    gate: Arc<Semaphore>,
}

/// Routes: `/ok` answers at once, `/gated` when a test lets one through, `/hangs` never, `/detaches` with 202,
/// `/streams` tells progress and its result when let through, `/falls-silent` streams one line and no more.
pub(crate) struct Backend {
    pub(crate) url: String,
    asked: mpsc::UnboundedReceiver<Asked>,
    gate: Arc<Semaphore>,
    server: tokio::task::JoinHandle<()>,
}

impl Backend {
    pub(crate) async fn start() -> Backend {
        let (sender, asked) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let shared = Shared { asked: sender, gate: Arc::clone(&gate) };
        let router = Router::new().route("/{route}", post(answer)).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Backend { url, asked, gate, server }
    }

    /// The next request.
    pub(crate) async fn asked(&mut self) -> Asked {
        let asked = tokio::time::timeout(DEADLINE, self.asked.recv()).await;
        asked.expect("a request should have come by now").unwrap()
    }

    /// Lets one gated request through.
    pub(crate) fn let_through(&self) {
        self.gate.add_permits(1);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(shared): State<Shared>,
    Path(route): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let _ = shared.asked.send(Asked { headers, body });
    let through = async move { shared.gate.acquire().await.unwrap().forget() };
    match route.as_str() {
        "ok" => by_http(),
        "gated" => {
            through.await;
            by_http()
        }
        "detaches" => StatusCode::ACCEPTED.into_response(),
        "streams" => {
            let first = stream::once(async { "{\"progress\":{\"total\":10,\"processed\":4}}\n" });
            let last = stream::once(async move {
                through.await;
                "{\"result\":{\"pages\":10}}\n"
            });
            lines(futures_util::StreamExt::chain(first, last))
        }
        "falls-silent" => {
            let first = stream::once(async { "{\"progress\":1}\n" });
            lines(futures_util::StreamExt::chain(first, stream::pending()))
        }
        _ => std::future::pending().await,
    }
}

fn by_http() -> Response {
    axum::Json(serde_json::json!({ "by": "http" })).into_response()
}

fn lines(lines: impl futures_util::Stream<Item = &'static str> + Send + 'static) -> Response {
    let lines = futures_util::StreamExt::map(lines, Ok::<_, std::io::Error>);
    Response::builder().header("content-type", "application/x-ndjson").body(Body::from_stream(lines)).unwrap()
}

/// POST with a bearer token: the status.
pub(crate) async fn call_back(url: &str, token: &str, body: &str) -> u16 {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "POST /{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        String::from_utf8_lossy(&reply).split(' ').nth(1).unwrap().parse().unwrap()
    };
    tokio::time::timeout(Duration::from_secs(10), exchange).await.expect("the callback is answered")
}
