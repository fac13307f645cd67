//! Delta syncs: the source is told where the last successful run stood; nothing but a successful run moves it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bullock::handler::{Context, Handler, native};
use bullock::store::actor::Actor;
use bullock::sync::{ItemBackoff, SyncOptions, Watermark};
use bullock::{Job, JobError};
use serde_json::{Value, json};

use crate::shop::{BOTH, Ground, QUEUE, all_ok, sink};
use crate::support::wait;

/// A source that notes what it is asked with, and says where it stands.
#[derive(Clone, Default)]
struct Source {
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Source {
    fn handler(&self, page: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Arc<dyn Handler> {
        let (asked, page) = (Arc::clone(&self.asked), Arc::new(page));
        Arc::new(native::handler(move |job: Job<Value>, _: Context| {
            asked.lock().unwrap().push(job.data.get("since").cloned().unwrap_or_else(|| json!("not told")));
            let answer = page(&job.data);
            async move { Ok::<_, JobError>(answer) }
        }))
    }

    fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn delta(source: Arc<dyn Handler>, fails: bool) -> SyncOptions {
    let answer = move |batch: &Value| {
        if fails {
            Ok(batch["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| json!({"id": item["id"], "status": "failed"}))
                .collect())
        } else {
            Ok(all_ok(batch))
        }
    };
    SyncOptions {
        watermark: Some(Watermark { kind: "customers".into(), delta: true, on_partial: false }),
        item_attempts: 1,
        item_backoff: ItemBackoff::Fixed(Duration::from_millis(1)),
        ..SyncOptions::new(Some(source), Some(sink(answer)))
    }
}

async fn mark(ground: &Ground) -> Option<Value> {
    let stored = ground.store().watermark("", "customers").await.unwrap();
    stored.map(|text| serde_json::from_str(&text).unwrap())
}

async fn once(ground: &Ground, id: &str, options: SyncOptions) {
    let worker = ground.work(options).await;
    ground.add(id, &json!({})).await;
    ground.ended(id).await;
    worker.stop();
    worker.join().await;
}

#[tokio::test]
async fn the_source_is_told_where_the_last_successful_run_stood() {
    for dialect in BOTH {
        let (ground, source) = (Ground::start(dialect).await, Source::default());
        let says = |stands: Value| {
            source.handler(move |ask| {
                let first = ask["cursor"].is_null();
                let next = if first { json!(1) } else { Value::Null };
                json!({"items": [{"id": u8::from(first)}], "next": next, "watermark": if first { json!("early") } else { stands.clone() }})
            })
        };
        once(&ground, "a", delta(says(json!({"page": 7})), false)).await;
        assert_eq!(source.asked(), [Value::Null, Value::Null], "{dialect:?}: there was none");
        assert_eq!(mark(&ground).await, Some(json!({"page": 7})), "what it said last");
        once(&ground, "b", delta(says(json!("later")), false)).await;
        assert_eq!(source.asked(), [json!({"page": 7}), json!({"page": 7})]);
        assert_eq!(mark(&ground).await, Some(json!("later")));
    }
}

#[tokio::test]
async fn a_source_that_says_nothing_is_told_when_the_last_run_began() {
    let (ground, source) = (Ground::start(BOTH[0]).await, Source::default());
    let quiet = || source.handler(|_| json!({"items": [{"id": 1}], "next": null}));
    once(&ground, "a", delta(quiet(), false)).await;
    let began = ground.plan("a").await["started_at"].as_i64().unwrap();
    once(&ground, "b", delta(quiet(), false)).await;
    let since = source.asked().pop().unwrap();
    let since = chrono::DateTime::parse_from_rfc3339(since.as_str().unwrap()).unwrap();
    assert_eq!(since.timestamp_millis(), began);
}

#[tokio::test]
async fn neither_failed_items_nor_an_operator_move_it() {
    for dialect in BOTH {
        let (ground, source) = (Ground::start(dialect).await, Source::default());
        let says = |stands: &str| {
            let stands = stands.to_owned();
            source.handler(move |_| json!({"items": [{"id": 1}], "next": null, "watermark": stands}))
        };
        once(&ground, "good", delta(says("one"), false)).await;
        once(&ground, "partial", delta(says("two"), true)).await;
        assert_eq!(mark(&ground).await, Some(json!("one")), "{dialect:?}: partial");
        let mut broken = delta(says("three"), false);
        broken.sink = Some(sink(|_| Err(JobError::permanent("closed"))));
        once(&ground, "broken", broken).await;
        assert_eq!(mark(&ground).await, Some(json!("one")), "failed");

        let mut hangs = delta(says("four"), false);
        let here = Arc::new(tokio::sync::Semaphore::new(0));
        let reached = Arc::clone(&here);
        hangs.sink = Some(Arc::new(native::handler(move |_: Job<Value>, _: Context| {
            reached.add_permits(1);
            std::future::pending::<Result<Value, JobError>>()
        })));
        let worker = ground.work(hangs).await;
        ground.add("forced", &json!({})).await;
        drop(here.acquire().await);
        ground.store().force_done(&Actor::default(), "forced").await.unwrap();
        wait::until("its end", async || ground.state("forced").await == "completed").await;
        worker.stop();
        worker.join().await;
        assert_eq!(mark(&ground).await, Some(json!("one")), "forced");

        let mut lenient = delta(says("five"), true);
        lenient.watermark.as_mut().unwrap().on_partial = true;
        once(&ground, "lenient", lenient).await;
        assert_eq!(mark(&ground).await, Some(json!("five")), "the config may say otherwise");
    }
}

#[tokio::test]
async fn a_run_that_began_before_the_last_one_that_moved_it_does_not_move_it_back() {
    let (mut ground, source) = (Ground::start(BOTH[1]).await, Source::default());
    let says = source.handler(|_| json!({"items": [{"id": 1}], "next": null, "watermark": "old"}));
    let key = format!("bull::x:{QUEUE}::mark::customers");
    let far: i64 = chrono::Utc::now().timestamp_millis() + 3_600_000;
    let fields: [(&str, String); 2] = [("value", "\"new\"".into()), ("started", far.to_string())];
    let _: () = redis::cmd("HSET").arg(key).arg(&fields).query_async(&mut ground.db).await.unwrap();
    once(&ground, "a", delta(says, false)).await;
    assert_eq!(mark(&ground).await, Some(json!("new")));
}

#[tokio::test]
async fn all_attempts_of_a_run_ask_with_the_same() {
    let (mut ground, source) = (Ground::start(BOTH[0]).await, Source::default());
    let key = format!("bull::x:{QUEUE}::mark::customers");
    let set = async |db: &mut redis::aio::MultiplexedConnection, value: &str| {
        let _: () = redis::cmd("HSET").arg(&key).arg("value").arg(value).query_async(db).await.unwrap();
    };
    set(&mut ground.db, "\"first\"").await;
    let pages = source.handler(|ask| match ask["cursor"].as_u64() {
        None => json!({"items": [{"id": 1}], "next": 1}),
        Some(_) => json!({"items": [{"id": 2}], "next": null}),
    });
    let mut options = delta(pages, false);
    // The first attempt commits a batch and fails at the second.
    let tries = Arc::new(Mutex::new(0));
    options.call_attempts = 1;
    options.sink = Some(sink(move |batch| {
        let mut tries = tries.lock().unwrap();
        *tries += 1;
        if *tries == 2 { Err(JobError::retry("not now")) } else { Ok(all_ok(batch)) }
    }));
    let worker = ground.work(options).await;
    ground.add("s", &json!({})).await;
    wait::until("the first failure", async || ground.field("s", "failedReason").await.is_some()).await;
    set(&mut ground.db, "\"moved meanwhile\"").await;
    ground.ended("s").await;
    worker.stop();
    worker.join().await;
    let asked = source.asked();
    assert!(asked.len() >= 3 && asked.iter().all(|since| *since == json!("first")), "{asked:?}");
}
