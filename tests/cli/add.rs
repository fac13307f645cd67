//! `bullock job add`, read back with npm `bull`.

use std::process::{Command, Stdio};

use serde_json::json;

use super::Place;
use super::support::bullock::BINARY;
use super::support::node::BullQueue;

#[tokio::test]
async fn a_job_with_every_flag_is_the_job_that_npm_bull_would_have_added() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let flags = [
        "mail",
        "welcome",
        "--data",
        r#"{"to":"ada","n":1.50}"#,
        "--delay",
        "90s",
        "--attempts",
        "3",
        "--backoff",
        "exponential:1s",
        "--priority",
        "7",
        "--job-id",
        "order-7",
        "--opts",
        r#"{"attempts":9,"removeOnComplete":100}"#,
    ];
    let id = place.add(&flags).await;
    assert_eq!(id, "order-7");
    let job = mail.call("getJob", json!(["order-7"])).await.unwrap();
    assert_eq!(job["name"], "welcome");
    assert_eq!(job["data"], json!({"to": "ada", "n": 1.5}));
    let opts = &job["opts"];
    assert_eq!(opts["attempts"], 3);
    assert_eq!(opts["backoff"], json!({"type": "exponential", "delay": 1000}));
    assert_eq!((&opts["priority"], &opts["removeOnComplete"]), (&json!(7), &json!(100)));
    assert_eq!(job["delay"], 90_000);
    assert_eq!(mail.job(&id, "getState").await, "delayed");
}

#[tokio::test]
async fn data_comes_from_the_command_line_a_file_or_standard_input() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data.json");
    std::fs::write(&file, r#"{"from":"file"}"#).unwrap();
    let id = place.add(&["mail", "x", "--data", &format!("@{}", file.display())]).await;
    assert_eq!(mail.job(&id, "data").await, json!({"from": "file"}));

    let mut command = Command::new(BINARY);
    command.args(["job", "add", "mail", "x", "--data", "-", "-r", &place.redis.url()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), br#"[1,"two"]"#).unwrap();
    let output = child.wait_with_output().unwrap();
    let id = String::from_utf8(output.stdout).unwrap();
    assert_eq!(mail.job(id.trim(), "data").await, json!([1, "two"]));

    let id = place.add(&["mail", "x"]).await;
    assert_eq!(mail.job(&id, "data").await, json!({}));
}

#[tokio::test]
async fn an_id_that_exists_adds_nothing_and_says_so() {
    let place = Place::start();
    place.add(&["mail", "x", "--job-id", "a", "--data", "1"]).await;
    let again = place.run(&["job", "add", "mail", "x", "--job-id", "a", "--data", "2"]).await;
    assert_eq!((again.code, again.stdout.as_str()), (0, "a\n"));
    assert_eq!(again.stderr, "mail has a job a already: nothing was added\n");
    let json = place.json(&["job", "add", "mail", "x", "--job-id", "a"]).await;
    assert_eq!(json, json!({"queue": "mail", "id": "a", "existed": true}));
}

#[tokio::test]
async fn a_repeatable_added_here_is_one_that_npm_bull_lists_and_removes() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let id = place.add(&["mail", "tick", "--opts", r#"{"repeat":{"every":3600000}}"#]).await;
    assert!(id.starts_with("repeat:"), "{id}");
    let listed = mail.call("getRepeatableJobs", json!([])).await.unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["every"]), (&json!("tick"), &json!(3_600_000)));
    assert_eq!(mail.job_call(&id, "getState", json!([])).await.unwrap(), json!("delayed"));
    mail.call("removeRepeatable", json!(["tick", {"every": 3_600_000}])).await.unwrap();
    assert_eq!(mail.call("getRepeatableJobs", json!([])).await.unwrap(), json!([]));
    assert_eq!(mail.call("getDelayedCount", json!([])).await.unwrap(), json!(0));
}

