//! The schedules of a config file as Node's own getters tell them: made, replaced, taken away; those of Node stay.

use serde_json::{Value, json};

use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

/// A process of the config with these schedules, from its start until they are as `wanted`, and then stopped.
async fn run(redis: &Redis, dialect: &str, schedules: &str, node: &mut BullQueue, wanted: &[&str]) {
    let config = format!(
        "[redis]\nurl = \"{}\"\n[queues.q]\ndialect = \"{dialect}\"\n{schedules}[queues.q.handlers.sync]\nexec = [\"true\"]\n",
        redis.url()
    );
    let worker = Bullock::run(&config).await;
    let node = tokio::sync::Mutex::new(node);
    wait::until(&format!("{wanted:?}"), async || planned(*node.lock().await, dialect).await == wanted).await;
    assert_eq!(worker.stop().await.code, Some(0));
}

/// Names of what Node says is planned.
async fn planned(node: &mut BullQueue, dialect: &str) -> Vec<String> {
    let method = if dialect == "bull" { "getRepeatableJobs" } else { "getJobSchedulers" };
    let all = node.call(method, json!([])).await.unwrap();
    let id = if dialect == "bull" { "id" } else { "key" };
    let mut names: Vec<String> =
        all.as_array().unwrap().iter().map(|one| one[id].as_str().unwrap_or("?").to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_the_config_no_longer_names_is_taken_away_the_last_one_too_and_what_node_made_stays() {
    for dialect in ["bull", "bullmq"] {
        let redis = Redis::start();
        let mut node = match dialect {
            "bull" => BullQueue::open(&redis.url(), "q").await,
            _ => BullQueue::open_mq(6, &redis.url(), "q", &json!({})).await,
        };
        if dialect == "bull" {
            let opts = json!({"jobId": "theirs", "repeat": {"every": 3_600_000}});
            node.add("sync", json!({}), opts).await;
        } else {
            let repeat = json!({"every": 3_600_000});
            let theirs = json!(["theirs", repeat, {"name": "sync", "data": {}}]);
            node.call("upsertJobScheduler", theirs).await.unwrap();
        }
        let nightly = "[queues.q.schedules.nightly]\nevery = \"2h\"\nname = \"sync\"\n";
        let weekly =
            "[queues.q.schedules.weekly]\ncron = \"0 3 * * 0\"\ntz = \"Europe/Rome\"\nname = \"sync\"\n";
        let both = format!("{nightly}{weekly}");
        run(&redis, dialect, &both, &mut node, &["nightly", "theirs", "weekly"]).await;
        run(&redis, dialect, weekly, &mut node, &["theirs", "weekly"]).await;
        run(&redis, dialect, "", &mut node, &["theirs"]).await;
        let delayed = node.call("getDelayed", json!([])).await.unwrap();
        let names: Vec<&Value> = delayed.as_array().unwrap().iter().map(|job| &job["id"]).collect();
        assert_eq!(names.len(), 1, "{dialect}: only the next one of Node's own waits: {names:?}");
        run(&redis, dialect, nightly, &mut node, &["nightly", "theirs"]).await;
        node.close().await;
    }
}
