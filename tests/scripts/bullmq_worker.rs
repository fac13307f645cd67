//! `BullMQ`'s worker path where the golden vectors do not go: limits that cut a batch, leases that run out, parents.

use bullock::job::outcome::Fate;
use bullock::store::control::Removed;
use bullock::store::finish::{Verdict, WaitForChildren};
use serde_json::json;

use crate::ground::{Ground, LEASE_MS, NOW, P, back, claim, completion, failed};
use crate::snapshot::difference;

/// Puts a job into `wait`, behind all others.
pub async fn waiting(ground: &mut Ground, id: &str) {
    let key = format!("{P}{id}");
    let fields = ["name", "n", "data", "{}", "opts", "{}", "timestamp", "1", "delay", "0", "priority", "0"];
    ground.plain(&[&["HSET", &key][..], &fields].concat()).await;
    ground.plain(&["LPUSH", "bull:q:wait", id]).await;
}

/// Puts a job into `wait` and claims it. Nothing else may be waiting.
pub async fn running(ground: &mut Ground, id: &str, token: &str) {
    waiting(ground, id).await;
    assert_eq!(ground.claim(&[token]).await, [id]);
}

/// The names of the events of a queue since the last time.
async fn events(ground: &mut Ground, queue: &str) -> Vec<String> {
    let key = format!("bull:{queue}:events");
    let entries: Vec<(String, Vec<String>)> = ground.run(&["XRANGE", &key, "-", "+"]).await;
    ground.plain(&["DEL", &key]).await;
    entries
        .into_iter()
        .map(|(_, fields)| format!("{} {}", fields[1], fields.get(3).map_or("", |id| id)))
        .collect()
}

async fn list(ground: &mut Ground, name: &str) -> Vec<String> {
    ground.run(&["LRANGE", &format!("{P}{name}"), "0", "-1"]).await
}

#[tokio::test]
async fn a_rate_limit_cuts_a_batch_and_says_how_long_nothing_may_be_taken() {
    let mut ground = Ground::bullmq_at(NOW).await;
    ground.plain(&["HSET", "bull:q:meta", "max", "2", "duration", "20000"]).await;
    for id in ["a", "b", "c"] {
        waiting(&mut ground, id).await;
    }
    ground.lane.next();
    let claimed = claim(&ground.store, &ground.lane, &["w:1", "w:2", "w:3"], None).await.unwrap();
    assert_eq!(claimed.jobs.len(), 2);
    assert!((15_000..=20_000).contains(&claimed.rest_ms), "{}", claimed.rest_ms);
    assert_eq!(list(&mut ground, "wait").await, ["c"]);
}

#[tokio::test]
async fn a_limit_of_an_hour_is_looked_at_again_after_half_a_minute() {
    let mut ground = Ground::bullmq_at(NOW).await;
    ground.plain(&["HSET", "bull:q:meta", "max", "1", "duration", "3600000"]).await;
    ground.plain(&["SET", "bull:q:limiter", "9007199254740991", "PX", "3600000"]).await;
    waiting(&mut ground, "a").await;
    ground.lane.next();
    let claimed = claim(&ground.store, &ground.lane, &["w:1"], None).await.unwrap();
    assert_eq!((claimed.jobs.len(), claimed.rest_ms), (0, 30_000));
}

#[tokio::test]
async fn a_queue_that_rests_does_so_for_workers_of_other_libraries_too() {
    let mut ground = Ground::bullmq_at(NOW).await;
    running(&mut ground, "a", "w:1").await;
    ground.lane.next();
    let runs = [back("a", "w:1", None)];
    assert_eq!(ground.store.hand_back(&ground.lane, LEASE_MS, 9_000, &runs).await.unwrap(), [Verdict::Done]);
    assert_eq!(ground.run::<String>(&["GET", "bull:q:limiter"]).await, "9007199254740991");
    assert!(ground.run::<i64>(&["PTTL", "bull:q:limiter"]).await > 5_000);
    assert_eq!(ground.claim(&["w:2"]).await, [""; 0]);
    assert_eq!(ground.run::<Option<String>>(&["HGET", "bull:q:a", "atm"]).await, None);
}

