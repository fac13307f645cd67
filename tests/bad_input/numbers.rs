//! Counters and scores that are none (B58, B62, B68; F43).

use serde_json::json;

use crate::ground::{Ground, P};

#[tokio::test]
async fn counters_that_are_no_numbers_count_as_nothing_or_are_clamped() {
    let values = ["abc", "", "NaN", "-5", "1.9", "99999999999999999999", "9007199254740993", "1e3", " 2"];
    let fields =
        ["attemptsMade", "stalledCounter", "delay", "priority", "processedOn", "finishedOn", "timestamp"];
    let mut ground = Ground::new().await;
    for field in fields {
        for (n, value) in values.iter().enumerate() {
            ground
                .place(
                    &format!("{field}{n}"),
                    &[(field, value), ("stacktrace", "{bad"), ("progress", "{bad")],
                )
                .await;
        }
    }
    // One attempt more that fails, so that the counters are written as well.
    ground.place("fails", &[("name", "fails"), ("attemptsMade", "x"), ("stacktrace", "{bad")]).await;
    ground.good("good").await;
    let worker = ground.worker_with(3).await;
    ground.comes_to("good", "completed").await;
    for field in fields {
        for n in 0..values.len() {
            let id = format!("{field}{n}");
            ground.comes_to(&id, "completed").await;
            assert_eq!(ground.recorder.of(&id).len(), 1, "{id}");
        }
    }
    ground.comes_to("fails", "failed").await;
    assert_eq!(ground.field("bull:q:fails", "attemptsMade").await, "3");
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn delayed_scores_of_other_tools_neither_get_lost_nor_spin() {
    let mut ground = Ground::new().await;
    let (seconds, _): (i64, i64) = ground.run(&["TIME"]).await;
    let soon_plain = (seconds * 1000 + 1500).to_string();
    let scores = [
        ("minus-inf", "-inf"),
        ("negative", "-77"),
        ("zero", "0"),
        ("plain-past", "1500000000000"),
        ("plain-soon", &soon_plain),
        ("fraction", "1.5"),
        ("inf", "+inf"),
        ("far", "9e300"),
    ];
    for (id, score) in scores {
        ground.place(id, &[]).await;
        ground.plain(&["LREM", "bull:q:wait", "0", id]).await;
        ground.plain(&["ZADD", "bull:q:delayed", score, id]).await;
    }
    ground.good("good").await;
    let worker = ground.worker().await;
    ground.comes_to("good", "completed").await;
    for (id, _) in &scores[..6] {
        ground.comes_to(id, "completed").await;
    }
    assert_eq!(ground.place_of("inf").await, ["delayed"]);
    assert_eq!(ground.place_of("far").await, ["delayed"]);
    // No hot loop on them: count the scripts of one second.
    let calls = async |ground: &mut Ground| -> u64 {
        let info: String = ground.run(&["INFO", "commandstats"]).await;
        let line = info.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap().to_owned();
        line.split("calls=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
    };
    let before = calls(&mut ground).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let after = calls(&mut ground).await;
    assert!(after - before < 50, "{} scripts in a second of idling", after - before);
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn priorities_beyond_all_bounds_are_ordered_and_run() {
    let mut ground = Ground::new().await;
    for (id, priority) in
        [("p1", json!(3_000_000)), ("p2", json!(-1)), ("p3", json!(1.5)), ("p4", json!(1e300))]
    {
        ground.queue.add("x", &json!({}), json!({"jobId": id, "priority": priority})).await.unwrap();
    }
    ground.place("text", &[("priority", "nan")]).await;
    ground.plain(&["LREM", "bull:q:wait", "0", "text"]).await;
    ground.plain(&["ZADD", "bull:q:delayed", "1", "text"]).await;
    let worker = ground.worker().await;
    for id in ["p1", "p2", "p3", "p4", "text"] {
        ground.comes_to(id, "completed").await;
        assert_eq!(ground.recorder.of(id).len(), 1);
    }
    assert_eq!(ground.run::<i64>(&["EXISTS", &format!("{P}priority")]).await, 0);
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn a_debounce_key_of_a_dead_id_is_cleared_by_the_next_add() {
    let mut ground = Ground::new().await;
    ground.plain(&["SET", "bull:q:de:d", "dead"]).await;
    let added =
        ground.queue.add("x", &json!({}), json!({"jobId": "a", "debounce": {"id": "d"}})).await.unwrap();
    assert!(!added.existed);
    let worker = ground.worker().await;
    ground.comes_to("a", "completed").await;
    assert_eq!(ground.run::<i64>(&["EXISTS", "bull:q:de:d"]).await, 0);
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn a_schedule_that_cannot_be_computed_is_disabled_and_others_run() {
    let mut ground = Ground::new().await;
    // Registered under a cron that no parser takes, and an occurrence of it.
    ground.plain(&["ZADD", "bull:q:repeat", "1", "bad:::61 * * * *"]).await;
    ground.plain(&["ZADD", "bull:q:repeat", "1", "no template"]).await;
    let opts = r#"{"repeat":{"cron":"61 * * * *","count":1,"key":"bad:::61 * * * *"},"prevMillis":1}"#;
    ground.place("repeat:abc:1", &[("opts", opts)]).await;
    let rule = json!({"every": 3_600_000});
    let (key, _) = bullock::job::repeat::key_and_prefix("fine", &rule, bullock::job::cron::Zone::Local);
    let fine = json!({"repeat": {"every": 3_600_000, "count": 1, "key": key}, "prevMillis": 1}).to_string();
    ground.plain(&["ZADD", "bull:q:repeat", "1", &key]).await;
    ground.place("repeat:def:1", &[("opts", &fine), ("name", "fine")]).await;
    let worker = ground.worker().await;
    ground.comes_to("repeat:abc:1", "completed").await;
    ground.comes_to("repeat:def:1", "completed").await;
    assert_eq!(ground.run::<u64>(&["ZCARD", "bull:q:delayed"]).await, 1, "only the good one has a successor");
    ground.ends_well(worker).await;
}
