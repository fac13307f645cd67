//! `bullock job ls` and `bullock job show`.

use serde_json::json;

use super::Place;
use super::support::node::BullQueue;
use super::support::wait;
use super::watch::failing_worker;

#[tokio::test]
async fn ls_pages_through_all_states_and_each_job_comes_once() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    for n in 0..5 {
        mail.add("x", json!({"n": n}), json!({})).await;
        mail.add("x", json!({"n": n}), json!({"delay": 3_600_000 + n})).await;
    }
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut arguments = vec!["job", "ls", "mail", "--limit", "3", "-o", "ndjson"];
        if let Some(cursor) = &cursor {
            arguments.extend(["--cursor", cursor]);
        }
        let answer = place.run(&arguments).await;
        assert_eq!(answer.code, 0, "{answer:?}");
        for line in answer.stdout.lines() {
            let job: serde_json::Value = serde_json::from_str(line).unwrap();
            seen.push(job["id"].as_str().unwrap().to_owned());
        }
        match answer.stderr.split("--cursor ").nth(1) {
            Some(next) => cursor = Some(next.trim().to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, ["1", "3", "5", "7", "9", "2", "4", "6", "8", "10"]);
    let delayed = place.json(&["job", "ls", "mail", "--state", "scheduled"]).await;
    assert_eq!(delayed.as_array().map(Vec::len), Some(5));
    assert_eq!((&delayed[0]["state"], &delayed[0]["status"]), (&json!("delayed"), &json!("scheduled")));
}

#[tokio::test]
async fn an_empty_list_is_success() {
    let place = Place::start();
    let none = place.run(&["job", "ls", "mail"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    assert_eq!(none.stderr, "no queue \"mail\" under prefix \"bull\" yet\n");
    place.add(&["mail", "x"]).await;
    let none = place.run(&["job", "ls", "mail", "--state", "failed"]).await;
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (0, "", "no such jobs\n"));
    assert_eq!(place.json(&["job", "ls", "mail", "--state", "failed"]).await, json!([]));
}

#[tokio::test]
async fn the_json_of_a_job_has_the_fields_of_to_json_in_node_and_state_and_status() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let id = mail.add("x", json!({"to": "ada"}), json!({"attempts": 3})).await;
    let ours = place.json(&["job", "show", "mail", &id]).await;
    let theirs = mail.call("getJob", json!([id])).await.unwrap();
    for field in [
        "id",
        "name",
        "data",
        "opts",
        "progress",
        "delay",
        "timestamp",
        "attemptsMade",
        "stacktrace",
        "returnvalue",
        "finishedOn",
        "processedOn",
    ] {
        assert_eq!(ours[field], theirs[field], "{field}: {ours} {theirs}");
    }
    assert_eq!((&ours["state"], &ours["status"]), (&json!("waiting"), &json!("queued")));
}

#[tokio::test]
async fn a_failed_job_is_shown_with_its_error_its_attempts_its_log_and_the_keys_in_redis() {
    let place = Place::start();
    let worker = failing_worker(&place, "mail").await;
    let id = place.add(&["mail", "boom", "--data", r#"{"to":"ada"}"#]).await;
    wait::until("the job to fail", async || {
        place.json(&["job", "show", "mail", &id]).await["state"] == "failed"
    })
    .await;
    let json = place.json(&["job", "show", "mail", &id]).await;
    assert_eq!(json["attempts"][0]["attempt"], 1, "{json}");
    assert_eq!(json["logs"], json!({"count": 1, "tail": ["looking for stamps"]}));
    let page = place.ok(&["job", "show", "mail", &id, "-o", "table"]).await;
    for part in [
        "\nstatus    failed\n",
        "\nerror\n  out of stamps\n  second line\n",
        "\nfailed attempts\n  1  ",
        "\ndata\n  {\"to\":\"ada\"}\n",
        "\nlog\n  looking for stamps\n",
        &format!("\nin Redis\n  HGETALL bull:mail:{id}\n"),
    ] {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
    let listed = place.ok(&["job", "ls", "mail", "-o", "table"]).await;
    assert!(
        listed.lines().next().is_some_and(|head| head.starts_with("ID ") && head.ends_with("DETAIL")),
        "{listed}"
    );
    assert!(listed.contains("  failed  ") && listed.ends_with("  out of stamps\n"), "{listed}");
    worker.stop();
    worker.join().await;
}
