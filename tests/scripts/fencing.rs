//! Every write of a run carries its token: without it nothing changes, byte for byte.

use bullock::job::outcome::Fate;
use bullock::store::finish::Verdict;
use serde_json::json;

use crate::ground::{Ground, LEASE_MS, NOW, back, completion, failed};
use crate::snapshot::difference;

const WRITES: [&str; 10] = [
    "progress",
    "log",
    "update_data",
    "checkpoint",
    "renew",
    "complete",
    "fail for good",
    "fail with a delay",
    "fail and retry",
    "hand_back",
];

/// One write of a run; the answer.
async fn write(ground: &mut Ground, what: &str, id: &str, token: &str) -> Verdict {
    let store = ground.store.clone();
    let one = |verdicts: Result<Vec<Verdict>, _>| verdicts.expect(what)[0];
    match what {
        "progress" => store.progress(id, token, "7").await.expect(what),
        "log" => store.log(id, token, 10, &["line".to_owned()]).await.expect(what),
        "update_data" => store.update_data(id, token, "{}").await.expect(what),
        "checkpoint" => store.checkpoint(id, token, Some("1"), true).await.expect(what),
        "renew" => match &*store.renew(LEASE_MS, &[(id, token)]).await.expect(what).lost {
            [] => Verdict::Done,
            lost => {
                assert_eq!(lost, [0]);
                Verdict::LeaseLost
            }
        },
        "complete" => one(ground.complete(&[completion(id, token)]).await),
        "fail for good" => one(ground.fail(&[failed(id, token, Fate::Bury)]).await),
        "fail with a delay" => one(ground.fail(&[failed(id, token, Fate::Delay(1000))]).await),
        "fail and retry" => one(ground.fail(&[failed(id, token, Fate::RetryNow)]).await),
        "hand_back" => {
            let mut deferred = back(id, token, Some(1000));
            deferred.max_deferrals = Some(3);
            one(ground.hand_back(&[deferred]).await)
        }
        other => panic!("{other}"),
    }
}

/// Tries all writes with `token` on job `a`: each is refused and leaves everything as it was.
async fn all_are_refused(ground: &mut Ground, token: &str) {
    let before = ground.snapshot().await;
    for what in WRITES {
        let verdict = write(ground, what, "a", token).await;
        assert_eq!(verdict, Verdict::LeaseLost, "{what}");
        let changes = difference(&before, &ground.snapshot().await);
        assert!(changes.is_empty(), "{what} changed:\n{}", changes.join("\n"));
    }
}

#[tokio::test]
async fn a_stale_token_changes_nothing() {
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:0a", json!({})).await;
    all_are_refused(&mut ground, "w:0b").await;
}

#[tokio::test]
async fn the_token_of_another_job_changes_nothing() {
    let mut ground = Ground::at(NOW).await;
    ground.running("b", "w:0b", json!({})).await;
    ground.running("a", "w:0a", json!({})).await;
    all_are_refused(&mut ground, "w:0b").await;
}

#[tokio::test]
async fn without_a_lock_nothing_changes() {
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["DEL", "bull:q:a:lock"]).await;
    all_are_refused(&mut ground, "w:0a").await;
}

#[tokio::test]
async fn a_lock_of_the_wrong_type_counts_as_none() {
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["DEL", "bull:q:a:lock"]).await;
    ground.plain(&["HSET", "bull:q:a:lock", "w:0a", "w:0a"]).await;
    all_are_refused(&mut ground, "w:0a").await;
}

#[tokio::test]
async fn a_run_whose_job_was_completed_by_another_changes_nothing() {
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["DEL", "bull:q:a:lock"]).await;
    assert_eq!(ground.store.recover().await.unwrap().jobs, [("a".into(), 1)]);
    assert_eq!(ground.claim(&["w:0b"]).await, ["a"]);
    assert_eq!(ground.complete(&[completion("a", "w:0b")]).await.unwrap(), [Verdict::Done]);
    all_are_refused(&mut ground, "w:0a").await;
}

#[tokio::test]
async fn a_job_that_is_gone_is_not_made_anew() {
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["FLUSHALL"]).await;
    for what in WRITES {
        let verdict = write(&mut ground, what, "a", "w:0a").await;
        assert!(matches!(verdict, Verdict::JobGone | Verdict::LeaseLost), "{what}: {verdict:?}");
        assert_eq!(ground.snapshot().await.len(), 0, "{what}");
    }
}

#[tokio::test]
async fn a_held_token_writes() {
    for what in WRITES {
        let mut ground = Ground::at(NOW).await;
        ground.running("a", "w:0a", json!({})).await;
        let before = ground.snapshot().await;
        assert_eq!(write(&mut ground, what, "a", "w:0a").await, Verdict::Done, "{what}");
        let changed = !difference(&before, &ground.snapshot().await).is_empty();
        assert!(changed || what == "renew", "{what}");
        ground.sound().await;
    }
}

#[tokio::test]
async fn in_a_batch_each_run_is_judged_by_itself() {
    for what in ["complete", "fail", "hand_back"] {
        let mut ground = Ground::at(NOW).await;
        for id in ["a", "b", "c"] {
            ground.running(id, &format!("w:0{id}"), json!({})).await;
        }
        ground.plain(&["DEL", "bull:q:c"]).await;
        let verdicts = match what {
            "complete" => {
                let runs = [completion("a", "w:0a"), completion("b", "w:0a"), completion("c", "w:0c")];
                ground.complete(&runs).await.unwrap()
            }
            "fail" => {
                let run = |id, token| failed(id, token, Fate::Bury);
                ground.fail(&[run("a", "w:0a"), run("b", "w:0a"), run("c", "w:0c")]).await.unwrap()
            }
            _ => {
                let run = |id, token| back(id, token, None);
                ground.hand_back(&[run("a", "w:0a"), run("b", "w:0a"), run("c", "w:0c")]).await.unwrap()
            }
        };
        assert_eq!(verdicts, [Verdict::Done, Verdict::LeaseLost, Verdict::JobGone], "{what}");
        assert_eq!(ground.state_of("b").await, ["active"], "{what}");
        assert_eq!(ground.run::<String>(&["GET", "bull:q:b:lock"]).await, "w:0b");
    }
}

#[tokio::test]
async fn renewal_sets_the_time_to_live_of_the_lock_that_is_there() {
    let mut ground = Ground::at(NOW).await;
    ground.running("a", "w:0a", json!({})).await;
    ground.plain(&["SADD", "bull:q:stalled", "a"]).await;
    assert_eq!(ground.store.renew(1_000_000, &[("a", "w:0a")]).await.unwrap().lost, Vec::<usize>::new());
    let left: i64 = ground.run(&["PTTL", "bull:q:a:lock"]).await;
    assert!(left > 900_000, "{left}");
    assert_eq!(ground.run::<i64>(&["EXISTS", "bull:q:stalled"]).await, 0);
}
