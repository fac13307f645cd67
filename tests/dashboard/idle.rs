//! What an open dashboard costs while nothing happens.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::browser::Browser;
use crate::support::bullock::BINARY;
use crate::support::http;
use crate::support::node::BullQueue;
use crate::support::process::{Process, free_port};
use crate::support::redis::Redis;

const QUEUES: usize = 50;
/// With an idle open dashboard on [`QUEUES`] queues.
const COMMANDS_A_SECOND_MAX: f64 = 10.0;
/// Long enough for whatever is done every few seconds.
const LOOKED_AT: Duration = Duration::from_secs(20);
const TRIES: usize = 10;

/// `bullock board`, and its address.
async fn board(redis: &Redis) -> (Process, String) {
    for _ in 0..TRIES {
        let port = free_port().to_string();
        let mut command = Command::new(BINARY);
        command.args(["board", "-r", &redis.url(), "--port", &port]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command).unwrap();
        let address = format!("http://127.0.0.1:{port}");
        while process.ended().is_none() {
            if matches!(http::get(&address, "/livez").await, Ok((200, _))) {
                return (process, address);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    panic!("bullock board found no free port in {TRIES} tries");
}

async fn commands(redis: &Redis) -> f64 {
    let mut db = redis.connection().await;
    let text: String = redis::cmd("INFO").arg("stats").query_async(&mut db).await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
    line.parse().unwrap()
}

#[tokio::test]
async fn an_open_dashboard_of_fifty_quiet_queues_costs_redis_at_most_ten_commands_a_second() {
    let redis = Redis::start();
    for n in 0..QUEUES {
        let name = format!("queue-{n}");
        let mut queue = if n % 2 == 0 {
            BullQueue::open(&redis.url(), &name).await
        } else {
            BullQueue::open_mq(6, &redis.url(), &name, &json!({})).await
        };
        queue.add("sync", json!({"n": n}), json!({})).await;
    }
    let (_board, address) = board(&redis).await;
    let mut browser = Browser::start(&address).await;
    browser.open("").await;
    browser.see("table.queues", "queue-49").await;
    browser.see(".live[data-state=live]", "Live").await;
    // What opening it costs, and the second look that rates take, is not what being open costs.
    tokio::time::sleep(LOOKED_AT / 2).await;
    let before = commands(&redis).await;
    tokio::time::sleep(LOOKED_AT).await;
    let each_second = (commands(&redis).await - before) / LOOKED_AT.as_secs_f64();
    assert!(each_second <= COMMANDS_A_SECOND_MAX, "{each_second} commands a second");
    browser.quiet("idle").await;
}