#[tokio::test]
async fn options_that_would_harm_the_job_or_the_queue_are_refused_before_anything_is_written() {
    let place = Place::start();
    let wrong: &[(&str, &str)] = &[
        (r#"{"attempts":-1}"#, "(attempts): -1; expected a whole number from 1"),
        (r#"{"attempts":1.5}"#, "(attempts): 1.5"),
        (r#"{"attempts":"abc"}"#, "(attempts): \"abc\""),
        (r#"{"delay":-5}"#, "(delay): -5; expected milliseconds from 0 to ten years"),
        (r#"{"delay":1e18}"#, "(delay)"),
        (r#"{"delay":"x"}"#, "(delay)"),
        (r#"{"priority":-1}"#, "(priority): -1; expected a whole number from 0 to 2097151"),
        (r#"{"priority":3000000}"#, "(priority)"),
        (r#"{"priority":1.5}"#, "(priority)"),
        (r#"{"backoff":{"delay":5}}"#, "(backoff)"),
        (r#"{"backoff":-5}"#, "(backoff)"),
        (r#"{"removeOnComplete":{"age":"x"}}"#, "(removeOnComplete)"),
        (r#"{"lifo":"yes"}"#, "(lifo): \"yes\"; expected true or false"),
        (r#"{"jobId":"active"}"#, "reserved"),
        (r#"{"jobId":"12"}"#, "integer"),
        (r#"{"jobId":12}"#, "(jobId): 12"),
        (r#"{"jobId":"1:lock"}"#, "':'"),
        (r#"{"jobId":" "}"#, "blank"),
        (r#"{"repeat":{"every":"x"}}"#, "repeat.every"),
        (r#"{"repeat":{"cron":"61 * * * *"}}"#, "repeat."),
        (r#"{"repeat":{"every":1000,"limit":0}}"#, "leaves no occurrence"),
        ("[1]", "no object"),
        ("{attempts:1}", "no valid JSON: key must be a string (--opts, line 1 column 2)"),
    ];
    for (opts, expected) in wrong {
        let error = place.fails(2, &["job", "add", "mail", "x", "--opts", opts]).await;
        assert!(error.contains(expected), "{opts}: {error}");
    }
    for flags in [
        &["--attempts", "0"][..],
        &["--priority", "2097152"],
        &["--delay", "5"],
        &["--delay", "-5s"],
        &["--delay", "11000d"],
        &["--job-id", "wait"],
        &["--job-id", "7"],
        &["--backoff", ":5s"],
        &["--data", "{to:1}"],
        &["--data", "@/no/such/file"],
    ] {
        let mut arguments = vec!["job", "add", "mail", "x"];
        arguments.extend(flags);
        let answer = place.run(&arguments).await;
        assert_eq!(answer.code, 2, "{flags:?}: {answer:?}");
    }
    assert_eq!(
        place.fails(2, &["job", "add", "mail", " "]).await,
        "error: wrong name of a job:  ; expected 1 to 256 bytes, not blank"
    );
    assert_eq!(place.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_backoff_type_of_the_workers_own_and_an_unknown_option_are_taken_with_a_note() {
    let place = Place::start();
    let answer =
        place.run(&["job", "add", "mail", "x", "--backoff", "crawl", "--opts", r#"{"atempts":3}"#]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stderr.contains("backoff type \"crawl\""), "{answer:?}");
    assert!(answer.stderr.contains("did you mean \"attempts\"?"), "{answer:?}");
    let quiet = place.run(&["job", "add", "mail", "x", "--backoff", "crawl", "-q"]).await;
    assert_eq!(quiet.stderr, "");
}

#[tokio::test]
async fn wait_prints_the_result_of_a_job_that_a_node_worker_ran_even_if_it_is_removed_at_once() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    mail.work(1, 50).await;
    let kept = place.run(&["job", "add", "mail", "x", "--wait", "-q"]).await;
    assert_eq!((kept.code, kept.stdout.as_str(), kept.stderr.as_str()), (0, "{\"by\":\"node\"}\n", ""));
    let removed = ["job", "add", "mail", "x", "--wait", "-q", "--opts", r#"{"removeOnComplete":true}"#];
    let removed = place.run(&removed).await;
    assert_eq!((removed.code, removed.stdout.as_str()), (0, "{\"by\":\"node\"}\n"), "{removed:?}");
}

#[tokio::test]
async fn wait_ends_with_1_when_the_job_fails_and_with_7_when_it_takes_too_long() {
    let place = Place::start();
    let late = place.fails(7, &["job", "add", "slow", "x", "--wait", "--timeout", "200ms", "-q"]).await;
    assert!(late.contains("waiting; expected its end within 200ms"), "{late}");

    let worker = super::watch::failing_worker(&place, "mail").await;
    let failed = place.fails(1, &["job", "add", "mail", "boom", "--wait", "-q"]).await;
    assert!(failed.starts_with("error: the job failed (mail/"), "{failed}");
    assert!(failed.ends_with("): out of stamps"), "{failed}");
    worker.stop();
    worker.join().await;
}
