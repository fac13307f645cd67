//! Chaos: real workers, killed, stopped and cut off, a Redis that is killed, full and demoted, and a judge that knows
//! every job, every run and every lease. `script/chaos` runs more of it, by seed; docs/chaos.md says how to read it.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod asked;
mod backend;
mod bad_histories;
mod directed;
mod failover;
mod faults;
mod fleet;
mod guards;
mod job;
mod judge;
mod leases;
mod locks;
mod monitor;
mod network;
mod producers;
mod recorder;
mod replicas;
mod report;
mod run;
mod scan;
mod schedule;
mod seed;
#[path = "../support/mod.rs"]
mod support;
mod versions;
mod world;

use std::path::{Path, PathBuf};

use bullock::wire::Dialect;

use run::{Options, run};

/// Where the npm packages of the tests are.
fn node_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node")
}

async fn passes(options: Options) {
    println!("seed {}", options.seed);
    let verdict = run(options).await;
    println!("{}", verdict.summary());
    assert!(verdict.is_passed(), "{}", verdict.summary());
}

/// Beside one another: most of a run is waiting, and the whole of the tests should not take long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_minute_of_chaos_by_a_known_seed_and_by_a_new_one_loses_nothing_and_does_nothing_unexplained()
{
    let seed = recorder::now_ms() as u64 % 1_000_000;
    tokio::join!(passes(Options::of(7, Dialect::Bull)), passes(Options::of(seed, Dialect::BullMq)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_minute_of_chaos_with_masters_that_die_loses_no_confirmed_job_in_either_dialect() {
    // The known seed has a master that is killed and one that is stopped.
    let seed = recorder::now_ms() as u64 % 1_000_000;
    let (bull, bullmq) = (Options::of(501, Dialect::Bull), Options::of(seed, Dialect::BullMq));
    tokio::join!(passes(bull.watched()), passes(bullmq.watched()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by script/chaos, which says with what seed and for how long"]
async fn the_chaos_that_the_script_asks_for() {
    let options = asked::options(|name| std::env::var(format!("CHAOS_{name}")).ok());
    let options = options.unwrap_or_else(|problem| panic!("{problem}"));
    println!("\nfaults of seed {}:", options.seed);
    for planned in options.schedule() {
        println!("  {planned}");
    }
    let verdict = run(options).await;
    println!("\n{}", verdict.summary());
    assert!(verdict.is_passed(), "seed {} did not pass", verdict.options.seed);
}
