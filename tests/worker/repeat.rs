//! Repeatable jobs: added by npm bull, driven by us.

use std::convert::Infallible;

use redis::cmd;
use serde_json::{Value, json};

use crate::rig::{Db, Plan, Rig, Seen};
use crate::support::wait;

/// Notes the due time of each occurrence.
fn noting(rig: &Rig, seen: &Seen) -> Plan {
    let notes = seen.clone();
    rig.plan().on("x", move |job, _| {
        notes.note(job.opts.prev_millis.unwrap_or_default());
        async move { Ok::<_, Infallible>(job.data) }
    })
}

async fn dues(seen: &Seen, many: usize) -> Vec<i64> {
    seen.has(many).await;
    seen.all().iter().map(|due| due.parse().unwrap()).collect()
}

async fn never_early(rig: &Rig) {
    for id in rig.db.sorted("completed").await {
        let due: i64 = id.rsplit(':').next().unwrap().parse().unwrap();
        let began = rig.db.number(&id, "processedOn").await;
        assert!(began >= due, "{id} began at {began}");
    }
}

/// Waits until no occurrence waits, is delayed or runs: from then on none can come.
async fn has_ended(rig: &Rig) {
    rig.db.quiet().await;
}

#[tokio::test]
async fn an_every_chain_goes_on_until_bull_removes_it() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let worker = noting(&rig, &seen).start().await;
    rig.bull.add("x", json!({"n": 1}), json!({"repeat": {"every": 200}})).await;
    let dues = dues(&seen, 4).await;
    for pair in dues.windows(2) {
        assert!(pair[0] % 200 == 0 && pair[1] > pair[0] && (pair[1] - pair[0]) % 200 == 0, "{dues:?}");
    }
    let listed = rig.bull.call("getRepeatableJobs", json!([])).await.unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((&listed[0]["name"], &listed[0]["every"]), (&json!("x"), &json!(200)), "{listed}");
    assert!(listed[0]["next"].as_i64().unwrap() > dues[2], "{listed}");
    rig.bull.call("removeRepeatable", json!(["x", {"every": 200}])).await.unwrap();
    has_ended(&rig).await;
    assert_eq!(rig.bull.call("getRepeatableJobs", json!([])).await, Ok(json!([])));
    assert_eq!(rig.db.sorted("completed").await.len(), seen.len(), "each occurrence ran once");
    never_early(&rig).await;
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_cron_chain_goes_on_until_bull_removes_it_by_its_key() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let worker = noting(&rig, &seen).start().await;
    let repeat = json!({"cron": "* * * * * *", "tz": "Europe/Rome"});
    rig.bull.add("x", json!({}), json!({ "repeat": repeat })).await;
    let dues = dues(&seen, 3).await;
    assert!(dues.windows(2).all(|pair| pair[1] > pair[0] && pair[1] % 1000 == 0), "{dues:?}");
    let listed = rig.bull.call("getRepeatableJobs", json!([])).await.unwrap();
    assert_eq!((&listed[0]["cron"], &listed[0]["tz"]), (&repeat["cron"], &repeat["tz"]), "{listed}");
    rig.bull.call("removeRepeatableByKey", json!([listed[0]["key"]])).await.unwrap();
    has_ended(&rig).await;
    never_early(&rig).await;
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_chain_with_a_limit_runs_so_often_and_ends() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let worker = noting(&rig, &seen).start().await;
    let opts = json!({"repeat": {"every": 50, "limit": 3}, "removeOnComplete": false});
    rig.bull.add("x", json!({"keep": "me"}), opts).await;
    dues(&seen, 3).await;
    has_ended(&rig).await;
    assert_eq!(seen.len(), 3);
    let done = rig.db.sorted("completed").await;
    assert_eq!(rig.bull.job(&done[2], "returnvalue").await, json!({"keep": "me"}));
    assert_eq!(rig.bull.job(&done[2], "opts").await["repeat"]["count"], 3);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_failing_occurrence_does_not_end_the_chain() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let worker = rig
        .plan()
        .on("x", move |job, _| {
            notes.note(job.opts.prev_millis.unwrap_or_default());
            async move { Err::<(), _>("no") }
        })
        .start()
        .await;
    rig.bull.add("x", json!({}), json!({"repeat": {"every": 60}, "removeOnFail": true})).await;
    dues(&seen, 4).await;
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn an_occurrence_with_a_bad_schedule_runs_all_the_same() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    rig.bull.call("pause", json!([])).await.unwrap();
    let bad = rig.bull.add("x", json!({}), json!({})).await;
    let good = rig.bull.add("x", json!({}), json!({})).await;
    let mut opts: Value = rig.bull.job(&bad, "opts").await;
    opts["repeat"] = json!({"cron": "99 * * * *", "count": 1});
    let _: () = rig.db.ask(cmd("HSET").arg(Db::key(&bad)).arg("opts").arg(opts.to_string())).await;
    let worker = noting(&rig, &seen).start().await;
    rig.bull.call("resume", json!([])).await.unwrap();
    for id in [&bad, &good] {
        rig.bull.finished(id).await.unwrap();
    }
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn node_and_we_drive_one_chain_together_without_a_double() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    rig.bull.work(1, 0).await;
    let worker = noting(&rig, &seen).start().await;
    rig.bull.add("x", json!({}), json!({"repeat": {"every": 100}})).await;
    rig.db.sorted_has("completed", 8).await;
    rig.bull.call("removeRepeatable", json!(["x", {"every": 100}])).await.unwrap();
    wait::until("the chain to end", async || rig.db.sorted("delayed").await.is_empty()).await;
    has_ended(&rig).await;
    never_early(&rig).await;
    worker.stop().await;
    rig.bull.close().await;
}
