//! Keys of the queue itself that are of the wrong type (B61, B64, B65): this queue halts, others go on.

use std::sync::Arc;
use std::time::Duration;

use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::wakeup::BLOCK_DEADLINE;
use bullock::store::{Connection, Scripts, Store};
use bullock::wire::Keys;
use bullock::worker::{HandlerSpec, Observer, Options, QueueSpec};
use bullock::{Queue, Worker};
use serde_json::json;

use crate::ground::{Ground, Recorder};
use crate::snapshot;

fn spec(url: &str, name: &str, recorder: &Recorder) -> QueueSpec {
    let connection = |limit| Connection::new(url, None, limit).unwrap();
    let scripts = Arc::new(Scripts::bull(None));
    QueueSpec {
        history: std::time::Duration::ZERO,
        org: None,
        retention: Vec::new(),
        schedules: None,
        store: Store::new(connection(RESPONSE_TIMEOUT), Keys::new("bull", name), scripts),
        blocking: connection(BLOCK_DEADLINE),
        lease_connection: connection(RESPONSE_TIMEOUT),
        redis_url: url.to_owned(),
        concurrency: 1,
        limiter: None,
        metrics_points: 0,
        keep_completed: bullock::job::options::Keep::All,
        keep_failed: bullock::job::options::Keep::All,
        payload_max: 1000,
        handlers: [("*".to_owned(), HandlerSpec::new(Arc::new(recorder.clone())))].into(),
    }
}

/// Writes down what a person would be told.
#[derive(Default)]
struct Told(std::sync::Mutex<Vec<(String, String)>>);

impl Observer for Told {
    fn redis(&self, queue: &str, problem: Option<&str>) {
        self.0.lock().unwrap().push((queue.to_owned(), problem.unwrap_or("over").to_owned()));
    }
}

#[tokio::test]
async fn a_queue_with_a_key_of_the_wrong_type_halts_and_says_so_and_the_others_go_on() {
    for (key, wrong) in [
        ("wait", ["HSET", "bull:q:wait", "a", "b"]),
        ("active", ["SET", "bull:q:active", "x", ""]),
        ("failed", ["LPUSH", "bull:q:failed", "a", "b"]),
        ("delayed", ["SADD", "bull:q:delayed", "a", "b"]),
        ("stalled", ["LPUSH", "bull:q:stalled", "a", "b"]),
        ("priority", ["LPUSH", "bull:q:priority", "a", "b"]),
    ] {
        let mut ground = Ground::new().await;
        let wrong: Vec<&str> = wrong.into_iter().filter(|word| !word.is_empty()).collect();
        if key != "wait" {
            ground.place("held", &[]).await;
        }
        ground.plain(&wrong).await;
        let before = snapshot::take(&mut ground.con).await;
        let told = Arc::new(Told::default());
        let options = Options { lease: Duration::from_secs(2), ..Options::default() };
        let url = ground.redis.url();
        let specs = vec![spec(&url, "q", &ground.recorder), spec(&url, "other", &ground.recorder)];
        let observer: Arc<dyn Observer> = told.clone();
        let worker = Worker::start(&options, specs, &observer).unwrap();
        let other = Queue::open(&url, "bull", "other").unwrap();
        for n in 0..3 {
            let added = other.add("x", &json!(n), json!({})).await.unwrap();
            let con = ground.con.clone();
            crate::support::wait::until("the other queue to work", || {
                let mut con = con.clone();
                let id = added.id.to_string();
                async move {
                    let score: Option<f64> = redis::cmd("ZSCORE")
                        .arg("bull:other:completed")
                        .arg(id)
                        .query_async(&mut con)
                        .await
                        .unwrap();
                    score.is_some()
                }
            })
            .await;
        }
        assert_eq!(worker.not_ready(), ["q"], "{key}");
        let said = told.0.lock().unwrap().clone();
        let name = format!("bull:q:{key}");
        assert!(said.iter().any(|(queue, text)| queue == "q" && text.contains(&name)), "{key}: {said:?}");
        assert!(said.iter().all(|(queue, _)| queue == "q"), "{key}: {said:?}");
        assert!(said.len() <= 4, "once for each duty, no flood: {said:?}");
        let mut after = snapshot::take(&mut ground.con).await;
        let mut before = before;
        for all in [&mut before, &mut after] {
            all.retain(|key, _| key.starts_with("bull:q:") && !key.contains("stalled-check"));
        }
        assert_eq!(snapshot::difference(&before, &after), Vec::<String>::new(), "{key}");
        assert!(ground.recorder.of("held").is_empty());
        worker.stop();
        worker.join().await;
    }
}

#[tokio::test]
async fn a_queue_works_again_when_the_key_is_put_right() {
    let mut ground = Ground::new().await;
    let worker = ground.worker().await;
    ground.plain(&["SET", "bull:q:active", "x"]).await;
    ground.good("good").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(ground.recorder.ids().is_empty());
    ground.plain(&["DEL", "bull:q:active"]).await;
    ground.comes_to("good", "completed").await;
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn a_missing_or_foreign_event_stream_and_odd_meta_fields_do_not_matter() {
    let mut ground = Ground::new().await;
    ground.plain(&["HSET", "bull:q:meta", "paused", "x", "concurrency", "x", "maxLenEvents", "-1"]).await;
    ground.good("good").await;
    let worker = ground.worker().await;
    ground.comes_to("good", "completed").await;
    worker.stop();
    worker.join().await;
    ground.sound().await;
}

#[tokio::test]
async fn ids_that_are_keys_of_the_queue_stand_in_wait_and_harm_nothing() {
    let mut ground = Ground::new().await;
    ground.good("one").await;
    let ids = [
        "wait",
        "active",
        "completed",
        "failed",
        "delayed",
        "id",
        "meta",
        "stalled",
        "stalled-check",
        "one:lock",
    ];
    for id in ids {
        ground.plain(&["LPUSH", "bull:q:wait", id]).await;
    }
    ground.good("two").await;
    let worker = ground.worker().await;
    ground.comes_to("one", "completed").await;
    ground.comes_to("two", "completed").await;
    assert_eq!(ground.recorder.ids(), ["one", "two"]);
    for id in ids {
        assert!(ground.place_of(id).await.is_empty(), "{id}");
    }
    ground.ends_well(worker).await;
}
