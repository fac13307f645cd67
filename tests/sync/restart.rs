//! Workers that die between and within batches: nothing is skipped, and at most the batch under way is pushed again.

use std::collections::HashMap;
use std::time::Duration;

use bullock::sync::ItemBackoff;
use serde_json::json;

use crate::mortal::Mortal;
use crate::shop::{BOTH, Ground, Shop};
use crate::support::wait;

async fn until_killed(ground: &Ground, shop: &Shop, after_pushes: usize) {
    let before = shop.pushed().len();
    let mut options = shop.options();
    options.batch_delay = Duration::from_millis(10);
    options.item_backoff = ItemBackoff::Fixed(Duration::from_millis(50));
    let worker = Mortal::start(ground, options, |builder| builder);
    wait::until("pushes", async || shop.pushed().len() >= before + after_pushes).await;
    worker.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_skipped_and_only_the_batch_under_way_is_pushed_again() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let shop = Shop::new(600, 50).failing((0..30).map(|n| (n * 20, 1)));
        ground.add("s", &json!({})).await;
        let kills = 5;
        for n in 0..kills {
            until_killed(&ground, &shop, 2 + n % 2).await;
        }
        let mut options = shop.options();
        options.item_backoff = ItemBackoff::Fixed(Duration::from_millis(50));
        let worker = ground.work(options).await;
        ground.ended("s").await;
        worker.stop();
        worker.join().await;

        let plan = ground.plan("s").await;
        assert_eq!(plan["successful"], 600, "{dialect:?}: {plan}");
        assert_eq!(
            (&plan["processed"], &plan["retrying"], &plan["failed"]),
            (&json!(600), &json!(0), &json!(0))
        );
        assert_eq!(shop.tries().len(), 600, "every item was pushed");
        // The same key always carries the same items, and at most one batch a kill was pushed under a key before.
        let mut by_key: HashMap<String, Vec<Vec<String>>> = HashMap::new();
        for push in shop.pushed() {
            by_key.entry(push.key).or_default().push(push.ids);
        }
        let mut again = 0;
        for (key, pushes) in by_key {
            assert!(
                pushes.iter().all(|ids| *ids == pushes[0]),
                "{key} stood for different items: {pushes:?}"
            );
            again += pushes.len() - 1;
        }
        assert!(again <= kills, "{again} batches were pushed again after {kills} kills");
    }
}
