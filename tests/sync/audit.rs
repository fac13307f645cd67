//! The audit log of a sync says everything: replayed from its first entry it gives what is stored, whatever was done to it
//! meanwhile and however often its worker died.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bullock::store::audit::{AuditFilter, Entry, RECORDED, Replayed};
use futures_util::StreamExt as _;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value};

use crate::random::{self, Case};
use crate::shop::{BOTH, Ground};

/// How many runs, of both dialects in turn, unless `AUDIT_RUNS` says otherwise.
const RUNS: usize = 1000;
/// Runs at the same time.
const AT_ONCE: usize = 24;

/// What is known of a run, by its log or by what is stored.
#[derive(Debug, PartialEq)]
struct Known {
    job: Replayed,
    plan: Map<String, Value>,
    items: BTreeMap<String, String>,
}

fn replayed(entries: &[Entry]) -> Known {
    let mut plan: Map<String, Value> =
        serde_json::from_value(serde_json::to_value(bullock::sync::Plan::default()).unwrap()).unwrap();
    let mut items = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.changed.is_empty()) {
        let changed: Value = serde_json::from_str(&entry.changed).unwrap();
        plan.extend(changed["plan"].as_object().unwrap().clone());
        for (item, state) in changed["items"].as_object().unwrap() {
            match state.as_str().unwrap() {
                "done" => drop(items.remove(item)),
                state => drop(items.insert(item.clone(), state.to_owned())),
            }
        }
    }
    Known { job: Replayed::of("s", entries), plan, items }
}

async fn stored(ground: &Ground) -> Known {
    let mut db = ground.db.clone();
    let hash: BTreeMap<String, String> =
        redis::cmd("HGETALL").arg(format!("bull:{}:s", ground.name)).query_async(&mut db).await.unwrap();
    let fields = hash.into_iter().filter(|(field, _)| RECORDED.contains(&field.as_str())).collect();
    let plan = ground.record("s", "plan").await;
    let plan = plan.map_or_else(
        || serde_json::to_value(bullock::sync::Plan::default()).unwrap(),
        |plan| serde_json::from_str(&plan).unwrap(),
    );
    let items = ground.items("s").await;
    Known {
        job: Replayed { state: ground.state("s").await, fields },
        plan: serde_json::from_value(plan).unwrap(),
        items: items.into_iter().map(|(id, note)| (id, note["state"].as_str().unwrap().to_owned())).collect(),
    }
}

/// Oldest first.
async fn entries(ground: &Ground) -> Vec<Entry> {
    let (mut entries, ..) = ground.store().audit(&AuditFilter::default(), "+", "-", 100_000).await.unwrap();
    entries.reverse();
    entries
}

/// Both, at a moment when nothing was written in between: what a dead worker has sent may still arrive.
async fn both(ground: &Ground) -> (Known, Known, Vec<Entry>) {
    loop {
        let (log, stored) = (entries(ground).await, stored(ground).await);
        if entries(ground).await.len() == log.len() {
            return (replayed(&log), stored, log);
        }
    }
}

/// How often each act was in the log of any run.
type Told = BTreeMap<String, usize>;

async fn judge(first: &Ground, number: usize, case: Case) -> Told {
    let ground = first.beside(BOTH[number % 2], &format!("r{number}"));
    random::play(&ground, &case).await;
    let (mut by_log, stored, log) = both(&ground).await;
    // Only this is said nowhere: when the first attempt began.
    if let Some(began) = stored.plan.get("started_at") {
        by_log.plan.insert("started_at".to_owned(), began.clone());
    }
    assert_eq!(by_log, stored, "run {number} of {:?}: {case:#?}\n{log:#?}", ground.dialect);
    let mut told = Told::new();
    for entry in log {
        *told.entry(entry.what).or_default() += 1;
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_any_run_gives_the_stored_state() {
    let runs = crate::support::runs("AUDIT_RUNS", RUNS);
    let first = Ground::start(BOTH[0]).await;
    let mut runner = TestRunner::default();
    let cases = (0..runs).map(|number| (number, random::cases().new_tree(&mut runner).unwrap().current()));
    let done = AtomicUsize::new(0);
    let told: Vec<Told> = futures_util::stream::iter(cases)
        .map(|(number, case)| {
            let (first, done) = (&first, &done);
            async move {
                let told = judge(first, number, case).await;
                done.fetch_add(1, Ordering::Relaxed);
                told
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut acts = Told::new();
    for (what, times) in told.into_iter().flatten() {
        *acts.entry(what).or_default() += times;
    }
    println!("{} runs of syncs replayed: {acts:?}", done.load(Ordering::Relaxed));
    assert_eq!(done.load(Ordering::Relaxed), runs);
    let missing: Vec<_> = random::ACTS.iter().filter(|act| !acts.contains_key(**act)).collect();
    assert!(missing.is_empty(), "none of these happened in any run: {missing:?}");
}
