//! Replays with other data, and into another queue.

use redis::AsyncCommands as _;
use serde_json::json;

use crate::ground::{Ground, KINDS, producer, saying};
use crate::support::wait;

#[tokio::test]
async fn single_fields_are_set_and_the_rest_of_the_data_stays_as_it_was() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground.bury(vec![saying("a", "no"), saying("b", "no")]).await;
        let mut db = ground.redis.connection().await;
        let () = db.hset("bull:q:a", "data", r#"{"big":12345678901234567890123,"list":[ ]}"#).await.unwrap();
        ground.ok(&["dead", "replay", "q", "a", "--set", "data.amount=12", "--reason", "x"]).await;
        let data: String = db.hget("bull:q:a", "data").await.unwrap();
        assert_eq!(data, r#"{"big":12345678901234567890123,"list":[ ],"amount":12}"#);
        assert_eq!(ground.queue.job("a", "getState").await, "waiting");
        let wrong =
            ground.fails(5, &["dead", "replay", "q", "b", "--set", "data.says.x=1", "--reason", "x"]).await;
        assert!(wrong.contains("data.says is no object"), "{wrong}");
        assert_eq!(ground.queue.job("b", "getState").await, "failed");
        ground.queue.close().await;
    }
}

#[tokio::test]
async fn a_job_whose_data_could_not_be_read_runs_with_the_data_it_is_given() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        let mut db = ground.redis.connection().await;
        ground.queue.add("charge", json!({}), json!({"jobId": "bad", "attempts": 3})).await;
        let () = db.hset("bull:q:bad", "data", "{\"amount\":").await.unwrap();
        let worker = ground.failing_worker().await;
        wait::until("its end", async || ground.count("failed").await == 1).await;
        worker.stop();
        worker.join().await;
        let empty = ground.fails(5, &["dead", "replay", "q", "bad", "--reason", "x"]).await;
        assert!(empty.contains("no data to run: give it some with --edit-data"), "{empty}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"amount\":12}\n").unwrap();
        let path = file.path().to_str().unwrap();
        ground.ok(&["dead", "replay", "q", "bad", "--edit-data", path, "--reason", "x"]).await;
        assert_eq!(ground.queue.job("bad", "data").await, json!({"amount": 12}));
        assert_eq!(ground.queue.job("bad", "opts").await["attempts"], 3, "its options are back");
        assert_eq!(ground.queue.job("bad", "getState").await, "waiting");
        let raw: Option<String> = db.hget("bull::x:q::job:bad", "raw:data").await.unwrap();
        assert_eq!(raw, None);
        ground.queue.close().await;
    }
}

#[tokio::test]
async fn dead_letters_go_to_another_queue_and_say_where_they_come_from() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground.bury(vec![saying("a", "card declined"), saying("b", "other")]).await;
        let said =
            ground.ok(&["dead", "replay", "q", "a", "--to", "manual", "--reason", "x", "-o", "table"]).await;
        assert_eq!(said, "job a is in line in manual\n");
        assert_eq!(ground.count("failed").await, 1);
        let mut manual = producer(&ground.redis, kind, "manual").await;
        let waiting = manual.call("getWaiting", json!([])).await.unwrap();
        let copy = &waiting[0];
        assert_eq!(copy["data"]["says"], "card declined");
        let id = copy["id"].as_str().map_or_else(|| copy["id"].to_string(), str::to_owned);
        let from = &manual.job(&id, "opts").await["deadLetter"];
        assert_eq!(
            (&from["queue"], &from["id"], &from["reason"]),
            (&json!("q"), &json!("a"), &json!("error"))
        );
        assert_eq!(from["failedReason"], "card declined");
        let own = ground.fails(2, &["dead", "replay", "q", "b", "--to", "q", "--reason", "x"]).await;
        assert!(own.contains("their own queue"), "{own}");
        let all = ["dead", "replay", "q", "--all", "--to", "manual", "--reason", "x", "--yes"];
        ground.ok(&all).await;
        assert_eq!(ground.count("failed").await, 0);
        manual.close().await;
        ground.queue.close().await;
    }
}

#[tokio::test]
async fn dead_letters_do_not_go_to_a_queue_of_the_other_kind() {
    let mut ground = Ground::new(4).await;
    ground.bury(vec![saying("a", "no")]).await;
    let mut other = producer(&ground.redis, 5, "other").await;
    other.add("x", json!({}), json!({})).await;
    let refused = ground.fails(5, &["dead", "replay", "q", "a", "--to", "other", "--reason", "x"]).await;
    assert!(refused.contains("bullmq"), "{refused}");
    assert_eq!(ground.count("failed").await, 1);
    other.close().await;
    ground.queue.close().await;
}
