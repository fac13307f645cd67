//! The program with a config file, on `BullMQ` queues.

use serde_json::{Value, json};

use crate::rig::{MAJORS, Rig};
use crate::support::bullock::{Bullock, cli};
use crate::support::node::BullQueue;

/// Jobs of the queue are done by `echo`, which prints a line of result.
fn config(url: &str, dialect: &str) -> String {
    format!(
        "[redis]\nurl = \"{url}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[queues.q]\ndialect = \"{dialect}\"\n\
         [queues.q.handlers.\"*\"]\nexec = [\"echo\", '{{\"result\": {{\"n\": 1}}}}']\n"
    )
}

#[tokio::test]
async fn the_same_config_works_either_kind_of_queue_and_says_which_it_is() {
    for dialect in ["auto", "bullmq"] {
        for major in MAJORS {
            let mut rig = Rig::start(major).await;
            rig.mq.add("x", json!({"n": 0}), json!({})).await;
            let bullock = Bullock::run(&config(&rig.redis.url(), dialect)).await;
            assert_eq!(rig.run("x", json!({}), json!({})).await, Ok(json!({"n": 1})));
            let said = format!("BullMQ {major} (events");
            assert!(bullock.logs().contains(&said), "{said} in {}", bullock.logs());
            let (status, metrics) = bullock.get("/metrics").await.unwrap();
            assert_eq!(status, 200);
            assert!(metrics.contains("state=\"waiting-children\""), "{metrics}");
            assert_eq!(bullock.stop().await.code, Some(0));
            rig.mq.close().await;
        }
    }
}

#[tokio::test]
async fn an_empty_queue_is_worked_as_soon_as_its_first_key_tells_whose_it_is() {
    for major in [4, 6] {
        let redis = crate::support::redis::Redis::start();
        let bullock = Bullock::run(&config(&redis.url(), "auto")).await;
        let mut queue = match major {
            4 => BullQueue::open(&redis.url(), "q").await,
            _ => BullQueue::open_mq(major, &redis.url(), "q", &json!({})).await,
        };
        let id = queue.add("x", json!({}), json!({})).await;
        assert_eq!(queue.finished(&id).await, Ok(json!({"n": 1})), "major {major}");
        queue.close().await;
        assert_eq!(bullock.stop().await.code, Some(0));
    }
}

#[tokio::test]
async fn a_check_says_what_was_found_and_why() {
    let mut rig = Rig::start(6).await;
    rig.mq.add("x", json!({}), json!({})).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bullock.toml");
    for (text, code, says) in [
        (config(&rig.redis.url(), "auto"), 0, "BullMQ 6 (events"),
        (config(&rig.redis.url(), "bull"), 2, "expected Bull 4 (dialect = \"bull\")"),
        (
            config(&rig.redis.url(), "auto")
                + "[queues.q.rate]\nmax = 1\nper = \"1s\"\ngroup = \"data.store\"\n",
            2,
            "BullMQ counts no groups",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let answer = cli(&["check", "-c", file.to_str().unwrap(), "--json"], &[]).await;
        assert_eq!(answer.code, code, "{answer:?}");
        let found: Value = serde_json::from_str(&answer.stdout).unwrap();
        let said = |finding: &Value| finding["detail"].as_str().unwrap().contains(says);
        assert!(found.as_array().unwrap().iter().any(said), "{says} in {found}");
    }
    rig.mq.close().await;
}
