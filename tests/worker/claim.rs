//! Taking jobs: each once, never more at a time than there are slots, at once when idle.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bullock::{Context, Job, JobError, Worker};
use serde_json::{Value, json};

use crate::rig::{Plan, QUEUE, Rig, Seen, add_bulk};

#[derive(Clone, Default)]
struct Crowd {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

fn crowded(plan: Plan, seen: &Seen, crowd: &Crowd) -> Plan {
    let (notes, crowd) = (seen.clone(), crowd.clone());
    plan.on("x", move |job, _| {
        let (notes, crowd) = (notes.clone(), crowd.clone());
        async move {
            notes.note(&job.id);
            let now = crowd.now.fetch_add(1, Ordering::SeqCst) + 1;
            crowd.most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(3)).await;
            crowd.now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Infallible>(())
        }
    })
}

#[tokio::test]
async fn two_workers_share_a_queue_and_run_each_job_once_in_no_more_slots_than_they_have() {
    let mut rig = Rig::start().await;
    let (seen, crowds) = (Seen::default(), [Crowd::default(), Crowd::default()]);
    let mut workers = Vec::new();
    for crowd in &crowds {
        workers.push(crowded(rig.plan().concurrency(5), &seen, crowd).start().await);
    }
    let jobs: Vec<Value> = (0..500).map(|n| json!({"name": "x", "data": {"n": n}, "opts": {}})).collect();
    let mut ids = add_bulk(&mut rig.bull, json!(jobs)).await;
    rig.db.sorted_has("completed", ids.len()).await;
    let mut started = seen.all();
    started.sort();
    ids.sort();
    assert_eq!(started, ids);
    for crowd in &crowds {
        let most = crowd.most.load(Ordering::SeqCst);
        assert!((1..=5).contains(&most), "{most} at a time");
    }
    for worker in workers {
        worker.stop().await;
    }
    rig.db.quiet().await;
    assert_eq!(rig.db.locks().await, [""; 0]);
    rig.bull.close().await;
}

#[tokio::test]
async fn an_idle_worker_takes_each_job_as_soon_as_it_is_there() {
    let mut rig = Rig::start().await;
    let worker = rig.plan().on("x", |_, _| async move { Ok::<_, Infallible>(()) }).start().await;
    let mut waits = Vec::new();
    for _ in 0..40 {
        let id = rig.bull.add("x", json!({}), json!({})).await;
        rig.bull.finished(&id).await.unwrap();
        waits.push(rig.db.number(&id, "processedOn").await - rig.db.number(&id, "timestamp").await);
    }
    waits.sort_unstable();
    println!("ms from add to start: median {}, longest {}", waits[20], waits[39]);
    // Polling once a second would show as half a second.
    assert!(waits[20] < 250, "{waits:?}");
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_worker_made_by_the_builder_does_what_its_documentation_says() {
    #[derive(serde::Deserialize)]
    struct Mail {
        to: String,
    }
    let mut rig = Rig::start().await;
    let worker = Worker::builder(rig.redis.url(), QUEUE)
        .concurrency(10)
        .handler("welcome", |job: Job<Mail>, ctx: Context| async move {
            ctx.progress(&50).await?;
            Ok::<_, JobError>(format!("sent to {}", job.data.to))
        })
        .start()
        .await
        .unwrap();
    let id = rig.bull.add("welcome", json!({"to": "ada"}), json!({})).await;
    assert_eq!(rig.bull.finished(&id).await, Ok(json!("sent to ada")));
    let id = rig.bull.add("welcome", json!({"from": "bob"}), json!({"attempts": 3})).await;
    let text = rig.bull.finished(&id).await.unwrap_err();
    assert!(text.contains("missing field `to`"), "{text}");
    assert_eq!(rig.db.record(&id, "reason").await.as_deref(), Some("undecodable"));
    worker.stop();
    assert!(worker.join().await.clean);
    rig.bull.close().await;
}

#[tokio::test]
async fn at_concurrency_1_no_job_starts_before_the_end_of_the_one_before_it_is_written() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let worker = crowded(rig.plan().concurrency(1), &seen, &Crowd::default()).start().await;
    let jobs: Vec<Value> = (0..200).map(|n| json!({"name": "x", "data": {"n": n}, "opts": {}})).collect();
    let ids = add_bulk(&mut rig.bull, json!(jobs)).await;
    rig.db.sorted_has("completed", ids.len()).await;
    let mut spans = Vec::new();
    for id in &ids {
        let time = async |field| rig.db.field(id, field).await.expect("a time").parse::<i64>().expect("ms");
        spans.push((time("processedOn").await, time("finishedOn").await));
    }
    spans.sort_unstable();
    for pair in spans.windows(2) {
        assert!(pair[1].0 >= pair[0].1, "started at {} before {} was written", pair[1].0, pair[0].1);
    }
    worker.stop().await;
    rig.bull.close().await;
}
