//! What a connection does when its server changes under it, and a claim that is answered twice.

use bullock::store::claim::ClaimRequest;
use bullock::store::{Lane, StoreError};
use redis::cmd;

use crate::ground::{Ground, job};
use serde_json::json;

#[tokio::test]
async fn a_server_that_became_a_replica_is_left_for_a_new_connection() {
    let ground = Ground::new().await;
    let connection = ground.store.connection();
    let before: i64 = connection.query(cmd("CLIENT").arg("ID")).await.unwrap();
    let mut direct = ground.con.clone();
    cmd("REPLICAOF").arg("127.0.0.1").arg("1").exec_async(&mut direct).await.unwrap();
    let refused = ground.store.enqueue("t", &[job("a", json!({}))]).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(text)) if text.contains("READONLY")),
        "{refused:?}"
    );
    cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut direct).await.unwrap();
    let after: i64 = connection.query(cmd("CLIENT").arg("ID")).await.unwrap();
    assert_ne!(before, after, "the old connection still leads to the replica");
    assert_eq!(ground.store.enqueue("t", &[job("a", json!({}))]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_claim_that_is_sent_again_holds_its_jobs_for_a_whole_lease_from_then_on() {
    let ground = Ground::new().await;
    ground.store.enqueue("t", &[job("a", json!({}))]).await.unwrap();
    let mut lane = Lane::new("w");
    lane.next();
    let tokens = ["w:00000000000000000000000000000001".to_owned()];
    let request = ClaimRequest {
        lease_ms: 15_000,
        busy: false,
        worker: "",
        limiter: None,
        tokens: &tokens,
        may_take_suspect: true,
    };
    assert_eq!(ground.store.claim(&lane, &request).await.unwrap().jobs.len(), 1);
    let lock = ground.store.keys().of("a:lock");
    let mut direct = ground.con.clone();
    cmd("PEXPIRE").arg(&lock).arg(3_000).exec_async(&mut direct).await.unwrap();
    assert_eq!(ground.store.claim(&lane, &request).await.unwrap().jobs.len(), 1);
    let left: i64 = cmd("PTTL").arg(&lock).query_async(&mut direct).await.unwrap();
    assert!(left > 10_000, "{left} ms left");
}

#[tokio::test]
async fn a_lease_of_no_length_is_refused_before_any_job_leaves_the_queue() {
    let ground = Ground::new().await;
    ground.store.enqueue("t", &[job("a", json!({}))]).await.unwrap();
    let mut lane = Lane::new("w");
    lane.next();
    let tokens = ["w:00000000000000000000000000000001".to_owned()];
    let request = ClaimRequest {
        lease_ms: 0,
        busy: false,
        worker: "",
        limiter: None,
        tokens: &tokens,
        may_take_suspect: true,
    };
    assert!(ground.store.claim(&lane, &request).await.is_err());
    assert_eq!(ground.store.counts().await.unwrap().0.waiting, 1);
}
