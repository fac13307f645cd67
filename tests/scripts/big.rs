//! Jobs of many bytes: one call carries no more than it can within the response time-out.

use bullock::store::CALL_BYTES_MAX;
use bullock::store::claim::ClaimedJob;
use bullock::wire::NewJob;
use serde_json::json;

use crate::ground::{Ground, NOW, claim};

const FIVE_MIB: usize = 5 * 1024 * 1024;
const TOKENS: [&str; 6] = ["w:1", "w:2", "w:3", "w:4", "w:5", "w:6"];

async fn take(ground: &mut Ground, tokens: &[&str]) -> (Vec<ClaimedJob>, bool) {
    ground.lane.next();
    let claimed = claim(&ground.store, &ground.lane, tokens, None).await.unwrap();
    (claimed.jobs, claimed.drained)
}

#[tokio::test]
async fn a_claim_ends_with_the_job_that_makes_its_reply_too_large_and_the_next_goes_on_in_order() {
    let mut ground = Ground::at(NOW).await;
    let ids: Vec<String> = (1..=6).map(|n| format!("big{n}")).collect();
    for id in &ids {
        ground.add(id, json!({})).await;
        let data = "x".repeat(FIVE_MIB);
        ground.plain(&["HSET", &format!("bull:q:{id}"), "data", &format!("\"{data}\"")]).await;
    }
    let (first, drained) = take(&mut ground, &TOKENS).await;
    let bytes: usize = first.iter().map(|job| job.fields.data.as_ref().unwrap().len()).sum();
    assert!((CALL_BYTES_MAX..CALL_BYTES_MAX + FIVE_MIB + 3).contains(&bytes), "{bytes}");
    assert!(!drained, "some are left");
    let (second, drained) = take(&mut ground, &TOKENS).await;
    assert!(drained);
    let taken: Vec<String> = first.iter().chain(&second).map(|job| job.id.to_string()).collect();
    assert_eq!(taken, ids);
    ground.sound().await;
}

#[tokio::test]
async fn adding_many_large_jobs_takes_as_many_calls_as_they_need() {
    let mut ground = Ground::at(NOW).await;
    ground.add("first", json!({})).await; // the script is known from here on
    ground.plain(&["CONFIG", "RESETSTAT"]).await;
    let data = json!("x".repeat(FIVE_MIB));
    let jobs: Vec<NewJob> = (0..8).map(|_| NewJob::bull("big", &data, serde_json::Map::new())).collect();
    let added = ground.store.enqueue("adder", &jobs).await.unwrap();
    assert_eq!(added.len(), 8);
    let stats: String = ground.run(&["INFO", "commandstats"]).await;
    let calls = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap();
    assert!(calls.contains("calls=2,"), "{calls}");
    let waiting: usize = ground.run(&["LLEN", "bull:q:wait"]).await;
    assert_eq!(waiting, 9);
}
