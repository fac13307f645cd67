//! What the tests look at: a Redis, a `bullock run` on it, and a browser on that.

use std::path::Path;

use serde_json::json;

use crate::browser::Browser;
use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;

/// Queue of npm bull in these tests.
pub const BULL: &str = "woo:customers";
/// Queue of npm bullmq in these tests.
pub const MQ: &str = "shopify-products";

/// All three, gone when dropped.
pub struct Site {
    pub browser: Browser,
    _bullock: Bullock,
    pub redis: Redis,
}

impl Site {
    /// Two queues, one of each kind, worked by tests/dashboard/node/steps.mjs.
    pub async fn start() -> Site {
        Site::start_with("").await
    }

    /// [`Site::start`] with further lines for the end of the config.
    pub async fn start_with(more: &str) -> Site {
        let redis = Redis::start();
        let bullock = Bullock::run(&config(&redis.url(), more)).await;
        let browser = Browser::start(&bullock.admin_url()).await;
        Site { browser, _bullock: bullock, redis }
    }

    /// npm bull on [`BULL`].
    pub async fn bull(&self) -> BullQueue {
        BullQueue::open(&self.redis.url(), BULL).await
    }

    /// npm bullmq on [`MQ`].
    pub async fn bullmq(&self) -> BullQueue {
        BullQueue::open_mq(6, &self.redis.url(), MQ, &json!({})).await
    }
}

/// The config file of the tests.
pub fn config(redis_url: &str, more: &str) -> String {
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard/node/steps.mjs");
    let steps = steps.display();
    format!(
        r#"
[redis]
url = "{redis_url}"
[worker]
name = "w-1"
[queues."{BULL}"]
dialect = "bull"
concurrency = 6
[queues."{BULL}".handlers."*"]
exec = ["node", "{steps}"]
[queues."{MQ}"]
dialect = "bullmq"
concurrency = 6
[queues."{MQ}".handlers."*"]
exec = ["node", "{steps}"]
{more}
"#
    )
}

/// A queue's name as one segment of a path.
pub fn segment(name: &str) -> String {
    name.replace(':', "%3A")
}
