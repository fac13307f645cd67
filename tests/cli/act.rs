//! `bullock job retry|promote|rm`, judged by npm `bull`'s getters.

use serde_json::json;

use super::Place;
use super::support::node::BullQueue;
use super::support::wait;
use super::watch::{failing_worker, slow_worker};

/// Jobs that failed for good, by our own worker.
async fn failed_jobs(place: &Place, queue: &str, n: usize) -> Vec<String> {
    let worker = failing_worker(place, queue).await;
    let mut ids = Vec::new();
    for _ in 0..n {
        ids.push(place.add(&[queue, "boom"]).await);
    }
    for id in &ids {
        wait::until("the job to fail", async || {
            place.json(&["job", "show", queue, id]).await["state"] == "failed"
        })
        .await;
    }
    worker.stop();
    worker.join().await;
    ids
}

#[tokio::test]
async fn retry_puts_failed_jobs_back_in_line() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let ids = failed_jobs(&place, "mail", 2).await;
    let retried = place.run(&["job", "retry", "mail", &ids[0], &ids[1], "-o", "table"]).await;
    assert_eq!(retried.stdout, format!("job {} is in line again\njob {} is in line again\n", ids[0], ids[1]));
    assert_eq!(mail.job(&ids[0], "getState").await, "waiting");
    assert_eq!(mail.job(&ids[1], "failedReason").await, json!(null));
    let again = place.fails(5, &["job", "retry", "mail", &ids[0]]).await;
    assert_eq!(again, format!("error: cannot retry (mail): job {} is waiting already", ids[0]));
}

#[tokio::test]
async fn a_job_that_runs_is_neither_retried_nor_promoted_nor_removed_and_its_holder_is_named() {
    let place = Place::start();
    let worker = slow_worker(&place, "mail").await;
    let id = place.add(&["mail", "slow"]).await;
    wait::until("the job to run", async || {
        place.json(&["job", "show", "mail", &id]).await["state"] == "active"
    })
    .await;
    let name =
        place.json(&["job", "show", "mail", &id]).await["worker"].as_str().expect("our worker").to_owned();
    for (verb, command) in [("retry", "retry"), ("promote", "promote"), ("remove", "rm")] {
        let error = place.fails(5, &["job", command, "mail", &id]).await;
        let expected = format!("error: cannot {verb} (mail): job {id} is active (lease held by {name}, ");
        assert!(error.starts_with(&expected) && error.contains(" s left)"), "{error}");
    }
    worker.stop();
    worker.join().await;
}

#[tokio::test]
async fn ids_that_are_no_jobs_are_not_found_and_keys_of_the_queue_stay() {
    let place = Place::start();
    place.add(&["mail", "x", "--job-id", "a"]).await;
    place.redis(&["HSET", "bull:mail:metrics:completed", "count", "1"]).await;
    let before = place.keys().await;
    for id in ["999", "id", "wait", "metrics:completed", "a:logs", ""] {
        for command in ["retry", "promote", "rm"] {
            let error = place.fails(3, &["job", command, "mail", id]).await;
            assert!(error.contains("there is no job"), "{error}");
        }
        assert!(place.fails(3, &["job", "show", "mail", id]).await.contains("no such job"));
    }
    assert_eq!(place.keys().await, before);
}

#[tokio::test]
async fn promote_and_rm_do_what_npm_bull_then_sees_and_a_dry_run_does_nothing() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let id = mail.add("x", json!({}), json!({"delay": 3_600_000})).await;
    assert_eq!(
        place.ok(&["job", "promote", "mail", &id, "--dry-run", "-o", "table"]).await,
        format!("job {id} would be promoted\n")
    );
    assert_eq!(mail.job(&id, "getState").await, "delayed");
    assert_eq!(place.ok(&["job", "promote", "mail", &id]).await, format!("{id}\n"));
    assert_eq!(mail.job(&id, "getState").await, "waiting");

    place.ok(&["job", "rm", "mail", &id, "--dry-run"]).await;
    assert_eq!(mail.job(&id, "getState").await, "waiting");
    let answer = place.run(&["job", "rm", "mail", &id, "999", "--json"]).await;
    assert_eq!(answer.code, 3, "{answer:?}");
    let json: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(json[0], json!({"id": id, "done": true, "message": format!("job {id} is removed")}));
    assert_eq!(json[1], json!({"id": "999", "done": false, "message": "there is no job 999"}));
    assert_eq!(mail.call("getJob", json!([id])).await, Ok(json!(null)));
}

#[tokio::test]
async fn all_failed_jobs_are_retried_only_when_that_is_confirmed() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    failed_jobs(&place, "mail", 3).await;
    let unconfirmed = place.fails(2, &["job", "retry", "mail", "--all-failed"]).await;
    assert!(
        unconfirmed.contains("not confirmed: retry 3 failed jobs of mail. hint: add --yes"),
        "{unconfirmed}"
    );
    assert_eq!(place.ok(&["job", "retry", "mail", "--all-failed", "--dry-run"]).await, "3\n");
    assert_eq!(mail.call("getFailedCount", json!([])).await, Ok(json!(3)));
    let limited =
        place.run(&["job", "retry", "mail", "--all-failed", "--yes", "--limit", "2", "-o", "table"]).await;
    assert_eq!(limited.stdout, "2 failed jobs of mail in line again\n");
    assert_eq!(mail.call("getFailedCount", json!([])).await, Ok(json!(1)));
    assert_eq!(place.json(&["job", "retry", "mail", "--all-failed", "--yes"]).await["retried"], 1);
    assert_eq!(mail.call("getWaitingCount", json!([])).await, Ok(json!(3)));
}
