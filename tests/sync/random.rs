//! Random runs of a sync: what there is to do, how both sides answer, what people do meanwhile, and when the worker dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bullock::handler::{Handler, native};
use bullock::job::Data;
use bullock::job::outcome::Outcome;
use bullock::store::actor::Actor;
use bullock::store::audit::Auditing;
use bullock::store::sync::start::Start;
use bullock::sync::{ItemBackoff, OnExhausted, SyncOptions};
use bullock::wire::{Dialect, NewJob};
use bullock::{Context, Job, JobError};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::mortal::Mortal;
use crate::shop::{Ground, Shop};
use crate::support::wait;

/// All of it, and nothing is trimmed.
const ALL: Auditing = Auditing { transitions: true, keep_count: 10_000_000, keep_age_ms: None };
/// Acts that many runs together have in their logs.
pub const ACTS: [&str; 11] = [
    "sync.start",
    "sync.pause",
    "sync.resume",
    "sync.retry-items",
    "force-done",
    "cancel",
    "commit",
    "claim",
    "complete",
    "fail",
    "recover",
];

/// One step of a run.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// For so many ms nobody does anything.
    Let(u64),
    /// Until it has come to its end, or its pause.
    Rest,
    Pause,
    Resume,
    RetryItems,
    RetryJob,
    StartAgain,
    Cancel,
    ForceDone,
    /// The worker dies, another one comes.
    Crash,
    /// It stops in order, another one comes.
    Deploy,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Case {
    items: usize,
    page: usize,
    batch: usize,
    /// Items and how often each fails.
    fails: Vec<(usize, u32)>,
    /// Which pushes are not answered for, of every twenty, and how: 0 = attempt over, 1 = for good, 2 = later.
    broken: Vec<(usize, u8)>,
    strict: bool,
    priority: u8,
    steps: Vec<Step>,
    /// Does it come to its end, or its pause, before the worker goes? And is that killed, or does it stop in order?
    ends: bool,
    killed: bool,
}

pub fn cases() -> impl Strategy<Value = Case> {
    let step = prop_oneof![
        12 => (0u64..80).prop_map(Step::Let),
        2 => Just(Step::Rest),
        2 => Just(Step::Pause),
        3 => Just(Step::Resume),
        3 => Just(Step::RetryItems),
        1 => Just(Step::RetryJob),
        2 => Just(Step::StartAgain),
        1 => Just(Step::Cancel),
        1 => Just(Step::ForceDone),
        3 => Just(Step::Crash),
        1 => Just(Step::Deploy),
    ];
    let sides = (0usize..120, 1usize..40, 1usize..30);
    let fails = prop::collection::vec((0usize..120, 1u32..5), 0..20);
    let broken = prop::collection::vec((0usize..20, 0u8..3), 0..3);
    let ends = (any::<bool>(), 0u8..2, any::<bool>(), any::<bool>());
    (sides, fails, broken, prop::collection::vec(step, 1..14), ends).prop_map(
        |((items, page, batch), fails, broken, steps, (strict, priority, ends, killed))| Case {
            items,
            page,
            batch,
            fails,
            broken,
            strict,
            priority,
            steps,
            ends,
            killed,
        },
    )
}

/// The shop's own sink, but for the pushes that are not answered for.
fn sink(shop: &Shop, broken: Vec<(usize, u8)>) -> Arc<dyn Handler> {
    let (there, pushes) = (shop.sink(), Arc::new(AtomicUsize::new(0)));
    Arc::new(native::handler(move |job: Job<Value>, ctx: Context| {
        let (there, number) = (Arc::clone(&there), pushes.fetch_add(1, Ordering::Relaxed) % 20);
        let how = broken.iter().find(|(at, _)| *at == number).map(|(_, how)| *how);
        async move {
            match how {
                Some(0) => return Err(JobError::retry("it is not there")),
                Some(1) => return Err(JobError::permanent("it will never be there")),
                Some(_) => return Err(JobError::defer(Duration::from_millis(20), "it is busy")),
                None => {}
            }
            let data = serde_json::value::to_raw_value(&job.data).unwrap();
            match there.run(Arc::new(job.map_data(|_| Data::Json(data.into()))), ctx).await {
                Outcome::Completed(Some(answer)) => {
                    Ok(serde_json::from_str::<Value>(answer.as_str()).unwrap())
                }
                other => panic!("{other:?}"),
            }
        }
    }))
}

fn job(dialect: Dialect, priority: u8) -> NewJob {
    let opts = json!({"jobId": "s", "attempts": 4, "backoff": 10, "priority": priority})
        .as_object()
        .unwrap()
        .clone();
    match dialect {
        Dialect::Bull => NewJob::bull("sync", &json!({}), opts),
        Dialect::BullMq => NewJob::bullmq("sync", &json!({}), opts).unwrap(),
    }
}

async fn rest(ground: &Ground) {
    wait::until("its end or its pause", async || match &*ground.state("s").await {
        "completed" | "failed" => true,
        "delayed" => ground.record("s", "hold").await.is_some(),
        _ => false,
    })
    .await;
}

/// Plays it from the start of the sync until nobody works on it any more.
pub async fn play(ground: &Ground, case: &Case) {
    let shop = Shop::new(case.items, case.page).failing(case.fails.clone());
    let options = SyncOptions {
        batch_size: case.batch,
        batch_delay: Duration::from_millis(3),
        item_backoff: ItemBackoff::Fixed(Duration::from_millis(5)),
        on_exhausted: if case.strict { OnExhausted::Fail } else { OnExhausted::Partial },
        call_attempts: 1,
        sink: Some(sink(&shop, case.broken.clone())),
        ..shop.options()
    };
    let (store, kim) = (
        ground.store().with_auditing(ALL),
        Actor { by: "kim".into(), from: "test".into(), why: "because".into() },
    );
    let start = Start { key: Some("k"), ..Start::default() };
    store.start_sync(&kim, &start, &job(ground.dialect, case.priority)).await.unwrap();
    let live = || {
        Mortal::start(ground, options.clone(), |builder| {
            builder.audit(ALL).lease(Duration::from_millis(300), Duration::from_millis(75))
        })
    };
    let mut worker = live();
    for step in &case.steps {
        match step {
            Step::Let(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::Rest => rest(ground).await,
            Step::Pause => drop(store.pause_sync(&kim, "s").await.unwrap()),
            Step::Resume => drop(store.resume_sync(&kim, "s").await.unwrap()),
            Step::RetryItems => drop(store.retry_items(&kim, "s", &[]).await.unwrap()),
            Step::RetryJob => drop(store.clone().by(kim.clone()).retry("t", "s", false).await.unwrap()),
            Step::StartAgain => {
                drop(store.start_sync(&kim, &start, &job(ground.dialect, case.priority)).await.unwrap());
            }
            Step::Cancel => drop(store.cancel(&kim, &["s"]).await.unwrap()),
            Step::ForceDone => drop(store.force_done(&kim, "s").await.unwrap()),
            Step::Crash => {
                worker.kill().await;
                worker = live();
            }
            Step::Deploy => {
                worker.stop().await;
                worker = live();
            }
        }
    }
    if case.ends {
        rest(ground).await;
    }
    if case.killed { worker.kill().await } else { worker.stop().await }
}
