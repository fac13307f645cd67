//! `bullock dead replay`, by id and by filter, and what the audit log says.

use redis::AsyncCommands as _;
use serde_json::json;

use crate::ground::{Ground, KINDS, saying};

#[tokio::test]
async fn named_dead_letters_are_in_line_again_and_the_act_is_on_record() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground.bury(vec![saying("a", "no"), saying("b", "no")]).await;
        let would = ground.ok(&["dead", "replay", "q", "a", "--dry-run", "-o", "table"]).await;
        assert_eq!(would, "job a would be replayed\n");
        let said = ground.ok(&["dead", "replay", "q", "a", "b", "--reason", "mended", "-o", "table"]).await;
        assert_eq!(said, "job a is in line again\njob b is in line again\n");
        assert_eq!(ground.queue.job("a", "getState").await, "waiting");
        assert_eq!(ground.queue.job("a", "failedReason").await, json!(null));
        let mut db = ground.redis.connection().await;
        let record: std::collections::HashMap<String, String> = db.hgetall("bull::x:q::job:a").await.unwrap();
        assert!(!record.contains_key("reason") && record.contains_key("attempt:1"), "{record:?}");
        assert!(
            record["replayed"].contains(r#""by":"kim""#) && record["replayed"].contains("mended"),
            "{record:?}"
        );
        let entry = |job: &str| ["replay", job, "kim", "mended"].map(str::to_owned);
        assert_eq!(ground.audit().await, [entry("a"), entry("b")]);

        let again = ground.fails(5, &["dead", "replay", "q", "a", "--reason", "x"]).await;
        assert!(again.contains("job a is not among the dead letters"), "{again}");
        let nobody = ground.fails(3, &["dead", "replay", "q", "nobody", "--reason", "x"]).await;
        assert!(nobody.contains("there is no job nobody"), "{nobody}");
        ground.queue.close().await;
    }
}

#[tokio::test]
async fn a_filter_says_which_and_nothing_else_is_touched() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        let jobs =
            (0..30).map(|n| saying(&format!("j{n:02}"), if n < 20 { "rate limit 7" } else { "other" }));
        ground.bury(jobs.collect()).await;
        let would = ground.json(&["dead", "replay", "q", "--error", "rate limit", "--dry-run"]).await;
        assert_eq!(would["would"], 20);
        let unasked =
            ground.fails(2, &["dead", "replay", "q", "--error", "rate limit", "--reason", "x"]).await;
        assert!(unasked.contains("not confirmed: replay 20 dead letters of q"), "{unasked}");
        assert_eq!(ground.count("failed").await, 30);
        let some =
            ["dead", "replay", "q", "--error", "rate limit", "--reason", "up again", "--yes", "--limit", "5"];
        assert_eq!(ground.json(&some).await["done"], 5);
        let all = [
            "dead",
            "replay",
            "q",
            "--error",
            "rate limit",
            "--reason",
            "up again",
            "--yes",
            "--rate",
            "1000/s",
        ];
        assert_eq!(ground.json(&all).await["done"], 15);
        assert_eq!((ground.count("failed").await, ground.count("wait").await), (10, 20));
        let audit = ground.audit().await;
        let last = audit.last().unwrap();
        assert_eq!((last[0].as_str(), last[3].as_str()), ("replay.end", "up again (15 jobs)"));
        assert_eq!(audit.len(), 4, "one at the beginning and one at the end of each: {audit:?}");
        let mut db = ground.redis.connection().await;
        assert!(!db.exists::<_, bool>("bull::x:q::ops").await.unwrap(), "no operation is open");
        ground.queue.close().await;
    }
}

#[tokio::test]
async fn what_is_asked_for_must_be_clear() {
    let mut ground = Ground::new(4).await;
    ground.bury(vec![saying("a", "no")]).await;
    let nothing = ground.fails(2, &["dead", "replay", "q", "--reason", "x"]).await;
    assert!(nothing.contains("say which dead letters are meant"), "{nothing}");
    let both = ground.fails(2, &["dead", "replay", "q", "a", "--class", "error", "--reason", "x"]).await;
    assert!(both.contains("say which dead letters are meant"), "{both}");
    let why = ground.fails(2, &["dead", "replay", "q", "a"]).await;
    assert!(why.contains("say why"), "{why}");
    assert_eq!(ground.count("failed").await, 1);
    ground.queue.close().await;
}

#[tokio::test]
async fn a_rate_is_kept() {
    let mut ground = Ground::new(5).await;
    ground.bury((0..40).map(|n| saying(&format!("j{n:02}"), "no")).collect()).await;
    let begun = std::time::Instant::now();
    ground.ok(&["dead", "replay", "q", "--all", "--reason", "x", "--yes", "--rate", "20/s"]).await;
    // The last batch waits for no further one: 38 of 40 jobs are paid for.
    assert!(begun.elapsed().as_millis() >= 1850, "{:?}", begun.elapsed());
    assert_eq!(ground.count("wait").await, 40);
    ground.queue.close().await;
}
