//! A master that sentinels watch: found by its name, followed when another takes its place.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

use std::time::Instant;

use bullock::wire::Dialect;
use support::bullock::{Bullock, cli};
use support::load::Load;
use support::many::{Watched, ask};
use support::process::free_port;
use support::wait;

/// Failovers under load; `BULLOCK_FAILOVERS=50` for the figure of the documentation.
fn failovers() -> usize {
    std::env::var("BULLOCK_FAILOVERS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_that_are_killed_under_load_take_no_confirmed_job_with_them() {
    for dialect in [Dialect::BullMq, Dialect::Bull] {
        let mut watched = Watched::start(1).await;
        let load = Load::start(&watched.url(), dialect, "q", 1).await;
        load.goes_on(100).await;
        let mut faults = Vec::new();
        for _ in 0..failovers() {
            let old = watched.master().await;
            faults.push(Instant::now());
            watched.servers[old].crash();
            let new = watched.other_than(old).await;
            let promoted = faults.last().unwrap().elapsed();
            // It comes back as a replica, without which no add is confirmed.
            watched.comes_back(old, new);
            watched.is_replicated(new, 1).await;
            let replicated = Instant::now();
            load.goes_on(50).await;
            println!(
                "{dialect:?}: promoted after {promoted:?}, 50 adds {:?} after the replica's return",
                replicated.elapsed()
            );
            watched.is_settled(new, 1).await;
        }
        let verdict = load.end(&faults).await;
        println!("{dialect:?}, {} failovers: {verdict:?}", faults.len());
        assert_eq!(verdict.lost, [""; 0], "{verdict:?}");
        assert_eq!(verdict.unexplained, [""; 0], "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hands_over_is_left_at_once() {
    let watched = Watched::start(1).await;
    let load = Load::start(&watched.url(), Dialect::Bull, "q", 1).await;
    load.goes_on(100).await;
    let old = watched.master().await;
    let sentinel: u16 = watched.url().split(':').nth(2).unwrap().split(',').next().unwrap().parse().unwrap();
    let began = Instant::now();
    ask(sentinel, &["SENTINEL", "FAILOVER", Watched::MASTER]).await;
    watched.other_than(old).await;
    println!("handed over in {:?}", began.elapsed());
    // The old master becomes the new one's replica some seconds later; what it takes until then nobody confirms.
    watched.is_replicated(1 - old, 1).await;
    let replicated = Instant::now();
    load.goes_on(50).await;
    println!("50 adds {:?} after it has a replica", replicated.elapsed());
    let verdict = load.end(&[began]).await;
    println!("{verdict:?}");
    assert_eq!(verdict.lost, [""; 0], "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_and_the_commands_take_the_url_of_sentinels() {
    let watched = Watched::start(1).await;
    let url = watched.url();
    let config = format!(
        "[redis]\nurl = \"{url}\"\nwait_replicas = 1\n[queues.q.handlers.\"*\"]\nexec = [\"true\"]\n"
    );
    let worker = Bullock::run(&config).await;
    let added = cli(&["job", "add", "q", "x", "--data", "{}", "--wait", "-r", &url], &[]).await;
    assert_eq!(added.code, 0, "{}", added.stderr);
    let listed = cli(&["queue", "ls", "--json"], &[("BULLOCK_REDIS_URL", url.as_str())]).await;
    assert!(listed.stdout.contains("\"q\""), "{}", listed.stdout);
    let (_, metrics) = worker.get("/metrics").await.unwrap();
    assert!(metrics.contains("bullock_jobs_unconfirmed_total{queue=\"q\"} 0"), "{metrics}");
    let master = watched.master().await;
    watched.servers[1 - master].freeze();
    let added = cli(&["job", "add", "q", "x", "--wait", "-r", &url], &[]).await;
    assert_eq!(added.code, 0, "{}", added.stderr);
    wait::until("the unconfirmed end to be counted", async || {
        let (_, metrics) = worker.get("/metrics").await.unwrap();
        metrics.contains("bullock_jobs_unconfirmed_total{queue=\"q\"} 1")
    })
    .await;
    watched.servers[1 - master].thaw();
    assert_eq!(worker.stop().await.code, Some(0));
}

#[tokio::test]
async fn sentinels_that_are_not_there_or_know_no_such_master_are_named() {
    let watched = Watched::start(0).await;
    let unknown = watched.url().replace("/main", "/other");
    let said = cli(&["queue", "ls", "-r", &unknown], &[]).await;
    assert_eq!(said.code, 6, "{}", said.stderr);
    assert!(said.stderr.contains("no sentinel knows a master named \"other\""), "{}", said.stderr);
    let nobody = format!("redis+sentinel://127.0.0.1:{}/main", free_port());
    let said = cli(&["queue", "ls", "-r", &nobody], &[]).await;
    assert_eq!(said.code, 6, "{}", said.stderr);
    assert!(said.stderr.contains("sentinels answers"), "{}", said.stderr);
}
