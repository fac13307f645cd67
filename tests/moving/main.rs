//! `bullock move`: npm `bull` on one side, npm `bullmq` 5 and 6 on the other, the real binary between them.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod jobs;
mod live;
mod refused;
mod resumed;
mod series;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::bullock::{Answer, cli};
use support::node::BullQueue;
use support::redis::Redis;

/// A Redis with a Bull 4 queue `bull:orders` that moves to `mq:orders`.
struct Scene {
    redis: Redis,
}

impl Scene {
    fn start() -> Scene {
        Scene { redis: Redis::start() }
    }

    /// npm `bull` on the source.
    async fn bull(&self) -> BullQueue {
        BullQueue::open(&self.redis.url(), "orders").await
    }

    /// npm `bullmq` of a major version on the target.
    async fn mq(&self, major: u8) -> BullQueue {
        BullQueue::open_mq(major, &self.redis.url(), "orders", &json!({"prefix": "mq"})).await
    }

    async fn run(&self, arguments: &[&str]) -> Answer {
        let mut all = vec!["move", "--from", "bull:orders", "--to", "mq:orders", "--json"];
        all.extend(arguments);
        cli(&all, &[("BULLOCK_REDIS_URL", &self.redis.url()), ("TZ", "UTC")]).await
    }

    /// The report of a move that must end with `code`.
    async fn moved(&self, code: i32, arguments: &[&str]) -> Value {
        let answer = self.run(arguments).await;
        assert_eq!(answer.code, code, "{answer:?}");
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// One command of the test's own.
    async fn redis<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut connection = self.redis.connection().await;
        let mut cmd = redis::cmd(words.next().unwrap());
        cmd.arg(words.collect::<Vec<_>>());
        cmd.query_async(&mut connection).await.unwrap()
    }

    /// Ids of all jobs that a queue has in any list or set, each as often as it is there.
    async fn ids(&self, base: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for list in ["wait", "paused", "active"] {
            ids.extend(self.redis::<Vec<String>>(&format!("LRANGE {base}{list} 0 -1")).await);
        }
        for set in ["delayed", "prioritized", "failed", "completed"] {
            ids.extend(self.redis::<Vec<String>>(&format!("ZRANGE {base}{set} 0 -1")).await);
        }
        ids
    }

    /// Every id exactly once, in one of the queues, with its hash there and nowhere else.
    async fn is_whole(&self, expected: &BTreeSet<String>) {
        let (source, target) = (self.ids("bull:orders:").await, self.ids("mq:orders:").await);
        let all: Vec<&String> = source.iter().chain(&target).collect();
        let found: BTreeSet<String> = all.iter().map(|id| (*id).clone()).collect();
        assert_eq!(found.len(), all.len(), "an id is there twice");
        assert_eq!(&found, expected);
        let mut pipe = redis::pipe();
        let mut expected = Vec::new();
        for (ids, here, there) in [(source, "bull", "mq"), (target, "mq", "bull")] {
            for id in ids {
                pipe.exists(format!("{here}:orders:{id}")).exists(format!("{there}:orders:{id}"));
                expected.extend([(here, id.clone(), true), (there, id, false)]);
            }
        }
        let mut connection = self.redis.connection().await;
        let there: Vec<bool> = pipe.query_async(&mut connection).await.unwrap();
        for (there, (queue, id, expected)) in there.into_iter().zip(expected) {
            assert_eq!(there, expected, "{queue} {id}");
        }
    }
}
