//! A queue of the other family than the one that was named (B70): refused with a clear error, nothing written.

use bullock::Worker;

use crate::ground::Ground;
use crate::snapshot;

async fn refused(mut ground: Ground) {
    let before = snapshot::take(&mut ground.con).await;
    let started = Worker::builder(ground.redis.url(), "q")
        .dialect(bullock::wire::Dialect::Bull)
        .handler_spec("*", bullock::worker::HandlerSpec::new(std::sync::Arc::new(ground.recorder.clone())))
        .start()
        .await;
    let error = started.err().expect("the queue is refused").to_string();
    for word in ["\"q\"", "BullMQ", "Bull 4"] {
        assert!(error.contains(word), "{error}");
    }
    let after = snapshot::take(&mut ground.con).await;
    assert_eq!(snapshot::difference(&before, &after), Vec::<String>::new());
}

#[tokio::test]
async fn a_queue_with_bullmqs_event_stream_is_refused() {
    let mut ground = Ground::new().await;
    ground.plain(&["XADD", "bull:q:events", "*", "event", "added"]).await;
    ground.plain(&["HSET", "bull:q:1", "name", "x", "data", "{}", "opts", "{}", "timestamp", "1"]).await;
    ground.plain(&["LPUSH", "bull:q:wait", "1"]).await;
    refused(ground).await;
}

#[tokio::test]
async fn a_queue_with_bullmqs_version_or_options_in_meta_is_refused() {
    for (field, value) in
        [("version", "bullmq:5.81.5"), ("opts.maxLenEvents", "10000"), ("version", "from the future")]
    {
        let mut ground = Ground::new().await;
        ground.plain(&["HSET", "bull:q:meta", field, value]).await;
        refused(ground).await;
    }
}

#[tokio::test]
async fn a_queue_that_bull_paused_is_bulls() {
    let mut ground = Ground::new().await;
    let mut bull = crate::support::node::BullQueue::open(&ground.redis.url(), "q").await;
    bull.call("pause", serde_json::json!([])).await.unwrap();
    ground.good("good").await;
    let worker = ground.worker().await;
    bull.call("resume", serde_json::json!([])).await.unwrap();
    ground.comes_to("good", "completed").await;
    bull.close().await;
    ground.ends_well(worker).await;
}
