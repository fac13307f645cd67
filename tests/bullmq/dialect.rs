//! Whose queue it is: told from the keys that the real libraries leave.

use bullock::store::Opened;
use bullock::wire::Dialect;
use bullock::worker::BuildError;
use serde_json::json;

use crate::rig::{MAJORS, QUEUE, Rig, echo, start, stop};
use crate::support::node::BullQueue;
use crate::support::wait;

#[tokio::test]
async fn a_queue_of_bullmq_is_known_with_its_major_version_from_its_first_key_on() {
    for (major, version) in [(5, "bullmq:5.81.5"), (6, "bullmq:6.7.0")] {
        let mut rig = Rig::start(major).await;
        // Node says that it is ready before it has written its version.
        wait::until("the first key", async || rig.store().layout().await.unwrap().exists).await;
        let layout = rig.store().layout().await.unwrap();
        assert_eq!(layout.dialect(), Some(Dialect::BullMq));
        assert_eq!((layout.version.as_deref(), layout.major()), (Some(version), Some(u32::from(major))));
        // All that it may hold says the same.
        rig.mq.add("x", json!({}), json!({})).await;
        rig.mq.add("x", json!({}), json!({"priority": 3, "attempts": 3})).await;
        rig.mq.add("x", json!({}), json!({"delay": 60_000, "attempts": 2})).await;
        rig.mq.call("pause", json!([])).await.unwrap();
        let layout = rig.store().layout().await.unwrap();
        assert_eq!((layout.dialect(), &layout.bull), (Some(Dialect::BullMq), &vec![]), "{layout:?}");
        assert!(layout.describe().starts_with(&format!("BullMQ {major} (events, ")), "{}", layout.describe());
        // Options that a producer of Bull always gives: no reason to refuse a look, but to ask before it is worked.
        rig.mq
            .add("x", json!({}), json!({"delay": 90_000, "timestamp": 1, "attempts": 2, "lifo": true}))
            .await;
        rig.mq.call("resume", json!([])).await.unwrap();
        rig.mq.job_call("3", "promote", json!([])).await.unwrap();
        assert!(matches!(rig.store().look().await, Ok(Opened::Ready(Dialect::BullMq, _))));
        let Ok(Opened::Otherwise(None, doubtful)) = rig.store().open().await else { panic!("it was opened") };
        assert!(doubtful.is_doubtful() && !doubtful.is_mixed(), "{doubtful:?}");
        let worker = start(rig.worker().dialect(Dialect::BullMq).handler_spec("*", echo())).await;
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_queue_of_bull_is_bulls_paused_or_not_with_priorities_or_repeats() {
    let redis = crate::support::redis::Redis::start();
    let mut bull = BullQueue::open(&redis.url(), QUEUE).await;
    let connection =
        bullock::store::Connection::new(&redis.url(), None, bullock::store::connection::RESPONSE_TIMEOUT)
            .unwrap();
    let store = bullock::store::Store::of(connection, bullock::wire::Keys::new("bull", QUEUE), None);
    assert_eq!(store.look().await, Ok(Opened::Undecided));
    let steps = [
        ("add", json!(["x", {}, {}])),
        ("add", json!(["x", {}, {"priority": 2}])),
        ("add", json!(["x", {}, {"repeat": {"every": 60_000}}])),
        ("pause", json!([])),
        ("resume", json!([])),
    ];
    for (method, args) in steps {
        bull.call(method, args).await.unwrap();
        let layout = store.layout().await.unwrap();
        assert_eq!((layout.dialect(), layout.bullmq.len()), (Some(Dialect::Bull), 0), "{layout:?}");
    }
    assert!(matches!(store.look().await, Ok(Opened::Ready(Dialect::Bull, _))));
    bull.close().await;
}

#[tokio::test]
async fn a_queue_that_both_libraries_write_to_is_refused_and_nothing_is_written() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        // One job of Bull's is all there is of it.
        let mut bull = BullQueue::open(&rig.redis.url(), QUEUE).await;
        bull.add("x", json!({}), json!({})).await;
        let mut before: Vec<String> = rig.ask(&["KEYS", "*"]).await;
        let refused = rig.worker().handler_spec("*", echo()).start().await;
        let Err(BuildError::WrongDialect(queue, why)) = refused else { panic!("it started") };
        assert_eq!(queue, QUEUE);
        let why = why.to_string();
        for word in ["both Bull 4 (job 1 (its options))", "BullMQ (meta opts.maxLenEvents", "another prefix"]
        {
            assert!(why.contains(word), "{word} in {why}");
        }
        let named = rig.worker().dialect(Dialect::Bull).handler_spec("*", echo()).start().await;
        assert!(matches!(named, Err(BuildError::WrongDialect(..))));
        let mut after: Vec<String> = rig.ask(&["KEYS", "*"]).await;
        before.sort();
        after.sort();
        assert_eq!(before, after);
        bull.close().await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_worker_named_for_bullmq_refuses_a_queue_of_bull() {
    let redis = crate::support::redis::Redis::start();
    let mut bull = BullQueue::open(&redis.url(), QUEUE).await;
    bull.add("x", json!({}), json!({})).await;
    let named = bullock::Worker::builder(redis.url(), QUEUE).dialect(Dialect::BullMq);
    let Err(error) = named.handler_spec("*", echo()).start().await else { panic!("it started") };
    let error = error.to_string();
    assert!(error.contains("Bull 4") && error.contains("expected BullMQ (dialect = \"bullmq\")"), "{error}");
    bull.close().await;
}

#[tokio::test]
async fn a_worker_that_starts_before_its_producer_works_either_kind_of_queue() {
    for major in [4, 5, 6] {
        let redis = crate::support::redis::Redis::start();
        let worker = start(bullock::Worker::builder(redis.url(), QUEUE).handler_spec("*", echo())).await;
        let mut queue = match major {
            4 => BullQueue::open(&redis.url(), QUEUE).await,
            _ => BullQueue::open_mq(major, &redis.url(), QUEUE, &json!({})).await,
        };
        let id = queue.add("x", json!({"n": 7}), json!({})).await;
        assert_eq!(queue.finished(&id).await, Ok(json!({"n": 7})), "major {major}");
        queue.close().await;
        stop(worker).await;
    }
}
