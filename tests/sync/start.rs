//! Starting a sync: once, however often and from how many places.

use std::time::Duration;

use bullock::store::actor::Actor;
use bullock::store::sync::start::{Start, Started, StartedAs};
use bullock::wire::{Dialect, NewJob};
use serde_json::json;

use crate::shop::{BOTH, Ground, QUEUE, Shop};

fn job(ground: &Ground, id: Option<&str>) -> NewJob {
    let mut opts = serde_json::Map::new();
    opts.insert("jobId".into(), id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned).into());
    match ground.dialect {
        Dialect::Bull => NewJob::bull("sync", &json!({}), opts),
        Dialect::BullMq => NewJob::bullmq("sync", &json!({}), opts).unwrap(),
    }
}

async fn start(ground: &Ground, org: Option<&str>, key: Option<&str>, id: Option<&str>) -> Started {
    let start = Start { org, key, ..Start::default() };
    ground.store().start_sync(&Actor::default(), &start, &job(ground, id)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_starts_with_one_key_make_one_job() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            let (store, job) = (ground.store(), job(&ground, None));
            starts.spawn(async move {
                let start = Start { org: Some("acme"), key: Some("k"), ..Start::default() };
                store.start_sync(&Actor::default(), &start, &job).await.unwrap()
            });
        }
        let all = starts.join_all().await;
        let created: Vec<_> = all.iter().filter(|start| start.how == StartedAs::Created).collect();
        assert_eq!(created.len(), 1, "{dialect:?}");
        assert!(all.iter().all(|start| start.id == created[0].id && start.state == "waiting"));
        let waiting: u64 = redis::cmd("LLEN")
            .arg(format!("bull:{QUEUE}:wait"))
            .query_async(&mut ground.db.clone())
            .await
            .unwrap();
        assert_eq!(waiting, 1);
    }
}

#[tokio::test]
async fn the_same_key_is_answered_with_the_sync_and_its_live_state() {
    for dialect in BOTH {
        let (shop, mut ground) = (Shop::new(5, 5), Ground::start(dialect).await);
        let first = start(&ground, None, Some("k"), Some("s")).await;
        assert_eq!((first.how, &*first.state), (StartedAs::Created, "waiting"));
        assert_eq!(
            start(&ground, None, Some("k"), None).await,
            Started { how: StartedAs::Existing, ..first }
        );
        ground.sync(shop.options()).await;
        let after = start(&ground, None, Some("k"), None).await;
        assert_eq!((after.how, &*after.state), (StartedAs::Existing, "completed"));
        assert_eq!(after.id.as_str(), "s");
        // Without a key the id is what counts, and a job that is gone counts as none.
        assert_eq!(start(&ground, None, None, Some("s")).await.how, StartedAs::Existing);
        ground.store().remove(&["s"], true).await.unwrap();
        assert_eq!(start(&ground, None, Some("k"), Some("t")).await.how, StartedAs::Created);
    }
}

#[tokio::test]
async fn an_interrupted_sync_that_is_started_again_goes_on() {
    for dialect in BOTH {
        let (shop, ground) = (Shop::new(5, 5), Ground::start(dialect).await);
        let kim = Actor { by: "kim".into(), ..Actor::default() };
        start(&ground, Some("acme"), Some("k"), Some("s")).await;
        ground.store().cancel(&kim, &["s"]).await.unwrap();
        let again = start(&ground, Some("acme"), Some("k"), None).await;
        assert_eq!((again.how, again.id.as_str(), &*again.state), (StartedAs::Resumed, "s", "waiting"));
        ground.store().pause_sync(&kim, "s").await.unwrap();
        // Another start of the kind is told that it is paused; only the same one lets it go on.
        let other = start(&ground, Some("acme"), Some("other"), None).await;
        assert_eq!((other.how, other.is_paused), (StartedAs::Existing, true));
        assert_eq!(start(&ground, Some("acme"), Some("k"), None).await.how, StartedAs::Resumed);
        let worker = ground.work(shop.options()).await;
        ground.ended("s").await;
        worker.stop();
        worker.join().await;
        let acts: Vec<String> = ground.acts().await.into_iter().map(|[what, ..]| what).collect();
        assert_eq!(acts, ["sync.start", "cancel", "sync.resume", "sync.pause", "sync.resume"], "{dialect:?}");
    }
}

#[tokio::test]
async fn an_organisation_has_one_sync_of_a_kind_at_a_time() {
    for dialect in BOTH {
        let (shop, mut ground) = (Shop::new(5, 5), Ground::start(dialect).await);
        let first = start(&ground, Some("acme"), Some("1"), Some("s")).await;
        let second = start(&ground, Some("acme"), Some("2"), None).await;
        assert_eq!((second.how, &second.id), (StartedAs::Existing, &first.id));
        assert_eq!(start(&ground, Some("other"), Some("1"), None).await.how, StartedAs::Created);
        let several = Start { org: Some("acme"), several: true, ..Start::default() };
        let third =
            ground.store().start_sync(&Actor::default(), &several, &job(&ground, None)).await.unwrap();
        assert_eq!(third.how, StartedAs::Created);
        ground.sync(shop.options()).await;
        assert_eq!(start(&ground, Some("acme"), Some("2"), None).await.how, StartedAs::Created);
        assert_eq!(ground.ids_of_org("acme").await.len(), 3);
        assert_eq!(ground.record("s", "org").await.as_deref(), Some("acme"));
    }
}

#[tokio::test]
async fn a_key_holds_as_long_as_it_is_asked_for_and_names_cannot_be_mixed_up() {
    let ground = Ground::start(BOTH[0]).await;
    let brief = Start { key: Some("k"), key_holds: Some(Duration::from_millis(50)), ..Start::default() };
    ground.store().start_sync(&Actor::default(), &brief, &job(&ground, None)).await.unwrap();
    crate::support::wait::until("the key to go", async || {
        let there: bool = redis::cmd("EXISTS")
            .arg(format!("bull::x:{QUEUE}::idem::k"))
            .query_async(&mut ground.db.clone())
            .await
            .unwrap();
        !there
    })
    .await;
    assert_eq!(start(&ground, None, Some("k"), None).await.how, StartedAs::Created);
    let mixed = Start { org: Some("a:b"), key: Some("c"), ..Start::default() };
    let error = ground.store().start_sync(&Actor::default(), &mixed, &job(&ground, None)).await.unwrap_err();
    assert!(error.to_string().contains("without colons"), "{error}");
}
