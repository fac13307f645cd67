//! A reply can be lost, so every request can be sent twice: the same answer, no second effect.

use bullock::job::outcome::Fate;
use bullock::store::Lane;
use bullock::store::finish::Verdict;
use bullock::wire::NewJob;
use serde_json::json;

use crate::ground::{Ground, LEASE_MS, NOW, back, claim, completion, failed, job};
use crate::snapshot::difference;

#[tokio::test]
async fn a_claim_sent_again_gets_the_same_jobs_and_takes_no_others() {
    let mut ground = Ground::at(NOW).await;
    for id in ["a", "b", "c"] {
        ground.add(id, json!({})).await;
    }
    let mut lane = Lane::new("claimer");
    lane.next();
    let first = claim(&ground.store, &lane, &["w:01", "w:02"], None).await.unwrap();
    let before = ground.snapshot().await;
    let again = claim(&ground.store, &lane, &["w:01", "w:02"], None).await.unwrap();
    let seen = |claimed: &bullock::store::claim::Claimed| {
        let jobs = claimed.jobs.iter();
        jobs.map(|job| (job.id.to_string(), job.token_index, job.fence, job.fields.data.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&first), seen(&again));
    assert_eq!(first.jobs.len(), 2);
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new());
}

#[tokio::test]
async fn a_claim_sent_again_leaves_out_what_ended_meanwhile() {
    let mut ground = Ground::at(NOW).await;
    ground.add("a", json!({})).await;
    ground.add("b", json!({})).await;
    let mut lane = Lane::new("claimer");
    lane.next();
    claim(&ground.store, &lane, &["w:01", "w:02"], None).await.unwrap();
    assert_eq!(ground.complete(&[completion("a", "w:01")]).await.unwrap(), [Verdict::Done]);
    let again = claim(&ground.store, &lane, &["w:01", "w:02"], None).await.unwrap();
    let ids: Vec<_> = again.jobs.iter().map(|job| (job.id.as_str(), job.token_index)).collect();
    assert_eq!(ids, [("b", 1)]);
}

#[tokio::test]
async fn an_older_claim_that_arrives_late_takes_nothing() {
    let mut ground = Ground::at(NOW).await;
    for id in ["a", "b", "c"] {
        ground.add(id, json!({})).await;
    }
    let (older, mut newer) = (Lane::new("claimer"), Lane::new("claimer"));
    newer.next();
    claim(&ground.store, &newer, &["w:01"], None).await.unwrap();
    let before = ground.snapshot().await;
    let late = claim(&ground.store, &older, &["w:09"], None).await.unwrap();
    assert_eq!(late.jobs.len(), 0);
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new());
}

/// Two running jobs; `end` ends them by the request of `lane`.
async fn ends_once<F>(what: &str, end: F)
where
    F: AsyncFn(&Ground, &Lane, &str) -> Vec<Verdict>,
{
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:0a", json!({})).await;
    ground.running("b", "w:0b", json!({})).await;
    let (older, mut newer) = (Lane::new("ender"), Lane::new("ender"));
    newer.next();
    assert_eq!(end(&ground, &newer, "a").await, [Verdict::Done], "{what}");
    let before = ground.snapshot().await;
    assert_eq!(end(&ground, &newer, "a").await, [Verdict::Done], "{what}: the same answer");
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new(), "{what} twice");
    end(&ground, &older, "b").await;
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new(), "{what}, late");
    newer.next();
    assert_eq!(end(&ground, &newer, "b").await, [Verdict::Done], "{what}: the next request counts");
    ground.sound().await;
}

#[tokio::test]
async fn a_completion_sent_again_completes_once() {
    ends_once("complete", async |ground, lane, id| {
        let token = format!("w:0{id}");
        ground.store.complete(lane, LEASE_MS, 5, &[completion(id, &token)]).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_failure_sent_again_fails_once() {
    for fate in [Fate::Bury, Fate::RetryNow, Fate::Delay(5000)] {
        ends_once("fail", async |ground, lane, id| {
            let token = format!("w:0{id}");
            ground.store.fail(lane, LEASE_MS, 5, &[failed(id, &token, fate)]).await.unwrap()
        })
        .await;
    }
}

#[tokio::test]
async fn a_hand_back_sent_again_hands_back_once() {
    for delay in [None, Some(5000)] {
        ends_once("hand_back", async |ground, lane, id| {
            let token = format!("w:0{id}");
            let mut run = back(id, &token, delay);
            run.max_deferrals = Some(5);
            ground.store.hand_back(lane, LEASE_MS, 0, &[run]).await.unwrap()
        })
        .await;
    }
}

#[tokio::test]
async fn jobs_with_ids_sent_twice_are_added_once() {
    let mut ground = Ground::at(NOW).await;
    let jobs = [
        job("plain", json!({})),
        job("late", json!({"delay": 1000})),
        job("urgent", json!({"priority": 1})),
        job("grouped", json!({"debounce": {"id": "d"}})),
    ];
    ground.store.enqueue("t", &jobs).await.unwrap();
    let before = without_counter(&ground.snapshot().await);
    let again = ground.store.enqueue("t", &jobs).await.unwrap();
    assert!(again.iter().all(|job| job.existed), "{again:?}");
    assert_eq!(difference(&before, &without_counter(&ground.snapshot().await)), Vec::<String>::new());
    ground.sound().await;
}

/// Bull counts every add, also one that adds nothing.
fn without_counter(all: &crate::snapshot::Snapshot) -> crate::snapshot::Snapshot {
    let mut all = all.clone();
    all.remove("bull:q:id");
    all
}

#[tokio::test]
async fn an_occurrence_scheduled_twice_is_added_once() {
    use bullock::job::cron::Zone;
    use bullock::job::repeat;
    let mut ground = Ground::at(NOW).await;
    let opts = json!({"repeat": {"every": 60_000}});
    let next = repeat::first("x", None, &opts, NOW, Zone::Utc).unwrap().unwrap();
    let occurrence = NewJob::occurrence("x", "{}", &next);
    let schedule =
        async |ground: &Ground| ground.store.repeat("t", None, &next.key, next.due_text(), &occurrence).await;
    assert!(!schedule(&ground).await.unwrap().unwrap().existed);
    let before = without_counter(&ground.snapshot().await);
    assert!(schedule(&ground).await.unwrap().unwrap().existed);
    assert_eq!(difference(&before, &without_counter(&ground.snapshot().await)), Vec::<String>::new());
    ground.sound().await;
}
