//! Numbers in Redis that are none, or are too large: no script stops half-way on them.

use bullock::job::options::Keep;
use bullock::job::outcome::Fate;
use bullock::store::claim::Limiter;
use bullock::store::finish::Verdict;
use serde_json::json;

use crate::ground::{Ground, LEASE_MS, NOW, back, claim, completion, failed};

const NO_NUMBERS: [&str; 8] = ["abc", "", "nan", "inf", "-inf", "1e400", "-7.5", "9007199254740993000"];

#[tokio::test]
async fn a_priority_that_is_no_number_loses_no_job() {
    for value in NO_NUMBERS {
        let mut ground = Ground::at(NOW).await;
        ground.add("a", json!({"delay": 1000})).await;
        ground.plain(&["HSET", "bull:q:a", "priority", value]).await;
        assert_eq!(ground.at_time(NOW + 2000).promote("t").await.unwrap().moved, 1, "{value}");
        assert_eq!(ground.claim(&["w:01"]).await, ["a"]);
        let retry = failed("a", "w:01", Fate::RetryNow);
        assert_eq!(ground.fail(&[retry]).await.unwrap(), [Verdict::Done], "{value}");
        assert_eq!(ground.claim(&["w:02"]).await, ["a"]);
        assert_eq!(ground.hand_back(&[back("a", "w:02", None)]).await.unwrap(), [Verdict::Done], "{value}");
        ground.plain(&["LREM", "bull:q:wait", "0", "a"]).await;
        ground.plain(&["ZADD", "bull:q:delayed", "1", "a"]).await;
        assert!(ground.store.promote_job("t", "a").await.unwrap(), "{value}");
        ground.sound().await;
    }
}

#[tokio::test]
async fn counters_of_stalls_crashes_and_deferrals_that_are_no_numbers_start_anew() {
    for value in NO_NUMBERS {
        let mut ground = Ground::at(NOW).await;
        ground.running("a", "w:01", json!({})).await;
        for field in ["crashes", "deferrals"] {
            ground.plain(&["HSET", "bull::x:q::job:a", field, value]).await;
        }
        ground.plain(&["DEL", "bull:q:a:lock"]).await;
        assert_eq!(ground.store.recover().await.unwrap().jobs.len(), 1, "{value}");
        assert_eq!(ground.claim(&["w:02"]).await, ["a"]);
        let mut deferred = back("a", "w:02", Some(1000));
        deferred.max_deferrals = Some(u32::MAX);
        let verdict = ground.hand_back(&[deferred]).await.unwrap();
        assert!(matches!(verdict[..], [Verdict::Done | Verdict::DeferredTooOften]), "{value}: {verdict:?}");
        ground.sound().await;

        ground.running("b", "w:03", json!({})).await;
        ground.plain(&["HSET", "bull:q:b", "stalledCounter", value]).await;
        ground.plain(&["DEL", "bull:q:b:lock"]).await;
        ground.plain(&["DEL", "bull::x:q::leases"]).await;
        ground.plain(&["SADD", "bull:q:stalled", "b"]).await;
        let stalled = ground.store.stalled(1000, 1).await.unwrap();
        assert_eq!(stalled.failed.len() + stalled.recovered.len(), 1, "{value}");
        ground.sound().await;
    }
}

#[tokio::test]
async fn metrics_that_are_no_numbers_do_not_keep_jobs_from_ending() {
    for value in NO_NUMBERS {
        for field in ["count", "prevTS", "prevCount"] {
            let mut ground = Ground::at(NOW).await;
            ground.running("a", "w:0a", json!({})).await;
            ground.running("b", "w:0b", json!({})).await;
            for kind in ["completed", "failed"] {
                let key = format!("bull:q:metrics:{kind}");
                ground
                    .plain(&["HSET", &key, "count", "3", "prevTS", "1600000000000", "prevCount", "1"])
                    .await;
                ground.plain(&["HSET", &key, field, value]).await;
            }
            ground.lane.next();
            let done = ground.store.complete(&ground.lane, LEASE_MS, 5, &[completion("a", "w:0a")]).await;
            assert_eq!(done, Ok(vec![Verdict::Done]), "{field} {value}");
            ground.lane.next();
            let run = failed("b", "w:0b", Fate::Bury);
            let done = ground.store.fail(&ground.lane, LEASE_MS, 5, &[run]).await;
            assert_eq!(done, Ok(vec![Verdict::Done]), "{field} {value}");
            ground.sound().await;
        }
    }
}

