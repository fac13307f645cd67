//! Handlers that answer 202 and tell the rest by callbacks.

use serde_json::json;

use crate::backend::{Backend, call_back};
use crate::program::Program;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;

#[tokio::test]
async fn a_detached_job_reports_progress_ends_by_its_callback_and_frees_its_slot_at_once() {
    let (redis, mut backend) = (Redis::start(), Backend::start().await);
    // The next renewal is further away than this test is patient: the slot must be freed by the callback itself.
    let config = format!(
        "[redis]\nurl = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[worker]\nlease = \"5m\"\nrenew = \"90s\"\n\
         [queues.mail]\nconcurrency = 1\n[queues.mail.handlers.\"*\"]\nhttp = \"{}/detaches\"\nheartbeat = \"10m\"\n",
        redis.url(),
        backend.url
    );
    let worker = Program::start(&config, &["run"], &[]);
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    queue.listen().await;
    let first = queue.add("welcome", json!({}), json!({})).await;
    let second = queue.add("welcome", json!({}), json!({})).await;
    let asked = backend.asked().await;
    assert_eq!(asked.header("job-id"), first);
    let (base, token) = (asked.header("job-callback"), asked.header("job-token"));
    let progress = r#"{"progress":{"total":4,"processed":1}}"#;
    assert_eq!(call_back(&format!("{base}/progress"), token, progress).await, 200);
    queue.hear("progress", |line| line["event"] == "global:progress").await;
    assert_eq!(call_back(&format!("{base}/complete"), "somebody-else", "0").await, 403);
    assert_eq!(call_back(&format!("{base}/complete"), token, r#"{"sent":1}"#).await, 200);
    assert_eq!(queue.finished(&first).await, Ok(json!({ "sent": 1 })));
    let asked = backend.asked().await;
    assert_eq!(asked.header("job-id"), second, "{}", worker.output());
    queue.close().await;
}
