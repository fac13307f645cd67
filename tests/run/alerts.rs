//! `[[alerts]]`: one message when something begins to be wrong and one when it is over, whoever of many processes sees it.

use std::collections::HashSet;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bullock::http::sign::{Secret, signature};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::backend::Backend;
use crate::metrics::{show_life, silent_zombie};
use crate::program::Program;
use crate::support::bullock::cli;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait::DEADLINE;

const SECRET: &str = "whsec_qk7Zb0x2WmHn1vTg5yL8sD3fJ6aP9cXe";

/// Takes messages; refuses the first sending of each.
struct Receiver {
    url: String,
    came: mpsc::UnboundedReceiver<(String, bool, Value)>,
    server: tokio::task::JoinHandle<()>,
}

impl Receiver {
    async fn start() -> Receiver {
        let (sender, came) = mpsc::unbounded_channel();
        let seen = std::sync::Arc::new(std::sync::Mutex::new(HashSet::new()));
        let take = move |State(sender): State<mpsc::UnboundedSender<_>>, headers: HeaderMap, body: String| {
            let header = |name: &str| headers[name].to_str().unwrap().to_owned();
            let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
            let secret = Secret::parse(SECRET).unwrap();
            let expected = signature(&[secret], &id, at.parse().unwrap(), body.as_bytes());
            let is_signed = header("webhook-signature") == expected;
            let is_first = seen.lock().unwrap().insert(id.clone());
            if !is_first {
                sender.send((id, is_signed, serde_json::from_str(&body).unwrap())).unwrap();
            }
            std::future::ready(if is_first { StatusCode::BAD_GATEWAY } else { StatusCode::NO_CONTENT })
        };
        let router = Router::new().route("/alerts", post(take)).with_state(sender);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Receiver { url, came, server }
    }

