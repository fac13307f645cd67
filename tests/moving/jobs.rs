//! Every state of Bull's, moved and read back by npm `bullmq`.

use serde_json::{Value, json};

use super::Scene;
use super::support::bullock::{Bullock, cli};
use super::support::node::BullQueue;

/// The options that Bull stored, as they stand in the target: without what Bull alone writes into everybody's.
fn options(mut opts: Value) -> Value {
    let members = opts.as_object_mut().unwrap();
    members.remove("timestamp");
    if members.get("delay").is_some_and(|delay| delay == 0) {
        members.remove("delay");
    }
    opts
}

/// What must be equal on both sides.
async fn seen(queue: &mut BullQueue, id: &str) -> Value {
    let mut seen = json!({"id": id});
    for field in
        ["name", "data", "opts", "attemptsMade", "timestamp", "progress", "failedReason", "stacktrace"]
    {
        seen[field] = queue.job(id, field).await;
    }
    seen["opts"] = options(seen["opts"].take());
    seen["logs"] = queue.call("getJobLogs", json!([id])).await.unwrap();
    seen
}

/// What a queue has when it was in use: answers the ids by what they are.
async fn fill(scene: &Scene) -> (BullQueue, Vec<(&'static str, String)>) {
    let mut bull = scene.bull().await;
    let mut worker = scene.bull().await;
    let mut ids = Vec::new();
    let retried = json!({"attempts": 3, "backoff": {"type": "fixed", "delay": 3_600_000}});
    ids.push(("completed", bull.add("done", json!({"n": 1}), json!({})).await));
    ids.push(("failed", bull.add("fails", json!({"failsOnce": true}), json!({"removeOnFail": 50})).await));
    ids.push(("retried", bull.add("again", json!({"failsOnce": true}), retried).await));
    worker.work(1, 0).await;
    bull.finished(&ids[0].1).await.unwrap();
    bull.finished(&ids[1].1).await.unwrap_err();
    worker.hear("the retried job to start", |line| line["started"] == *ids[2].1).await;
    while bull.call("getDelayedCount", json!([])).await.unwrap() != 1 {}
    worker.close().await;
    ids.push((
        "delayed",
        bull.add("late", json!({"n": 2}), json!({"delay": 7_200_000, "attempts": 2})).await,
    ));
    for n in 0..3 {
        let opts =
            json!({"removeOnComplete": {"age": 60, "count": 10}, "attempts": 4, "custom": {"kept": [n]}});
        ids.push((
            "waiting",
            bull.add("plain", json!({"n": n, "text": "ü/\"\n", "big": 12_345_678_901_u64}), opts).await,
        ));
    }
    ids.push(("waiting", bull.add("own", json!([1, 2]), json!({"jobId": "order-7"})).await));
    for priority in [5, 1] {
        ids.push(("prioritized", bull.add("urgent", json!({}), json!({"priority": priority})).await));
    }
    for (_, id) in &ids {
        bull.job_call(id, "log", json!([format!("line of {id}")])).await.unwrap();
    }
    bull.job_call(&ids[4].1, "progress", json!([{"half": true}])).await.unwrap();
    (bull, ids)
}

async fn every_state_arrives(major: u8) {
    let scene = Scene::start();
    let (mut bull, ids) = fill(&scene).await;
    let mut before = Vec::new();
    for (_, id) in &ids {
        before.push(seen(&mut bull, id).await);
    }
    let due = |id: &str, base: &str| format!("ZSCORE {base}:orders:delayed {id}");
    let due_ms = async |base: &str| {
        let mut all = Vec::new();
        for (_, id) in ids.iter().filter(|(what, _)| ["retried", "delayed"].contains(what)) {
            all.push((scene.redis::<f64>(&due(id, base)).await / 4096.0).floor());
        }
        all
    };
    let due_before = due_ms("bull").await;
    // Nothing is written by a dry run.
    let dump = scene.redis.dump().await;
    let planned = scene.moved(0, &["--dry-run", "--completed"]).await;
    assert_eq!(scene.redis.dump().await, dump);
    let report = scene.moved(0, &["--completed"]).await;
    let counts = json!({"waiting": 4, "prioritized": 2, "delayed": 2, "failed": 1, "completed": 1});
    assert_eq!((&planned["moved"], &report["moved"]), (&counts, &counts), "{planned} {report}");
    assert_eq!(report["movedByAllRuns"], counts);
    let mut mq = scene.mq(major).await;
    let states = json!(["waiting", "prioritized", "delayed", "failed", "completed", "active"]);
    let counted = mq.call("getJobCounts", states.clone()).await;
    assert!(counted.is_ok(), "{counted:?}");
    for ((what, id), before) in ids.iter().zip(&before) {
        assert_eq!(&seen(&mut mq, id).await, before, "{what}");
        let state = if *what == "retried" { "delayed" } else { what };
        assert_eq!(mq.job(id, "getState").await, state, "{what}");
    }
    assert_eq!(due_ms("mq").await, due_before);
    assert_eq!(mq.job(&ids[0].1, "returnvalue").await, json!({"by": "node"}));
    assert!(scene.ids("bull:orders:").await.is_empty());
    let keys: Vec<String> = scene.redis("KEYS bull:orders:*").await;
    assert!(keys.iter().all(|key| ["id", "stalled-check"].iter().any(|end| key.ends_with(end))), "{keys:?}");
    // Its own worker runs them, in their order.
    mq.work(1, 0).await;
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(mq.hear("a job to start", |line| line["started"].is_string()).await["started"].clone());
    }
    let expected: Vec<&str> = [4, 5, 6, 7, 9, 8].map(|at: usize| ids[at].1.as_str()).into();
    assert_eq!(order, expected);
    // Its retries are counted on from where they were.
    mq.job_call(&ids[2].1, "promote", json!([])).await.unwrap();
    assert_eq!(mq.finished(&ids[2].1).await.unwrap(), json!({"by": "node"}));
    assert_eq!(mq.job(&ids[2].1, "attemptsMade").await, 2);
    // New ids are far from those that Bull gives out.
    let new: u64 = mq.add("new", json!({}), json!({})).await.parse().unwrap();
    assert!(new > 400_000_000, "{new}");
}

