//! One server that listens to a queue of each dialect, and a reader of its streams.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bullock::admin::{Metrics, QueueOptions, Role, Server, ServerOptions, TokenOptions};
use bullock::store::{Connection, Store};
use bullock::wire::{Dialect, Keys};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::http::{Answer, exchange};
use crate::support::redis::Redis;
use crate::support::wait::DEADLINE;

/// A queue of Bull 4.
pub const BULL: &str = "woo:customers";
/// A queue of `BullMQ`.
pub const BULLMQ: &str = "orders";

pub struct Stage {
    pub redis: Redis,
    pub address: SocketAddr,
    _stop: DropGuard,
}

impl Stage {
    pub fn start() -> Stage {
        Stage::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut ServerOptions)) -> Stage {
        Stage::on(Redis::start(), change)
    }

    pub fn on(redis: Redis, change: impl FnOnce(&mut ServerOptions)) -> Stage {
        let queues = [(BULL, Dialect::Bull), (BULLMQ, Dialect::BullMq)]
            .map(|(queue, dialect)| QueueOptions::new(store(&redis, queue, dialect)));
        let mut options = ServerOptions {
            queues: queues.into(),
            metrics: Metrics::new([(BULL, 4), (BULLMQ, 4)]),
            ..ServerOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        change(&mut options);
        let server = Server::bind(options).unwrap();
        let address = server.local_addr();
        let stop = CancellationToken::new();
        tokio::spawn(server.run(stop.clone()));
        Stage { redis, address, _stop: stop.drop_guard() }
    }

    /// A view of a queue of the test's own.
    pub fn store(&self, queue: &str) -> Store {
        let dialect = if queue == BULL { Dialect::Bull } else { Dialect::BullMq };
        store(&self.redis, queue, dialect)
    }

    /// Follows events.
    pub async fn events(&self, query: &str) -> Stream {
        let stream = Stream::open(self.address, query, &[]).await;
        assert_eq!(stream.status, 200, "{}", stream.head);
        stream
    }

    /// One request; status, head and body.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        send(self.address, method, path, headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }
}

/// One request to an address.
pub async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answer {
    exchange(address, request(address, method, path, headers, body).as_bytes(), DEADLINE).await
}

fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> String {
    // HTTP/1.0: the answer comes as it is, without chunks, and ends with the connection.
    let mut text = format!("{method} {path} HTTP/1.0\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        write!(text, "host: {address}\r\n").unwrap();
    }
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    if let Some(body) = body {
        write!(text, "content-type: application/json\r\ncontent-length: {}\r\n", body.len()).unwrap();
    }
    write!(text, "\r\n{}", body.unwrap_or_default()).unwrap();
    text
}

/// The events of one connection.
pub struct Stream {
    pub status: u16,
    pub head: String,
    socket: TcpStream,
    text: String,
    /// The last `id:`.
    pub last_id: u64,
}

impl Stream {
    pub async fn open(address: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Stream {
        let text = request(address, "GET", &format!("/api/v1/events{query}"), headers, None);
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(text.as_bytes()).await.unwrap();
        let mut stream = Stream { status: 0, head: String::new(), socket, text: String::new(), last_id: 0 };
        stream.head = stream.until("\r\n\r\n").await.expect("a head");
        stream.status = stream.head.split(' ').nth(1).unwrap().parse().unwrap();
        if stream.status == 200 {
            let first = stream.until("\n\n").await.expect("a beginning");
            assert!(first.starts_with("retry: 2000\nid: "), "{first}");
            stream.last_id = first.rsplit(' ').next().unwrap().parse().unwrap();
        }
        stream
    }

    /// The next event. Panics after a safety net, or when the stream ends.
    pub async fn next(&mut self) -> Value {
        loop {
            let block = self.until("\n\n").await.expect("another event");
            let mut data = None;
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => self.last_id = id.parse().unwrap(),
                    Some(("data", json)) => data = Some(serde_json::from_str::<Value>(json).unwrap()),
                    other => assert!(line.starts_with(':'), "{other:?} in {block}"),
                }
            }
            if let Some(data) = data {
                assert_eq!(data["seq"], self.last_id, "{data}");
                return data;
            }
        }
    }

    /// The next event that is wanted; others are passed over.
    pub async fn next_where(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        while start.elapsed() < DEADLINE {
            let event = self.next().await;
            if wanted(&event) {
                return event;
            }
        }
        panic!("waited {DEADLINE:?} for {what}")
    }

    /// The next event of a type.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        self.next_where(kind, |event| event["type"] == kind).await
    }

    /// The socket, unread from here on.
    pub fn into_socket(self) -> TcpStream {
        self.socket
    }

    /// The next comment, such as `: ping`.
    pub async fn comment(&mut self) -> String {
        let block = self.until("\n\n").await.expect("another block");
        assert!(block.starts_with(": "), "{block}");
        block
    }

    /// Is nothing heard for so long?
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.next()).await.is_err()
    }

    /// Waits for the end of the stream.
    pub async fn end(mut self) {
        while self.until("\n\n").await.is_some() {}
    }

    async fn until(&mut self, mark: &str) -> Option<String> {
        loop {
            if let Some((before, after)) = self.text.split_once(mark) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.text = after;
                return Some(before);
            }
            let mut buffer = vec![0; 16 * 1024];
            let read = tokio::time::timeout(2 * DEADLINE, self.socket.read(&mut buffer)).await;
            let read = read.expect("a sign of life").unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.text += &String::from_utf8_lossy(&buffer[..read]);
        }
    }
}

fn store(redis: &Redis, queue: &str, dialect: Dialect) -> Store {
    let connection = Connection::new(&redis.url(), None, Duration::from_secs(5)).unwrap();
    Store::of(connection, Keys::new("bull", queue), Some(dialect))
}

/// A token whose text is its name.
pub fn token(name: &str, role: Role, queues: &[&str]) -> TokenOptions {
    let digest = Sha256::digest(name.as_bytes());
    let sha256 = digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
    TokenOptions { name: name.to_owned(), role, sha256, queues, orgs: vec!["*".to_owned()] }
}
