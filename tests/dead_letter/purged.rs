//! `bullock dead purge`.

use redis::AsyncCommands as _;
use serde_json::json;

use crate::ground::{Ground, KINDS, saying};

#[tokio::test]
async fn purged_dead_letters_are_gone_with_all_that_belongs_to_them() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground.bury(vec![saying("a", "one"), saying("b", "two"), saying("c", "two")]).await;
        ground.ok(&["dead", "purge", "q", "a", "--reason", "gone shop"]).await;
        let mut db = ground.redis.connection().await;
        assert!(!db.exists::<_, bool>(&["bull:q:a", "bull::x:q::job:a"]).await.unwrap());
        let asked = ground.fails(2, &["dead", "purge", "q", "--error", "two", "--reason", "x"]).await;
        assert!(asked.contains("not confirmed: purge 2 dead letters of q"), "{asked}");
        let done = ground.json(&["dead", "purge", "q", "--error", "two", "--reason", "x", "--yes"]).await;
        assert_eq!((&done["done"], ground.count("failed").await), (&json!(2), 0));
        let what: Vec<String> = ground.audit().await.into_iter().map(|entry| entry[0].clone()).collect();
        assert_eq!(what, ["purge", "purge", "purge.end"]);
        ground.queue.close().await;
    }
}

#[tokio::test]
async fn a_job_that_somebody_put_back_in_line_is_not_purged() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground.bury(vec![saying("a", "one")]).await;
        ground.ok(&["dead", "replay", "q", "a", "--reason", "x"]).await;
        let refused = ground.fails(5, &["dead", "purge", "q", "a", "--reason", "x"]).await;
        assert!(refused.contains("not among the dead letters"), "{refused}");
        assert_eq!(ground.queue.job("a", "getState").await, "waiting");
        ground.queue.close().await;
    }
}
