//! `removeOnComplete` and `removeOnFail` in all their forms, and the worker's own rule for jobs that say nothing.

use std::convert::Infallible;

use bullock::job::options::Keep;
use redis::cmd;
use serde_json::{Value, json};

use crate::rig::{Db, Plan, Rig};
use crate::support::node::BullQueue;

fn both(plan: Plan) -> Plan {
    plan.on("removeOnComplete", |_, _| async move { Ok::<_, Infallible>(()) })
        .on("removeOnFail", |_, _| async move { Err::<(), _>("no") })
}

/// Runs `jobs` jobs with this rule one after the other; the ids that are left.
async fn left(rig: &mut Rig, option: &str, rule: &Value, jobs: usize) -> Vec<String> {
    let set = if option == "removeOnComplete" { "completed" } else { "failed" };
    let _: () = rig.db.ask(cmd("DEL").arg(Db::key(set))).await;
    let mut opts = json!({});
    opts[option] = rule.clone();
    let mut ids = Vec::new();
    for _ in 0..jobs {
        let id = rig.bull.add(option, json!({}), opts.clone()).await;
        rig.db.quiet().await;
        ids.push(id);
    }
    let kept = rig.db.sorted(set).await;
    for id in ids {
        let exists: bool = rig.db.ask(cmd("EXISTS").arg(Db::key(&id))).await;
        assert_eq!(exists, kept.contains(&id), "{option} {rule}: hash of {id}");
    }
    kept
}

async fn state(bull: &mut BullQueue, id: &str) -> Value {
    bull.job(id, "getState").await
}

#[tokio::test]
async fn every_form_of_both_options_keeps_what_bull_would_keep() {
    let mut rig = Rig::start().await;
    let worker = both(rig.plan()).start().await;
    for option in ["removeOnComplete", "removeOnFail"] {
        for (rule, kept) in [
            (json!(true), 0),
            (json!(false), 4),
            (json!(0), 0),
            (json!(2), 2),
            (json!(-1), 4),
            (json!("yes"), 0),
            (json!(""), 4),
            (json!({}), 4),
            (json!({"count": 0}), 0),
            (json!({"count": 3}), 3),
            (json!({"age": 3600}), 4),
            (json!({"age": 0}), 0),
            (json!({"age": 3600, "count": 1}), 1),
            // Bull's own script fails on this one and leaves the job nowhere.
            (json!(null), 4),
        ] {
            assert_eq!(left(&mut rig, option, &rule, 4).await.len(), kept, "{option}: {rule}");
        }
    }
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_job_that_is_removed_at_its_end_is_still_heard_of() {
    let mut rig = Rig::start().await;
    rig.bull.listen().await;
    let worker = both(rig.plan()).start().await;
    let id = rig.bull.add("removeOnComplete", json!({}), json!({"removeOnComplete": true})).await;
    rig.bull.hear("completed", |line| line["event"] == "global:completed" && line["args"][0] == id).await;
    let id = rig.bull.add("removeOnFail", json!({}), json!({"removeOnFail": true})).await;
    let heard = rig.bull.hear("failed", |line| line["event"] == "global:failed").await;
    assert_eq!(heard["args"], json!([id, "no", "active"]));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_job_that_fails_but_has_attempts_left_is_not_removed() {
    let mut rig = Rig::start().await;
    let worker = both(rig.plan()).start().await;
    let opts = json!({"removeOnFail": true, "attempts": 2, "backoff": 3_600_000});
    let id = rig.bull.add("removeOnFail", json!({}), opts).await;
    rig.db.sorted_has("delayed", 1).await;
    assert_eq!(state(&mut rig.bull, &id).await, "delayed");
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn the_rule_of_the_worker_holds_for_jobs_that_say_nothing() {
    let mut rig = Rig::start().await;
    let mut plan = both(rig.plan());
    plan.keep_completed = Keep::Some { count: Some(2), age_s: None, limit: None };
    plan.keep_failed = Keep::None;
    let worker = plan.start().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(rig.bull.add("removeOnComplete", json!({}), json!({})).await);
        rig.db.quiet().await;
    }
    assert_eq!(rig.db.sorted("completed").await, ids[2..]);
    rig.bull.add("removeOnFail", json!({}), json!({})).await;
    rig.db.quiet().await;
    assert_eq!(rig.db.sorted("failed").await, [""; 0]);
    // What the producer says counts more; it trims by its own number.
    let id = rig.bull.add("removeOnFail", json!({}), json!({"removeOnFail": false})).await;
    rig.db.quiet().await;
    assert_eq!(rig.db.sorted("failed").await, [id]);
    worker.stop().await;
    rig.bull.close().await;
}