#[tokio::test]
async fn jobs_of_every_state_are_the_same_for_bullmq_6() {
    every_state_arrives(6).await;
}

#[tokio::test]
async fn jobs_of_every_state_are_the_same_for_bullmq_5() {
    every_state_arrives(5).await;
}

#[tokio::test]
async fn completed_jobs_stay_unless_they_are_asked_for() {
    let scene = Scene::start();
    let (_bull, ids) = fill(&scene).await;
    let report = scene.moved(0, &[]).await;
    assert_eq!((&report["completedLeft"], &report["moved"]["completed"]), (&json!(1), &json!(0)));
    assert_eq!(scene.ids("bull:orders:").await, [ids[0].1.clone()]);
}

#[tokio::test]
async fn a_paused_queue_is_paused_after_the_move_and_nothing_of_it_is_lost_by_resuming() {
    for major in [5, 6] {
        let scene = Scene::start();
        let mut bull = scene.bull().await;
        let first = bull.add("a", json!({}), json!({})).await;
        bull.call("pause", json!([])).await.unwrap();
        let second = bull.add("b", json!({}), json!({})).await;
        let report = scene.moved(0, &[]).await;
        assert_eq!(report["targetPaused"], true);
        let mut mq = scene.mq(major).await;
        assert_eq!(mq.call("isPaused", json!([])).await.unwrap(), true);
        mq.work(1, 0).await;
        let third = mq.add("c", json!({}), json!({})).await;
        // It stays resumed, whatever the source is.
        mq.call("resume", json!([])).await.unwrap();
        assert_eq!(scene.moved(0, &[]).await["targetPaused"], false);
        for id in [first, second, third] {
            assert_eq!(mq.finished(&id).await.unwrap(), json!({"by": "node"}), "{major}");
        }
    }
}

