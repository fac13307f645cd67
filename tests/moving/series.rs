//! Repeatable jobs become job schedulers, and fire once.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::Scene;
use super::resumed::follow;
use super::support::node::BullQueue;
use super::support::wait::DEADLINE;

const HOUR_MS: u64 = 3_600_000;

async fn schedulers(mq: &mut BullQueue) -> Vec<Value> {
    let list = mq.call("getJobSchedulers", json!([])).await.unwrap();
    list.as_array().unwrap().clone()
}

async fn series_go_on(major: u8) {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let cron = json!({"cron": "0 3 * * *", "tz": "Europe/Rome", "limit": 9, "endDate": 4_000_000_000_000u64});
    let opts = json!({"repeat": cron, "attempts": 3, "removeOnComplete": true, "jobId": "nightly"});
    let nightly = bull.add("report", json!({"full": true}), opts).await;
    let hourly = bull.add("sync", json!({"n": 1}), json!({"repeat": {"every": HOUR_MS}})).await;
    let due = scene.redis::<Vec<(String, f64)>>("ZRANGE bull:orders:repeat 0 -1 WITHSCORES").await;
    let report = scene.moved(0, &[]).await;
    assert_eq!((&report["moved"]["delayed"], &report["left"]), (&json!(2), &json!({})));
    let mut mq = scene.mq(major).await;
    let mut found = schedulers(&mut mq).await;
    found.sort_by_key(|one| one["name"].to_string());
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((&found[0]["pattern"], &found[0]["tz"]), (&json!("0 3 * * *"), &json!("Europe/Rome")));
    assert_eq!((&found[0]["limit"], &found[0]["endDate"]), (&json!(9), &json!(4_000_000_000_000u64)));
    assert_eq!(found[0]["template"]["data"], json!({"full": true}));
    assert_eq!(
        found[1]["every"].as_u64().or_else(|| found[1]["every"].as_str()?.parse().ok()),
        Some(HOUR_MS)
    );
    for (id, key) in [(&nightly, 0), (&hourly, 1)] {
        let scheduler = found[key]["key"].as_str().unwrap();
        let next = found[key]["next"].as_f64().unwrap();
        assert_eq!(id, &format!("repeat:{scheduler}:{next}"));
        assert!(due.iter().any(|(_, ms)| (*ms - next).abs() < 0.5), "{due:?} {next}");
        assert_eq!(mq.job(id, "repeatJobKey").await, scheduler);
    }
    // The occurrence runs, and its scheduler plans the next one: one series each.
    mq.work(1, 0).await;
    for (id, ms) in [(&hourly, Some(HOUR_MS)), (&nightly, None)] {
        let before = id.rsplit_once(':').unwrap().1.parse::<u64>().unwrap();
        mq.job_call(id, "promote", json!([])).await.unwrap();
        let started = mq.hear("the occurrence", |line| line["started"] == **id).await;
        assert_eq!(started["started"], **id);
        let delayed = mq.call("getDelayed", json!([])).await.unwrap();
        let prefix = id.rsplit_once(':').unwrap().0;
        let of_it = |job: &&Value| job["id"].as_str().is_some_and(|id| id.starts_with(prefix));
        let next: Vec<&Value> = delayed.as_array().unwrap().iter().filter(of_it).collect();
        assert_eq!(next.len(), 1, "{delayed}");
        let planned: u64 = next[0]["id"].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
        assert!(planned > before && ms.is_none_or(|ms| planned == before + ms), "{before} {planned}");
        assert_eq!(next[0]["opts"]["repeat"]["count"], 2);
        let data = if ms.is_some() { json!({"n": 1}) } else { json!({"full": true}) };
        assert_eq!(next[0]["data"], data);
    }
    assert_eq!(scene.redis::<u8>("EXISTS bull:orders:repeat").await, 0);
}

#[tokio::test]
async fn repeatable_jobs_are_job_schedulers_of_bullmq_6() {
    series_go_on(6).await;
}

#[tokio::test]
async fn repeatable_jobs_are_job_schedulers_of_bullmq_5() {
    series_go_on(5).await;
}

#[tokio::test]
async fn a_producer_that_registers_a_moved_series_again_begins_no_second_one() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let opts = json!({"repeat": {"cron": "0 3 * * *"}});
    let first = bull.add("report", json!({"n": 1}), opts.clone()).await;
    scene.moved(0, &[]).await;
    // As every start of an old program does.
    assert_eq!(bull.add("report", json!({"n": 2}), opts).await, first);
    let report = scene.moved(0, &[]).await;
    assert_eq!((&report["dropped"], &report["moved"]["delayed"]), (&json!(1), &json!(0)));
    let mut mq = scene.mq(6).await;
    assert_eq!(schedulers(&mut mq).await.len(), 1);
    assert_eq!(mq.job(&first, "data").await, json!({"n": 1}));
    assert_eq!(scene.ids("mq:orders:").await, [first]);
    assert!(scene.ids("bull:orders:").await.is_empty());
    assert_eq!(scene.redis::<u8>("EXISTS bull:orders:repeat").await, 0);
}

