//! What becomes of items: tries of their own, a result that counts them, notes of those that did not go well.

use std::time::Duration;

use bullock::sync::{ItemBackoff, OnExhausted, SyncOptions};
use serde_json::{Value, json};

use crate::shop::{BOTH, Ground, Shop, all_ok, sink, source};

#[tokio::test]
async fn a_sync_pushes_every_item_once_and_tells_how_many() {
    for dialect in BOTH {
        let (shop, mut ground) = (Shop::new(123, 40), Ground::start(dialect).await);
        let result = ground.sync(shop.options()).await;
        assert_eq!(result["state"], "completed", "{dialect:?}");
        assert_eq!((&result["successful"], &result["failed"]), (&json!(123), &json!(0)));
        assert_eq!(shop.tries(), (0..123).map(|id| (id, 1)).collect());
        let sizes: Vec<usize> = shop.pushed().iter().map(|batch| batch.ids.len()).collect();
        assert_eq!(sizes, [40, 40, 40, 3], "a page is a batch if it is no larger");
        let progress: Value = serde_json::from_str(&ground.field("s", "progress").await.unwrap()).unwrap();
        assert_eq!(
            (&progress["processed"], &progress["total"], &progress["progress"]),
            (&json!(123), &json!(123), &json!(100))
        );
        assert_eq!(ground.keys_of("s").await, ["bull::x:shop::job:s"], "what only the run needs is gone");
    }
}

/// 797 items, 5 that always fail and 40 that fail twice.
#[tokio::test]
async fn items_have_tries_of_their_own_and_the_run_ends_partial() {
    for dialect in BOTH {
        let always = [3, 99, 400, 401, 796].map(|id| (id, u32::MAX));
        let twice = (0..40).map(|n| (10 + n * 17, 2));
        let (shop, mut ground) =
            (Shop::new(797, 50).failing(twice.chain(always)), Ground::start(dialect).await);
        let mut options = shop.options();
        options.item_backoff = ItemBackoff::Exponential(Duration::from_millis(100));
        let result = ground.sync(options).await;
        assert_eq!(result["state"], "partial", "{dialect:?}");
        assert_eq!((&result["successful"], &result["failed"]), (&json!(792), &json!(5)));
        assert_eq!(result["actionRequired"], true);
        let tries = shop.tries();
        assert_eq!(tries.len(), 797);
        let expected = |id: usize| {
            if always.iter().any(|(known, _)| *known == id)
                || (id >= 10 && (id - 10).is_multiple_of(17) && (id - 10) / 17 < 40)
            {
                3
            } else {
                1
            }
        };
        for (id, tries) in tries {
            assert_eq!(tries, expected(id), "item {id}");
        }
        let items = ground.items("s").await;
        assert_eq!(items.keys().collect::<Vec<_>>(), ["3", "400", "401", "796", "99"]);
        assert_eq!(
            items["99"],
            json!({"state": "failed", "tries": 3, "code": "E42", "message": "99 is refused",
            "item": {"id": 99, "name": "item 99"}})
        );
    }
}

#[tokio::test]
async fn a_run_with_failed_items_fails_where_that_is_asked_for() {
    let (shop, mut ground) = (Shop::new(10, 10).failing([(4, u32::MAX)]), Ground::start(BOTH[0]).await);
    let mut options = shop.options();
    (options.on_exhausted, options.item_attempts) = (OnExhausted::Fail, 1);
    assert_eq!(ground.fails(options).await, "1 of 10 items failed");
}

#[tokio::test]
async fn the_wait_between_the_tries_of_an_item_is_kept() {
    let (shop, mut ground) = (Shop::new(1, 1).failing([(0, 2)]), Ground::start(BOTH[1]).await);
    let mut options = shop.options();
    options.item_backoff = ItemBackoff::Exponential(Duration::from_millis(300));
    ground.sync(options).await;
    let times: Vec<_> = shop.pushed().iter().map(|push| push.at).collect();
    assert!(times[1] - times[0] >= Duration::from_millis(300), "{times:?}");
    assert!(times[2] - times[1] >= Duration::from_millis(600), "{times:?}");
}