#[tokio::test]
async fn a_slot_of_all_workers_that_becomes_free_wakes_one_of_them() {
    for end in ["complete", "fail", "hand back"] {
        let mut ground = Ground::bullmq_at(NOW).await;
        ground.plain(&["HSET", "bull:q:meta", "concurrency", "1"]).await;
        running(&mut ground, "a", "w:1").await;
        waiting(&mut ground, "b").await;
        assert_eq!(ground.claim(&["w:2"]).await, [""; 0]);
        ground.plain(&["DEL", "bull:q:marker"]).await;
        match end {
            "complete" => drop(ground.complete(&[completion("a", "w:1")]).await.unwrap()),
            "fail" => drop(ground.fail(&[failed("a", "w:1", Fate::Delay(5000))]).await.unwrap()),
            _ => drop(ground.hand_back(&[back("a", "w:1", Some(5000))]).await.unwrap()),
        }
        assert_eq!(ground.run::<Option<f64>>(&["ZSCORE", "bull:q:marker", "0"]).await, Some(0.0), "{end}");
    }
}

#[tokio::test]
async fn a_job_whose_lease_ran_out_waits_again_with_the_events_of_a_stall_and_no_attempt_spent() {
    let mut ground = Ground::bullmq_at(NOW).await;
    running(&mut ground, "a", "w:01").await;
    events(&mut ground, "q").await;
    ground.plain(&["DEL", "bull:q:a:lock"]).await;
    let recovered = ground.store.recover().await.unwrap();
    assert_eq!(recovered.jobs, [("a".into(), 1)]);
    assert_eq!(events(&mut ground, "q").await, ["waiting a", "stalled a"]);
    assert_eq!(list(&mut ground, "wait").await, ["a"]);
    assert_eq!(ground.run::<Option<String>>(&["HGET", "bull:q:a", "atm"]).await, None);
}

#[tokio::test]
async fn the_shared_stalled_check_leaves_the_runs_of_our_workers_to_our_own_sweep() {
    let mut ground = Ground::bullmq_at(NOW).await;
    running(&mut ground, "ours", "w:01").await;
    running(&mut ground, "theirs", "t2").await;
    ground.plain(&["SREM", "bull::x:q::leases", "theirs"]).await;
    ground.plain(&["DEL", "bull:q:ours:lock", "bull:q:theirs:lock"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "ours", "theirs"]).await;
    let stalled = ground.store.stalled(30_000, 1).await.unwrap();
    assert_eq!(stalled.recovered, ["theirs".into()]);
}

#[tokio::test]
async fn an_iteration_of_a_living_scheduler_is_never_given_up_for_stalling() {
    let mut ground = Ground::bullmq_at(NOW).await;
    running(&mut ground, "repeat:s:1", "t1").await;
    ground.plain(&["HSET", "bull:q:repeat:s:1", "rjk", "s", "stc", "7"]).await;
    ground.plain(&["HSET", "bull:q:repeat:s", "name", "n", "ic", "1"]).await;
    ground.plain(&["DEL", "bull::x:q::leases", "bull:q:repeat:s:1:lock"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "repeat:s:1"]).await;
    ground.store.stalled(30_000, 1).await.unwrap();
    assert_eq!(ground.run::<Option<String>>(&["HGET", "bull:q:repeat:s:1", "defa"]).await, None);
    assert_eq!(ground.run::<String>(&["HGET", "bull:q:repeat:s:1", "stc"]).await, "8");
}

#[tokio::test]
async fn while_a_5x_library_pauses_the_queue_nothing_goes_into_the_list_that_it_will_overwrite() {
    let mut ground = Ground::bullmq_at(NOW).await;
    for (id, token) in [("a", "w:01"), ("b", "w:02"), ("c", "w:03")] {
        running(&mut ground, id, token).await;
    }
    ground.plain(&["HSET", "bull:q:meta", "paused", "1", "version", "bullmq:5.81.5"]).await;
    ground.hand_back(&[back("a", "w:01", None)]).await.unwrap();
    ground.fail(&[failed("b", "w:02", Fate::RetryNow)]).await.unwrap();
    ground.plain(&["DEL", "bull:q:c:lock"]).await;
    ground.store.recover().await.unwrap();
    assert_eq!(list(&mut ground, "wait").await, [""; 0]);
    assert_eq!(list(&mut ground, "paused").await, ["b", "a", "c"]);
}

