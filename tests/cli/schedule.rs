//! `bullock schedule`, read by npm `bull` and `bullmq`.

use serde_json::json;

use super::Place;
use super::support::node::BullQueue;

#[tokio::test]
async fn a_scheduler_of_bullmq_is_added_changed_run_and_removed() {
    let place = Place::start();
    let mut mq = BullQueue::open_mq(6, &place.redis.url(), "reports", &json!({})).await;
    let add = ["schedule", "add", "reports", "nightly", "--dialect", "bullmq", "--data", "{\"full\":true}"];
    place.ok(&[&add[..], &["--cron", "0 3 * * *", "--tz", "Europe/Rome", "--name", "report"]].concat()).await;
    let listed = place.json(&["schedule", "ls"]).await;
    let one = &listed[0];
    assert_eq!(
        (&one["queue"], &one["id"], &one["name"]),
        (&json!("reports"), &json!("nightly"), &json!("report"))
    );
    assert_eq!((&one["pattern"], &one["tz"]), (&json!("0 3 * * *"), &json!("Europe/Rome")));
    let seen = mq.call("getJobSchedulers", json!([])).await.unwrap();
    assert_eq!(seen[0]["key"], "nightly", "{seen}");

    place.ok(&[&add[..], &["--every", "10m"]].concat()).await;
    let listed = place.json(&["schedule", "ls", "reports"]).await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["every"]), (1, &json!(600_000)), "{listed}");

    let id = place.ok(&["schedule", "run", "reports", "nightly"]).await.trim_end().to_owned();
    let job = place.json(&["job", "show", "reports", &id]).await;
    assert_eq!(
        (&job["name"], &job["data"], &job["state"]),
        (&json!("nightly"), &json!({"full": true}), &json!("waiting"))
    );

    place.ok(&["schedule", "rm", "reports", "nightly", "--dry-run"]).await;
    place.ok(&["schedule", "rm", "reports", "nightly", "--reason", "no more reports"]).await;
    assert_eq!(place.json(&["schedule", "ls"]).await, json!([]));
    let error = place.fails(3, &["schedule", "rm", "reports", "nightly"]).await;
    assert!(error.starts_with("error: no such scheduler (reports): nightly"), "{error}");
    let acts = place.json(&["audit", "--job", "nightly", "--what", "scheduler-remove"]).await;
    assert_eq!(acts[0]["why"], "no more reports", "{acts:#}");
}

#[tokio::test]
async fn a_repeatable_job_of_bull_is_the_one_that_npm_bull_lists() {
    let place = Place::start();
    let mut bull = BullQueue::open(&place.redis.url(), "mail").await;
    bull.add("x", json!({}), json!({})).await;
    place.ok(&["schedule", "add", "mail", "digest", "--cron", "0 7 * * *", "--tz", "Europe/Rome"]).await;
    let seen = bull.call("getRepeatableJobs", json!([])).await.unwrap();
    assert_eq!(
        (&seen[0]["name"], &seen[0]["cron"], &seen[0]["tz"]),
        (&json!("digest"), &json!("0 7 * * *"), &json!("Europe/Rome"))
    );
    let listed = place.json(&["schedule", "ls"]).await;
    assert_eq!((&listed[0]["id"], &listed[0]["next"]), (&seen[0]["key"], &seen[0]["next"]));
    let key = seen[0]["key"].as_str().unwrap();
    place.ok(&["schedule", "run", "mail", key]).await;
    assert_eq!(place.json(&["queue", "show", "mail"]).await["counts"]["waiting"], 2);
    place.ok(&["schedule", "rm", "mail", key]).await;
    assert_eq!(bull.call("getRepeatableJobs", json!([])).await, Ok(json!([])));
    assert_eq!(place.json(&["queue", "show", "mail"]).await["counts"]["delayed"], 0);
}

#[tokio::test]
async fn a_plan_that_cannot_be_is_refused_and_nothing_is_written() {
    let place = Place::start();
    for (arguments, expected) in [
        (&["--every", "0s"][..], "--every"),
        (&["--cron", "61 * * * *"], "61"),
        (&["--every", "1m", "--end", "tomorrow"], "expected a date"),
        (&[], "required"),
    ] {
        let answer = place.run(&[&["schedule", "add", "mail", "digest"], arguments].concat()).await;
        assert_eq!(answer.code, 2, "{arguments:?}: {answer:?}");
        assert!(answer.stderr.contains(expected), "{arguments:?}: {answer:?}");
    }
    assert_eq!(place.keys().await, [""; 0]);
}
