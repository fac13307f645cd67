//! Suspects in the scripts: whom a crash is charged to, and requests that are sent twice.

use bullock::job::outcome::Fate;
use bullock::store::finish::{FailedRun, Verdict};
use bullock::wire::Keys;

use crate::bullmq_worker::{running, waiting};
use crate::ground::{Ground, LEASE_MS, NOW, X, claim, completion, failed};

/// The lock of a job is gone, as after the death of its worker; then the sweep.
async fn crash(ground: &mut Ground, ids: &[&str]) {
    for id in ids {
        ground.plain(&["DEL", &format!("bull:q:{id}:lock")]).await;
    }
    let recovered = ground.store.recover().await.unwrap();
    assert_eq!(recovered.jobs.len(), ids.len());
}

async fn field(ground: &mut Ground, id: &str, name: &str) -> Option<String> {
    ground.run(&["HGET", &format!("{X}job:{id}"), name]).await
}

#[tokio::test]
async fn only_the_suspect_that_ran_is_charged_and_the_others_become_suspects() {
    for mut ground in [Ground::at(NOW).await, Ground::bullmq_at(NOW).await] {
        for id in ["a", "b"] {
            running(&mut ground, id, &format!("w-1:{id}")).await;
        }
        crash(&mut ground, &["a", "b"]).await;
        ground.lane.next();
        let got = claim(&ground.store, &ground.lane, &["w-1:0a", "w-1:0b"], None).await.unwrap();
        assert_eq!(got.jobs.len(), 2, "after one death they run as before");
        assert!(got.jobs.iter().all(|job| job.suspect.is_none()));
        crash(&mut ground, &["a", "b"]).await;
        assert_eq!(field(&mut ground, "a", "own_crashes").await, None);
        waiting(&mut ground, "c").await;
        ground.lane.next();
        let got = claim(&ground.store, &ground.lane, &["w-2:01", "w-2:02", "w-2:03"], None).await.unwrap();
        let told: Vec<_> = got.jobs.iter().map(|job| (job.id.to_string(), job.suspect)).collect();
        assert_eq!(told.len(), 2, "one suspect, and what is none: {told:?}");
        let suspect = told.iter().find(|(_, crashes)| *crashes == Some(0)).unwrap().0.clone();
        assert!(told.contains(&("c".into(), None)), "{told:?}");
        assert!(got.rest_ms > 0, "a suspect waits for its turn");
        // The reply was lost: the same answer again.
        let again = claim(&ground.store, &ground.lane, &["w-2:01", "w-2:02", "w-2:03"], None).await.unwrap();
        let retold: Vec<_> = again.jobs.iter().map(|job| (job.id.to_string(), job.suspect)).collect();
        assert_eq!(told, retold);
        crash(&mut ground, &[&suspect, "c"]).await;
        assert_eq!(field(&mut ground, &suspect, "own_crashes").await.as_deref(), Some("1"));
        assert_eq!(field(&mut ground, "c", "own_crashes").await, None);
        let suspects: usize = ground.run(&["HLEN", &format!("{X}suspects")]).await;
        assert_eq!(suspects, 3);
        ground.sound().await;
    }
}

#[tokio::test]
async fn a_suspect_is_cleared_by_its_end_and_charged_no_more() {
    for mut ground in [Ground::at(NOW).await, Ground::bullmq_at(NOW).await] {
        running(&mut ground, "a", "w-1:01").await;
        crash(&mut ground, &["a"]).await;
        assert_eq!(ground.claim(&["w-2:01"]).await, ["a"]);
        let runs = [completion("a", "w-2:01")];
        assert_eq!(ground.complete(&runs).await.unwrap(), [Verdict::Done]);
        let there: usize = ground.run(&["EXISTS", &format!("{X}suspects")]).await;
        assert_eq!(there, 0);
    }
}

#[tokio::test]
async fn a_charge_is_taken_back_when_the_worker_turns_out_to_live() {
    for mut ground in [Ground::at(NOW).await, Ground::bullmq_at(NOW).await] {
        running(&mut ground, "a", "w-1:01").await;
        for token in ["w-1:02", "w-2:01"] {
            crash(&mut ground, &["a"]).await;
            assert_eq!(field(&mut ground, "a", "own_crashes").await, None);
            assert_eq!(ground.claim(&[token]).await, ["a"]);
        }
        crash(&mut ground, &["a"]).await;
        assert_eq!(field(&mut ground, "a", "own_crashes").await.as_deref(), Some("1"));
        ground.store.recover_beside(&[("a", "w-9:other")]).await.unwrap();
        assert_eq!(field(&mut ground, "a", "own_crashes").await.as_deref(), Some("1"), "not that run");
        for _ in 0..2 {
            ground.store.recover_beside(&[("a", "w-2:01")]).await.unwrap();
        }
        assert_eq!(field(&mut ground, "a", "own_crashes").await.as_deref(), Some("0"));
    }
}

#[tokio::test]
async fn suspects_that_somebody_else_ended_are_forgotten() {
    for mut ground in [Ground::at(NOW).await, Ground::bullmq_at(NOW).await] {
        running(&mut ground, "a", "w-1:01").await;
        crash(&mut ground, &["a"]).await;
        // As a Node worker would.
        for list in ["wait", "active"] {
            ground.plain(&["LREM", &format!("bull:q:{list}"), "0", "a"]).await;
        }
        ground.plain(&["ZADD", "bull:q:completed", "1", "a"]).await;
        ground.store.recover().await.unwrap();
        let there: usize = ground.run(&["EXISTS", &format!("{X}suspects")]).await;
        assert_eq!(there, 0);
    }
}

#[tokio::test]
async fn a_final_failure_sent_twice_makes_one_copy() {
    for mut ground in [Ground::at(NOW).await, Ground::bullmq_at(NOW).await] {
        running(&mut ground, "a", "w-1:01").await;
        let store = ground.store.clone().with_dead_letters(Some(Keys::new("bull", "dead")));
        ground.lane.next();
        let runs = [FailedRun { opts: r#"{"attempts":1,"jobId":"a"}"#, ..failed("a", "w-1:01", Fate::Bury) }];
        for _ in 0..2 {
            let verdicts = store.fail(&ground.lane, LEASE_MS, 0, &runs).await.unwrap();
            assert_eq!(verdicts, [Verdict::Done]);
        }
        let copies: Vec<String> = ground.run(&["LRANGE", "bull:dead:wait", "0", "-1"]).await;
        assert_eq!(copies, ["1"]);
        let opts: String = ground.run(&["HGET", "bull:dead:1", "opts"]).await;
        let expected = format!(
            r#"{{"attempts":1,"deadLetter":{{"queue":"q","id":"a","reason":"error","failedReason":"boom","attempts":1,"buriedAt":{NOW}}},"timestamp":{NOW}}}"#
        );
        assert_eq!(opts, expected);
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_written_leaves_the_run_as_it_is() {
    for mut ground in [Ground::at(NOW).await, Ground::bullmq_at(NOW).await] {
        running(&mut ground, "a", "w-1:01").await;
        ground.plain(&["SET", "bull:dead:wait", "x"]).await;
        let store = ground.store.clone().with_dead_letters(Some(Keys::new("bull", "dead")));
        let before = ground.snapshot().await;
        ground.lane.next();
        let error = store.fail(&ground.lane, LEASE_MS, 0, &[failed("a", "w-1:01", Fate::Bury)]).await;
        assert!(error.unwrap_err().to_string().contains("bull:dead:wait is a string"));
        assert_eq!(ground.snapshot().await, before);
    }
}
