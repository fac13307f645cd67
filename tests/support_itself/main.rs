//! The tests' own tools: that they start what they say, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::json;
use support::node::{BullQueue, Node};
use support::proxy::{Lose, Proxy};
use support::redis::Redis;
use support::{bullock, http, wait};

fn is_alive(pid: u32) -> bool {
    kill(Pid::from_raw(pid.cast_signed()), None).is_ok()
}

#[tokio::test]
async fn a_redis_server_answers_and_is_gone_when_dropped() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    let _: () = redis::cmd("SET").arg("a").arg("b").query_async(&mut connection).await.unwrap();
    let pid = redis.pid();
    assert!(is_alive(pid));
    drop(redis);
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_crashed_redis_server_comes_back_empty_on_its_port() {
    let mut redis = Redis::start();
    let mut connection = redis.connection().await;
    let _: () = redis::cmd("SET").arg("a").arg("b").query_async(&mut connection).await.unwrap();
    redis.crash_and_restart();
    let mut connection = redis.connection().await;
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn bull_adds_a_job_and_bulls_own_worker_finishes_it() {
    let redis = Redis::start();
    let mut queue = BullQueue::open(&redis.url(), "q").await;
    queue.listen().await;
    let id = queue.add("x", json!({"n": 1}), json!({})).await;
    assert_eq!(queue.job(&id, "getState").await, "waiting");
    queue.work(1, 1).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({"by": "node"})));
    assert_eq!(queue.job(&id, "returnvalue").await, json!({"by": "node"}));
    queue.hear("global:completed", |line| line["event"] == "global:completed").await;
    assert!(queue.call("nonsense", json!([])).await.is_err());
    let pid = queue.node().pid();
    queue.close().await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_nest_application_adds_a_job_and_hears_of_its_end() {
    let redis = Redis::start();
    let mut worker = BullQueue::open(&redis.url(), "q").await;
    worker.work(1, 1).await;
    let mut nest = Node::start("nest.mjs", &[&redis.url(), "q"]);
    assert_eq!(nest.next().await, json!({"ready": true}));
    nest.send(&json!({"add": ["x", {"n": 1}, {}]}));
    let mut lines = [nest.next().await, nest.next().await, nest.next().await].map(|line| line.to_string());
    lines.sort();
    let expected = [r#"{"added":"1"}"#, r#"{"finished":{"by":"node"}}"#, r#"{"heard":["1",{"by":"node"}]}"#];
    assert_eq!(lines, expected);
    nest.finish().await;
    worker.close().await;
}

#[tokio::test]
async fn bull_board_lists_a_queue_over_http() {
    let redis = Redis::start();
    let mut board = Node::start("bull-board.mjs", &[&redis.url(), "q"]);
    let url = board.next().await["listening"].as_str().unwrap().to_owned();
    let (status, body) = http::get(&url, "/api/queues?activeQueue=q&status=latest&page=1").await.unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""name":"q""#), "{body}");
    board.finish().await;
}

#[tokio::test]
#[should_panic(expected = "no-such-program.mjs ended early")]
async fn a_node_program_that_fails_says_why() {
    Node::start("no-such-program.mjs", &[]).next().await;
}

#[tokio::test]
async fn a_node_program_that_goes_away_is_told_with_its_signal() {
    let redis = Redis::start();
    let mut queue = BullQueue::open(&redis.url(), "q").await;
    queue.node().signal(nix::sys::signal::Signal::SIGKILL);
    let told = queue.try_add("add", json!(["x", {}, {}])).await.unwrap_err();
    assert!(told.starts_with("bull.mjs ended ") && told.contains("signal: 9"), "{told}");
}

#[tokio::test]
async fn the_bullock_binary_can_be_run_to_its_end() {
    let answer = bullock::cli(&["--version"], &[]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
}

#[tokio::test]
#[should_panic(expected = "waited 10ms for the moon")]
async fn a_wait_that_ends_in_vain_names_what_it_waited_for() {
    let limit = std::time::Duration::from_millis(10);
    wait::value_within(limit, "the moon", async || None::<()>).await;
}

async fn through(proxy: &Proxy) -> redis::aio::MultiplexedConnection {
    let config =
        redis::AsyncConnectionConfig::new().set_response_timeout(Some(std::time::Duration::from_millis(300)));
    let client = redis::Client::open(proxy.url()).unwrap();
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

async fn increment(connection: &mut redis::aio::MultiplexedConnection) -> redis::RedisResult<i64> {
    redis::cmd("INCR").arg("n").query_async(connection).await
}

#[tokio::test]
async fn a_proxy_loses_the_reply_or_the_request_that_it_was_told_to() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port()).await;
    let mut connection = through(&proxy).await;
    assert_eq!(increment(&mut connection).await.unwrap(), 1);
    proxy.lose(Lose::next("incr").after(1));
    assert_eq!(increment(&mut connection).await.unwrap(), 2);
    assert!(increment(&mut connection).await.unwrap_err().is_connection_dropped());
    let mut connection = through(&proxy).await;
    assert_eq!(increment(&mut connection).await.unwrap(), 4, "the request was executed");
    proxy.lose(Lose::next("incr").request_too().silently());
    assert!(increment(&mut connection).await.unwrap_err().is_timeout());
    let mut connection = through(&proxy).await;
    assert_eq!(increment(&mut connection).await.unwrap(), 5, "the request was not executed");
    assert_eq!(proxy.lost(), 2);
}

#[tokio::test]
async fn a_proxy_cuts_falls_silent_and_lets_everything_pass_again() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port()).await;
    let mut old = through(&proxy).await;
    proxy.blackhole_existing();
    assert!(increment(&mut old).await.unwrap_err().is_timeout());
    let mut connection = through(&proxy).await;
    assert_eq!(increment(&mut connection).await.unwrap(), 1, "what fell into the hole was not executed");
    proxy.hold();
    assert!(increment(&mut connection).await.unwrap_err().is_timeout());
    proxy.pass();
    assert_eq!(increment(&mut connection).await.unwrap(), 3, "what was held arrived");
    proxy.cut();
    assert!(increment(&mut connection).await.unwrap_err().is_connection_dropped());
    let mut connection = through(&proxy).await;
    assert_eq!(increment(&mut connection).await.unwrap(), 4);
}
