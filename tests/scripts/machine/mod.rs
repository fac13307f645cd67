//! Random histories against a small model: after every step Redis holds the keys that the model has, field by field, and no
//! other.
//!
//! A history that goes wrong is shortened first; what is printed names the seed, the step and the key. The same seed gives
//! the same histories: `HISTORY_SEED=7 cargo test --test scripts -- whatever_happens`.

mod acts;
mod claims;
mod cut;
mod dump;
mod keys;
mod mending;
mod model;
mod people;
mod runs;
mod sending;
mod step;
mod sweeps;
mod world;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bullock::store::{Connection, Scripts, Store};
use bullock::wire::Keys;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::redis::Redis;
use model::Flavour;
use step::{Step, steps};
use world::{TIMES, World, time};

/// Histories for each seed.
const CASES: u32 = 16;
const FIXED_SEED: u64 = 1;

/// The scripts of one flavour at a time that stands still.
fn scripts_at(flavour: Flavour, ms: i64) -> Scripts {
    if flavour == Flavour::Bull { Scripts::bull(Some(ms)) } else { Scripts::bullmq(Some(ms)) }
}

/// The queue at each time of a history.
fn stores(redis: &Redis, scripts: impl Fn(i64) -> Scripts) -> Vec<Store> {
    let connection = Connection::new(&redis.url(), None, Duration::from_secs(20)).unwrap();
    let at = |at| Store::new(connection.clone(), Keys::new("bull", "q"), Arc::new(scripts(time(at))));
    (0..TIMES).map(at).collect()
}

/// Draws the histories of a seed.
fn draws(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Plays histories; the first that goes wrong, as short as it could be made.
fn play(flavour: Flavour, seed: u64, scripts: impl Fn(i64) -> Scripts) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let redis = Redis::start();
    let (con, stores) = runtime.block_on(async { (redis.connection().await, stores(&redis, scripts)) });
    let faults_of = |steps: &[Step]| {
        runtime.block_on(async {
            let mut world = World::new(con.clone(), stores.clone(), flavour).await;
            for (n, step) in steps.iter().enumerate() {
                if let Err(fault) = world.take(step).await {
                    return Some(format!("after step {n}, {step:?}:\n{fault}"));
                }
            }
            None
        })
    };
    let mut draws = draws(seed);
    for _ in 0..CASES {
        let history = steps().new_tree(&mut draws).unwrap().current();
        if let Some(fault) = faults_of(&history) {
            let (steps, fault) = shorten(history, fault, faults_of);
            let lines: Vec<String> = steps.iter().map(|step| format!("  {step:?}")).collect();
            let lines = lines.join("\n");
            return Err(format!("{flavour:?}, HISTORY_SEED={seed}, {fault}\nThe history:\n{lines}"));
        }
    }
    Ok(())
}

/// Leaves out whatever can be left out of a history that goes wrong.
fn shorten(
    mut steps: Vec<Step>,
    mut fault: String,
    faults_of: impl Fn(&[Step]) -> Option<String>,
) -> (Vec<Step>, String) {
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            match faults_of(&fewer) {
                Some(other) => (steps, fault) = (fewer, other),
                None => at += size,
            }
        }
        size /= 2;
    }
    (steps, fault)
}

fn holds_for(flavour: Flavour) {
    let given = std::env::var("HISTORY_SEED").ok().and_then(|seed| seed.parse().ok());
    let drawn = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let seeds = given.map_or_else(|| vec![FIXED_SEED, drawn()], |seed| vec![seed]);
    for seed in seeds {
        println!("{flavour:?}: HISTORY_SEED={seed}");
        if let Err(fault) = play(flavour, seed, |ms| scripts_at(flavour, ms)) {
            panic!("{fault}");
        }
    }
}

#[test]
fn whatever_happens_to_a_bull_queue_every_key_is_as_the_model_has_it() {
    holds_for(Flavour::Bull);
}

#[test]
fn whatever_happens_to_a_bullmq_5_queue_every_key_is_as_the_model_has_it() {
    holds_for(Flavour::Five);
}

#[test]
fn whatever_happens_to_a_bullmq_6_queue_every_key_is_as_the_model_has_it() {
    holds_for(Flavour::Six);
}

/// With this passage of the scripts replaced, some history must go wrong: what it says.
fn found_without(flavour: Flavour, passage: &str, instead: &str) -> Option<String> {
    let cut = |ms| scripts_at(flavour, ms).replaced(passage, instead).expect("a passage of the scripts");
    play(flavour, FIXED_SEED, cut).err()
}

#[test]
fn histories_find_a_guard_that_was_cut_out_and_say_where() {
    for flavour in [Flavour::Bull, Flavour::Six] {
        let passage = "if holder == args[at] and all_there then";
        let fault = found_without(flavour, passage, "if holder and all_there then").expect("a fault");
        let names = ["HISTORY_SEED=1", "after step", "The history:", "Claim", "Expire"];
        let missing: Vec<_> = names.into_iter().filter(|name| !fault.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?} is missing in: {fault}");
    }
}
