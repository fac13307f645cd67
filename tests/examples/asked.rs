//! Both cases at full size and full pace, when `script/syncs` asks for them.

use std::time::Duration;

use bullock::wire::Dialect;

use crate::customers::{self, Pace};
use crate::products::{self, Case};
use crate::stuck;

fn asked(name: &str, otherwise: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

fn dialect() -> Dialect {
    match asked("SYNCS_DIALECT", "bull").as_str() {
        "bull" => Dialect::Bull,
        "bullmq" => Dialect::BullMq,
        other => panic!("SYNCS_DIALECT: {other}; expected bull or bullmq"),
    }
}

#[tokio::test]
#[ignore = "takes most of a minute: script/syncs customers"]
async fn the_customers_that_the_script_asks_for() {
    let pace = Pace { batch_delay_ms: 2000, backoff_first_ms: 1000 };
    let seen = customers::run(dialect(), &pace, Duration::from_mins(3)).await;
    println!(
        "797 customers: {} good, {} failed, {} batches in {} ms; tries apart, least and most ms: {:?}",
        seen.recount.ok, seen.recount.failed, seen.recount.first_batches, seen.pacing_ms, seen.gaps_ms
    );
    assert!((30_000..=31_500).contains(&seen.pacing_ms), "16 batches, 2 s apart within 5 %: {seen:?}");
    for (number, (least, most)) in seen.gaps_ms.iter().enumerate() {
        let wanted = f64::from(1000 << number);
        assert!(*least as f64 >= 0.9 * wanted && *most as f64 <= 1.1 * wanted, "1, 2, 4 s apart: {seen:?}");
    }
}

#[tokio::test]
#[ignore = "takes minutes: script/syncs products"]
async fn the_products_that_the_script_asks_for() {
    let products: u64 = asked("SYNCS_PRODUCTS", "202910").parse().expect("SYNCS_PRODUCTS is a whole number");
    let every: u64 = asked("SYNCS_EVERY", "150").parse().expect("SYNCS_EVERY is a whole number");
    let (broken, busy) = (products / 10_000, products / 400);
    let limit = Duration::from_mins(30);
    let seen =
        products::run(&Case { dialect: dialect(), products, every, shop_rate: "200", broken, busy, limit })
            .await;
    let [worker, office, redis] = seen.kills;
    println!(
        "{products} products in {:.1} s: {} good, {} failed, 0 skipped; killed: worker {worker}, back office {office}, Redis {redis}; \
         batches that came again {}, under a key of others {}, refused for an old fence {}; asked for time {} times; {} looks, the cursor never ahead",
        seen.took.as_secs_f64(),
        seen.recount.ok,
        seen.recount.failed,
        seen.recount.again,
        seen.recount.other,
        seen.recount.late,
        seen.recount.busy,
        seen.looks
    );
}

#[tokio::test]
#[ignore = "takes most of a minute: script/syncs stuck"]
async fn the_stuck_that_the_script_asks_for() {
    let seen = stuck::run(dialect(), Duration::from_secs(10), Duration::from_secs(9)).await;
    let mut stopped_ms = seen.stopped_ms.clone();
    stopped_ms.sort_unstable();
    println!(
        "no_progress of 10 s: ten sources that never advance were stopped after {stopped_ms:?} ms; one that advances every 9 s \
         ran for {} ms and completed",
        seen.slow_ms
    );
    assert!(stopped_ms.iter().all(|ms| (9_000..=11_000).contains(ms)), "{seen:?}");
    assert!(seen.slow_ms >= 27_000, "{seen:?}");
}
