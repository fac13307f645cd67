//! One server with its Redis, and a client that sends exactly what a test says.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bullock::admin::{Metrics, QueueOptions, Readiness, Server, ServerOptions};
use bullock::store::claim::ClaimRequest;
use bullock::store::{Connection, Lane, Scripts, Store};
use bullock::wire::{Keys, NewJob};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

use crate::support::http::{Answer, exchange};
use crate::support::redis::Redis;
use crate::support::wait::DEADLINE;

/// The queue of all tests; its name needs encoding in a path.
pub const QUEUE: &str = "woo:customers";

/// The form of a run's token.
pub const TOKEN: &str = "w-1:0123456789abcdef0123456789abcdef";
pub const OTHER_TOKEN: &str = "w-1:ffffffffffffffffffffffffffffffff";

pub struct Site {
    pub redis: Redis,
    /// The test's own view of the queue.
    pub store: Store,
    pub address: SocketAddr,
    pub metrics: Metrics,
    pub readiness: Arc<Mutex<Readiness>>,
    _stop: DropGuard,
}

impl Site {
    pub fn start() -> Site {
        Site::start_with(|_| {})
    }

    /// A server with one queue, ready, on loopback and without tokens, as `change` changes it.
    pub fn start_with(change: impl FnOnce(&mut ServerOptions)) -> Site {
        let redis = Redis::start();
        let store = store(&redis);
        let readiness = Arc::new(Mutex::new(Readiness {
            queues: vec![(QUEUE.to_owned(), true)],
            ..Readiness::default()
        }));
        let metrics = Metrics::new([(QUEUE, 4)]);
        let told = Arc::clone(&readiness);
        let mut options = ServerOptions {
            metrics: metrics.clone(),
            readiness: Arc::new(move || told.lock().unwrap().clone()),
            queues: vec![QueueOptions::new(store.on(connection(&redis)))],
            ..ServerOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        change(&mut options);
        let server = Server::bind(options).unwrap();
        let address = server.local_addr();
        let stop = CancellationToken::new();
        tokio::spawn(server.run(stop.clone()));
        Site { redis, store, address, metrics, readiness, _stop: stop.drop_guard() }
    }

    /// Sends a request without a body.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    /// Sends a request with the given headers beside Host, and reads the answer to its end.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            write!(text, "host: {}\r\n", self.address).unwrap();
        }
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        if let Some(body) = body {
            write!(text, "content-length: {}\r\n", body.len()).unwrap();
        }
        text += "\r\n";
        text += body.unwrap_or_default();
        self.raw(text.as_bytes()).await
    }

    /// Sends bytes and reads until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        exchange(self.address, bytes, DEADLINE).await
    }

    /// One callback with a JSON body.
    pub async fn callback(&self, id: &str, action: &str, token: &str, body: &Value) -> Answer {
        let (path, token) = (callback_path(id, action), format!("Bearer {token}"));
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        self.send("POST", &path, &headers, Some(&body.to_string())).await
    }

    /// Adds a job and claims it: its id.
    pub async fn running_job(&self, token: &str, opts: Value) -> String {
        let opts = opts.as_object().unwrap().clone();
        let added =
            self.store.enqueue("test", &[NewJob::bull("sync", &json!({"n": 1}), opts)]).await.unwrap();
        assert_eq!(self.claim(token, 60_000).await, added[0].id.as_str(), "the only waiting job");
        added[0].id.to_string()
    }

    /// Claims the next job: its id.
    pub async fn claim(&self, token: &str, lease_ms: u64) -> String {
        let mut lane = Lane::new(format!("test:{token}:{:?}", std::time::Instant::now()));
        lane.next();
        let tokens = [token.to_owned()];
        let request = ClaimRequest {
            lease_ms,
            busy: false,
            worker: "",
            limiter: None,
            tokens: &tokens,
            may_take_suspect: true,
        };
        let claimed = self.store.claim(&lane, &request).await.unwrap();
        claimed.jobs[0].id.to_string()
    }

    /// The state of a job and its hash.
    pub async fn job(&self, id: &str) -> (bullock::wire::hash::JobView, &'static str) {
        self.store.job(id).await.unwrap().expect("the job exists")
    }
}

pub fn callback_path(id: &str, action: &str) -> String {
    format!("/api/v1/queues/woo%3Acustomers/jobs/{id}/{action}")
}

fn connection(redis: &Redis) -> Connection {
    Connection::new(&redis.url(), None, Duration::from_secs(5)).unwrap()
}

fn store(redis: &Redis) -> Store {
    Store::new(connection(redis), Keys::new("bull", QUEUE), Arc::new(Scripts::bull(None)))
}
