//! `bullock run` without a Redis URL: a redis-server of its own.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::backend::Backend;
use crate::program::{Program, run};
use crate::support::node::BullQueue;
use crate::support::redis::Redis;

fn config(to: &str) -> String {
    format!("[admin]\nlisten = \"127.0.0.1:0\"\n[queues.mail.handlers.\"*\"]\nhttp = \"{to}\"\n")
}

#[tokio::test]
async fn its_url_is_printed_for_npm_bull_and_it_ends_with_the_worker() {
    let backend = Backend::start().await;
    let mut program = Program::start(&config(&format!("{}/ok", backend.url)), &["run"], &[]);
    let url = program.word_after("REDIS_URL=").await;
    let mut queue = BullQueue::open(&url, "mail").await;
    let id = queue.add("welcome", json!({}), json!({})).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "http" })));
    queue.close().await;
    assert!(program.dir().join("bullock-data").is_dir());
    let server = program.private_redis().unwrap();
    program.signal(Signal::SIGTERM);
    assert_eq!(program.end().await.code, Some(0), "{}", program.output());
    assert!(kill(Pid::from_raw(server), None).is_err(), "its redis-server is gone");
}

#[tokio::test]
async fn the_plain_variable_redis_url_is_used_where_the_config_names_no_redis() {
    let (backend, redis) = (Backend::start().await, Redis::start());
    let file = config(&format!("{}/ok", backend.url));
    let mut program = Program::start(&file, &["run"], &[("REDIS_URL", &redis.url())]);
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let id = queue.add("welcome", json!({}), json!({})).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "http" })));
    queue.close().await;
    assert!(!program.dir().join("bullock-data").exists(), "no private server was started");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.end().await.code, Some(0), "{}", program.output());
}

#[tokio::test]
async fn without_redis_server_on_the_path_it_names_the_install_command() {
    let ended = run(&config("http://127.0.0.1:9/"), &["run"], &[("PATH", "")]).await;
    assert_eq!(ended.code, Some(78), "{}", ended.output);
    assert!(ended.output.contains("redis-server is not installed here; install it with"), "{}", ended.output);
    assert_eq!(ended.output.lines().count(), 1, "{}", ended.output);
}

#[tokio::test]
async fn when_its_redis_server_dies_it_says_so_and_ends() {
    let mut program = Program::start(&config("http://127.0.0.1:9/"), &["run"], &[]);
    program.word_after("REDIS_URL=").await;
    kill(Pid::from_raw(program.private_redis().unwrap()), Signal::SIGKILL).unwrap();
    let ended = program.end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.output);
    assert!(ended.output.contains("error: the private redis-server ended"), "{}", ended.output);
}