#[tokio::test]
async fn batches_keep_their_distance() {
    let (shop, mut ground) = (Shop::new(100, 20), Ground::start(BOTH[0]).await);
    let mut options = shop.options();
    (options.batch_size, options.batch_delay) = (20, Duration::from_millis(200));
    ground.sync(options).await;
    let times: Vec<_> = shop.pushed().iter().map(|push| push.at).collect();
    assert_eq!(times.len(), 5);
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(190), "{times:?}");
    }
}

#[tokio::test]
async fn items_come_again_at_their_own_time_between_the_batches_and_these_keep_their_pace() {
    let (shop, mut ground) = (Shop::new(4, 2).failing([(0, 2)]), Ground::start(BOTH[1]).await);
    let mut options = shop.options();
    (options.batch_size, options.batch_delay) = (2, Duration::from_secs(2));
    options.item_backoff = ItemBackoff::Fixed(Duration::from_millis(200));
    ground.sync(options).await;
    let batches: Vec<Vec<String>> = shop.pushed().into_iter().map(|push| push.ids).collect();
    assert_eq!(batches, [vec!["0", "1"], vec!["0"], vec!["0"], vec!["2", "3"]]);
    let times: Vec<_> = shop.pushed().iter().map(|push| push.at).collect();
    assert!(times[3] - times[0] >= Duration::from_secs(2), "{times:?}");
}

#[tokio::test]
async fn an_item_that_is_named_twice_is_pushed_once() {
    let mut ground = Ground::start(BOTH[0]).await;
    let from = source(|from| match from {
        0 => json!({"items": [{"id": "a"}, {"id": "b"}, {"id": "a"}], "next": 1}),
        _ => json!({"items": [{"id": "b"}, {"id": "c"}], "next": null}),
    });
    let result = ground.sync(SyncOptions::new(Some(from), Some(sink(|batch| Ok(all_ok(batch)))))).await;
    assert_eq!((&result["successful"], &result["duplicates"]), (&json!(3), &json!(2)));
}

#[tokio::test]
async fn items_may_stand_in_the_jobs_own_data() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let shop = Shop::new(0, 1);
        let mut options = shop.options();
        (options.source, options.batch_size) = (None, 2);
        let worker = ground.work(options).await;
        ground.add("s", &json!({"items": [{"id": 7}, {"id": 8}, {"id": 9}]})).await;
        ground.ended("s").await;
        let ids: Vec<_> = shop.pushed().into_iter().map(|push| push.ids).collect();
        assert_eq!(ids, [vec!["7", "8"], vec!["9"]]);
        worker.stop();
        worker.join().await;
    }
}

#[tokio::test]
async fn a_dry_run_reads_all_pages_and_pushes_nothing() {
    let (shop, mut ground) = (Shop::new(30, 7), Ground::start(BOTH[0]).await);
    let mut options = shop.options();
    options.sink = None;
    let result = ground.sync(options).await;
    assert_eq!(result["processed"], 30);
    assert!(shop.pushed().is_empty());
}

#[tokio::test]
async fn what_the_sink_passes_over_is_counted_and_noted_without_its_body() {
    let mut ground = Ground::start(BOTH[1]).await;
    let from = source(|_| json!({"items": [{"id": 1}, {"id": 2}], "next": null}));
    let to = sink(|_| {
        Ok(json!([{"id": 1, "status": "ok"}, {"id": 2, "status": "skipped", "message": "not ours"}]))
    });
    let result = ground.sync(SyncOptions::new(Some(from), Some(to))).await;
    assert_eq!((&result["state"], &result["skipped"]), (&json!("completed"), &json!(1)));
    assert_eq!(ground.items("s").await["2"], json!({"state": "skipped", "tries": 1, "message": "not ours"}));
}

#[tokio::test]
async fn removing_a_sync_leaves_nothing_of_its_items() {
    for dialect in BOTH {
        let (shop, mut ground) = (Shop::new(10, 10).failing([(4, u32::MAX)]), Ground::start(dialect).await);
        let mut options = shop.options();
        options.item_attempts = 1;
        ground.sync(options).await;
        assert_eq!(ground.keys_of("s").await, ["bull::x:shop::items:s", "bull::x:shop::job:s"]);
        let keys = bullock::wire::Keys::new("bull", crate::shop::QUEUE);
        let store = bullock::store::Store::of(ground.connection(), keys, Some(dialect));
        store.remove(&["s"], true).await.unwrap();
        assert_eq!(ground.keys_of("s").await, Vec::<String>::new());
    }
}
