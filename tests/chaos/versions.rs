//! Two versions of Bullock on one queue: a layout of our records that is newer than this program is left alone.
//! `script/chaos --other BINARY` runs another build beside this one.

use serde_json::json;

use crate::support::bullock::Bullock;
use crate::support::redis::Redis;
use crate::support::wait::{self, DEADLINE};

/// What this program writes.
const LAYOUT: u32 = bullock::store::LAYOUT_VERSION;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_a_newer_bullock_keeps_records_in_is_refused_and_not_written_to() {
    for (dialect, name) in
        [(bullock::wire::Dialect::Bull, "bull"), (bullock::wire::Dialect::BullMq, "bullmq")]
    {
        let redis = Redis::start();
        let queue = bullock::Queue::open_as(dialect, &redis.url(), "bull", "q").unwrap();
        queue.add("x", &json!({}), json!({"jobId": "waits"})).await.unwrap();
        let mut db = redis.connection().await;
        let version = "bull::x:q::version";
        let _: () = redis::AsyncCommands::set(&mut db, version, LAYOUT + 1).await.unwrap();
        let before = redis.dump().await;
        let config = format!(
            "[redis]\nurl = \"{}\"\n[queues.q]\ndialect = \"{name}\"\n[queues.q.handlers.\"*\"]\nhttp = \"http://127.0.0.1:9\"\n",
            redis.url()
        );
        let mut worker = Bullock::spawn(&config, &[]);
        let ended = worker.wait(DEADLINE).await;
        let expected = format!(
            "queue \"q\" is refused: a newer bullock keeps its records in it (layout {}); expected layout {LAYOUT}",
            LAYOUT + 1
        );
        // What it printed is read by threads that may be a moment behind its end.
        wait::until("the refusal", async || worker.logs().contains(&expected)).await;
        assert_eq!(ended.code, Some(2), "{}", worker.logs());
        assert_eq!(redis.dump().await, before, "{name}");
    }
}