#[tokio::test]
async fn a_rate_counter_that_is_no_number_loses_no_job() {
    for value in NO_NUMBERS {
        let mut ground = Ground::at(NOW).await;
        ground.add("a", json!({})).await;
        ground.add("b", json!({})).await;
        ground.plain(&["SET", "bull:q:limiter", value, "PX", "5000"]).await;
        let limiter = Limiter { max: 1, duration_ms: 1000, grouped: false };
        ground.lane.next();
        let claimed = claim(&ground.store, &ground.lane, &["w:01", "w:02"], Some(&limiter)).await;
        assert!(claimed.is_ok(), "{value}: {claimed:?}");
        ground.sound().await;
    }
}

#[tokio::test]
async fn keeping_more_jobs_than_there_are_deletes_none() {
    for count in [3, 4, 5, 8, 1000, 1 << 53, u64::MAX] {
        let mut ground = Ground::at(NOW).await;
        for id in ["a", "b", "c"] {
            ground.running(id, "w:01", json!({})).await;
            let run = bullock::store::finish::Completion {
                keep: Keep::Some { count: Some(count), age_s: None, limit: None },
                ..completion(id, "w:01")
            };
            assert_eq!(ground.complete(&[run]).await, Ok(vec![Verdict::Done]), "keep {count}");
        }
        assert_eq!(ground.run::<u64>(&["ZCARD", "bull:q:completed"]).await, 3, "keep {count}");
        for id in ["d", "e", "f"] {
            ground.running(id, "w:01", json!({})).await;
            let keep = Keep::Some { count: Some(count), age_s: Some(f64::MAX), limit: None };
            let run = bullock::store::finish::FailedRun { keep, ..failed(id, "w:01", Fate::Bury) };
            assert_eq!(ground.fail(&[run]).await, Ok(vec![Verdict::Done]), "keep {count}");
        }
        assert_eq!(ground.run::<u64>(&["ZCARD", "bull:q:failed"]).await, 3, "keep {count}");
        ground.sound().await;
    }
}

#[tokio::test]
async fn keeping_fewer_jobs_than_there_are_deletes_the_oldest() {
    let mut ground = Ground::at(NOW).await;
    for id in ["a", "b", "c"] {
        ground.running(id, "w:01", json!({})).await;
        ground.complete(&[completion(id, "w:01")]).await.unwrap();
    }
    ground.running("d", "w:01", json!({})).await;
    let keep = Keep::Some { count: Some(2), age_s: None, limit: None };
    let run = bullock::store::finish::Completion { keep, ..completion("d", "w:01") };
    ground.complete(&[run]).await.unwrap();
    assert_eq!(ground.run::<Vec<String>>(&["ZRANGE", "bull:q:completed", "0", "-1"]).await, ["c", "d"]);
    ground.sound().await;
}

#[tokio::test]
async fn a_stalled_job_with_a_strange_remove_on_fail_ends_in_one_place() {
    let rules = [
        "2.5",
        "-1",
        "1e400",
        "NaN",
        "\"x\"",
        "null",
        "[]",
        "{}",
        "{\"count\":2.5}",
        "{\"count\":\"nan\"}",
        "{\"age\":\"nan\"}",
        "{\"age\":1e400}",
        "{\"age\":-1e300,\"count\":1e300}",
        "{\"count\":[1]}",
        "9e99",
    ];
    for rule in rules {
        let mut ground = Ground::at(NOW).await;
        ground.running("a", "w:01", json!({})).await;
        let opts = format!("{{\"removeOnFail\":{rule}}}");
        ground.plain(&["HSET", "bull:q:a", "opts", &opts, "stalledCounter", "9"]).await;
        ground.plain(&["DEL", "bull:q:a:lock", "bull::x:q::leases"]).await;
        ground.plain(&["SADD", "bull:q:stalled", "a"]).await;
        let stalled = ground.store.stalled(1000, 1).await;
        assert!(stalled.as_ref().is_ok_and(|s| s.failed.len() == 1), "{rule}: {stalled:?}");
        ground.sound().await;
    }
}
