//! Failed attempts: when the next one comes, and what is left of them.

use std::convert::Infallible;
use std::time::Duration;

use bullock::JobError;
use bullock::job::backoff::Strategy;
use redis::cmd;
use serde_json::{Value, json};

use crate::rig::{Db, Plan, Rig, Seen, add_bulk};
use crate::support::wait;

/// A worker whose jobs all fail.
fn failing(rig: &Rig) -> Plan {
    rig.plan().on("x", |job, _| async move { Err::<(), _>(format!("attempt {}", job.attempt())) })
}

/// How long the job was put off at its failure number `attempt`, by Redis' clock: due time less time of the failure.
async fn put_off_ms(db: &Db, id: &str, attempt: u32) -> i64 {
    let score = db.score("delayed", id).await.expect("the job is delayed");
    let record: Value =
        serde_json::from_str(&db.record(id, &format!("attempt:{attempt}")).await.unwrap()).unwrap();
    (score / 4096.0).floor() as i64 - record["at"].as_i64().unwrap()
}

#[tokio::test]
async fn each_backoff_puts_the_job_off_by_exactly_its_delay() {
    let mut rig = Rig::start().await;
    let worker = failing(&rig)
        .options(|options| {
            let steps = vec![Duration::from_secs(40), Duration::from_secs(90)];
            options.strategies.insert("gentle".into(), Strategy { steps, jitter: 0.0 });
        })
        .start()
        .await;
    let fixed = json!({"type": "fixed", "delay": 60_000});
    let exponential = json!({"type": "exponential", "delay": 30_000});
    for (backoff, delays) in [
        (json!(50_000), [50_000, 50_000]),
        (fixed, [60_000, 60_000]),
        (exponential, [30_000, 90_000]),
        (json!({"type": "gentle"}), [40_000, 90_000]),
    ] {
        let id = rig.bull.add("x", json!({}), json!({"attempts": 9, "backoff": backoff})).await;
        for (attempt, delay) in (1..).zip(delays) {
            rig.db.sorted_has("delayed", 1).await;
            assert_eq!(put_off_ms(&rig.db, &id, attempt).await, delay, "{backoff} after failure {attempt}");
            assert_eq!(rig.db.number(&id, "attemptsMade").await, i64::from(attempt));
            assert_eq!(rig.bull.job(&id, "getState").await, "delayed");
            assert_eq!(rig.bull.job(&id, "failedReason").await, format!("attempt {attempt}"));
            rig.bull.job(&id, "promote").await;
            // Until its next failure it is not delayed, so that the next look cannot see this one's score.
            wait::until("the next failure", async || {
                rig.db.number(&id, "attemptsMade").await > i64::from(attempt)
            })
            .await;
        }
        rig.bull.job(&id, "remove").await;
    }
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_retried_job_never_starts_before_its_backoff_is_over() {
    let mut rig = Rig::start().await;
    let worker = failing(&rig).concurrency(8).start().await;
    let jobs: Vec<Value> = (0..20)
        .map(|n| json!({"name": "x", "data": {}, "opts": {"attempts": 2, "backoff": 20 + 15 * n}}))
        .collect();
    let ids = add_bulk(&mut rig.bull, json!(jobs)).await;
    rig.db.sorted_has("failed", ids.len()).await;
    for (n, id) in ids.iter().enumerate() {
        let first: Value = serde_json::from_str(&rig.db.record(id, "attempt:1").await.unwrap()).unwrap();
        let waited = rig.db.number(id, "processedOn").await - first["at"].as_i64().unwrap();
        let backoff = 20 + 15 * n as i64;
        assert!(waited >= backoff, "job {id} waited {waited} ms of {backoff}");
    }
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn without_a_backoff_the_job_goes_to_the_end_of_the_line_and_keeps_its_traces() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    rig.bull.call("pause", json!([])).await.unwrap();
    let id = rig.bull.add("x", json!({}), json!({"attempts": 3, "stackTraceLimit": 2})).await;
    rig.bull.add("other", json!({}), json!({})).await;
    let worker = failing(&rig)
        .on("x", {
            let notes = notes.clone();
            move |job, _| {
                notes.note(format!("x{}", job.attempt()));
                async move { Err::<(), _>(format!("attempt {}", job.attempt())) }
            }
        })
        .on("other", move |_, _| {
            notes.note("other");
            async move { Ok::<_, Infallible>(()) }
        })
        .start()
        .await;
    rig.bull.call("resume", json!([])).await.unwrap();
    assert_eq!(rig.bull.finished(&id).await, Err("attempt 3".into()));
    assert_eq!(seen.all(), ["x1", "other", "x2", "x3"]);
    let traces = rig.bull.job(&id, "stacktrace").await;
    assert_eq!(traces, json!(["Error: attempt 2", "Error: attempt 3"]));
    assert_eq!(rig.db.record(&id, "reason").await.as_deref(), Some("error"));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_lifo_job_is_retried_next_and_a_priority_job_by_its_priority() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    rig.bull.call("pause", json!([])).await.unwrap();
    let jobs = json!([
        {"name": "x", "data": {"is": "plain"}, "opts": {}},
        {"name": "x", "data": {"is": "lifo"}, "opts": {"lifo": true, "attempts": 2}},
    ]);
    add_bulk(&mut rig.bull, jobs).await;
    let worker = rig
        .plan()
        .on("x", move |job, _| {
            notes.note(job.data["is"].as_str().unwrap());
            async move { if job.attempt() < job.opts.attempts { Err("again") } else { Ok(()) } }
        })
        .start()
        .await;
    rig.bull.call("resume", json!([])).await.unwrap();
    rig.db.sorted_has("completed", 2).await;
    assert_eq!(seen.all(), ["lifo", "lifo", "plain"]);

    rig.bull.call("pause", json!([])).await.unwrap();
    let jobs = json!([
        {"name": "x", "data": {"is": "three"}, "opts": {"priority": 3}},
        {"name": "x", "data": {"is": "one"}, "opts": {"priority": 1, "attempts": 2}},
        {"name": "x", "data": {"is": "two"}, "opts": {"priority": 2}},
    ]);
    add_bulk(&mut rig.bull, jobs).await;
    rig.bull.call("resume", json!([])).await.unwrap();
    rig.db.sorted_has("completed", 5).await;
    assert_eq!(seen.all()[3..], ["one", "one", "two", "three"]);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_backoff_type_that_nobody_defined_buries_the_job_with_both_messages() {
    let mut rig = Rig::start().await;
    let worker = failing(&rig).start().await;
    let opts = json!({"attempts": 5, "backoff": {"type": "nosuch", "delay": 10}});
    let id = rig.bull.add("x", json!({}), opts).await;
    let text = rig.bull.finished(&id).await.unwrap_err();
    assert!(text.starts_with("attempt 1 ("), "{text}");
    assert!(text.contains("unknown backoff type \"nosuch\""), "{text}");
    assert_eq!(rig.bull.job(&id, "getState").await, "failed");
    assert_eq!(rig.db.lock(&id).await, None);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_permanent_failure_spends_no_further_attempt() {
    let mut rig = Rig::start().await;
    let worker = rig
        .plan()
        .on("x", |_, _| async move { Err::<(), _>(JobError::permanent("no such shop")) })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({"attempts": 5, "backoff": 60_000})).await;
    assert_eq!(rig.bull.finished(&id).await, Err("no such shop".into()));
    assert_eq!(rig.bull.job(&id, "attemptsMade").await, 1);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn an_error_that_names_a_time_replaces_the_backoff() {
    let mut rig = Rig::start().await;
    let worker = rig
        .plan()
        .on("x", |_, _| async move { Err::<(), _>(JobError::retry("busy").after(Duration::from_secs(77))) })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({"attempts": 2, "backoff": 10})).await;
    rig.db.sorted_has("delayed", 1).await;
    assert_eq!(put_off_ms(&rig.db, &id, 1).await, 77_000);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_deferred_job_spends_no_attempt_until_it_was_deferred_too_often() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let handler = bullock::handler::native::handler(move |_: bullock::Job<Value>, _| {
        notes.note("run");
        async move { Err::<(), _>(JobError::defer(Duration::from_millis(20), "maintenance")) }
    });
    let worker = rig.plan().handler("x", handler, |limits| limits.max_deferrals = 3).start().await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    assert_eq!(rig.bull.finished(&id).await, Err("deferred more than 3 times, last: maintenance".into()));
    assert_eq!((seen.len(), rig.bull.job(&id, "attemptsMade").await), (4, json!(1)));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_throttled_queue_rests_and_its_job_stays_first() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    rig.bull.call("pause", json!([])).await.unwrap();
    let jobs =
        json!([{"name": "x", "data": {"n": 1}, "opts": {}}, {"name": "x", "data": {"n": 2}, "opts": {}}]);
    let ids = add_bulk(&mut rig.bull, jobs).await;
    let worker =
        rig.plan()
            .on("x", move |job, _| {
                let first = notes.len() == 0;
                notes.note(&job.data["n"]);
                async move {
                    if first { Err(JobError::throttle(Duration::from_millis(300), "busy")) } else { Ok(()) }
                }
            })
            .start()
            .await;
    rig.bull.call("resume", json!([])).await.unwrap();
    seen.has(1).await;
    let began = rig.db.number(&ids[0], "processedOn").await;
    for id in &ids {
        rig.bull.finished(id).await.unwrap();
    }
    assert_eq!(seen.all(), ["1", "1", "2"]);
    let rested = rig.db.number(&ids[0], "processedOn").await - began;
    assert!(rested >= 300, "the queue rested {rested} ms");
    let made: Option<String> = rig.db.ask(cmd("HGET").arg(Db::key(&ids[0])).arg("attemptsMade")).await;
    assert_eq!(made, None);
    worker.stop().await;
    rig.bull.close().await;
}
