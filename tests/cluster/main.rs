//! A cluster of six nodes: each queue on the master of its slot, wherever that moves.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::time::Instant;

use bullock::store::StoreError;
use bullock::wire::Dialect;
use bullock::{Queue, Worker};
use serde_json::json;
use support::bullock::{Bullock, cli};
use support::load::Load;
use support::many::Cluster;

/// Queues whose slots are on all three masters (asserted where it matters).
const QUEUES: [&str; 4] = ["{a}", "{b}", "{c}", "mail-{d}"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_under_load_takes_no_confirmed_job_with_it() {
    let mut cluster = Cluster::start().await;
    let mut loads = Vec::new();
    let mut owners = Vec::new();
    for (n, name) in QUEUES.into_iter().enumerate() {
        let dialect = [Dialect::Bull, Dialect::BullMq][n % 2];
        owners.push(cluster.owner(&format!("bull:{name}:wait")).await);
        loads.push(Load::start(&cluster.url(), dialect, name, 1).await);
    }
    for load in &loads {
        load.goes_on(50).await;
    }
    let killed = owners[0];
    let elsewhere = owners.iter().filter(|owner| **owner != killed).count();
    assert!(elsewhere > 0, "the queues are on {owners:?}");
    let fault = Instant::now();
    cluster.nodes[killed].crash();
    // The others go on meanwhile; then all of them.
    for (load, owner) in loads.iter().zip(&owners) {
        if *owner != killed {
            load.goes_on(20).await;
        }
    }
    println!("{elsewhere} queues elsewhere: 20 more adds each after {:?}", fault.elapsed());
    // Its replica takes over. Before that the killed one must not come back: it would be an empty master. Without one of its own no add is confirmed there until the killed one is back.
    support::wait::value("the replica to take over", || async {
        (cluster.owner("bull:{a}:wait").await != killed).then_some(())
    })
    .await;
    println!("promoted after {:?}", fault.elapsed());
    cluster.nodes[killed].restart();
    loads[0].goes_on(50).await;
    println!("the killed master's queue: 50 more adds after {:?}", fault.elapsed());
    for (load, name) in loads.into_iter().zip(QUEUES) {
        let verdict = load.end(&[fault]).await;
        println!("{name}: {verdict:?}");
        assert_eq!(verdict.lost, [""; 0], "{name}: {verdict:?}");
        assert_eq!(verdict.unexplained, [""; 0], "{name}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_under_load_takes_its_queue_along() {
    let cluster = Cluster::start().await;
    let mut loads = Vec::new();
    for (name, dialect) in [("{a}", Dialect::Bull), ("{b}", Dialect::BullMq)] {
        loads.push((name, Load::start(&cluster.url(), dialect, name, 0).await));
    }
    for (name, load) in &loads {
        load.goes_on(200).await;
        for _ in 0..2 {
            let key = format!("bull:{name}:wait");
            let from = cluster.owner(&key).await;
            let mut masters = BTreeSet::new();
            for other in QUEUES.iter().chain(&["{e}", "{f}", "{g}"]) {
                masters.insert(cluster.owner(&format!("bull:{other}:wait")).await);
            }
            let to = masters.into_iter().find(|master| *master != from).expect("another master");
            let began = Instant::now();
            cluster.move_slot(&key, to).await;
            println!("{name} moved from node {from} to node {to} in {:?}", began.elapsed());
            load.goes_on(100).await;
        }
    }
    for (name, load) in loads {
        let verdict = load.end(&[]).await;
        println!("{name}: {verdict:?}");
        assert_eq!(verdict.lost, [""; 0], "{name}: {verdict:?}");
        assert_eq!(verdict.unexplained, [""; 0], "{name}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_and_the_commands_work_queues_on_all_masters() {
    let cluster = Cluster::start().await;
    let url = cluster.url();
    let mut config = format!("[redis]\nurl = \"{url}\"\n");
    for name in QUEUES {
        for line in ["[queues.\"", name, "\".handlers.\"*\"]\nexec = [\"true\"]\n"] {
            config.push_str(line);
        }
    }
    let worker = Bullock::run(&config).await;
    for name in QUEUES {
        let added = cli(&["job", "add", name, "x", "--data", "{}", "--wait", "-r", &url], &[]).await;
        assert_eq!(added.code, 0, "{name}: {}", added.stderr);
    }
    let listed = cli(&["queue", "ls", "--json", "-r", &url], &[]).await;
    for name in QUEUES {
        assert!(listed.stdout.contains(&format!("\"{name}\"")), "{name}: {}", listed.stdout);
    }
    assert_eq!(worker.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_without_a_hash_tag_is_refused_before_anything_is_written() {
    let cluster = Cluster::start().await;
    let url = cluster.url();
    let config = format!("[redis]\nurl = \"{url}\"\n[queues.mail.handlers.\"*\"]\nexec = [\"true\"]\n");
    let mut worker = Bullock::spawn(&config, &[]);
    let ended = worker.wait(support::wait::DEADLINE).await;
    assert_eq!(ended.code, Some(2), "{}", ended.output);
    assert!(ended.output.contains("queue \"mail\" has no hash tag"), "{}", ended.output);
    let added = cli(&["job", "add", "mail", "x", "-r", &url], &[]).await;
    assert_eq!(added.code, 2, "{}", added.stderr);
    assert!(added.stderr.contains("\"{mail}\""), "{}", added.stderr);
    // A Rust program that says its dialect itself hears of it by the first command.
    let queue = Queue::open(&url, "bull", "mail").unwrap();
    let refused = queue.add("x", &json!({}), json!({})).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Invalid(text) if text.contains("hash tag")), "{refused}");
    let worker = Worker::builder(&url, "mail").dialect(Dialect::Bull);
    assert!(worker.start().await.is_err());
    let listed = cli(&["queue", "ls", "--json", "-r", &url], &[]).await;
    assert!(!listed.stdout.contains("mail"), "{}", listed.stdout);
}