#[tokio::test]
async fn a_parent_whose_last_child_completes_in_the_same_batch_completes_after_it() {
    let mut ground = Ground::bullmq_at(NOW).await;
    running(&mut ground, "child", "w:1").await;
    running(&mut ground, "parent", "w:2").await;
    let json = r#"{"id":"parent","queueKey":"bull:q"}"#;
    ground.plain(&["HSET", "bull:q:child", "parentKey", "bull:q:parent", "parent", json]).await;
    ground.plain(&["SADD", "bull:q:parent:dependencies", "bull:q:child"]).await;
    let (child, parent) = (completion("child", "w:1"), completion("parent", "w:2"));
    assert_eq!(ground.complete(&[parent]).await.unwrap(), [Verdict::ChildrenPending]);
    let parent = completion("parent", "w:2");
    assert_eq!(ground.complete(&[child, parent]).await.unwrap(), [Verdict::Done, Verdict::Done]);
}

#[tokio::test]
async fn a_grandparent_hears_of_a_failure_through_the_policies_of_each_generation() {
    let mut ground = Ground::bullmq_at(NOW).await;
    for (child, parent, queue) in [("c", "p", "q"), ("p", "g", "other")] {
        let json = json!({"id": parent, "queueKey": format!("bull:{queue}"), "fpof": true}).to_string();
        let (key, parent_key) = (format!("{P}{child}"), format!("bull:{queue}:{parent}"));
        ground
            .plain(&["HSET", &key, "name", "n", "data", "1", "parentKey", &parent_key, "parent", &json])
            .await;
        ground.plain(&["SADD", &format!("{parent_key}:dependencies"), &key]).await;
        ground.plain(&["ZADD", &format!("bull:{queue}:waiting-children"), "1", parent]).await;
    }
    ground.plain(&["HSET", "bull:other:g", "name", "n", "data", "1"]).await;
    ground.plain(&["LPUSH", "bull:q:wait", "c"]).await;
    assert_eq!(ground.claim(&["w:1"]).await, ["c"]);
    ground.fail(&[failed("c", "w:1", Fate::Bury)]).await.unwrap();
    // The parent is claimed only to fail with the reason that was left for it.
    ground.lane.next();
    let claimed = claim(&ground.store, &ground.lane, &["w:2"], None).await.unwrap();
    let why = claimed.jobs[0].fields.deferred.clone().expect("a reason");
    assert_eq!(String::from_utf8(why).unwrap(), "child bull:q:c failed");
    ground.fail(&[failed("p", "w:2", Fate::Bury)]).await.unwrap();
    assert_eq!(ground.run::<String>(&["HGET", "bull:other:g", "defa"]).await, "child bull:q:p failed");
    assert_eq!(ground.run::<Vec<String>>(&["LRANGE", "bull:other:wait", "0", "-1"]).await, ["g"]);
    assert_eq!(events(&mut ground, "other").await, ["waiting g"]);
}

#[tokio::test]
async fn a_running_parent_may_wait_for_a_child_and_runs_again_when_it_is_done() {
    let mut ground = Ground::bullmq_at(NOW).await;
    running(&mut ground, "parent", "w:1").await;
    let store = ground.store.clone();
    let ask = async |token| store.wait_for_children("parent", token, None).await.unwrap();
    assert_eq!(ask("w:1").await, WaitForChildren::NothingPending);
    running(&mut ground, "child", "w:2").await;
    let json = r#"{"id":"parent","queueKey":"bull:q"}"#;
    ground.plain(&["HSET", "bull:q:child", "parentKey", "bull:q:parent", "parent", json]).await;
    ground.plain(&["SADD", "bull:q:parent:dependencies", "bull:q:child"]).await;
    assert_eq!(ask("w:9").await, WaitForChildren::Refused(Verdict::LeaseLost));
    assert_eq!(ask("w:1").await, WaitForChildren::Moved);
    ground.complete(&[completion("child", "w:2")]).await.unwrap();
    assert_eq!(ground.claim(&["w:3"]).await, ["parent"]);
    assert_eq!(ground.complete(&[completion("parent", "w:3")]).await.unwrap(), [Verdict::Done]);
}

