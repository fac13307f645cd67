//! `bullock board`: the API on a Redis without any worker of ours.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::site::queue;
use crate::support::bullock::BINARY;
use crate::support::http;
use crate::support::process::{Output, Process, free_port};
use crate::support::redis::Redis;
use crate::support::wait;

async fn board(redis: &Redis, arguments: &[&str]) -> (Process, String) {
    let port = free_port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(BINARY);
    command.args(["board", "-r", &redis.url(), "--port", &port]).args(arguments).current_dir(dir.path());
    command
        .env_remove("BULLOCK_REDIS_URL")
        .env_remove("REDIS_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command).unwrap();
    let output = Output::default();
    output.follow_stderr(process.child().stderr.take().unwrap());
    let origin = format!("http://127.0.0.1:{port}");
    wait::until("the board to serve", || async {
        http::get(&origin, "/livez").await.is_ok_and(|(status, _)| status == 200)
    })
    .await;
    (process, origin)
}

#[tokio::test]
async fn it_shows_queues_that_nobody_works_and_claims_nothing() {
    let redis = Redis::start();
    let shop = queue(&redis, bullock::wire::Dialect::Bull, "shop");
    shop.add("sync", &json!({"n": 1}), json!({"jobId": "one"})).await.unwrap();
    let (_board, origin) = board(&redis, &[]).await;
    let (status, body) = http::get(&origin, "/api/v1/queues").await.unwrap();
    let list: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, list["items"][0]["name"].as_str(), list["items"][0]["configured"].as_bool()),
        (200, Some("shop"), Some(false)),
        "{list}"
    );
    let (_, job) = http::get(&origin, "/api/v1/queues/shop/jobs/one").await.unwrap();
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!(job["state"], "waiting");
    assert!(!job["allowedActions"].as_array().unwrap().is_empty());
    assert_eq!(shop.store().counts().await.unwrap().0.waiting, 1);
}

#[tokio::test]
async fn read_only_it_offers_no_acts() {
    let redis = Redis::start();
    let pdf = queue(&redis, bullock::wire::Dialect::BullMq, "pdf");
    pdf.add("render", &json!({}), json!({"jobId": "one"})).await.unwrap();
    let (_board, origin) = board(&redis, &["--read-only"]).await;
    let (_, job) = http::get(&origin, "/api/v1/queues/pdf/jobs/one").await.unwrap();
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!((job["state"].as_str(), &job["allowedActions"]), (Some("waiting"), &json!([])));
}