#[tokio::test]
async fn a_debounce_id_goes_with_its_job() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let opts = |ttl: Value| json!({"debounce": ttl});
    let plain = bull.add("a", json!({}), opts(json!({"id": "plain"}))).await;
    let timed = bull.add("a", json!({}), opts(json!({"id": "timed", "ttl": 3_600_000}))).await;
    scene.moved(0, &[]).await;
    let mut mq = scene.mq(6).await;
    for (id, de) in [(&plain, json!({"id": "plain"})), (&timed, json!({"id": "timed", "ttl": 3_600_000}))] {
        assert_eq!(mq.job(id, "opts").await["deduplication"], de);
        assert_eq!(&mq.add("again", json!({}), json!({"deduplication": de})).await, id);
    }
    assert!(scene.redis::<i64>("PTTL mq:orders:de:timed").await > 3_000_000);
    // In the source, too, its time goes on; the one without a time would never end there.
    assert_eq!(bull.add("again", json!({}), opts(json!({"id": "timed", "ttl": 3_600_000}))).await, timed);
    assert_ne!(bull.add("again", json!({}), opts(json!({"id": "plain"}))).await, plain);
    mq.work(1, 0).await;
    mq.finished(&plain).await.unwrap();
    assert_eq!(scene.redis::<u8>("EXISTS mq:orders:de:plain").await, 0);
}

#[tokio::test]
async fn what_is_said_in_another_way_is_counted_and_named() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let opts = json!({"backoff": {"type": "exponential", "delay": 100}, "timeout": 5000, "priority": 3_000_000,
        "removeOnFail": -1, "stackTraceLimit": 0});
    let id = bull.add("a", json!({}), opts).await;
    let report = scene.moved(0, &["--dry-run"]).await;
    let notes = report["translated"].as_array().unwrap();
    for word in ["exponential", "timeout", "2097151", "removeOnComplete or removeOnFail"] {
        assert!(notes.iter().any(|note| note["what"].as_str().unwrap().contains(word)), "{word}: {report}");
    }
    assert!(notes.iter().all(|note| note["example"] == *id && note["jobs"] == 1), "{report}");
    scene.moved(0, &[]).await;
    let opts = scene.mq(6).await.job(&id, "opts").await;
    assert_eq!(
        (&opts["removeOnFail"], &opts["priority"], &opts["stackTraceLimit"]),
        (&json!(false), &json!(2_097_151), &Value::Null)
    );
}

#[tokio::test]
async fn a_worker_of_ours_takes_the_moved_queue_for_bullmqs_without_being_told() {
    let scene = Scene::start();
    let (_bull, ids) = fill(&scene).await;
    scene.moved(0, &["--completed"]).await;
    let config = format!(
        "[redis]\nurl = \"{}\"\n[queues.orders]\nprefix = \"mq\"\n[queues.orders.handlers]\n\"*\" = {{ exec = [\"echo\", '{{\"result\":1}}'] }}\n",
        scene.redis.url()
    );
    let _worker = Bullock::run(&config).await;
    let mut mq = scene.mq(6).await;
    for (what, id) in &ids {
        if ["waiting", "prioritized"].contains(what) {
            assert!(mq.finished(id).await.is_ok(), "{what} {id}");
        }
    }
}

#[tokio::test]
async fn a_queue_whose_name_has_colons_takes_our_own_records_along() {
    let scene = Scene::start();
    let mut bull = BullQueue::open(&scene.redis.url(), "woo:customers").await;
    let id = bull.add("a", json!({}), json!({})).await;
    let timestamp = bull.job(&id, "timestamp").await.to_string();
    scene.redis::<u8>(&format!("HSET bull::x:woo:customers::job:{id} of {timestamp} crashes 2")).await;
    let arguments = ["move", "--from", "bull:woo:customers", "--to", "bull:shop:customers"];
    let answer = cli(&arguments, &[("BULLOCK_REDIS_URL", &scene.redis.url())]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(scene.redis::<u8>(&format!("HGET bull:shop::x:customers::job:{id} crashes")).await, 2);
    assert_eq!(scene.redis::<u8>(&format!("EXISTS bull:shop:customers:{id}")).await, 1);
    assert_eq!(scene.redis::<u8>(&format!("EXISTS bull:woo:customers:{id}")).await, 0);
}
