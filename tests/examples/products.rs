//! 202,910 products, or some of them, while worker, back office and Redis are killed in turn and both servers ask for time.

use std::time::{Duration, Instant};

use bullock::wire::Dialect;
use serde_json::Value;

use crate::scene::{Recount, Scene};
use crate::support::bullock::Bullock;

const ID: &str = "products-acme";

/// What the run is given.
pub struct Case {
    pub dialect: Dialect,
    pub products: u64,
    /// Batches between two kills.
    pub every: u64,
    /// The shop's requests a second.
    pub shop_rate: &'static str,
    /// How many never get well, and how many fail twice.
    pub broken: u64,
    pub busy: u64,
    pub limit: Duration,
}

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    pub recount: Recount,
    /// Kills of the worker, the back office, Redis.
    pub kills: [u64; 3],
    /// Looks at cursor and ledger.
    pub looks: u64,
    pub took: Duration,
    pub result: Value,
}

/// Runs the case, and asserts what must hold.
pub async fn run(case: &Case) -> Seen {
    let (products, broken, busy) =
        (case.products.to_string(), case.broken.to_string(), case.busy.to_string());
    let store =
        ["--products", &*products, "--without-sku", &*broken, "--busy", &*busy, "--rate", case.shop_rate];
    let office = ["--busy-every", "60", "--busy-for", "0.2"];
    let quick = |config: String| {
        let products = "/sync/products/push\" }\nbatch_size = 50";
        config.replace(products, &format!("{products}\nitem_backoff = {{ exponential = \"100ms\" }}"))
    };
    let mut scene = Scene::start(case.dialect, &store, &office, quick).await;
    let mut worker = scene.worker().await;
    scene.add("sync-products", ID).await;
    let began = Instant::now();
    let (mut kills, mut looks, mut next) = ([0; 3], 0, case.every);
    let result = loop {
        assert!(began.elapsed() < case.limit, "the sync did not end in {:?}\n{}", case.limit, worker.logs());
        if let Some(result) = scene.result(ID).await {
            break result;
        }
        looks += 1;
        let recount = look(&scene).await;
        if recount.first_batches >= next {
            next = recount.first_batches + case.every;
            worker = kill(&mut scene, worker, &mut kills).await;
            let recount = look(&scene).await;
            assert!(recount.again <= kills.iter().sum(), "{kills:?}: {recount:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let took = began.elapsed();
    let recount = scene.recount("products", "").await;
    let plan = scene.plan(ID).await.unwrap();
    worker.stop().await;
    let seen = Seen { recount, kills, looks, took, result };
    judge(case, &seen, &plan);
    seen
}

/// The cursor and the counters are never ahead of what the back office has been sent: they are read first.
async fn look(scene: &Scene) -> Recount {
    let plan = scene.plan(ID).await;
    let recount = scene.recount("products", "").await;
    if let Some(plan) = plan {
        let cursor = plan["cursor"].as_u64().unwrap_or(0);
        assert!(cursor <= recount.through, "the cursor is at {cursor}: {recount:?}");
        let counted = plan["processed"].as_u64().unwrap() + plan["retrying"].as_u64().unwrap();
        assert!(counted <= recount.items, "{plan}: {recount:?}");
    }
    recount
}

/// `kill -9` of one of the three, and starts it again.
async fn kill(scene: &mut Scene, worker: Bullock, kills: &mut [u64; 3]) -> Bullock {
    let which = (kills.iter().sum::<u64>() % 3) as usize;
    kills[which] += 1;
    match which {
        0 => {
            worker.crash().await;
            return scene.worker().await;
        }
        1 => scene.office.crash_and_restart().await,
        _ => scene.crash_and_restart_redis().await,
    }
    worker
}

fn judge(case: &Case, seen: &Seen, plan: &Value) {
    let Seen { recount, kills, result, .. } = seen;
    assert_eq!((recount.items, recount.through), (case.products, case.products), "0 items are skipped");
    assert!(recount.again <= kills.iter().sum(), "at most one batch a kill: {seen:?}");
    assert_eq!(recount.other, 0, "a key stands for the same items always");
    assert!(kills.iter().all(|kills| *kills > 0), "each was killed: {kills:?}");
    assert!(recount.busy > 0, "somebody asked for time");
    assert_eq!((recount.ok, recount.failed), (case.products - case.broken, case.broken), "{recount:?}");
    for (name, counted) in
        [("successful", recount.ok), ("failed", recount.failed), ("processed", recount.items)]
    {
        assert_eq!(result[name], counted, "{name}: {result}, {recount:?}");
        assert_eq!(plan[name], counted, "{name}: {plan}, {recount:?}");
    }
    let once = case.products - case.broken - case.busy;
    assert_eq!(recount.tries.get("1"), Some(&once), "{recount:?}");
    assert_eq!(recount.tries.get("3"), Some(&(case.broken + case.busy)), "{recount:?}");
}

#[tokio::test]
async fn a_long_sync_loses_nothing_while_worker_back_office_and_redis_are_killed_in_turn() {
    for dialect in [Dialect::BullMq, Dialect::Bull] {
        let (broken, busy) = (6, 70);
        let limit = Duration::from_mins(2);
        run(&Case { dialect, products: 6_000, every: 20, shop_rate: "70", broken, busy, limit }).await;
    }
}
