//! The producer of Rust programs.

use bullock::Queue;
use bullock::store::StoreError;
use serde_json::json;

use crate::support::redis::Redis;

#[tokio::test]
async fn ids_that_would_harm_the_queue_are_refused_and_nothing_is_written() {
    let redis = Redis::start();
    let queue = Queue::open(&redis.url(), "bull", "mail").unwrap();
    for id in [json!("active"), json!("wait"), json!("12"), json!(12), json!("a:lock"), json!(" ")] {
        let refused = queue.add("x", &json!({}), json!({ "jobId": id })).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{id}: {refused:?}");
    }
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("*").query_async(&mut redis.connection().await).await.unwrap();
    assert_eq!(keys, [""; 0]);
}

#[tokio::test]
async fn a_job_added_twice_with_one_id_is_one_job_and_the_second_answer_says_so() {
    let redis = Redis::start();
    let queue = Queue::open(&redis.url(), "bull", "mail").unwrap();
    let first = queue.add("x", &json!({"n": 1}), json!({"jobId": "order-7"})).await.unwrap();
    let second = queue.add("x", &json!({"n": 2}), json!({"jobId": "order-7"})).await.unwrap();
    assert_eq!((first.existed, second.existed), (false, true));
    assert_eq!(first.id, second.id);
    let (counts, _) = queue.store().counts().await.unwrap();
    assert_eq!(counts.waiting, 1);
}
