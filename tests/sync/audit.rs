//! The audit log of a sync says everything: replayed from its first entry it gives what is stored.

use std::collections::BTreeMap;
use std::time::Duration;

use bullock::store::actor::Actor;
use bullock::store::sync::operate::RetriedItems;
use bullock::sync::ItemBackoff;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::streams::StreamRangeReply;
use serde_json::{Map, Value};

use crate::shop::{BOTH, Ground, QUEUE, Shop};

/// The plan and the items' states, by the log alone.
async fn replayed(ground: &Ground) -> (Value, BTreeMap<String, String>) {
    let key = format!("bull::x:{QUEUE}::audit");
    let entries: StreamRangeReply =
        redis::cmd("XRANGE").arg(key).arg("-").arg("+").query_async(&mut ground.db.clone()).await.unwrap();
    let (mut plan, mut items) = (Map::new(), BTreeMap::new());
    for entry in entries.ids {
        let changed: String = entry.get("changed").unwrap_or_else(|| panic!("an act of no sync"));
        let changed: Value = serde_json::from_str(&changed).unwrap();
        for (member, value) in changed["plan"].as_object().unwrap() {
            plan.insert(member.clone(), value.clone());
        }
        for (item, state) in changed["items"].as_object().unwrap() {
            match state.as_str().unwrap() {
                "done" => drop(items.remove(item)),
                state => drop(items.insert(item.clone(), state.to_owned())),
            }
        }
    }
    (Value::Object(plan), items)
}

async fn assert_replayed(ground: &Ground) {
    let (plan, states) = replayed(ground).await;
    let stored = ground.plan("s").await;
    for (member, value) in plan.as_object().unwrap() {
        assert_eq!(stored.get(member), Some(value), "{member}");
    }
    let unsaid: Vec<_> =
        stored.as_object().unwrap().keys().filter(|name| plan.get(*name).is_none()).collect();
    let fresh = serde_json::to_value(bullock::sync::Plan::default()).unwrap();
    for name in unsaid.into_iter().filter(|name| *name != "started_at") {
        assert_eq!(stored[name], fresh[name], "{name} is never said");
    }
    let noted: BTreeMap<String, String> = ground
        .items("s")
        .await
        .into_iter()
        .map(|(id, note)| (id, note["state"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(noted, states);
}

#[test]
fn the_log_of_any_run_gives_the_stored_state() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases: 12, failure_persistence: None, max_shrink_iters: 20, ..Config::default() };
    let runs = (
        0usize..120,
        1usize..40,
        1usize..30,
        prop::collection::vec((0usize..120, 1u32..5), 0..20),
        any::<bool>(),
    );
    let play = |(items, page, batch, fails, bull): (usize, usize, usize, Vec<(usize, u32)>, bool)| {
        runtime.block_on(async {
            let mut ground = Ground::start(BOTH[usize::from(!bull)]).await;
            let shop = Shop::new(items, page).failing(fails);
            let mut options = shop.options();
            (options.batch_size, options.item_backoff) =
                (batch, ItemBackoff::Fixed(Duration::from_millis(5)));
            ground.sync(options).await;
            assert_replayed(&ground).await;
            // A person's act on its items is in the log as well.
            let failed = ground.plan("s").await["failed"].as_u64().unwrap();
            let retried = ground.store().retry_items(&Actor::default(), "s", &[]).await.unwrap();
            assert_eq!(matches!(retried, RetriedItems::Done(_, count) if count == failed), failed > 0);
            assert_replayed(&ground).await;
        });
        Ok(())
    };
    TestRunner::new(config).run(&runs, play).unwrap();
}
