//! `bullock doctor`: what it finds in a queue that anyone filled, and what it leaves behind after a repair.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod classes;
mod dumps;
mod live;
mod long;
mod vectors;

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;
use serde_json::Value;
use support::bullock::{Answer, cli};
use support::redis::Redis;

/// Runs `bullock doctor` on this Redis.
async fn doctor(redis: &Redis, arguments: &[&str]) -> Answer {
    let url = redis.url();
    let mut all = vec!["doctor", "--redis-url", &url];
    all.extend(arguments);
    cli(&all, &[]).await
}

/// The classes that it finds, with how often; the exit code must fit.
async fn found(redis: &Redis, arguments: &[&str]) -> BTreeMap<String, u64> {
    let mut all = arguments.to_vec();
    all.push("--json");
    let answer = doctor(redis, &all).await;
    let rows: Vec<Value> =
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    assert_eq!(answer.code, i32::from(!rows.is_empty()), "{answer:?}");
    rows.iter()
        .map(|row| (row["class"].as_str().unwrap().to_owned(), row["count"].as_u64().unwrap()))
        .collect()
}

/// Sends commands, one a line, words parted by blanks. `{b}` and `{x}` stand for the bases of the queue's keys.
async fn send(connection: &mut MultiplexedConnection, prefix: &str, commands: &str) {
    for line in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.replace("{b}", &format!("{prefix}:q:")).replace("{x}", &format!("{prefix}::x:q::"));
        let mut words = line.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        for word in words {
            cmd.arg(word);
        }
        cmd.exec_async(connection).await.unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}
