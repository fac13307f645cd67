//! The producer's options that are not about failing: order, delay, identity, names.

use std::convert::Infallible;

use bullock::handler::native;
use bullock::{Context, Job};
use redis::cmd;
use serde_json::{Value, json};

use crate::rig::{Db, Rig, Seen, add_bulk};

fn named(n: usize, opts: Value) -> Value {
    json!({"name": "x", "data": {"n": n}, "opts": opts})
}

#[tokio::test]
async fn jobs_of_one_slot_run_in_the_order_that_bull_would_run_them_in() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    rig.bull.call("pause", json!([])).await.unwrap();
    let jobs = json!([
        named(1, json!({})),
        named(2, json!({"priority": 5})),
        named(3, json!({"priority": 1})),
        named(4, json!({})),
        named(5, json!({"priority": 5})),
        named(6, json!({"priority": 3})),
        named(7, json!({"priority": 1})),
    ]);
    add_bulk(&mut rig.bull, jobs).await;
    let worker = rig
        .plan()
        .on("x", move |job, _| {
            notes.note(&job.data["n"]);
            async move { Ok::<_, Infallible>(()) }
        })
        .start()
        .await;
    rig.bull.call("resume", json!([])).await.unwrap();
    seen.has(7).await;
    assert_eq!(seen.all(), ["3", "7", "6", "2", "5", "1", "4"]);
    rig.db.quiet().await;
    assert_eq!(rig.db.sorted("priority").await, [""; 0]);

    rig.bull.call("pause", json!([])).await.unwrap();
    let jobs = json!([named(1, json!({})), named(2, json!({})), named(3, json!({"lifo": true}))]);
    add_bulk(&mut rig.bull, jobs).await;
    rig.bull.call("resume", json!([])).await.unwrap();
    seen.has(10).await;
    assert_eq!(seen.all()[7..], ["3", "1", "2"]);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_delayed_job_never_starts_early_by_the_clock_of_redis() {
    let mut rig = Rig::start().await;
    let worker =
        rig.plan().concurrency(16).on("x", |_, _| async move { Ok::<_, Infallible>(()) }).start().await;
    let jobs: Vec<Value> = (0..60).map(|n| named(n, json!({"delay": 1 + n * 7}))).collect();
    let ids = add_bulk(&mut rig.bull, json!(jobs)).await;
    rig.db.sorted_has("completed", ids.len()).await;
    let mut latest = 0;
    for (n, id) in ids.iter().enumerate() {
        // Producer and Redis share this machine's clock; `delay` in the hash is 0 once the job was promoted.
        let due = rig.db.number(id, "timestamp").await + 1 + n as i64 * 7;
        let late = rig.db.number(id, "processedOn").await - due;
        assert!(late >= 0, "job {id} started {} ms early", -late);
        latest = latest.max(late);
        assert_eq!(rig.db.number(id, "delay").await, 0);
    }
    println!("latest start after the due time: {latest} ms");
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_delayed_job_added_later_but_due_sooner_is_not_kept_waiting() {
    let mut rig = Rig::start().await;
    let worker = rig.plan().on("x", |_, _| async move { Ok::<_, Infallible>(()) }).start().await;
    rig.bull.add("x", json!({}), json!({"delay": 3_600_000})).await;
    rig.db.sorted_has("delayed", 1).await;
    let id = rig.bull.add("x", json!({}), json!({"delay": 50, "priority": 2})).await;
    // The scan that comes without being asked for is 5 s apart.
    rig.bull.finished(&id).await.unwrap();
    let late = rig.db.number(&id, "processedOn").await - rig.db.number(&id, "timestamp").await - 50;
    assert!((0..2_000).contains(&late), "{late} ms late");
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_debounce_without_ttl_is_released_when_its_job_ends_and_one_with_ttl_is_not() {
    let mut rig = Rig::start().await;
    let worker = rig
        .plan()
        .on("good", |_, _| async move { Ok::<_, Infallible>(()) })
        .on("bad", |_, _| async move { Err::<(), _>("no") })
        .start()
        .await;
    for name in ["good", "bad"] {
        let opts = json!({"debounce": {"id": "shop"}});
        rig.bull.call("pause", json!([])).await.unwrap();
        let id = rig.bull.add(name, json!({}), opts.clone()).await;
        assert_eq!(rig.bull.add(name, json!({}), opts.clone()).await, id, "debounced");
        rig.bull.call("resume", json!([])).await.unwrap();
        let _ = rig.bull.finished(&id).await;
        assert_ne!(rig.bull.add(name, json!({}), opts).await, id, "released");
        rig.db.quiet().await;
    }
    let id = rig.bull.add("good", json!({}), json!({"debounce": {"id": "slow", "ttl": 60_000}})).await;
    rig.bull.finished(&id).await.unwrap();
    let holder: Option<String> = rig.db.ask(cmd("GET").arg(Db::key("de:slow"))).await;
    assert_eq!(holder, Some(id));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn data_that_must_not_be_parsed_arrives_as_text_and_other_data_as_it_was_written() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let (texts, values) = (seen.clone(), seen.clone());
    let text = native::handler(move |job: Job<String>, _: Context| {
        texts.note(&job.data);
        async move { Ok::<_, Infallible>(()) }
    });
    let worker = rig
        .plan()
        .handler("text", text, |_| {})
        .on("value", move |job, _| {
            values.note(&job.data);
            async move { Ok::<_, Infallible>(job.data) }
        })
        .start()
        .await;
    let data = json!({"z": 1, "a": "é☃", "big": 9_007_199_254_740_991_i64, "empty": [], "deep": {"b": null}});
    let id = rig.bull.add("text", data.clone(), json!({"preventParsingData": true})).await;
    rig.bull.finished(&id).await.unwrap();
    for data in [data.clone(), json!([]), json!([1, {"a": 2}]), json!("text"), json!(12), json!(true)] {
        let id = rig.bull.add("value", data.clone(), json!({})).await;
        assert_eq!(rig.bull.finished(&id).await, Ok(data));
    }
    // Falsy data is `{}` to Bull.
    let id = rig.bull.add("value", json!(null), json!({})).await;
    assert_eq!(rig.bull.finished(&id).await, Ok(json!({})));
    assert_eq!(seen.all()[..2], [data.to_string(), data.to_string()]);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn jobs_with_ids_of_their_own_run_once_each() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let worker = rig
        .plan()
        .on("x", move |job, _| {
            notes.note(&job.id);
            async move { Ok::<_, Infallible>(()) }
        })
        .start()
        .await;
    let ids =
        ["order-7", "a:b:c", "é☃", "0", "0x10", "with blank", "x".repeat(300).as_str(), "{tag}", "\"q\""]
            .map(str::to_owned);
    for id in &ids {
        assert_eq!(rig.bull.add("x", json!({}), json!({"jobId": id})).await, *id);
        assert_eq!(rig.bull.finished(id).await, Ok(Value::Null), "{id}");
        assert_eq!(rig.bull.add("x", json!({}), json!({"jobId": id})).await, *id);
    }
    rig.db.quiet().await;
    assert_eq!(seen.all(), ids);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_job_without_a_handler_fails_one_attempt_at_a_time() {
    let mut rig = Rig::start().await;
    let worker = rig.plan().on("known", |_, _| async move { Ok::<_, Infallible>(()) }).start().await;
    let id = rig.bull.add("other", json!({}), json!({"attempts": 3})).await;
    let text = "Missing process handler for job type other";
    assert_eq!(rig.bull.finished(&id).await, Err(text.into()));
    assert_eq!(rig.bull.job(&id, "attemptsMade").await, 3);
    assert_eq!(rig.bull.job(&id, "stacktrace").await, json!(vec![format!("Error: {text}"); 3]));
    assert_eq!(rig.db.record(&id, "reason").await.as_deref(), Some("no_handler"));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn the_star_handler_takes_every_name_that_has_none_of_its_own() {
    let mut rig = Rig::start().await;
    let worker = rig
        .plan()
        .on("own", |_, _| async move { Ok::<_, Infallible>("own".to_owned()) })
        .on("*", |job, _| async move { Ok::<_, Infallible>(format!("star {}", job.name)) })
        .start()
        .await;
    for (name, expected) in [("own", "own"), ("other", "star other"), ("__default__", "star __default__")] {
        let id = rig.bull.add(name, json!({}), json!({})).await;
        assert_eq!(rig.bull.finished(&id).await, Ok(json!(expected)));
    }
    worker.stop().await;
    rig.bull.close().await;
}