#[tokio::test]
async fn an_occurrence_that_was_claimed_before_is_moved_and_starts_nothing_again() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let opts = json!({"repeat": {"every": HOUR_MS}, "attempts": 1});
    let first = bull.add("sync", json!({"failsOnce": true}), opts).await;
    let mut worker = scene.bull().await;
    worker.work(1, 0).await;
    bull.job_call(&first, "promote", json!([])).await.unwrap();
    bull.finished(&first).await.unwrap_err();
    worker.close().await;
    let report = scene.moved(0, &[]).await;
    assert_eq!((&report["moved"]["failed"], &report["moved"]["delayed"]), (&json!(1), &json!(1)), "{report}");
    let mut mq = scene.mq(6).await;
    mq.work(1, 0).await;
    mq.job_call(&first, "retry", json!([])).await.unwrap();
    assert_eq!(mq.finished(&first).await.unwrap(), json!({"by": "node"}));
    assert_eq!(mq.call("getDelayedCount", json!([])).await.unwrap(), 1);
    assert_eq!(schedulers(&mut mq).await.len(), 1);
}

#[tokio::test]
async fn a_series_that_has_ended_stays_and_is_said() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let opts = json!({"repeat": {"every": HOUR_MS}});
    let id = bull.add("sync", json!({}), opts).await;
    bull.job_call(&id, "remove", json!([])).await.unwrap();
    let planned = scene.moved(0, &["--dry-run"]).await;
    let report = scene.moved(0, &[]).await;
    assert_eq!(report["left"], json!({"ended": {"count": 1, "jobs": [{"id": "sync:::3600000"}]}}));
    assert_eq!(planned["left"], report["left"]);
}

#[tokio::test]
async fn a_series_that_fires_during_the_move_fires_each_time_once() {
    let scene = Scene::start();
    let (mut bull, mut worker, mut mq) = (scene.bull().await, scene.bull().await, scene.mq(6).await);
    worker.work(1, 0).await;
    mq.work(1, 0).await;
    let often = json!({"repeat": {"every": 100}});
    bull.add("tick", json!({}), often.clone()).await;
    let started = |line: &Value| line["started"].is_string();
    let mut fired = Vec::new();
    for _ in 0..3 {
        fired.push(worker.hear("an occurrence in Bull", started).await["started"].to_string());
    }
    let mut process = follow(&scene);
    for _ in 0..3 {
        fired.push(mq.hear("an occurrence in BullMQ", started).await["started"].to_string());
    }
    worker.call("count", json!([])).await.unwrap();
    fired.extend(worker.heard.iter().filter(|line| started(line)).map(|line| line["started"].to_string()));
    worker.close().await;
    for _ in 0..20 {
        // Old producers start all the time.
        bull.add("tick", json!({}), often.clone()).await;
        fired.push(mq.hear("an occurrence in BullMQ", started).await["started"].to_string());
    }
    process.signal(Signal::SIGTERM);
    process.wait(DEADLINE).await;
    mq.call("count", json!([])).await.unwrap();
    let heard = mq.heard.iter().filter(|line| started(line));
    fired.extend(heard.map(|line| line["started"].to_string()));
    let distinct: BTreeSet<&String> = fired.iter().collect();
    assert_eq!(distinct.len(), fired.len(), "{fired:?}");
    assert_eq!(schedulers(&mut mq).await.len(), 1);
}

#[tokio::test]
async fn turns_that_the_target_has_had_are_dropped_also_when_they_are_registered_many_times() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let opts = json!({"repeat": {"every": 200}});
    bull.add("tick", json!({}), opts.clone()).await;
    scene.moved(0, &[]).await;
    let mut mq = scene.mq(6).await;
    mq.work(1, 0).await;
    let mut ids = BTreeSet::new();
    // Bull's key names the last of them only.
    while ids.len() < 3 {
        ids.insert(bull.add("tick", json!({}), opts.clone()).await);
    }
    mq.hear("the last of these turns", |line| line["started"] == **ids.last().unwrap()).await;
    let report = scene.moved(0, &[]).await;
    assert_eq!((&report["dropped"], &report["left"]), (&json!(3), &json!({})), "{report}");
    assert!(scene.ids("bull:orders:").await.is_empty());
}
