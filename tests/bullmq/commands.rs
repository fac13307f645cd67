//! The command line on `BullMQ` queues.

use serde_json::{Value, json};

use crate::rig::{MAJORS, Rig, echo, start, stop};
use crate::support::bullock::cli;

async fn run(rig: &Rig, words: &[&str]) -> (i32, String, String) {
    let answer = cli(words, &[("BULLOCK_REDIS_URL", &rig.redis.url())]).await;
    (answer.code, answer.stdout, answer.stderr)
}

async fn json_of(rig: &Rig, words: &[&str]) -> Value {
    let (code, stdout, stderr) = run(rig, &[words, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{words:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {stdout}"))
}

#[tokio::test]
async fn queues_are_listed_with_the_states_that_bullmq_has() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        for opts in [json!({}), json!({"priority": 2}), json!({"delay": 60_000})] {
            rig.mq.add("x", json!({}), opts).await;
        }
        rig.mq
            .flow(json!({"name": "p", "queueName": "q", "children": [{"name": "c", "queueName": "leaf"}]}))
            .await;
        let listed = json_of(&rig, &["queue", "ls"]).await;
        assert_eq!(listed[1]["queue"], "q");
        assert_eq!(listed[1]["dialect"], "bullmq");
        assert_eq!(
            listed[1]["counts"],
            json!({"waiting": 1, "prioritized": 1, "paused": 0, "active": 0, "delayed": 1, "waiting-children": 1,
                "completed": 0, "failed": 0})
        );
        let jobs = json_of(&rig, &["job", "ls", "q"]).await;
        let states: Vec<&str> =
            jobs.as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["waiting", "prioritized", "delayed", "waiting-children"]);
        let parents = json_of(&rig, &["job", "ls", "q", "--state", "waiting-children"]).await;
        assert_eq!((parents[0]["name"].as_str(), parents[0]["status"].as_str()), (Some("p"), Some("queued")));
        let (code, page, stderr) = run(&rig, &["queue", "show", "q", "-o", "table"]).await;
        assert_eq!(code, 0, "{stderr}");
        assert!(page.contains("waiting for children") && page.contains("bullmq"), "{page}");
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn pause_and_resume_hold_for_node_and_lose_nothing() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        rig.mq.add("x", json!({"n": 1}), json!({})).await;
        assert_eq!(json_of(&rig, &["queue", "pause", "q"]).await["changed"], true);
        assert_eq!(rig.mq.call("isPaused", json!([])).await, Ok(json!(true)));
        rig.mq.add("x", json!({"n": 2}), json!({})).await;
        assert_eq!(json_of(&rig, &["queue", "pause", "q"]).await["changed"], false);
        assert_eq!(json_of(&rig, &["queue", "resume", "q"]).await["changed"], true);
        assert_eq!(rig.mq.call("isPaused", json!([])).await, Ok(json!(false)));
        assert_eq!(rig.mq.call("getWaitingCount", json!([])).await, Ok(json!(2)));
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_job_that_we_add_is_run_by_node_and_its_result_is_printed() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        rig.mq.work(1, 0).await;
        let added = ["job", "add", "q", "welcome", "-d", "{\"to\": \"ada\"}", "--wait", "--timeout", "20s"];
        let (code, stdout, stderr) = run(&rig, &added).await;
        assert_eq!((code, stdout.trim()), (0, r#"{"by":"node"}"#), "{stderr}");
        let (code, _, stderr) =
            run(&rig, &["job", "add", "q", "x", "--opts", "{\"repeat\": {\"every\": 5}}"]).await;
        assert!(code == 2 && stderr.contains("BullMQ has job schedulers for that"), "{stderr}");
        let opts = "{\"deduplication\": {\"id\": \"d\"}, \"timeout\": 5}";
        let (code, id, stderr) = run(&rig, &["job", "add", "q", "x", "--delay", "1h", "--opts", opts]).await;
        assert!(code == 0 && stderr.contains("\"timeout\" is none of BullMQ's"), "{stderr}");
        let job = rig.mq.job(id.trim(), "toJSON").await;
        assert_eq!((&job["deduplicationId"], &job["delay"]), (&json!("d"), &json!(3_600_000)), "{job}");
        let shown = json_of(&rig, &["job", "show", "q", id.trim()]).await;
        assert_eq!(
            (&shown["state"], &shown["opts"]["deduplication"]["id"]),
            (&json!("delayed"), &json!("d"))
        );
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn jobs_are_watched_logged_retried_promoted_and_removed() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().handler_spec(
            "*",
            crate::rig::does(|job, ctx| async move {
                ctx.log("a line").await.map_err(|error| error.to_string())?;
                if job.data == json!("bad") { Err("no such shop".into()) } else { Ok(json!(7)) }
            }),
        ))
        .await;
        let bad = rig.mq.add("x", json!("bad"), json!({})).await;
        let (code, _, stderr) = run(&rig, &["job", "watch", "q", &bad, "--timeout", "20s"]).await;
        assert!(code == 1 && stderr.contains("no such shop"), "{stderr}");
        let (_, log, _) = run(&rig, &["job", "logs", "q", &bad]).await;
        assert_eq!(log, "a line\n");
        let shown = json_of(&rig, &["job", "show", "q", &bad]).await;
        assert_eq!((&shown["state"], &shown["attemptsMade"]), (&json!("failed"), &json!(1)), "{shown}");
        let (code, _, stderr) = run(&rig, &["job", "retry", "q", &bad]).await;
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(rig.mq.finished(&bad).await, Err("no such shop".into()));
        let late = rig.mq.add("x", json!("good"), json!({"delay": 3_600_000})).await;
        let (code, _, stderr) = run(&rig, &["job", "promote", "q", &late]).await;
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(rig.mq.finished(&late).await, Ok(json!(7)));
        let (code, _, stderr) = run(&rig, &["job", "rm", "q", &late, &bad]).await;
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(rig.mq.call("getJobCountByTypes", json!(["completed", "failed"])).await, Ok(json!(0)));
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_drain_is_measured_on_a_queue_of_bullmq() {
    let mut rig = Rig::start(6).await;
    let jobs = vec![json!({"name": "x", "data": {}}); 100];
    rig.mq.call("addBulk", json!([jobs])).await.unwrap();
    let words = ["bench", "drain", "--queue", "q", "--dialect", "bullmq", "-n", "100", "-c", "10"];
    let (code, line, stderr) = run(&rig, &words).await;
    assert_eq!(code, 0, "{stderr}");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["n"], &line["dialect"]), (&json!(100), &json!("bullmq")));
    let _ = echo;
    rig.mq.close().await;
}

#[tokio::test]
async fn a_queue_is_shown_with_its_job_schedulers_and_their_rules() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        for (id, repeat) in [
            ("nightly", json!({"pattern": "0 3 * * *", "tz": "Europe/Rome"})),
            ("tick", json!({"every": 60_000, "limit": 5})),
        ] {
            let args = json!([id, repeat, {"name": "beat", "data": {"secret": 1}}]);
            rig.mq.call("upsertJobScheduler", args).await.unwrap();
        }
        let mut shown = json_of(&rig, &["queue", "show", "q"]).await["repeatables"].take();
        let shown = shown.as_array_mut().unwrap();
        shown.sort_by_key(|one| one["key"].as_str().unwrap().to_owned());
        assert_eq!(
            (&shown[0]["key"], &shown[0]["pattern"], &shown[0]["tz"], &shown[0]["name"]),
            (&json!("nightly"), &json!("0 3 * * *"), &json!("Europe/Rome"), &json!("beat"))
        );
        assert_eq!(
            (&shown[1]["every"], &shown[1]["limit"], &shown[1]["iterationCount"]),
            (&json!(60_000), &json!(5), &json!(1))
        );
        let next = rig.mq.call("getJobScheduler", json!(["nightly"])).await.unwrap()["next"].clone();
        assert_eq!(shown[0]["next"], next);
        let (code, page, stderr) = run(&rig, &["queue", "show", "q", "-o", "table"]).await;
        assert_eq!(code, 0, "{stderr}");
        assert!(page.contains("job schedulers") && page.contains("nightly  0 3 * * * Europe/Rome"), "{page}");
        assert!(page.contains("tick  every 60000 ms, at most 5 times") && !page.contains("secret"), "{page}");
        rig.mq.close().await;
    }
}