    /// Everything up to the message that is wanted.
    async fn until(&mut self, kind: &str, alert: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let next = tokio::time::timeout(3 * DEADLINE, self.came.recv()).await;
            let (_, is_signed, message) =
                next.unwrap_or_else(|_| panic!("no {kind} of {alert}: {all:?}")).unwrap();
            assert!(is_signed, "{message}");
            all.push(message.clone());
            if message["type"] == kind && message["alert"] == alert {
                return all;
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tokio::test]
async fn an_alert_is_told_once_when_it_begins_and_once_when_it_is_over() {
    let (redis, backend, mut receiver) = (Redis::start(), Backend::start().await, Receiver::start().await);
    let config = format!(
        "[redis]\nurl = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[alerts]]\nurl = \"{}\"\nsecret = \"{SECRET}\"\non = {{ oldest_waiting = \"1s\", failure_ratio = 0.5 }}\n\
         [queues.mail]\nconcurrency = 1\n[queues.mail.handlers.\"*\"]\nhttp = \"{}/gated\"\n\
         [queues.bad.handlers.\"*\"]\nexec = [\"/bin/false\"]\n",
        redis.url(),
        receiver.url,
        backend.url
    );
    let (first, second) = (Program::start(&config, &["run"], &[]), Program::start(&config, &["run"], &[]));
    let mut mail = BullQueue::open(&redis.url(), "mail").await;
    for _ in 0..3 {
        mail.add("welcome", json!({}), json!({})).await;
    }
    let fired = receiver.until("alert.fired", "oldest_waiting").await.pop().unwrap();
    assert_eq!((&fired["queue"], &fired["threshold"]), (&json!("mail"), &json!(1.0)), "{fired}");
    assert!(
        fired["value"].as_f64().unwrap() > 1.0 && fired["text"].as_str().unwrap().contains("mail"),
        "{fired}"
    );
    for _ in 0..3 {
        backend.let_through();
    }
    let told = receiver.until("alert.recovered", "oldest_waiting").await;
    assert_eq!(
        told.len(),
        1,
        "two processes look, one tells: {told:?}\n{}\n{}",
        first.output(),
        second.output()
    );
    assert_eq!(told[0]["since"], fired["since"]);

    let mut bad = BullQueue::open(&redis.url(), "bad").await;
    for _ in 0..30 {
        bad.add("x", json!({}), json!({})).await;
    }
    let fired = receiver.until("alert.fired", "failure_ratio").await.pop().unwrap();
    assert_eq!((&fired["queue"], &fired["value"]), (&json!("bad"), &json!(1.0)), "{fired}");
    mail.close().await;
    bad.close().await;
}

/// One process that watches one queue, and tells of one thing.
fn watch(redis: &Redis, receiver: &Receiver, on: &str, to: &str) -> Program {
    let config = format!(
        "[redis]\nurl = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[worker]\nname = \"w-1\"\n\
         [[alerts]]\nurl = \"{}\"\nsecret = \"{SECRET}\"\non = {{ {on} }}\n\
         [queues.mail]\ndialect = \"bull\"\n[queues.mail.handlers.\"*\"]\nhttp = \"{to}\"\n",
        redis.url(),
        receiver.url,
    );
    Program::start(&config, &["run"], &[])
}

impl Receiver {
    /// The alert begins, and is over when that is done; it is told once each. Both messages.
    async fn sees(&mut self, alert: &str, end_it: impl AsyncFnOnce()) -> (Value, Value) {
        let fired = self.until("alert.fired", alert).await;
        assert_eq!(fired.len(), 1, "{fired:?}");
        end_it().await;
        let over = self.until("alert.recovered", alert).await;
        assert_eq!(over.len(), 1, "told again and again: {over:?}");
        assert_eq!(fired[0]["since"], over[0]["since"]);
        (fired[0].clone(), over[0].clone())
    }
}

#[tokio::test]
async fn zombies_are_told_of_and_that_they_are_none_any_more() {
    let (redis, mut receiver) = (Redis::start(), Receiver::start().await);
    silent_zombie(&redis).await;
    let _program = watch(&redis, &receiver, "zombies = 1", "http://127.0.0.1:9/jobs");
    let (fired, over) = receiver.sees("zombies", async || show_life(&redis).await).await;
    assert_eq!(
        (&fired["queue"], &fired["value"], &fired["threshold"]),
        (&json!("mail"), &json!(1.0), &json!(1.0))
    );
    assert_eq!(over["value"], json!(0.0), "{over}");
}

#[tokio::test]
async fn that_nobody_claims_from_a_queue_is_told_and_that_somebody_does_again() {
    let (redis, mut receiver) = (Redis::start(), Receiver::start().await);
    let program = watch(&redis, &receiver, "no_worker = \"1s\"", "http://127.0.0.1:9/jobs");
    let url = redis.url();
    let tell = async |what: &str| {
        let told = cli(&["worker", what, "w-1", "-r", &url], &[]).await;
        assert_eq!(told.code, 0, "{told:?}");
    };
    // A queue without keys is not seen from outside.
    let mut mail = BullQueue::open(&redis.url(), "mail").await;
    mail.add("welcome", json!({}), json!({"delay": 3_600_000})).await;
    program.says("admin server on").await;
    crate::support::wait::until("the worker to be seen", async || {
        cli(&["worker", "ls", "-r", &url], &[]).await.stdout.contains("w-1")
    })
    .await;
    tell("quiet").await;
    let (fired, over) = receiver.sees("no_worker", async || tell("resume").await).await;
    assert_eq!((&fired["queue"], &fired["worker"]), (&json!("mail"), &json!("w-1")), "{fired}");
    assert!(over["text"].as_str().unwrap().contains("there is a worker"), "{over}");
    mail.close().await;
}

#[tokio::test]
async fn a_handler_that_is_not_reached_is_told_of_and_that_it_answers_again() {
    let (redis, mut receiver) = (Redis::start(), Receiver::start().await);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], crate::support::process::free_port()));
    let _program = watch(&redis, &receiver, "handler_unhealthy = true", &format!("http://{address}/jobs"));
    let mut mail = BullQueue::open(&redis.url(), "mail").await;
    for _ in 0..5 {
        let id = mail.add("welcome", json!({}), json!({})).await;
        mail.finished(&id).await.unwrap_err();
    }
    let router = Router::new().route("/jobs", post(async || StatusCode::NO_CONTENT));
    let server = async {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let id = mail.add("welcome", json!({}), json!({})).await;
        mail.finished(&id).await.unwrap();
    };
    let (fired, over) = receiver.sees("handler_unhealthy", async || server.await).await;
    assert_eq!(
        (&fired["handler"], &fired["queue"]),
        (&json!(format!("http {address}")), &Value::Null),
        "{fired}"
    );
    assert_eq!(over["handler"], fired["handler"]);
    mail.close().await;
}
