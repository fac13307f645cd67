//! 797 customers: 5 that always fail, 40 that fail twice.

use std::time::Duration;

use bullock::wire::Dialect;
use serde_json::json;

use crate::scene::{Recount, Scene};
use crate::support::wait;

/// How the run is paced.
pub struct Pace {
    pub batch_delay_ms: i64,
    pub backoff_first_ms: i64,
}

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    pub recount: Recount,
    /// From the first batch to the last one of new items, ms.
    pub pacing_ms: i64,
    /// Least and most time between the first and the second try, the second and the third, …, ms.
    pub gaps_ms: Vec<(i64, i64)>,
}

/// Runs the case, and asserts what holds at any pace.
pub async fn run(dialect: Dialect, pace: &Pace, limit: Duration) -> Seen {
    let (delay, first) = (pace.batch_delay_ms, pace.backoff_first_ms);
    let scene = Scene::start(
        dialect,
        &["--customers", "797", "--without-email", "5", "--busy", "40"],
        &[],
        |config| {
            config
                .replace("batch_delay = \"2s\"", &format!("batch_delay = \"{delay}ms\""))
                .replace("exponential = \"1s\"", &format!("exponential = \"{first}ms\""))
                // Four tries have the three waits.
                .replace("item_attempts = 3", "item_attempts = 4")
        },
    )
    .await;
    let worker = scene.worker().await;
    scene.add("sync-customers", "customers-acme").await;
    let result = wait::value_within(limit, "the sync to end", || scene.result("customers-acme")).await;
    let recount = scene.recount("customers", "?times").await;
    worker.stop().await;

    assert_eq!(result["state"], "partial", "{dialect:?}: {result}");
    assert_eq!((&result["successful"], &result["failed"]), (&json!(792), &json!(5)));
    assert_eq!(result["actionRequired"], true);
    assert_eq!((recount.ok, recount.failed, recount.items), (792, 5, 797), "{recount:?}");
    assert_eq!(recount.first_batches, 16);
    assert_eq!((recount.again, recount.other, recount.late), (0, 0, 0), "nothing came twice");
    let tries: Vec<(&str, u64)> =
        recount.tries.iter().map(|(tries, items)| (tries.as_str(), *items)).collect();
    assert_eq!(tries, [("1", 752), ("3", 40), ("4", 5)]);

    let pacing_ms = recount.pace.last().unwrap() - recount.pace.first().unwrap();
    let gap = |number: usize| {
        let gaps = recount.times.values().filter_map(|at| Some(at.get(number + 1)? - at[number]));
        let gaps: Vec<i64> = gaps.collect();
        (*gaps.iter().min().unwrap(), *gaps.iter().max().unwrap())
    };
    let gaps_ms = (0..3).map(gap).collect();
    Seen { recount, pacing_ms, gaps_ms }
}

#[tokio::test]
async fn of_797_customers_792_are_good_after_tries_of_their_own_and_the_run_is_partial() {
    for dialect in [Dialect::Bull, Dialect::BullMq] {
        let pace = Pace { batch_delay_ms: 120, backoff_first_ms: 200 };
        let seen = run(dialect, &pace, wait::DEADLINE * 2).await;
        // Clocks have whole milliseconds, and timers theirs.
        assert!(seen.pacing_ms >= 15 * (pace.batch_delay_ms - 2), "{dialect:?}: {seen:?}");
        for (number, (least, _)) in seen.gaps_ms.iter().enumerate() {
            assert!(*least >= (pace.backoff_first_ms << number) - 2, "{dialect:?}: {seen:?}");
        }
    }
}
