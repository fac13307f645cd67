//! How long one step of retention holds Redis, by Redis' own SLOWLOG, and how many jobs go in a second.
//!
//! `cargo bench --bench retention [-- JOBS]` prints figures for both dialects, each on a Redis of its own.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a program that measures reports by panicking"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use bullock::store::retention::{Rule, What};
use bullock::store::{Connection, Store};
use bullock::wire::{Dialect, Keys};
use redis::aio::MultiplexedConnection;
use redis::cmd;
use support::redis::Redis;

const HOLDER: &str = "bench-1";
const KEPT: u64 = 1000;
/// Between two steps, as the worker does it.
const PAUSE: Duration = Duration::from_millis(10);
/// Completed jobs from ARGV[1] to ARGV[2] with data of ARGV[3] bytes, half of them with a record and logs of their own.
const FILL: &str = r#"
local data = '"' .. string.rep('x', ARGV[3]) .. '"'
for n = ARGV[1], ARGV[2] do
  local id = 'j' .. n
  redis.call('ZADD', 'bull:q:completed', n, id)
  redis.call('HSET', 'bull:q:' .. id, 'name', 'mail', 'data', data, 'opts', '{"attempts":3,"delay":0}', 'timestamp', n,
    'finishedOn', n, 'returnvalue', '{"ok":true}')
  if n % 2 == 0 then
    redis.call('HSET', 'bull::x:q::job:' .. id, 'born', n, 'org', 'acme')
    redis.call('RPUSH', 'bull:q:' .. id .. ':logs', 'a line', 'another one')
  end
end"#;

async fn fill(db: &mut MultiplexedConnection, jobs: u64, bytes: usize) {
    let at_once = (4 * 1024 * 1024 / (bytes as u64 + 400)).clamp(1, 5000);
    let mut from = 1;
    while from <= jobs {
        let to = (from + at_once - 1).min(jobs);
        let filled = cmd("EVAL").arg(FILL).arg(0).arg(from).arg(to).arg(bytes).exec_async(db).await;
        filled.unwrap();
        from = to + 1;
    }
}

/// µs of each step.
async fn steps(db: &mut MultiplexedConnection) -> Vec<i64> {
    let log: Vec<Vec<redis::Value>> = cmd("SLOWLOG").arg("GET").arg(-1).query_async(db).await.unwrap();
    let is_step = |entry: &&Vec<redis::Value>| {
        let command: Vec<String> = redis::from_redis_value_ref(&entry[3]).unwrap();
        command[0] == "EVALSHA" && command.iter().any(|argument| argument == HOLDER)
    };
    let took = |entry: &Vec<redis::Value>| redis::from_redis_value_ref(&entry[2]).unwrap();
    let mut times: Vec<i64> = log.iter().filter(is_step).map(took).collect();
    times.sort_unstable();
    times
}

async fn measure(dialect: Dialect, jobs: u64, bytes: usize) {
    let redis = Redis::start();
    let mut db = redis.connection().await;
    fill(&mut db, jobs, bytes).await;
    for (option, value) in [("slowlog-log-slower-than", 0), ("slowlog-max-len", 1_000_000)] {
        cmd("CONFIG").arg("SET").arg(option).arg(value).exec_async(&mut db).await.unwrap();
    }
    cmd("SLOWLOG").arg("RESET").exec_async(&mut db).await.unwrap();
    let connection = Connection::new(&redis.url(), None, Duration::from_secs(5)).unwrap();
    let store = Store::of(connection, Keys::new("bull", "q"), Some(dialect));
    let rule = Rule { what: What::Completed, age: None, count: Some(KEPT) };
    let (began, mut removed, mut from) = (Instant::now(), 0, None::<String>);
    loop {
        let step = store.retain(HOLDER, Duration::from_secs(15), &rule, from.as_deref()).await.unwrap();
        let step = step.unwrap_or_else(|| panic!("it is our turn"));
        removed += step.removed;
        from = step.next;
        if from.is_none() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let took = began.elapsed().as_secs_f64();
    assert_eq!(removed, jobs - KEPT.min(jobs));
    let times = steps(&mut db).await;
    let at = |part: usize| times[(times.len() - 1) * part / 1000] as f64 / 1000.0;
    println!(
        "{}: {removed} jobs with {bytes} bytes of data: {} steps, ms: median {:.2}, 99 % {:.2}, longest {:.2}; {:.0} jobs/s",
        dialect.as_str(),
        times.len(),
        at(500),
        at(990),
        at(1000),
        removed as f64 / took
    );
}

#[tokio::main]
async fn main() {
    let jobs = std::env::args().find_map(|argument| argument.parse::<u64>().ok()).unwrap_or(100_000);
    for dialect in [Dialect::Bull, Dialect::BullMq] {
        for (part, bytes) in [(1, 100), (10, 10 * 1024), (100, 1024 * 1024)] {
            measure(dialect, (jobs / part).max(KEPT + 500), bytes).await;
        }
    }
}
