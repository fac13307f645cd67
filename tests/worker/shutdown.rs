//! Stopping: no more claims, handlers may finish, the rest goes back unspent.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bullock::handler::native;
use bullock::worker::Ended;
use bullock::{Context, Job};
use serde_json::{Value, json};

use crate::rig::{Gate, Plan, Rig, Seen, add_bulk};

/// Handlers that note their job and wait: for the gate, or for being told if it stays shut.
fn waiting(plan: Plan, seen: &Seen, gate: &Gate) -> Plan {
    let (notes, door) = (seen.clone(), gate.clone());
    plan.on("x", move |job, _| {
        let (notes, door) = (notes.clone(), door.clone());
        async move {
            notes.note(&job.id);
            door.pass().await;
            Ok::<_, Infallible>("finished")
        }
    })
}

fn plain(n: usize) -> Value {
    json!({"name": "x", "data": {"n": n}, "opts": {"attempts": 3}})
}

#[tokio::test]
async fn a_stopping_worker_lets_its_handlers_finish_and_takes_no_more() {
    let mut rig = Rig::start().await;
    let (seen, gate) = (Seen::default(), Gate::closed());
    let worker = waiting(rig.plan().concurrency(2), &seen, &gate).start().await;
    let ids = add_bulk(&mut rig.bull, json!([plain(1), plain(2), plain(3)])).await;
    seen.has(2).await;
    worker.worker.stop();
    gate.open(3);
    assert!(worker.worker.join().await.clean);
    assert_eq!(seen.all(), ids[..2]);
    for id in &ids[..2] {
        assert_eq!(rig.bull.job(id, "returnvalue").await, "finished");
    }
    assert_eq!(rig.db.list("wait").await, ids[2..]);
    assert_eq!((rig.db.list("active").await.len(), rig.db.locks().await.len()), (0, 0));
    rig.bull.close().await;
}

#[tokio::test]
async fn what_is_not_finished_in_the_grace_goes_back_to_the_front_unspent() {
    let mut rig = Rig::start().await;
    let (seen, gate) = (Seen::default(), Gate::closed());
    let short = |options: &mut bullock::worker::Options| options.shutdown_grace = Duration::from_millis(100);
    let worker = waiting(rig.plan().concurrency(2).options(short), &seen, &gate).start().await;
    let ids = add_bulk(&mut rig.bull, json!([plain(1), plain(2), plain(3)])).await;
    seen.has(2).await;
    worker.worker.stop();
    let record = worker.record;
    assert!(worker.worker.join().await.clean);
    assert_eq!(record.count(Ended::HandedBack), 2);
    // The consumer end is the right one: the third job waits behind the two.
    let waiting_now = rig.db.list("wait").await;
    assert_eq!(waiting_now[0], ids[2]);
    assert_eq!(waiting_now.len(), 3);
    for id in &ids[..2] {
        assert_eq!(rig.db.field(id, "attemptsMade").await, None);
        assert_eq!(rig.db.field(id, "failedReason").await, None);
        assert_eq!(rig.bull.job(id, "getState").await, "waiting");
    }
    assert_eq!((rig.db.list("active").await.len(), rig.db.locks().await.len()), (0, 0));

    gate.open(3);
    let next = waiting(rig.plan(), &seen, &gate).start().await;
    for id in &ids {
        assert_eq!(rig.bull.finished(id).await, Ok(json!("finished")));
    }
    next.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn handed_back_jobs_with_a_priority_stand_where_their_priority_puts_them() {
    let mut rig = Rig::start().await;
    let (seen, gate) = (Seen::default(), Gate::closed());
    let none = |options: &mut bullock::worker::Options| options.shutdown_grace = Duration::ZERO;
    let worker = waiting(rig.plan().concurrency(2).options(none), &seen, &gate).start().await;
    let urgent =
        |n: usize, priority: u32| json!({"name": "x", "data": {"n": n}, "opts": {"priority": priority}});
    let running = add_bulk(&mut rig.bull, json!([urgent(1, 5), urgent(2, 2)])).await;
    seen.has(2).await;
    let later = add_bulk(&mut rig.bull, json!([urgent(3, 3), urgent(4, 1), plain(5)])).await;
    worker.stop().await;
    gate.open(5);
    let next = waiting(rig.plan(), &seen, &gate).start().await;
    rig.db.sorted_has("completed", 5).await;
    let expected = [&later[1], &running[1], &later[0], &running[0], &later[2]];
    assert_eq!(seen.all()[2..].iter().collect::<Vec<_>>(), expected);
    next.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn asking_twice_ends_the_grace() {
    let mut rig = Rig::start().await;
    let (seen, gate) = (Seen::default(), Gate::closed());
    let long = |options: &mut bullock::worker::Options| options.shutdown_grace = Duration::from_secs(3600);
    let worker = waiting(rig.plan().options(long), &seen, &gate).start().await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    let asked = Instant::now();
    worker.worker.stop();
    worker.worker.stop();
    assert!(worker.worker.join().await.clean);
    println!("stopped {:?} after the second call", asked.elapsed());
    assert_eq!(rig.db.list("wait").await, [id]);
    rig.bull.close().await;
}

#[tokio::test]
async fn a_handler_that_ends_when_told_at_the_end_of_the_grace_keeps_its_result() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let worker = rig
        .plan()
        .options(|options| options.shutdown_grace = Duration::from_millis(50))
        .on("x", move |_, ctx| {
            notes.note("began");
            async move {
                ctx.cancelled.cancelled().await;
                Ok::<_, Infallible>("just in time")
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    seen.has(1).await;
    worker.stop().await;
    assert_eq!(rig.bull.finished(&id).await, Ok(json!("just in time")));
    rig.bull.close().await;
}

#[tokio::test]
async fn jobs_that_wait_for_their_handlers_turn_go_back_at_once() {
    let mut rig = Rig::start().await;
    let (seen, gate) = (Seen::default(), Gate::closed());
    let (notes, door) = (seen.clone(), gate.clone());
    let handler = native::handler(move |job: Job<Value>, _: Context| {
        let (notes, door) = (notes.clone(), door.clone());
        async move {
            notes.note(&job.id);
            door.pass().await;
            Ok::<_, Infallible>(())
        }
    });
    let worker =
        rig.plan().concurrency(3).handler("x", handler, |limits| limits.concurrency = Some(1)).start().await;
    add_bulk(&mut rig.bull, json!([plain(1), plain(2), plain(3)])).await;
    rig.db.list_has("active", 3).await;
    seen.has(1).await;
    worker.worker.stop();
    // The one that runs still has its grace; the others are back already.
    rig.db.list_has("wait", 2).await;
    gate.open(1);
    assert!(worker.worker.join().await.clean);
    assert_eq!((seen.len(), rig.db.sorted("completed").await.len()), (1, 1));
    rig.bull.close().await;
}
