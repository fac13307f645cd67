//! Bull's rate limiter, shared with Node through the same keys.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bullock::store::claim::Limiter;
use redis::cmd;
use serde_json::{Value, json};

use crate::rig::{Db, QUEUE, Rig, Seen, add_bulk};
use crate::support::node::BullQueue;

/// Redis ends a window by the millisecond, and `processedOn` of Node is read before its call.
const CLOCKS_MS: i64 = 15;

async fn starts(db: &Db, ids: &[String]) -> Vec<i64> {
    let mut starts = Vec::new();
    for id in ids {
        starts.push(db.number(id, "processedOn").await);
    }
    starts.sort_unstable();
    starts
}

#[tokio::test]
async fn a_limit_holds_for_node_and_us_together() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let mut plan = rig.plan().concurrency(3).on("x", move |job, _| {
        notes.note(&job.id);
        async move { Ok::<_, Infallible>(json!({"by": "us"})) }
    });
    plan.limiter = Some(Limiter { max: 4, duration_ms: 400, grouped: false });
    let options = json!({"limiter": {"max": 4, "duration": 400}});
    let mut node = BullQueue::open_with(&rig.redis.url(), QUEUE, &options).await;
    node.work(3, 0).await;
    let worker = plan.start().await;
    let jobs: Vec<Value> = (0..16).map(|n| json!({"name": "x", "data": {"n": n}, "opts": {}})).collect();
    let ids = add_bulk(&mut rig.bull, json!(jobs)).await;
    rig.db.sorted_has("completed", ids.len()).await;
    let starts = starts(&rig.db, &ids).await;
    // Sixteen in fours are four windows: the last begins no sooner than three windows after the first.
    for (early, late) in starts.iter().zip(&starts[12..]) {
        assert!(late - early >= 3 * 400 - 400 - CLOCKS_MS, "{starts:?}");
    }
    assert!(starts[12] - starts[0] >= 3 * 400 - CLOCKS_MS, "{starts:?}");
    rig.db.quiet().await;
    let asleep: BTreeMap<String, String> = rig.db.ask(cmd("HGETALL").arg(Db::key("limiter:index"))).await;
    assert_eq!(asleep.len(), 0, "{asleep:?}");
    let by_us = seen.len();
    println!("of 16 jobs {by_us} were ours; starts: {starts:?}");
    worker.stop().await;
    node.close().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_limit_by_group_holds_for_each_group_by_itself() {
    let limiter = json!({"limiter": {"max": 1, "duration": 300, "groupKey": "shop"}});
    let mut rig = Rig::start_with(&limiter).await;
    let mut plan = rig.plan().concurrency(8).on("x", |_, _| async move { Ok::<_, Infallible>(()) });
    plan.limiter = Some(Limiter { max: 1, duration_ms: 300, grouped: true });
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for _ in 0..3 {
        for shop in ["a", "b"] {
            let id = rig.bull.add("x", json!({"shop": shop}), json!({})).await;
            assert!(id.ends_with(&format!(":{shop}")), "{id}");
            groups.entry(shop).or_default().push(id);
        }
    }
    let worker = plan.start().await;
    rig.db.sorted_has("completed", 6).await;
    let (a, b) = (starts(&rig.db, &groups["a"]).await, starts(&rig.db, &groups["b"]).await);
    for group in [&a, &b] {
        assert!(
            group[1] - group[0] >= 300 - CLOCKS_MS && group[2] - group[1] >= 300 - CLOCKS_MS,
            "{group:?}"
        );
    }
    assert!((a[0] - b[0]).abs() < 300, "the groups do not wait for each other: {a:?} {b:?}");
    worker.stop().await;
    rig.bull.close().await;
}
