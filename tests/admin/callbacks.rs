use std::sync::{Arc, Mutex};

use bullock::job::backoff::Strategy;
use serde_json::{Value, json};
use std::time::Duration;

use crate::site::{OTHER_TOKEN, QUEUE, Site, TOKEN, callback_path};

#[tokio::test]
async fn a_heartbeat_is_answered_and_noted_for_the_worker_that_watches() {
    let site = Site::start();
    let id = site.running_job(TOKEN, json!({})).await;
    assert_eq!(site.store.last_callback(&id, TOKEN).await.unwrap(), Ok(None));
    let answer = site.callback(&id, "heartbeat", TOKEN, &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json(), json!({"cancelRequested": false, "heartbeatSeconds": 60}));
    assert!(site.store.last_callback(&id, TOKEN).await.unwrap().unwrap().is_some());
    let bearer = format!("bearer {TOKEN}");
    let bare = site.send("POST", &callback_path(&id, "heartbeat"), &[("authorization", &bearer)], None).await;
    assert_eq!(bare.status, 200, "no body is needed: {bare:?}");
}

#[tokio::test]
async fn progress_is_the_body_or_its_only_member_progress() {
    let site = Site::start();
    let id = site.running_job(TOKEN, json!({})).await;
    for (body, stored) in [
        (json!(42), json!(42)),
        (json!({"progress": 7}), json!(7)),
        (
            json!({"progress": {"total": 4, "processed": 1}}),
            json!({"total": 4, "processed": 1, "progress": 25}),
        ),
        (
            json!({"total": 2, "processed": 2, "failed": 1}),
            json!({"total": 2, "processed": 2, "failed": 1, "progress": 100}),
        ),
        (json!({"progress": 3, "step": "b"}), json!({"progress": 3, "step": "b"})),
        (json!("text"), json!("text")),
        (json!([1]), json!([1])),
    ] {
        let answer = site.callback(&id, "progress", TOKEN, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(site.job(&id).await.0.progress, stored, "{body}");
    }
    assert!(
        site.store.last_callback(&id, TOKEN).await.unwrap().unwrap().is_some(),
        "progress is a sign of life"
    );
}

#[tokio::test]
async fn log_lines_are_appended_one_or_many() {
    let site = Site::start();
    let id = site.running_job(TOKEN, json!({})).await;
    assert_eq!(site.callback(&id, "logs", TOKEN, &json!({"log": "one"})).await.status, 200);
    assert_eq!(site.callback(&id, "logs", TOKEN, &json!({"logs": ["two", "ünf"]})).await.status, 200);
    assert_eq!(site.callback(&id, "logs", TOKEN, &json!({"log": "é".repeat(5000)})).await.status, 200);
    let (lines, total) = site.store.logs(&id, 0, 10).await.unwrap();
    assert_eq!((&lines[..3], total), (&["one".to_owned(), "two".into(), "ünf".into()][..], 4));
    assert!(lines[3].len() <= 8 * 1024 + 3 && lines[3].ends_with('…'), "long lines are cut");
    for bad in [json!({}), json!({"log": 1}), json!({"logs": "x"}), json!("x"), json!([])] {
        assert_eq!(site.callback(&id, "logs", TOKEN, &bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn complete_stores_the_result_as_it_came_and_frees_the_job() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&ends);
    let site = Site::start_with(|options| {
        options.on_end = Some(Arc::new(move |end| {
            let end = format!("{} {} {} {}", end.queue, end.id, end.token, end.outcome.as_str());
            heard.lock().unwrap().push(end);
        }));
    });
    let id = site.running_job(TOKEN, json!({})).await;
    let (path, bearer) = (callback_path(&id, "complete"), format!("Bearer {TOKEN}"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json; charset=utf-8")];
    let answer =
        site.send("POST", &path, &headers, Some(r#" {"big":12345678901234567890123,"e":[]} "#)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut redis = site.redis.connection().await;
    let stored: String = redis::cmd("HGET")
        .arg(format!("bull:{QUEUE}:{id}"))
        .arg("returnvalue")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(stored, r#"{"big":12345678901234567890123,"e":[]}"#);
    assert_eq!(site.job(&id).await.1, "completed");
    assert_eq!(*ends.lock().unwrap(), [format!("{QUEUE} {id} {TOKEN} completed")]);
}

#[tokio::test]
async fn complete_applies_what_the_producer_asked_for() {
    let site = Site::start();
    let id = site.running_job(TOKEN, json!({"removeOnComplete": true, "debounce": {"id": "d"}})).await;
    let bearer = format!("Bearer {TOKEN}");
    let answer =
        site.send("POST", &callback_path(&id, "complete"), &[("authorization", &bearer)], None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(site.store.job(&id).await.unwrap().is_none());
    let again = site.running_job(OTHER_TOKEN, json!({"debounce": {"id": "d"}})).await;
    assert_ne!(again, id, "the debounce id is free again");
}

#[tokio::test]
async fn fail_decides_by_the_jobs_own_options_and_the_answer() {
    let site = Site::start_with(|options| {
        let crawl = Strategy { steps: vec![Duration::from_hours(1)], jitter: 0.0 };
        options.queues[0].strategies = Arc::new([("crawl".to_owned(), crawl)].into());
    });
    for (opts, body, state) in [
        (json!({}), json!({"message": "m"}), "failed"),
        (json!({"attempts": 2}), json!({"message": "m"}), "waiting"),
        (json!({"attempts": 2}), json!({"message": "m", "retryable": false}), "failed"),
        (json!({"attempts": 2, "backoff": 60000}), json!({"message": "m", "stack": null}), "delayed"),
        (json!({"attempts": 2, "backoff": {"type": "crawl"}}), json!({"message": "m"}), "delayed"),
        (json!({"attempts": 2, "backoff": {"type": "nobody's"}}), json!({"message": "m"}), "failed"),
        (json!({"attempts": 2}), json!({"message": "m", "retryAfterMs": 60000.5}), "delayed"),
    ] {
        let id = site.running_job(TOKEN, opts.clone()).await;
        let answer = site.callback(&id, "fail", TOKEN, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (job, found) = site.job(&id).await;
        assert_eq!(found, state, "{opts} {body}");
        assert!(job.failed_reason.unwrap().starts_with('m'));
        assert_eq!((job.attempts_made, job.stacktrace.len()), (1, 1));
        site.store.remove(&[&id], true).await.unwrap();
    }
}

#[tokio::test]
async fn a_failure_is_recorded_with_its_stack_and_its_attempt() {
    let site = Site::start();
    let id = site.running_job(TOKEN, json!({"attempts": 1})).await;
    let body = json!({"message": "shop is closed", "stack": "Error: shop is closed\n    at sync"});
    assert_eq!(site.callback(&id, "fail", TOKEN, &body).await.status, 200);
    let (job, _) = site.job(&id).await;
    assert_eq!(job.failed_reason.as_deref(), Some("shop is closed"));
    assert_eq!(job.stacktrace, ["Error: shop is closed\n    at sync"]);
    let record = site.store.record(&id).await.unwrap();
    let field = |name: &str| record.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    assert_eq!(field("reason"), Some("error"));
    let attempt: Value = serde_json::from_str(field("attempt:1").unwrap()).unwrap();
    assert_eq!((&attempt["worker"], &attempt["message"]), (&json!("w-1"), &json!("shop is closed")));
    for bad in [
        json!({}),
        json!({"message": 1}),
        json!({"message": "m", "retryable": "no"}),
        json!({"message": "m", "retryAfterMs": -1}),
        json!([]),
    ] {
        assert_eq!(site.callback(&id, "fail", TOKEN, &bad).await.status, 400, "{bad}");
    }
}

const ALL: [(&str, &str); 5] = [
    ("progress", "1"),
    ("logs", r#"{"log":"x"}"#),
    ("heartbeat", "{}"),
    ("complete", "{}"),
    ("fail", r#"{"message":"m"}"#),
];

#[tokio::test]
async fn after_the_end_every_callback_is_told_to_stop_and_changes_nothing() {
    let site = Site::start();
    let kept = site.running_job(TOKEN, json!({})).await;
    assert_eq!(site.callback(&kept, "complete", TOKEN, &json!("r")).await.status, 200);
    let removed = site.running_job(TOKEN, json!({"removeOnComplete": true})).await;
    assert_eq!(site.callback(&removed, "complete", TOKEN, &json!("r")).await.status, 200);
    for id in [&kept, &removed] {
        for (action, body) in ALL {
            let answer = site.callback(id, action, TOKEN, &serde_json::from_str(body).unwrap()).await;
            assert_eq!((answer.status, answer.problem().as_str()), (410, "lease-lost"), "{action}");
            assert_eq!(answer.json()["jobId"], id.as_str());
        }
    }
    let (job, state) = site.job(&kept).await;
    assert_eq!((job.returnvalue, job.progress, state), (json!("r"), json!(0), "completed"));
}

#[tokio::test]
async fn a_run_whose_job_was_taken_over_is_told_to_stop_and_changes_nothing() {
    let site = Site::start();
    let id = site.running_job(TOKEN, json!({})).await;
    let mut redis = site.redis.connection().await;
    let lock = format!("bull:{QUEUE}:{id}:lock");
    let _: () = redis::cmd("SET").arg(&lock).arg(OTHER_TOKEN).query_async(&mut redis).await.unwrap();
    for (action, body) in ALL {
        let answer = site.callback(&id, action, TOKEN, &serde_json::from_str(body).unwrap()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (410, "lease-lost"), "{action}");
    }
    let _: () = redis::cmd("DEL").arg(&lock).query_async(&mut redis).await.unwrap();
    for (action, body) in ALL {
        let answer = site.callback(&id, action, TOKEN, &serde_json::from_str(body).unwrap()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (410, "lease-lost"),
            "{action}, lease run out"
        );
    }
    let (job, state) = site.job(&id).await;
    assert_eq!((job.progress, state, job.failed_reason), (json!(0), "active", None));
    assert_eq!(site.store.logs(&id, 0, 1).await.unwrap().1, 0);
}

#[tokio::test]
async fn the_token_of_another_job_or_of_nobody_is_refused() {
    let site = Site::start();
    let mine = site.running_job(TOKEN, json!({})).await;
    site.running_job(OTHER_TOKEN, json!({})).await;
    for (action, body) in ALL {
        let answer = site.callback(&mine, action, OTHER_TOKEN, &serde_json::from_str(body).unwrap()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{action}");
    }
    // "0" is how the scripts are told that a person acts.
    for token in ["wrong", "0", "w-1:0123"] {
        let answer = site.callback(&mine, "progress", token, &json!(1)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{token}");
    }
    assert_eq!(site.job(&mine).await.0.progress, json!(0));
    for n in 0..3 {
        site.callback(&mine, "heartbeat", "wrong", &json!({})).await;
        if n == 2 {
            let answer = site.callback(&mine, "heartbeat", "wrong", &json!({})).await;
            assert_eq!(answer.status, 429, "{answer:?}");
        }
    }
    let answer = site.callback(&mine, "heartbeat", TOKEN, &json!({})).await;
    assert_eq!(answer.status, 200, "guesses of others never keep a run from its callbacks");
}

#[tokio::test]
async fn an_unknown_queue_is_not_found_and_an_encoded_id_is_decoded_once() {
    let site = Site::start();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let answer = site.send("POST", "/api/v1/queues/nope/jobs/1/heartbeat", &headers, None).await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"));
    let answer = site.send("POST", &callback_path("1", "heartbeat"), &[], None).await;
    assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"));
    let id = site.running_job(TOKEN, json!({"jobId": "a/b%2F ü"})).await;
    assert_eq!(id, "a/b%2F ü");
    let path = callback_path("a%2Fb%252F%20%C3%BC", "heartbeat");
    assert_eq!(site.send("POST", &path, &headers, None).await.status, 200);
}

#[tokio::test]
async fn a_silent_redis_is_a_503_that_may_be_sent_again() {
    let mut site = Site::start();
    let id = site.running_job(TOKEN, json!({})).await;
    site.redis.crash_and_restart();
    // The restarted server is empty: the job is gone, and the answer says so instead of failing.
    let answer = site.callback(&id, "heartbeat", TOKEN, &json!({})).await;
    assert!([410, 503].contains(&answer.status), "{answer:?}");
}
