//! A worker that was told to claim nothing more.

use std::convert::Infallible;

use bullock::store::actor::Actor;
use bullock::worker::Ended;
use serde_json::json;

use crate::rig::{Gate, Rig, Seen, add_bulk, store};

fn actor() -> Actor {
    Actor { by: "kim".into(), from: "cli@shop".into(), why: "a new version".into() }
}

#[tokio::test]
async fn a_quiet_worker_finishes_what_it_has_and_leaves_the_rest_to_the_others() {
    let mut rig = Rig::start().await;
    let (first, second, gate) = (Seen::default(), Seen::default(), Gate::closed());
    let (notes, door) = (first.clone(), gate.clone());
    let quiet = rig.plan().options(|options| options.name = "w-1".into()).on("x", move |job, _| {
        let (notes, door) = (notes.clone(), door.clone());
        async move {
            notes.note(&job.id);
            door.pass().await;
            Ok::<_, Infallible>("first")
        }
    });
    let quiet = quiet.start().await;
    let held = add_bulk(&mut rig.bull, json!([{"name": "x"}])).await;
    first.has(1).await;
    let asked = store(&rig.redis.url());
    assert!(asked.quiet_worker(&actor(), "w-1").await.unwrap());
    assert!(!asked.quiet_worker(&actor(), "w-1").await.unwrap(), "it was told before");
    let told = asked.quiet_workers().await.unwrap();
    assert_eq!((told.len(), told[0].name.as_str(), &told[0].actor), (1, "w-1", &actor()));

    gate.open(100);
    quiet.record.has(1, Ended::Completed).await;
    let notes = second.clone();
    let other = rig.plan().options(|options| options.name = "w-2".into()).on("x", move |job, _| {
        let notes = notes.clone();
        async move {
            notes.note(&job.id);
            Ok::<_, Infallible>("second")
        }
    });
    let ids = add_bulk(&mut rig.bull, json!([{"name": "x"}, {"name": "x"}, {"name": "x"}])).await;
    let other = other.start().await;
    second.has(3).await;
    assert_eq!((first.all(), second.all()), (held, ids));
    other.stop().await;

    assert!(asked.resume_worker(&actor(), "w-1").await.unwrap());
    let ids = add_bulk(&mut rig.bull, json!([{"name": "x"}])).await;
    first.has(2).await;
    assert_eq!(first.all()[1..], ids);
    assert!(asked.quiet_workers().await.unwrap().is_empty());
    quiet.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_process_that_is_started_anew_claims() {
    let mut rig = Rig::start().await;
    let asked = store(&rig.redis.url());
    asked.quiet_worker(&actor(), "w-1").await.unwrap();
    let seen = Seen::default();
    let notes = seen.clone();
    let plan = rig.plan().options(|options| options.name = "w-1".into());
    let worker = plan.on("x", move |job, _| {
        let notes = notes.clone();
        async move {
            notes.note(&job.id);
            Ok::<_, Infallible>(1)
        }
    });
    let worker = worker.start().await;
    add_bulk(&mut rig.bull, json!([{"name": "x"}])).await;
    seen.has(1).await;
    assert!(asked.quiet_workers().await.unwrap().is_empty());
    assert!(asked.quiet_worker(&actor(), "two words").await.is_err(), "no worker has such a name");
    worker.stop().await;
    rig.bull.close().await;
}
