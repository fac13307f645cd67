//! Workers that are killed in mid-job.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

const KILLS: usize = 10;
/// What is promised at default settings: a lease of 15 s, a sweep every 2 s.
const PROMISED: Duration = Duration::from_secs(17);

fn queue(n: usize) -> String {
    format!("q{n}")
}

fn config(redis: &Redis, backend: &Backend, queues: impl Iterator<Item = usize>) -> String {
    let mut config = format!("[redis]\nurl = \"{}\"\n", redis.url());
    for n in queues {
        let (name, url) = (queue(n), &backend.url);
        write!(config, "[queues.{name}]\n[queues.{name}.handlers.\"*\"]\nhttp = \"{url}/first-hangs\"\n")
            .unwrap();
    }
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_killed_workers_are_run_again_by_a_healthy_one_within_seventeen_seconds() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let mut bull = BullQueue::open(&redis.url(), &queue(0)).await;
    let mut db = redis.connection().await;
    let mut victims = Vec::new();
    for n in 0..KILLS {
        victims.push(Bullock::run(&config(&redis, &backend, n..n + 1)).await);
    }
    let producer = bullock::Queue::open(&redis.url(), "bull", &queue(0)).unwrap();
    let mut ids = vec![bull.add("x", json!({}), json!({})).await];
    for n in 1..KILLS {
        let producer = bullock::Queue::on(bullock::store::Store::new(
            producer.store().connection().clone(),
            bullock::wire::Keys::new("bull", &queue(n)),
            std::sync::Arc::new(bullock::store::Scripts::bull(None)),
        ));
        ids.push(producer.add("x", &json!({}), json!({})).await.unwrap().id.to_string());
    }
    for n in 0..KILLS {
        backend.has_runs(&queue(n), 1, PROMISED).await;
    }
    let peer = Bullock::run(&config(&redis, &backend, 0..KILLS)).await;
    // At different times after the last renewal, which come every 5 s.
    let mut runs = tokio::task::JoinSet::new();
    for (n, victim) in victims.into_iter().enumerate() {
        let backend = backend.clone();
        runs.spawn(async move {
            tokio::time::sleep(Duration::from_millis(500) * n as u32).await;
            let killed = Instant::now();
            victim.crash().await;
            let runs = backend.has_runs(&queue(n), 2, 2 * PROMISED).await;
            runs[1].began - killed
        });
    }
    let mut took = runs.join_all().await;
    took.sort_unstable();
    println!("run again after the kill, sorted: {took:?}");
    assert!(*took.last().unwrap() <= PROMISED, "{took:?}");

    for (n, id) in ids.iter().enumerate() {
        let job = format!("bull:{}:{id}", queue(n));
        let result: String = wait::value("the result", || {
            let (mut db, job) = (db.clone(), job.clone());
            async move { db.hget::<_, _, Option<String>>(&job, "returnvalue").await.unwrap() }
        })
        .await;
        assert_eq!(result, r#"{"run":"second"}"#);
        let made: Option<u32> = db.hget(&job, "attemptsMade").await.unwrap();
        assert_eq!(made, None, "a crash is no attempt");
        let crashes: Option<u32> =
            db.hget(format!("bull::x:{}::job:{id}", queue(n)), "crashes").await.unwrap();
        assert_eq!(crashes, Some(1));
        assert_eq!(backend.runs_of(&queue(n)).len(), 2);
    }
    assert_eq!(bull.job(&ids[0], "getState").await, "completed");
    assert_eq!(peer.stop().await.code, Some(0));
    bull.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_our_killed_worker_is_taken_over_by_a_node_worker() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let options = json!({"settings": {"stalledInterval": 300}});
    let mut bull = BullQueue::open_with(&redis.url(), "q0", &options).await;
    bull.listen().await;
    let short = format!("{}[worker]\nlease = \"1s\"\nrenew = \"300ms\"\n", config(&redis, &backend, 0..1));
    let victim = Bullock::run(&short).await;
    let id = bull.add("x", json!({}), json!({})).await;
    backend.has_runs("q0", 1, PROMISED).await;
    bull.work(1, 0).await;
    victim.crash().await;
    // Our worker's own check holds the guard of Bull's for 30 s, whatever interval Node has.
    let guard = "bull:q0:stalled-check";
    let _: () = redis.connection().await.del(guard).await.unwrap();
    assert_eq!(bull.finished(&id).await, Ok(json!({"by": "node"})));
    bull.hear("stalled", |line| line["event"] == "global:stalled" && line["args"][0] == id.as_str()).await;
    assert_eq!(bull.job(&id, "failedReason").await, Value::Null);
    bull.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_worker_gives_its_job_back_unspent_and_exits_with_zero() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let mut bull = BullQueue::open(&redis.url(), "q0").await;
    let short = format!("{}[worker]\nshutdown_grace = \"100ms\"\n", config(&redis, &backend, 0..1));
    let first = Bullock::run(&short).await;
    let id = bull.add("x", json!({}), json!({})).await;
    backend.has_runs("q0", 1, PROMISED).await;
    let asked = Instant::now();
    let ended = first.stop().await;
    println!("ended {:?} after SIGTERM", asked.elapsed());
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert_eq!(bull.job(&id, "getState").await, "waiting");
    assert_eq!(bull.job(&id, "attemptsMade").await, 0);
    let second = Bullock::run(&short).await;
    assert_eq!(bull.finished(&id).await, Ok(json!({"run": "second"})));
    assert_eq!(second.stop().await.code, Some(0));
    bull.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_hastens_the_end() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let mut bull = BullQueue::open(&redis.url(), "q0").await;
    let long = format!("{}[worker]\nshutdown_grace = \"1h\"\n", config(&redis, &backend, 0..1));
    let worker = Bullock::run(&long).await;
    let id = bull.add("x", json!({}), json!({})).await;
    backend.has_runs("q0", 1, PROMISED).await;
    // Two signals at the same moment are one to the system: the second comes when the first was taken.
    worker.signal(Signal::SIGTERM);
    wait::until("the first signal to be taken", async || worker.logs().contains("stopping:")).await;
    let ended = worker.stop().await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert_eq!(bull.job(&id, "getState").await, "waiting");
    bull.close().await;
}
