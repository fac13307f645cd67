//! Jobs that look alive and are not: `bullock zombies` and `bullock job force-done`, judged by Node's libraries.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod force_done;
mod kinds;

use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use support::bullock::{Answer, cli};
use support::node::BullQueue;
use support::redis::Redis;

/// 4 = npm bull, 5 and 6 = npm bullmq.
const LIBRARIES: [u8; 3] = [4, 5, 6];

/// A Redis with the queue `q`, opened by a library.
struct Place {
    redis: Redis,
    queue: BullQueue,
    db: MultiplexedConnection,
}

impl Place {
    async fn start(major: u8) -> Place {
        let redis = Redis::start();
        let queue = match major {
            4 => BullQueue::open(&redis.url(), "q").await,
            major => BullQueue::open_mq(major, &redis.url(), "q", &json!({})).await,
        };
        let db = redis.connection().await;
        Place { redis, queue, db }
    }

    /// Runs `bullock <arguments>` with this Redis.
    async fn run(&self, arguments: &[&str]) -> Answer {
        cli(arguments, &[("BULLOCK_REDIS_URL", &self.redis.url()), ("USER", "kim")]).await
    }

    /// The JSON of a command that must end with `code`.
    async fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let answer = self.run(&all).await;
        assert_eq!(answer.code, code, "{arguments:?}: {answer:?}");
        serde_json::from_str(&answer.stdout).unwrap_or(Value::Null)
    }

    /// Sends one command, words parted by blanks.
    async fn send<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        for word in words {
            cmd.arg(word);
        }
        cmd.query_async(&mut self.db.clone()).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// What the audit log says: what, job, was, is, by, why.
    async fn audit(&self) -> Vec<[String; 6]> {
        let entries: redis::streams::StreamRangeReply = self.send("XRANGE bull::x:q::audit - +").await;
        let field =
            |entry: &redis::streams::StreamId, name: &str| entry.get::<String>(name).unwrap_or_default();
        let names = ["what", "job", "was", "is", "by", "why"];
        entries.ids.iter().map(|entry| names.map(|name| field(entry, name))).collect()
    }
}
