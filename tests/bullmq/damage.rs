//! What others may leave in a queue: our worker deals with it, and whoever listens stays alive.

use serde_json::{Value, json};

use crate::rig::{MAJORS, QUEUE, Rig, does, echo, start, stop};
use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;

/// Adds a job, damages it while the queue is paused, and tells why it failed.
async fn damaged(rig: &mut Rig, damage: &[&str]) -> (String, Value) {
    rig.mq.call("pause", json!([])).await.unwrap();
    let id = rig.mq.add("x", json!({"n": 1}), json!({"attempts": 3})).await;
    let words: Vec<String> = damage.iter().map(|word| word.replace("J:", &format!("Q:{id}"))).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let _: redis::Value = rig.ask(&words).await;
    rig.mq.call("resume", json!([])).await.unwrap();
    let of_it = |line: &Value| line["event"] == "failed" && line["args"][0]["jobId"] == id.as_str();
    let heard = rig.mq.hear("the failure", of_it).await;
    (id, heard["args"][0]["failedReason"].clone())
}

#[tokio::test]
async fn a_damaged_job_fails_with_its_reason_and_neither_we_nor_a_listener_die_of_it() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let mut python = BullQueue::open_python(&rig.redis.url(), QUEUE).await;
        rig.mq.listen().await;
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        for (damage, says) in [
            (&["HSET", "J:", "data", "{not json"][..], "data"),
            (&["HSET", "J:", "data", ""], "data"),
            (&["HSET", "J:", "opts", "[1"], "opts"),
            (&["HSET", "J:", "opts", "17"], "opts"),
            (&["DEL", "J:"], "data of the job is missing"),
            (&["HDEL", "J:", "data", "opts"], "data of the job is missing"),
        ] {
            let (id, reason) = damaged(&mut rig, damage).await;
            assert!(reason.as_str().unwrap().contains(says), "{damage:?}: {reason}");
            assert_eq!(rig.mq.job(&id, "getState").await, "failed", "{damage:?}");
            assert_eq!(rig.run("x", json!({"n": 2}), json!({})).await, Ok(json!({"n": 2})), "{damage:?}");
        }
        // A key of another type under a job's name, and a marker as versions before 5 left it.
        rig.mq.call("pause", json!([])).await.unwrap();
        let id = rig.mq.add("x", json!({}), json!({})).await;
        let key = format!("Q:{id}");
        let _: u64 = rig.ask(&["DEL", &key]).await;
        let _: u64 = rig.ask(&["RPUSH", &key, "no hash"]).await;
        rig.mq.call("resume", json!([])).await.unwrap();
        let _: u64 = rig.ask(&["RPUSH", "Q:wait", "0:1700000000000"]).await;
        let _: u64 = rig.ask(&["LPUSH", "Q:wait", "0:0"]).await;
        assert_eq!(rig.run("x", json!({"n": 3}), json!({})).await, Ok(json!({"n": 3})));
        let left: Vec<String> = rig.ask(&["LRANGE", "Q:wait", "0", "-1"]).await;
        assert_eq!(left, [""; 0]);
        let active: Vec<String> = rig.ask(&["LRANGE", "Q:active", "0", "-1"]).await;
        assert_eq!(active, [""; 0]);
        let id = python.add("x", json!({"n": 4}), json!({})).await;
        assert_eq!(python.finished(&id).await, Ok(json!({"n": 4})));
        assert!(!rig.mq.heard.iter().any(|line| line["listenerError"].is_string()), "{:?}", rig.mq.heard);
        stop(worker).await;
        python.close().await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn numbers_that_are_none_count_as_nothing() {
    let mut rig = Rig::start(6).await;
    for (field, value) in [
        ("ats", "many"),
        ("atm", "-3"),
        ("stc", "x"),
        ("priority", "high"),
        ("delay", "soon"),
        ("timestamp", "yesterday"),
    ] {
        rig.mq.call("pause", json!([])).await.unwrap();
        let id = rig.mq.add("x", json!({"n": field}), json!({"attempts": 3})).await;
        let _: u64 = rig.ask(&["HSET", &format!("Q:{id}"), field, value]).await;
        rig.mq.call("resume", json!([])).await.unwrap();
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        assert_eq!(rig.mq.finished(&id).await, Ok(json!({"n": field})), "{field}");
        stop(worker).await;
    }
    for (field, value) in
        [("opts.maxLenEvents", "all"), ("max", "x"), ("duration", "y"), ("version", "bullmq:77.0.0-rc")]
    {
        // Node's own add would break on it: the job is there before.
        let id = rig.mq.add("x", json!({"n": field}), json!({})).await;
        let before: Option<String> = rig.ask(&["HGET", "Q:meta", field]).await;
        let _: u64 = rig.ask(&["HSET", "Q:meta", field, value]).await;
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        assert_eq!(rig.mq.finished(&id).await, Ok(json!({"n": field})), "{field}");
        stop(worker).await;
        let _: u64 = match &before {
            Some(before) => rig.ask(&["HSET", "Q:meta", field, before]).await,
            None => rig.ask(&["HDEL", "Q:meta", field]).await,
        };
    }
    rig.mq.close().await;
}

#[tokio::test]
async fn results_that_are_no_json_are_told_as_json() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let mut python = BullQueue::open_python(&rig.redis.url(), QUEUE).await;
        rig.mq.listen().await;
        // A program prints plain text, a result of it, one that is null, and nothing.
        let script = r#"case "$JOB_NAME" in text) echo hello;; json) echo '{"result": "ü"}';; null) echo '{"result": null}';; esac"#;
        let config = format!(
            "[redis]\nurl = \"{}\"\n[queues.q]\ndialect = \"bullmq\"\n[queues.q.handlers.\"*\"]\nexec = [\"sh\", \"-c\", '''{script}''']\n",
            rig.redis.url()
        );
        let bullock = Bullock::run(&config).await;
        let text = rig.mq.add("text", json!({}), json!({})).await;
        let said = rig.mq.finished(&text).await;
        assert!(said.is_err() || said.as_ref().is_ok_and(Value::is_string), "{said:?}");
        for (name, result) in [("json", json!("ü")), ("null", Value::Null)] {
            let id = rig.mq.add(name, json!({}), json!({})).await;
            assert_eq!(rig.mq.finished(&id).await, Ok(result.clone()), "{name}");
            assert_eq!(python.finished(&id).await, Ok(result), "{name}");
        }
        let heard: Vec<&Value> =
            rig.mq.heard.iter().filter(|line| line["listenerError"].is_string()).collect();
        assert_eq!(heard, [&Value::Null; 0]);
        assert_eq!(bullock.stop().await.code, Some(0));
        python.close().await;
        rig.mq.close().await;
    }
    // A function that returns nothing.
    let mut rig = Rig::start(6).await;
    let worker = start(rig.worker().handler_spec("*", does(|_, _| async { Ok(Value::Null) }))).await;
    assert_eq!(rig.run("x", json!({}), json!({})).await, Ok(Value::Null));
    stop(worker).await;
    rig.mq.close().await;
}
