//! Producers and workers on both sides while it moves.

use std::collections::BTreeSet;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;

use super::Scene;
use super::resumed::{follow, many};
use super::support::wait::DEADLINE;

/// Waits until so many jobs are in the target.
pub(crate) async fn arrive(scene: &Scene, jobs: usize) {
    let limit = Instant::now() + DEADLINE;
    while scene.ids("mq:orders:").await.len() < jobs {
        assert!(Instant::now() < limit, "not all have arrived");
    }
}

#[tokio::test]
async fn what_producers_of_both_sides_add_during_the_move_is_in_one_queue_each() {
    let scene = Scene::start();
    let (mut bull, mut mq) = (scene.bull().await, scene.mq(6).await);
    bull.call("addBulk", json!([many(0, 1000)])).await.unwrap();
    let mut process = follow(&scene);
    let mut expected: BTreeSet<String> = (0..1000).map(|n| format!("j{n}")).collect();
    for round in 1..9 {
        bull.call("addBulk", json!([many(round * 1000, round * 1000 + 300)])).await.unwrap();
        expected.extend((round * 1000..round * 1000 + 300).map(|n| format!("j{n}")));
        // Ids that the queues give out themselves.
        for _ in 0..10 {
            assert!(expected.insert(bull.add("counted", json!({}), json!({})).await));
            assert!(expected.insert(mq.add("counted", json!({}), json!({})).await));
        }
        let added = mq.call("addBulk", json!([many(round * 1000 + 300, round * 1000 + 400)])).await;
        added.unwrap();
        expected.extend((round * 1000 + 300..round * 1000 + 400).map(|n| format!("j{n}")));
    }
    arrive(&scene, expected.len()).await;
    scene.is_whole(&expected).await;
    process.signal(Signal::SIGINT);
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn each_attempt_runs_once_with_workers_of_both_sides() {
    const JOBS: usize = 2000;
    let scene = Scene::start();
    let (mut bull, mut mq) = (scene.bull().await, scene.mq(6).await);
    // Every fifth fails at its first try, every seventh has a priority.
    let plain = |n: usize| {
        let opts = json!({"jobId": format!("j{n}"), "attempts": 2, "priority": if n.is_multiple_of(7) { 3 } else { 0 }});
        json!({"name": "a", "data": {"failsOnce": n.is_multiple_of(5)}, "opts": opts})
    };
    bull.work(5, 1).await;
    mq.work(5, 1).await;
    bull.call("addBulk", json!([(0..JOBS).map(plain).collect::<Vec<_>>()])).await.unwrap();
    let report = scene.moved(0, &[]).await;
    assert!(report["moved"]["waiting"].as_u64().unwrap() > 0, "{report}");
    let limit = Instant::now() + DEADLINE;
    let done = async || {
        let (there, here): (usize, usize) = (
            scene.redis("ZCARD bull:orders:completed").await,
            scene.redis("ZCARD mq:orders:completed").await,
        );
        (there, here)
    };
    loop {
        let (there, here) = done().await;
        if there + here == JOBS {
            break;
        }
        assert!(Instant::now() < limit, "{there} and {here} of {JOBS}");
    }
    let expected: BTreeSet<String> = (0..JOBS).map(|n| format!("j{n}")).collect();
    scene.is_whole(&expected).await;
    // Their programs have said which they began, in the order of their lines.
    bull.call("count", json!([])).await.unwrap();
    mq.call("count", json!([])).await.unwrap();
    let started = bull.heard.iter().chain(&mq.heard).filter_map(|line| line["started"].as_str());
    let started: Vec<&str> = started.collect();
    assert_eq!(started.len(), JOBS + JOBS / 5);
    assert_eq!(started.into_iter().collect::<BTreeSet<_>>().len(), JOBS);
}

#[tokio::test]
async fn jobs_that_run_are_waited_for_and_counted_when_that_takes_too_long() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let id =
        bull.add("again", json!({"failsOnce": true}), json!({"attempts": 2, "backoff": 3_600_000})).await;
    let mut worker = scene.bull().await;
    worker.work(1, 6000).await;
    worker.hear("the start", |line| line["started"] == *id).await;
    let report = scene.moved(7, &["--wait", "10ms"]).await;
    assert_eq!((&report["active"], &report["moved"]["delayed"]), (&json!(1), &json!(0)));
    // It fails, is delayed, and goes then.
    let report = scene.moved(0, &["--wait", "20s"]).await;
    assert_eq!(report["moved"]["delayed"], 1, "{report}");
    let mut mq = scene.mq(6).await;
    assert_eq!(mq.job(&id, "attemptsMade").await, 1);
    let delay = mq.job(&id, "delay").await.as_u64().unwrap();
    assert!((3_500_000..=3_600_000).contains(&delay), "{delay}");
}

#[tokio::test]
async fn a_waiting_job_that_somebody_holds_is_left_alone_and_moved_when_it_is_let_go() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    let id = bull.add("a", json!({}), json!({})).await;
    scene.redis::<String>(&format!("SET bull:orders:{id}:lock somebody")).await;
    let report = scene.moved(7, &["--wait", "10ms"]).await;
    assert_eq!(report["left"], json!({"busy": {"count": 1, "jobs": [{"id": id}]}}));
    scene.redis::<u8>(&format!("DEL bull:orders:{id}:lock")).await;
    assert_eq!(scene.moved(0, &[]).await["moved"]["waiting"], 1);
}
