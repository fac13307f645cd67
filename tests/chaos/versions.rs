//! Two versions of Bullock on one queue: a layout of our records that is newer than this program is left alone.
//! `script/chaos --other BINARY` runs another build beside this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bullock::wire::Dialect;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::fleet::LEASE_MS;
use crate::job::Design;
use crate::judge::Added;
use crate::recorder::now_ms;
use crate::run::{Options, QUEUE, Scene};

use crate::support::bullock::Bullock;
use crate::support::redis::Redis;
use crate::support::wait::{self, DEADLINE};

/// What this program writes.
const LAYOUT: u32 = bullock::store::LAYOUT_VERSION;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_a_newer_bullock_keeps_records_in_is_refused_and_not_written_to() {
    for (dialect, name) in [(Dialect::Bull, "bull"), (Dialect::BullMq, "bullmq")] {
        let redis = Redis::start();
        let queue = bullock::Queue::open_as(dialect, &redis.url(), "bull", "q").unwrap();
        queue.add("x", &json!({}), json!({"jobId": "waits"})).await.unwrap();
        let mut db = redis.connection().await;
        let version = "bull::x:q::version";
        let _: () = redis::AsyncCommands::set(&mut db, version, LAYOUT + 1).await.unwrap();
        let before = redis.dump().await;
        let config = format!(
            "[redis]\nurl = \"{}\"\n[queues.q]\ndialect = \"{name}\"\n[queues.q.handlers.\"*\"]\nhttp = \"http://127.0.0.1:9\"\n",
            redis.url()
        );
        let mut worker = Bullock::spawn(&config, &[]);
        let ended = worker.wait(DEADLINE).await;
        let expected = format!(
            "queue \"q\" is refused: a newer bullock keeps its records in it (layout {}); expected layout {LAYOUT}",
            LAYOUT + 1
        );
        // What it printed is read by threads that may be a moment behind its end.
        wait::until("the refusal", async || worker.logs().contains(&expected)).await;
        assert_eq!(ended.code, Some(2), "{}", worker.logs());
        assert_eq!(redis.dump().await, before, "{name}");
    }
}

/// A fleet in the middle of an upgrade that is taken back: a newer Bullock has raised the layout, workers that are started
/// now refuse the queue, those that run go on and take over what the others left. Then the layout is the old one again.
async fn an_upgrade_that_is_taken_back(dialect: Dialect) {
    let options = Options { workers: 3, ..Options::of(11, dialect) };
    let scene = Scene::begin(options.clone()).await;
    let over = Arc::new(AtomicBool::new(false));
    let url = scene.world.networks[options.workers].url();
    let queue = bullock::Queue::open_as(dialect, &url, "bull", QUEUE).unwrap();
    let adding = tokio::spawn(add_until(Arc::clone(&over), queue, options.seed));
    wait::until("every worker to run jobs", async || {
        let runs = scene.recorder.runs();
        (0..3).all(|n| {
            let name = format!("w{n}:");
            runs.iter().any(|run| run.token.as_ref().is_some_and(|token| token.starts_with(&name)))
        })
    })
    .await;
    let mut db = scene.world.own_connection().await;
    let version = format!("bull::x:{QUEUE}::version");
    let _: () = redis::AsyncCommands::set(&mut db, &version, LAYOUT + 1).await.unwrap();
    let refused = &scene.world.workers[0];
    refused.lock().await.signal(Signal::SIGKILL);
    wait::until("a worker that is started again to refuse the queue", async || {
        let mut worker = refused.lock().await;
        worker.look_after();
        worker.ended.iter().any(|how| how.contains("exit status: 2"))
    })
    .await;
    let until_then = scene.recorder.runs().len();
    wait::until("the others to go on", async || scene.recorder.runs().len() > until_then).await;
    let _: () = redis::AsyncCommands::set(&mut db, &version, LAYOUT).await.unwrap();
    // Its ends up to here were to be; `Scene::end` finds those that were not.
    wait::until("it to run again", async || {
        let mut worker = refused.lock().await;
        worker.look_after();
        worker.ended.clear();
        let runs = scene.recorder.runs();
        runs[until_then..].iter().any(|run| run.token.as_ref().is_some_and(|token| token.starts_with("w0:")))
    })
    .await;
    over.store(true, Ordering::SeqCst);
    let verdict = scene.end(adding.await.unwrap()).await;
    assert!(verdict.is_passed(), "{dialect:?}: {}", verdict.summary());
}

/// Adds ten jobs a second.
async fn add_until(over: Arc<AtomicBool>, queue: bullock::Queue, seed: u64) -> Vec<Added> {
    let mut added = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let design = Design::of(seed, added.len() as u64, LEASE_MS);
        let at = now_ms();
        let was_acknowledged = queue.add(design.name, &design.data(), design.opts()).await.is_ok();
        added.push(Added { design, at, was_acknowledged });
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    added
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_mid_upgrade_workers_of_the_old_layout_that_are_started_refuse_and_those_that_run_lose_nothing() {
    tokio::join!(
        an_upgrade_that_is_taken_back(Dialect::Bull),
        an_upgrade_that_is_taken_back(Dialect::BullMq)
    );
}
