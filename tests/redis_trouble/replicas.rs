//! Writes that must be on replicas before they count.

use std::time::Duration;

use bullock::store::StoreError;
use serde_json::json;

use crate::rig::{BOTH, Rig, stop};
use crate::support::redis::Redis;
use crate::support::wait;

async fn with_replica(rig: &Rig) -> Redis {
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &rig.redis.port().to_string()]);
    let db = rig.db().await;
    wait::until("the replica", async || {
        let info: String = db.ask(redis::cmd("INFO").arg("replication")).await;
        info.contains("state=online")
    })
    .await;
    replica
}

#[tokio::test]
async fn an_add_that_no_replica_confirms_is_no_success_and_can_be_asked_for_again() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let replica = with_replica(&rig).await;
        let queue = rig.queue.clone().wait_replicas(1);
        queue.add("x", &json!({}), json!({})).await.unwrap();
        replica.freeze();
        let refused = queue.add("x", &json!({}), json!({})).await.unwrap_err();
        let StoreError::Unconfirmed { id, replicas: 0, wanted: 1 } = refused.clone() else {
            panic!("{refused}")
        };
        assert!(refused.to_string().contains("a failover may lose it"), "{refused}");
        replica.thaw();
        let again = queue.add("x", &json!({}), json!({ "jobId": id.as_str() })).await.unwrap();
        assert_eq!((again.id, again.existed), (id, true));
        // The server forgets its scripts: the call and its WAIT are sent again together.
        rig.db().await.say("SCRIPT FLUSH").await;
        queue.add("x", &json!({}), json!({})).await.unwrap();
    }
}

#[tokio::test]
async fn an_end_that_no_replica_confirms_is_told_and_the_job_does_not_run_again() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let replica = with_replica(&rig).await;
        let worker = rig.plan().lease(Duration::from_secs(3), Duration::from_millis(500)).wait_replicas(1);
        let worker = worker.start().await.unwrap();
        let first = rig.add(0).await;
        rig.each_once(&[first]).await;
        assert_eq!(rig.record.unconfirmed(), 0);
        replica.freeze();
        let id = rig.add(0).await;
        wait::until("it to be told", async || rig.record.unconfirmed() == 1).await;
        replica.thaw();
        rig.each_once(&[id]).await;
        stop(worker).await;
    }
}
