//! A server that shows a Redis with a Bull queue, `shop`, and a `BullMQ` queue, `pdf`, and a client of it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bullock::admin::{BoardOptions, Role, Server, ServerOptions, TokenOptions};
use bullock::job::options::Keep;
use bullock::job::outcome::Fate;
use bullock::store::claim::ClaimRequest;
use bullock::store::finish::{Completion, FailedRun, Verdict};
use bullock::store::{Connection, Lane, Queue, Scripts, Store};
use bullock::wire::{Dialect, Keys};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

use crate::support::http::{Answer, exchange};
use crate::support::redis::Redis;
use crate::support::wait::DEADLINE;

pub struct Site {
    pub redis: Redis,
    pub address: SocketAddr,
    /// The Bull 4 queue `shop`.
    pub shop: Queue,
    /// The `BullMQ` queue `pdf`.
    pub pdf: Queue,
    _stop: DropGuard,
}

/// A token whose text is its name.
pub fn token(name: &str, role: Role, queues: &[&str]) -> TokenOptions {
    let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let sha256 = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
    TokenOptions { name: name.to_owned(), role, sha256, queues, orgs: vec!["*".to_owned()] }
}

impl Site {
    pub fn start() -> Site {
        Site::start_with(|_| {})
    }

    /// A server with the tokens `viewer`, `operator`, `admin`, and `elsewhere` (an admin of other queues).
    pub fn start_with(change: impl FnOnce(&mut ServerOptions)) -> Site {
        let redis = Redis::start();
        let connection = connection(&redis);
        let shown = BoardOptions { connection, prefix: "bull".to_owned() };
        let mut options = ServerOptions {
            tokens: vec![
                token("viewer", Role::Viewer, &["*"]),
                token("operator", Role::Operator, &["*"]),
                token("admin", Role::Admin, &["*"]),
                token("elsewhere", Role::Admin, &["other*"]),
            ],
            board: Some(shown),
            ..ServerOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        change(&mut options);
        let server = Server::bind(options).unwrap();
        let address = server.local_addr();
        let running = CancellationToken::new();
        tokio::spawn(server.run(running.clone()));
        let (shop, pdf) = (queue(&redis, Dialect::Bull, "shop"), queue(&redis, Dialect::BullMq, "pdf"));
        Site { redis, address, shop, pdf, _stop: running.drop_guard() }
    }

    /// One job in each queue, so that both exist.
    pub async fn with_jobs(self) -> Site {
        self.shop.add("sync", &json!({"shop": "acme"}), json!({"jobId": "first"})).await.unwrap();
        self.pdf.add("render", &json!({"page": 1}), json!({"jobId": "first"})).await.unwrap();
        self
    }

    /// All keys with their content.
    pub async fn dump(&self) -> std::collections::BTreeMap<String, String> {
        self.redis.dump().await
    }

    /// GET as an admin: the JSON of a 200.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.send("admin", "GET", path, None).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// As an admin, with a JSON body.
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send("admin", method, path, Some(&body.to_string())).await
    }

    /// With one of the tokens; `path` is below `/api/v1`.
    pub async fn send(&self, token: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.send_with(token, method, path, &[], body).await
    }

    pub async fn send_with(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let mut text =
            format!("{method} /api/v1{path} HTTP/1.1\r\nconnection: close\r\nhost: {}\r\n", self.address);
        if !token.is_empty() {
            let _ = write!(text, "authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                text += "content-type: application/json\r\n";
            }
            let _ = write!(text, "content-length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += body.unwrap_or_default();
        exchange(self.address, text.as_bytes(), 2 * DEADLINE).await
    }
}

/// Takes the next job of a queue: its id. The lease is a minute long.
pub async fn claim(store: &Store, token: &str) -> String {
    let mut lane = Lane::new(format!("test:{token}:{:?}", std::time::Instant::now()));
    lane.next();
    let tokens = [token.to_owned()];
    let request = ClaimRequest {
        lease_ms: 60_000,
        busy: false,
        worker: "",
        limiter: None,
        tokens: &tokens,
        may_take_suspect: true,
    };
    store.claim(&lane, &request).await.unwrap().jobs[0].id.to_string()
}

/// Takes the next job and completes it: its id.
pub async fn complete_next(store: &Store, result: &str) -> String {
    let token = run_token(rand());
    let id = claim(store, &token).await;
    let run = Completion {
        id: &id,
        token: &token,
        result: Some(result),
        keep: Keep::All,
        debounce_id: None,
        plain_fields: None,
    };
    assert_eq!(store.complete(&lane(&token), 60_000, 0, &[run]).await.unwrap(), [Verdict::Done]);
    id
}

/// Takes the next job and fails it for good: its id.
pub async fn fail_next(store: &Store, message: &str) -> String {
    let token = run_token(rand());
    let id = claim(store, &token).await;
    let run = FailedRun {
        id: &id,
        token: &token,
        fate: Fate::Bury,
        attempts_made: 1,
        spends_attempt: true,
        attempts: 1,
        opts: "{}",
        message: Some(message),
        stacktrace: r#"["Error: it broke\n    at work"]"#,
        keep: Keep::All,
        debounce_id: None,
        lifo: false,
        class: "error",
        record: format!(r#""worker":"w-1","class":"error","ran_ms":5,"message":{}}}"#, json!(message)),
    };
    assert_eq!(store.fail(&lane(&token), 60_000, 0, &[run]).await.unwrap(), [Verdict::Done]);
    id
}

fn lane(token: &str) -> Lane {
    let mut lane = Lane::new(format!("end:{token}"));
    lane.next();
    lane
}

/// A number that no other run of this test has.
fn rand() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1000);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// A run's token.
pub fn run_token(n: usize) -> String {
    format!("w-1:{n:032x}")
}

pub fn connection(redis: &Redis) -> Connection {
    Connection::new(&redis.url(), None, Duration::from_secs(5)).unwrap()
}

pub fn queue(redis: &Redis, dialect: Dialect, name: &str) -> Queue {
    let scripts = Arc::new(Scripts::of(dialect));
    Queue::on(Store::new(connection(redis), Keys::new("bull", name), scripts))
}