#[tokio::test]
async fn a_claim_or_an_end_sent_again_is_answered_as_the_first_time_and_does_nothing() {
    let mut ground = Ground::bullmq_at(NOW).await;
    for id in ["a", "b", "c"] {
        waiting(&mut ground, id).await;
    }
    ground.lane.next();
    let first = claim(&ground.store, &ground.lane, &["w:1", "w:2"], None).await.unwrap();
    let before = ground.snapshot().await;
    let again = claim(&ground.store, &ground.lane, &["w:1", "w:2"], None).await.unwrap();
    let ids = |claimed: &bullock::store::claim::Claimed| {
        claimed.jobs.iter().map(|job| (job.id.to_string(), job.fence)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&first), ids(&again));
    let runs = [completion("a", "w:1")];
    let mut lane = bullock::store::Lane::new("ends");
    lane.next();
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new());
    assert_eq!(ground.store.complete(&lane, LEASE_MS, 0, &runs).await.unwrap(), [Verdict::Done]);
    let before = ground.snapshot().await;
    assert_eq!(ground.store.complete(&lane, LEASE_MS, 0, &runs).await.unwrap(), [Verdict::Done]);
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new());
}

#[tokio::test]
async fn what_only_bullmq_has_is_refused_on_a_bull_queue_and_nothing_is_sent() {
    let ground = Ground::at(NOW).await;
    let error = ground.store.wait_for_children("a", "w:1", None).await.unwrap_err();
    assert_eq!(error.to_string(), "a Bull 4 queue has no flows: that exists on BullMQ queues only");
}

#[tokio::test]
async fn a_log_keeps_no_more_lines_than_the_producer_asked_for() {
    let mut ground = Ground::bullmq_at(NOW).await;
    running(&mut ground, "a", "w:1").await;
    ground.plain(&["HSET", "bull:q:a", "opts", r#"{"attempts":0,"kl":2}"#]).await;
    let lines = ["1", "2", "3"].map(str::to_owned);
    ground.store.log("a", "w:1", 100, &lines).await.unwrap();
    assert_eq!(list(&mut ground, "a:logs").await, ["2", "3"]);
}

/// Written by somebody else: a job that waits for itself, and two that wait for one another.
#[tokio::test]
async fn jobs_that_are_each_others_parents_run_are_removed_and_stop_nobody() {
    let mut ground = Ground::bullmq_at(NOW).await;
    for (id, parent) in [("self", "self"), ("left", "right"), ("right", "left")] {
        waiting(&mut ground, id).await;
        let said = format!(r#"{{"id":"{parent}","queueKey":"bull:q","fpof":true}}"#);
        let (key, above) = (format!("{P}{id}"), format!("{P}{parent}"));
        ground.plain(&["HSET", &key, "parentKey", &above, "parent", &said]).await;
        ground.plain(&["SADD", &format!("{above}:dependencies"), &key]).await;
    }
    waiting(&mut ground, "good").await;
    let tokens = ["w:1", "w:2", "w:3", "w:4"];
    assert_eq!(ground.claim(&tokens).await, ["self", "left", "right", "good"]);
    // One that waits for itself cannot complete, but it can fail; so can one of two, and the other one with it.
    assert_eq!(ground.complete(&[completion("self", "w:1")]).await.unwrap(), [Verdict::ChildrenPending]);
    for (id, token) in [("self", "w:1"), ("left", "w:2")] {
        assert_eq!(ground.fail(&[failed(id, token, Fate::Bury)]).await.unwrap(), [Verdict::Done]);
    }
    assert_eq!(ground.complete(&[completion("right", "w:3")]).await.unwrap(), [Verdict::ChildFailed]);
    assert_eq!(ground.fail(&[failed("right", "w:3", Fate::Bury)]).await.unwrap(), [Verdict::Done]);
    assert_eq!(ground.complete(&[completion("good", "w:4")]).await.unwrap(), [Verdict::Done]);
    ground.sound().await;
    let gone = ground.store.remove(&["self", "left"], true).await.unwrap();
    assert_eq!(gone, [Removed::Done, Removed::Done]);
    ground.sound().await;
}
