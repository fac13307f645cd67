//! `dead_letter = "<queue>"`: a final failure is copied to another queue, once.

use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::ground::{Ground, KINDS, producer, saying};
use crate::support::bullock::{Bullock, cli};
use crate::support::redis::Redis;
use crate::support::wait;

fn config(redis: &Redis, queue: &str, more: &str) -> String {
    format!(
        "[redis]\nurl = \"{}\"\n[queues.\"{queue}\"]\n{more}\n[queues.\"{queue}\".handlers.\"*\"]\nexec = [\"sh\", \"-c\", \
         \"echo declined >&2; exit 1\"]\n",
        redis.url()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_failure_of_a_job_copies_it_to_the_dead_letter_queue_once() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        let worker = Bullock::run(&config(&ground.redis, "q", "dead_letter = \"q-dead\"")).await;
        let opts = json!({"jobId": "a", "attempts": 2, "priority": 3, "removeOnComplete": true});
        ground.queue.add("charge", json!({"amount": 12}), opts).await;
        wait::until("the dead letter", async || ground.count("failed").await == 1).await;
        let mut dead = producer(&ground.redis, kind, "q-dead").await;
        let waiting = dead.call("getWaiting", json!([])).await.unwrap();
        assert_eq!(waiting.as_array().unwrap().len(), 1, "two attempts, one copy");
        let copy = &waiting[0];
        assert_eq!((&copy["name"], &copy["data"]), (&json!("charge"), &json!({"amount": 12})));
        let id = copy["id"].as_str().map_or_else(|| copy["id"].to_string(), str::to_owned);
        let opts = dead.job(&id, "opts").await;
        assert_eq!((&opts["attempts"], &opts["removeOnComplete"]), (&json!(2), &Value::Null));
        let from = &opts["deadLetter"];
        assert_eq!(
            (&from["queue"], &from["id"], &from["reason"]),
            (&json!("q"), &json!("a"), &json!("error"))
        );
        assert_eq!(from["attempts"], 2);
        let mut db = ground.redis.connection().await;
        let buried: i64 = db.hget("bull::x:q::job:a", "buried_at").await.unwrap();
        assert_eq!(from["buriedAt"], buried);
        let told: String = db.hget(format!("bull::x:q-dead::job:{id}"), "from").await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), *from);
        let copy_id: String = db.hget("bull::x:q::job:a", "copy").await.unwrap();
        assert_eq!(copy_id, id);
        assert_eq!(ground.queue.job("a", "getState").await, "failed", "the job itself stays");
        let shown = ground.json(&["dead", "show", "q", "a"]).await;
        assert_eq!(shown["copy"], id.as_str());
        assert_eq!(worker.stop().await.code, Some(0));
        // Its own library runs the copy.
        dead.work(1, 0).await;
        assert_eq!(dead.finished(&id).await, Ok(json!({"by": "node"})));
        dead.close().await;
        ground.queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_not_kept_is_copied_too_and_unreadable_data_is_not() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground.queue.add("charge", json!({"n": 1}), json!({"jobId": "a", "removeOnFail": true})).await;
        ground.queue.add("charge", json!({}), json!({"jobId": "bad"})).await;
        let mut db = ground.redis.connection().await;
        let () = db.hset("bull:q:bad", "data", "{\"amount\":").await.unwrap();
        let worker = Bullock::run(&config(&ground.redis, "q", "dead_letter = \"q-dead\"")).await;
        wait::until("both copies", async || {
            ground.redis.connection().await.llen::<_, usize>("bull:q-dead:wait").await.unwrap() == 2
        })
        .await;
        assert!(!db.exists::<_, bool>("bull:q:a").await.unwrap());
        let ids: Vec<String> = db.lrange("bull:q-dead:wait", 0, -1).await.unwrap();
        let mut data = Vec::new();
        for id in ids {
            data.push(db.hget::<_, _, String>(format!("bull:q-dead:{id}"), "data").await.unwrap());
        }
        data.sort();
        assert_eq!(data, [r#"{"n":1}"#, "{}"]);
        assert_eq!(worker.stop().await.code, Some(0));
        ground.queue.close().await;
    }
}

#[tokio::test]
async fn a_dead_letter_queue_of_the_other_kind_or_in_another_slot_is_refused_at_the_start() {
    let mut ground = Ground::new(4).await;
    ground.bury(vec![saying("a", "no")]).await;
    let mut other = producer(&ground.redis, 5, "other").await;
    other.add("x", json!({}), json!({})).await;
    let refused = start(&config(&ground.redis, "q", "dialect = \"bull\"\ndead_letter = \"other\"")).await;
    assert!(refused.contains("other") && refused.contains("expected one of bull"), "{refused}");
    other.close().await;
    ground.queue.close().await;

    let cluster = Redis::start_with(&["--cluster-enabled", "yes"]);
    let mut db = cluster.connection().await;
    let () = redis::cmd("CLUSTER")
        .arg("ADDSLOTS")
        .arg((0..16384).collect::<Vec<u16>>())
        .query_async(&mut db)
        .await
        .unwrap();
    wait::until("the cluster", async || {
        let info: String =
            redis::cmd("CLUSTER").arg("INFO").query_async(&mut cluster.connection().await).await.unwrap();
        info.contains("cluster_state:ok")
    })
    .await;
    let refused =
        start(&config(&cluster, "{shop}:q", "dialect = \"bull\"\ndead_letter = \"{mall}:dead\"")).await;
    assert!(refused.contains("expected both names to share a hash tag"), "{refused}");
}

/// Standard error of a start that must be refused.
async fn start(config: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    let answer = cli(&["run", "-c", file.path().to_str().unwrap(), "--no-admin"], &[]).await;
    assert_eq!(answer.code, 2, "{answer:?}");
    answer.stderr
}
