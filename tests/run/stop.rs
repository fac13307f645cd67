//! A graceful stop.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::backend::Backend;
use crate::program::Program;
use crate::support::http;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

fn config(redis: &Redis, backend: &Backend, grace: &str) -> String {
    format!(
        "[redis]\nurl = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[worker]\nshutdown_grace = \"{grace}\"\n\
         [queues.mail]\nconcurrency = 2\n[queues.mail.handlers.ends]\nhttp = \"{url}/gated\"\n\
         [queues.mail.handlers.hangs]\nhttp = \"{url}/hangs\"\n",
        redis.url(),
        url = backend.url
    )
}

async fn handed_back(redis: &Redis, queue: &mut BullQueue, id: &str) {
    assert_eq!(queue.job(id, "getState").await, "waiting");
    assert_eq!(queue.job(id, "attemptsMade").await, 0);
    let mut connection = redis.connection().await;
    let lock: bool =
        redis::cmd("EXISTS").arg(format!("bull:mail:{id}:lock")).query_async(&mut connection).await.unwrap();
    assert!(!lock, "a job that waits has no lock");
}

#[tokio::test]
async fn running_jobs_may_finish_the_rest_is_handed_back_and_readiness_goes_first() {
    let (redis, mut backend) = (Redis::start(), Backend::start().await);
    let mut worker = Program::start(&config(&redis, &backend, "3s"), &["run"], &[]);
    let admin = worker.word_after("admin server on ").await;
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let ends = queue.add("ends", json!({}), json!({})).await;
    let hangs = queue.add("hangs", json!({}), json!({ "attempts": 2 })).await;
    let waits = queue.add("ends", json!({}), json!({})).await;
    backend.asked().await;
    backend.asked().await;
    worker.signal(Signal::SIGTERM);
    let body = wait::value("/readyz to say that it drains", || async {
        let (status, body) = http::get(&admin, "/readyz").await.ok()?;
        (status == 503).then_some(body)
    })
    .await;
    assert!(body.contains("draining"), "{body}");
    backend.let_through();
    assert_eq!(queue.finished(&ends).await, Ok(json!({ "by": "http" })));
    let ended = worker.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    handed_back(&redis, &mut queue, &hangs).await;
    handed_back(&redis, &mut queue, &waits).await;
    queue.close().await;
}

#[tokio::test]
async fn a_second_signal_hastens_it() {
    let (redis, mut backend) = (Redis::start(), Backend::start().await);
    let mut worker = Program::start(&config(&redis, &backend, "10m"), &["run"], &[]);
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let hangs = queue.add("hangs", json!({}), json!({})).await;
    backend.asked().await;
    worker.signal(Signal::SIGTERM);
    worker.says("stopping: no more jobs are taken").await;
    worker.signal(Signal::SIGTERM);
    let ended = worker.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    handed_back(&redis, &mut queue, &hangs).await;
    queue.close().await;
}
