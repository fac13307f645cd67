//! An idle worker hears of work at once, and of delayed work when it is due. The limits are those of a safety net: a
//! worker that polls needs a second.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::rig::{MAJORS, Rig, echo, start, stop};

/// Well below the second that a worker blocks for.
const SOON: Duration = Duration::from_millis(600);

#[tokio::test]
async fn an_idle_worker_takes_a_job_as_soon_as_it_is_added() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        rig.run("x", json!({}), json!({})).await.unwrap();
        let mut best = Duration::MAX;
        for opts in [json!({}), json!({"priority": 1}), json!({"lifo": true}), json!({})] {
            let begun = Instant::now();
            rig.run("x", json!({}), opts).await.unwrap();
            best = best.min(begun.elapsed());
        }
        assert!(best < SOON, "the quickest of four took {best:?}");
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_delayed_job_runs_when_it_is_due_and_one_that_is_due_earlier_does_not_wait_for_it() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        rig.run("x", json!({}), json!({})).await.unwrap();
        let late = rig.mq.add("x", json!({"late": 1}), json!({"delay": 60_000})).await;
        let begun = Instant::now();
        rig.run("x", json!({}), json!({"delay": 300})).await.unwrap();
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(4), "{took:?}");
        // One that was brought forward, and one by hand.
        let begun = Instant::now();
        rig.mq.job_call(&late, "changeDelay", json!([200])).await.unwrap();
        assert_eq!(rig.mq.finished(&late).await, Ok(json!({"late": 1})));
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        let promoted = rig.mq.add("x", json!({"n": 2}), json!({"delay": 60_000})).await;
        rig.mq.job_call(&promoted, "promote", json!([])).await.unwrap();
        assert_eq!(rig.mq.finished(&promoted).await, Ok(json!({"n": 2})));
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn an_idle_worker_costs_redis_next_to_nothing() {
    let mut rig = Rig::start(6).await;
    rig.mq.add("x", json!({}), json!({"delay": 3_600_000})).await;
    let worker = start(rig.worker().handler_spec("*", echo())).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let commands = async |rig: &mut Rig| {
        let info: String = rig.ask(&["INFO", "stats"]).await;
        let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    let before = commands(&mut rig).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = commands(&mut rig).await;
    // A wait and a claim a second, a sweep for leases, each of a few commands.
    assert!(after - before < 300, "{} commands in three seconds", after - before);
    stop(worker).await;
    rig.mq.close().await;
}
