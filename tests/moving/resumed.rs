//! Killed at any point and started again: nothing twice, nothing lost.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::Scene;
use super::support::bullock::BINARY;
use super::support::process::Process;
use super::support::wait::DEADLINE;

const JOBS: usize = 6000;

/// Jobs of all kinds, in one go.
pub(crate) fn many(from: usize, to: usize) -> Value {
    let job = |n: usize| {
        let opts = match n % 4 {
            0 => json!({"jobId": format!("j{n}")}),
            1 => json!({"jobId": format!("j{n}"), "delay": 3_600_000}),
            2 => json!({"jobId": format!("j{n}"), "priority": 1 + n % 7}),
            _ => json!({"jobId": format!("j{n}"), "attempts": 3, "backoff": 1000}),
        };
        json!({"name": "many", "data": {"n": n}, "opts": opts})
    };
    Value::Array((from..to).map(job).collect())
}

/// A move that runs until it is told to end.
pub(crate) fn follow(scene: &Scene) -> Process {
    let mut command = Command::new(BINARY);
    command.args(["move", "--from", "bull:orders", "--to", "mq:orders", "--follow", "--json"]);
    command.env("BULLOCK_REDIS_URL", scene.redis.url()).env("TZ", "UTC");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    Process::spawn(&mut command).unwrap()
}

#[tokio::test]
async fn a_move_that_is_killed_in_the_middle_goes_on_where_it_was() {
    let scene = Scene::start();
    let mut bull = scene.bull().await;
    bull.call("addBulk", json!([many(0, JOBS)])).await.unwrap();
    let expected: BTreeSet<String> = (0..JOBS).map(|n| format!("j{n}")).collect();
    let mut kills = 0;
    for share in [1, 3, 5] {
        let mut process = follow(&scene);
        let limit = Instant::now() + DEADLINE;
        loop {
            let moved = scene.ids("mq:orders:").await.len();
            if moved >= JOBS * share / 8 {
                break;
            }
            assert!(Instant::now() < limit, "{moved} moved");
        }
        process.signal(Signal::SIGKILL);
        process.wait(DEADLINE).await;
        kills += usize::from(scene.ids("mq:orders:").await.len() < JOBS);
        scene.is_whole(&expected).await;
    }
    assert!(kills > 0, "it was never killed in the middle");
    let before = scene.ids("mq:orders:").await.len();
    let report = scene.moved(0, &[]).await;
    scene.is_whole(&expected).await;
    assert!(scene.ids("bull:orders:").await.is_empty());
    let sum = |counts: &Value| counts.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum(&report["moved"]) as usize, JOBS - before);
    assert_eq!(sum(&report["movedByAllRuns"]) as usize, JOBS);
    let again = scene.moved(0, &[]).await;
    assert_eq!(sum(&again["moved"]), 0);
}

#[tokio::test]
async fn a_redis_that_is_gone_for_a_while_does_not_end_a_move_that_follows() {
    let mut scene = Scene::start();
    scene.redis =
        super::support::redis::Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut bull = scene.bull().await;
    bull.call("addBulk", json!([many(0, 40)])).await.unwrap();
    let mut process = follow(&scene);
    let expected: BTreeSet<String> = (0..40).map(|n| format!("j{n}")).collect();
    super::live::arrive(&scene, 40).await;
    scene.redis.crash_and_restart();
    tokio::time::timeout(DEADLINE, async {
        while bull.call("addBulk", json!([many(40, 80)])).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    super::live::arrive(&scene, 80).await;
    let expected = &expected.into_iter().chain((40..80).map(|n| format!("j{n}"))).collect();
    scene.is_whole(expected).await;
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}
