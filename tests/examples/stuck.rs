//! A source that answers and never advances is stopped; one that advances, however slowly, goes on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use bullock::wire::Dialect;
use serde_json::{Value, json};

use crate::scene::QUEUE;
use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

/// Pages of the slow one.
const PAGES: u64 = 4;

/// When each job was first asked for each page.
type Asked = Arc<Mutex<HashMap<(String, u64), Instant>>>;

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// From its beginning to its end, of each that never advanced, ms.
    pub stopped_ms: Vec<i64>,
    /// The same of the slow one, which ended well.
    pub slow_ms: i64,
}

/// One item a page. The next page is there after `every`; for jobs called stuck, never.
async fn page(State((asked, every)): State<(Asked, Duration)>, Json(ask): Json<Value>) -> Json<Value> {
    let job = ask["job"]["id"].as_str().unwrap().to_owned();
    let at = ask["cursor"].as_u64().unwrap_or(0);
    let is_stuck = job.starts_with("stuck");
    let since = *asked.lock().unwrap().entry((job, at)).or_insert_with(Instant::now);
    let is_there = at == 0 || (!is_stuck && since.elapsed() >= every);
    if !is_there {
        return Json(json!({"items": [], "next": at}));
    }
    let next = if at + 1 < PAGES { json!(at + 1) } else { Value::Null };
    Json(json!({"items": [{"id": at}], "next": next}))
}

async fn push(Json(batch): Json<Value>) -> Json<Value> {
    let items = batch["items"].as_array().unwrap();
    Json(items.iter().map(|item| json!({"id": item["id"], "status": "ok"})).collect())
}

/// Ten that are stuck beside one that advances every so often, under a `no_progress` of so long.
pub async fn run(dialect: Dialect, no_progress: Duration, every: Duration) -> Seen {
    let redis = Redis::start();
    let router = Router::new()
        .route("/page", post(page))
        .route("/push", post(push))
        .with_state((Asked::default(), every));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let shop = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = format!(
        "[redis]\nurl = \"{}\"\n[queues.{QUEUE}]\ndialect = \"{}\"\nconcurrency = 20\n[queues.{QUEUE}.handlers.sync]\n\
         no_progress = \"{}ms\"\n[queues.{QUEUE}.handlers.sync.sync]\nsource = {{ http = \"{shop}/page\" }}\n\
         sink = {{ http = \"{shop}/push\" }}\n",
        redis.url(),
        dialect.as_str(),
        no_progress.as_millis()
    );
    let worker = Bullock::run(&config).await;
    let mut node = match dialect {
        Dialect::Bull => BullQueue::open(&redis.url(), QUEUE).await,
        Dialect::BullMq => BullQueue::open_mq(6, &redis.url(), QUEUE, &json!({})).await,
    };
    let stuck: Vec<String> = (0..10).map(|n| format!("stuck-{n}")).collect();
    for id in stuck.iter().map(String::as_str).chain(["slow"]) {
        node.add("sync", json!({}), json!({"jobId": id, "attempts": 1})).await;
    }
    let db = redis.connection().await;
    let ended = async |id: &str, set: &str| {
        let (key, mut db) = (format!("bull:{QUEUE}:{set}"), db.clone());
        let limit = (no_progress + every) * u32::try_from(PAGES).unwrap() * 3;
        wait::value_within(limit, &format!("{id} in {set}"), || {
            let mut ask = redis::cmd("ZSCORE");
            ask.arg(&key).arg(id);
            let mut db = db.clone();
            async move { ask.query_async::<Option<f64>>(&mut db).await.unwrap() }
        })
        .await;
        let hash = format!("bull:{QUEUE}:{id}");
        let (from, to): (i64, i64) = redis::cmd("HMGET")
            .arg(hash)
            .arg(&["processedOn", "finishedOn"])
            .query_async(&mut db)
            .await
            .unwrap();
        to - from
    };
    let slow_ms = ended("slow", "completed").await;
    let mut stopped_ms = Vec::new();
    for id in &stuck {
        stopped_ms.push(ended(id, "failed").await);
    }
    node.close().await;
    assert_eq!(worker.stop().await.code, Some(0));
    Seen { stopped_ms, slow_ms }
}

#[tokio::test]
async fn a_source_that_never_advances_is_stopped_and_a_slow_one_is_not() {
    for dialect in [Dialect::Bull, Dialect::BullMq] {
        let (no_progress, every) = (Duration::from_secs(3), Duration::from_millis(1200));
        let seen = run(dialect, no_progress, every).await;
        assert!(seen.stopped_ms.iter().all(|ms| *ms >= 3000), "{dialect:?}: {seen:?}");
        assert!(seen.slow_ms > 3000, "{dialect:?}: {seen:?}");
    }
}
