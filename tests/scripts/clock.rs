//! Time is Redis' own, and nothing is early by it.

use serde_json::json;

use crate::ground::{Ground, NOW};

#[tokio::test]
async fn a_delayed_job_is_not_promoted_a_millisecond_early() {
    let mut ground = Ground::at(NOW).await;
    ground.add("now", json!({"delay": 1000})).await;
    ground.add("next", json!({"delay": 1001})).await;
    let early = ground.at_time(NOW + 999).promote("t").await.unwrap();
    assert_eq!((early.moved, early.next_in_ms), (0, Some(2)));
    assert_eq!(ground.state_of("now").await, ["delayed"]);
    // The low bits of the score are a counter: the job is due at most 1 ms after its time.
    let at = ground.at_time(NOW + 1001).promote("t").await.unwrap();
    assert_eq!(at.moved, 1);
    assert_eq!(ground.state_of("now").await, ["wait"]);
    assert_eq!(ground.state_of("next").await, ["delayed"]);
}

#[tokio::test]
async fn a_score_that_is_just_due_is_promoted_and_one_just_above_is_not() {
    let mut ground = Ground::at(NOW).await;
    let (due, later) = (NOW * 4096, NOW * 4096 + 1);
    for (id, score) in [("due", due), ("later", later)] {
        ground.plain(&["HSET", &format!("bull:q:{id}"), "name", "x", "data", "{}", "opts", "{}"]).await;
        ground.plain(&["ZADD", "bull:q:delayed", &score.to_string(), id]).await;
    }
    let promoted = ground.store.promote("t").await.unwrap();
    assert_eq!((promoted.moved, promoted.next_in_ms), (1, Some(1)));
    assert_eq!(ground.state_of("due").await, ["wait"]);
    assert_eq!(ground.state_of("later").await, ["delayed"]);
    ground.sound().await;
}

#[tokio::test]
async fn the_clock_of_the_scripts_is_that_of_redis() {
    let mut ground = Ground::new().await;
    ground.running("a", "w:0a", json!({})).await;
    let (seconds, micros): (i64, i64) = ground.run(&["TIME"]).await;
    let now = seconds * 1000 + micros / 1000;
    let started: i64 = ground.run(&["HGET", "bull:q:a", "processedOn"]).await;
    assert!((now - 20_000..=now).contains(&started), "{started} of {now}");
}

#[tokio::test]
async fn delays_of_retries_and_hand_backs_count_from_redis_time() {
    use bullock::job::outcome::Fate;

    use crate::ground::{back, failed};
    let mut ground = Ground::at(NOW).await;
    ground.running("1", "w:01", json!({})).await;
    ground.running("2", "w:02", json!({})).await;
    ground.fail(&[failed("1", "w:01", Fate::Delay(1500))]).await.unwrap();
    ground.hand_back(&[back("2", "w:02", Some(2500))]).await.unwrap();
    let score: f64 = ground.run(&["ZSCORE", "bull:q:delayed", "1"]).await;
    assert_eq!(score as i64, (NOW + 1500) * 4096 + 1);
    let score: f64 = ground.run(&["ZSCORE", "bull:q:delayed", "2"]).await;
    assert_eq!(score as i64, (NOW + 2500) * 4096 + 2);
}

#[tokio::test]
async fn foreign_scores_neither_block_the_due_ones_nor_spin() {
    let mut ground = Ground::at(NOW).await;
    let scores = [
        ("endless", "+inf".to_owned()),
        ("before", "-inf".to_owned()),
        ("negative", "-5".to_owned()),
        ("plain-due", (NOW - 1).to_string()),
        ("plain-later", (NOW + 5000).to_string()),
        ("good", (NOW * 4096).to_string()),
    ];
    for (id, score) in &scores {
        ground.plain(&["HSET", &format!("bull:q:{id}"), "name", "x", "data", "{}", "opts", "{}"]).await;
        ground.plain(&["ZADD", "bull:q:delayed", score, id]).await;
    }
    let promoted = ground.store.promote("t").await.unwrap();
    assert_eq!((promoted.moved, promoted.next_in_ms), (4, Some(5000)));
    for id in ["before", "negative", "plain-due", "good"] {
        assert_eq!(ground.state_of(id).await, ["wait"], "{id}");
    }
    assert_eq!(ground.at_time(NOW + 5000).promote("t").await.unwrap().moved, 1);
    let last = ground.store.promote("t").await.unwrap();
    assert_eq!(last.moved, 0);
    assert!(last.next_in_ms.is_none_or(|ms| ms > 1_000_000), "{last:?}");
    ground.sound().await;
}
