//! Our own record of a job is about that job and no other of the same id.

use bullock::job::outcome::Fate;
use serde_json::json;

use crate::ground::{Ground, NOW, claim, failed};

async fn checkpoint_of_the_next(ground: &mut Ground, token: &str) -> Option<String> {
    ground.lane.next();
    let mut jobs = claim(&ground.store, &ground.lane, &[token], None).await.unwrap().jobs;
    let fields = jobs.pop().expect("a job").fields;
    fields.checkpoint.map(|bytes| String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn a_record_says_nothing_of_a_job_that_was_added_under_the_same_id_later() {
    let mut ground = Ground::at(NOW).await;
    ground.running("nightly", "w:1", json!({})).await;
    ground.store.checkpoint("nightly", "w:1", Some("7"), true).await.unwrap();
    ground.fail(&[failed("nightly", "w:1", Fate::RetryNow)]).await.unwrap();
    assert_eq!(
        checkpoint_of_the_next(&mut ground, "w:2").await.as_deref(),
        Some("7"),
        "the same job goes on"
    );

    // Somebody else's tool removes it, and a producer adds the id anew.
    ground.plain(&["DEL", "bull:q:nightly", "bull:q:nightly:lock", "bull:q:active"]).await;
    ground.plain(&["SREM", "bull::x:q::leases", "nightly"]).await;
    ground.add("nightly", json!({})).await;
    ground.plain(&["HSET", "bull:q:nightly", "timestamp", &(NOW + 9).to_string()]).await;
    assert_eq!(checkpoint_of_the_next(&mut ground, "w:3").await, None);
    ground.fail(&[failed("nightly", "w:3", Fate::RetryNow)]).await.unwrap();
    assert_eq!(checkpoint_of_the_next(&mut ground, "w:4").await, None);
    let record: Vec<String> = ground.run(&["HKEYS", "bull::x:q::job:nightly"]).await;
    assert!(!record.contains(&"checkpoint".to_owned()), "{record:?}");
}
