//! What people do to syncs: the failed items once more, pause, resume, retry, force-done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bullock::store::actor::Actor;
use bullock::store::force_done::Forced;
use bullock::store::sync::operate::{Paused, Resumed, RetriedItems};
use bullock::sync::{ItemBackoff, OnExhausted, SyncOptions};
use bullock::{Context, Job, JobError, Worker};
use serde_json::{Value, json};

use crate::shop::{BOTH, Ground, Shop, all_ok, sink};
use crate::support::wait;

fn kim() -> Actor {
    Actor { by: "kim".into(), from: "test".into(), why: "because".into() }
}

fn quick(shop: &Shop) -> SyncOptions {
    SyncOptions { item_backoff: ItemBackoff::Fixed(Duration::from_millis(5)), ..shop.options() }
}

async fn stop(worker: Worker) {
    worker.stop();
    worker.join().await;
}

async fn result(ground: &Ground) -> Value {
    serde_json::from_str(&ground.field("s", "returnvalue").await.unwrap()).unwrap()
}

/// Puts the job into a set where it ended before.
async fn ended_again(ground: &Ground, shop: &Shop, pushes: usize) {
    wait::until("items to be pushed again", async || shop.pushed().len() > pushes).await;
    ground.ended("s").await;
}

#[tokio::test]
async fn failed_items_are_pushed_again_with_their_tries_anew_and_nothing_else_is() {
    for dialect in BOTH {
        let always = [3, 30, 50, 77, 99];
        let (shop, mut ground) =
            (Shop::new(120, 50).failing(always.map(|id| (id, 4))), Ground::start(dialect).await);
        assert_eq!(ground.sync(quick(&shop)).await["failed"], 5, "{dialect:?}");
        let (before, store) = (shop.pushed().len(), ground.store());

        let answer = store.retry_items(&kim(), "s", &["30".into(), "no such".into()]).await.unwrap();
        assert_eq!(answer, RetriedItems::Done("completed".into(), 1));
        let plan = ground.plan("s").await;
        assert_eq!(
            (&plan["processed"], &plan["failed"], &plan["retrying"]),
            (&json!(119), &json!(4), &json!(1)),
            "{dialect:?}"
        );
        assert_eq!(ground.state("s").await, "waiting");
        assert_eq!(ground.field("s", "returnvalue").await, None);
        assert_eq!(ground.items("s").await["30"]["state"], "retrying");
        let again = store.retry_items(&kim(), "s", &["30".into()]).await.unwrap();
        assert_eq!(again, RetriedItems::NotEnded("waiting".into(), 0), "sent twice it takes effect once");

        let worker = ground.work(quick(&shop)).await;
        ended_again(&ground, &shop, before).await;
        assert_eq!(result(&ground).await["failed"], 4);
        // Tries 4 and 5: it is refused once more, and then taken.
        assert_eq!(shop.tries()[&30], 5);

        let answer = store.retry_items(&kim(), "s", &[]).await.unwrap();
        assert_eq!(answer, RetriedItems::Done("completed".into(), 4));
        wait::until("the end", async || ground.record("s", "plan").await.unwrap().contains("\"failed\":0"))
            .await;
        ground.ended("s").await;
        stop(worker).await;
        let end = result(&ground).await;
        assert_eq!(
            (&end["state"], &end["successful"], &end["actionRequired"]),
            (&json!("completed"), &json!(120), &json!(false))
        );
        let tries = shop.tries();
        assert!(
            tries.iter().all(|(id, tries)| *tries == if always.contains(id) { 5 } else { 1 }),
            "{tries:?}"
        );
        assert_eq!(ground.items("s").await.len(), 0);
        let why = ["kim", "because"].map(str::to_owned);
        let [by, reason] = why;
        let act = ["sync.retry-items".into(), "s".into(), "completed".into(), "waiting".into(), by, reason];
        assert_eq!(ground.acts().await, [act.clone(), act], "{dialect:?}");
        let nothing = store.retry_items(&kim(), "s", &[]).await.unwrap();
        assert_eq!(nothing, RetriedItems::NothingFailed);
    }
}

#[tokio::test]
async fn a_sync_that_failed_for_its_items_has_them_once_more() {
    for dialect in BOTH {
        let (shop, mut ground) = (Shop::new(10, 10).failing([(4, 1)]), Ground::start(dialect).await);
        let strict = || SyncOptions { on_exhausted: OnExhausted::Fail, item_attempts: 1, ..shop.options() };
        assert_eq!(ground.fails(strict()).await, "1 of 10 items failed");
        let answer = ground.store().retry_items(&kim(), "s", &[]).await.unwrap();
        assert_eq!(answer, RetriedItems::Done("failed".into(), 1));
        let worker = ground.work(strict()).await;
        ended_again(&ground, &shop, 1).await;
        stop(worker).await;
        assert_eq!(result(&ground).await["successful"], 10);
    }
}

#[tokio::test]
async fn what_is_no_sync_or_no_job_is_left_alone() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let store = ground.store();
        assert_eq!(store.retry_items(&kim(), "s", &[]).await.unwrap(), RetriedItems::NotFound);
        assert_eq!(store.pause_sync(&kim(), "s").await.unwrap(), Paused::NotFound);
        assert_eq!(store.resume_sync(&kim(), "s").await.unwrap(), Resumed::NotFound);
        assert_eq!(store.pause_sync(&kim(), "wait").await.unwrap(), Paused::NotFound);
        ground.add("s", &json!({})).await;
        assert_eq!(store.retry_items(&kim(), "s", &[]).await.unwrap(), RetriedItems::NoSync);
        assert_eq!(store.resume_sync(&kim(), "s").await.unwrap(), Resumed::NotPaused("waiting".into()));
        assert_eq!(ground.acts().await.len(), 0);
    }
}

#[tokio::test]
async fn a_paused_sync_stops_after_its_batch_and_goes_on_at_once_when_it_is_resumed() {
    for dialect in BOTH {
        let (shop, ground) = (Shop::new(200, 40), Ground::start(dialect).await);
        let store = ground.store();
        let options =
            SyncOptions { batch_delay: Duration::from_millis(50), batch_size: 10, ..shop.options() };
        let worker = ground.work(options).await;
        ground.add("s", &json!({})).await;
        wait::until("some batches", async || shop.pushed().len() >= 3).await;
        assert_eq!(store.pause_sync(&kim(), "s").await.unwrap(), Paused::Done("active".into()));
        assert!(matches!(store.pause_sync(&kim(), "s").await.unwrap(), Paused::Already(_)));
        wait::until("the pause", async || ground.state("s").await == "delayed").await;
        let pushed = shop.pushed().len();
        assert!(pushed < 20, "{pushed}");
        assert_eq!(ground.plan("s").await["batches"], pushed, "{dialect:?}: what was pushed is committed");
        assert_eq!(ground.record("s", "deferrals").await, None);

        assert_eq!(store.resume_sync(&kim(), "s").await.unwrap(), Resumed::Done("delayed".into()));
        ground.ended("s").await;
        stop(worker).await;
        assert_eq!(result(&ground).await["successful"], 200);
        assert!(shop.tries().values().all(|tries| *tries == 1));
        assert_eq!(ground.record("s", "hold").await, None);
        let made = ground.field("s", if dialect == BOTH[0] { "attemptsMade" } else { "atm" }).await;
        assert!(matches!(made.as_deref(), None | Some("0" | "1")), "no attempt was spent: {made:?}");
        let acts: Vec<String> = ground.acts().await.into_iter().map(|[what, ..]| what).collect();
        assert_eq!(acts, ["sync.pause", "sync.resume"]);
        assert_eq!(store.resume_sync(&kim(), "s").await.unwrap(), Resumed::Completed);
        assert_eq!(store.pause_sync(&kim(), "s").await.unwrap(), Paused::Ended("completed".into()));
    }
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_hands_a_sync_back_after_its_batch_and_the_next_one_goes_on() {
    for dialect in BOTH {
        let (shop, ground) = (Shop::new(200, 40), Ground::start(dialect).await);
        let options =
            || SyncOptions { batch_delay: Duration::from_secs(20), batch_size: 10, ..shop.options() };
        let worker = ground.work(options()).await;
        ground.add("s", &json!({})).await;
        wait::until("a batch", async || shop.pushed().len() == 1).await;
        // Its grace is 30 s, and it would sleep for 20 s before its next batch.
        let asked = std::time::Instant::now();
        stop(worker).await;
        assert!(asked.elapsed() < Duration::from_secs(10), "{dialect:?}: {:?}", asked.elapsed());
        assert_eq!(ground.state("s").await, "waiting");
        assert_eq!((shop.pushed().len(), &ground.plan("s").await["batches"]), (1, &json!(1)));
        let made = ground.field("s", if dialect == BOTH[0] { "attemptsMade" } else { "atm" }).await;
        assert!(matches!(made.as_deref(), None | Some("0")), "no attempt was spent: {made:?}");

        let worker = ground.work(SyncOptions { batch_delay: Duration::ZERO, ..options() }).await;
        ground.ended("s").await;
        stop(worker).await;
        assert_eq!(result(&ground).await["successful"], 200);
        assert!(shop.tries().values().all(|tries| *tries == 1));
    }
}

#[tokio::test]
async fn a_sync_that_is_paused_while_it_waits_does_not_begin() {
    for dialect in BOTH {
        let (shop, ground) = (Shop::new(5, 5), Ground::start(dialect).await);
        ground.add("s", &json!({})).await;
        let store = ground.store();
        assert_eq!(store.pause_sync(&kim(), "s").await.unwrap(), Paused::Done("waiting".into()));
        let worker = ground.work(shop.options()).await;
        wait::until("the pause", async || ground.state("s").await == "delayed").await;
        assert_eq!(shop.pushed().len(), 0);
        store.resume_sync(&kim(), "s").await.unwrap();
        ground.ended("s").await;
        stop(worker).await;
        assert_eq!(result(&ground).await["successful"], 5);
    }
}

/// A sink that is down from its third batch on, until it is told otherwise.
fn shaky(shop: &Shop, up: &Arc<AtomicBool>) -> SyncOptions {
    let (there, up, taken) = (shop.sink(), Arc::clone(up), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let taking = move |job: Job<Value>, ctx: Context| {
        let (there, open) = (Arc::clone(&there), up.load(Ordering::SeqCst));
        let number = taken.fetch_add(usize::from(!open), Ordering::SeqCst);
        async move {
            if !open && number >= 2 {
                return Err(JobError::permanent("the back office is down"));
            }
            let data = serde_json::value::to_raw_value(&job.data).unwrap();
            let raw = Arc::new(job.map_data(|_| bullock::job::Data::Json(data.into())));
            match there.run(raw, ctx).await {
                bullock::job::outcome::Outcome::Completed(Some(answer)) => {
                    Ok(serde_json::from_str::<Value>(answer.as_str()).unwrap())
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let sink = Arc::new(bullock::handler::native::handler(taking));
    SyncOptions { sink: Some(sink), batch_size: 10, call_attempts: 1, ..shop.options() }
}

#[tokio::test]
async fn a_failed_or_cancelled_sync_goes_on_from_its_plan_by_resume_and_by_plain_retry() {
    for dialect in BOTH {
        for by_retry in [false, true] {
            let (shop, mut ground) = (Shop::new(60, 20), Ground::start(dialect).await);
            let up = Arc::new(AtomicBool::new(false));
            assert_eq!(ground.fails(shaky(&shop, &up)).await, "the back office is down");
            assert_eq!(ground.plan("s").await["processed"], 20);
            up.store(true, Ordering::SeqCst);
            let store = ground.store();
            if by_retry {
                store.retry("t", "s", false).await.unwrap();
            } else {
                assert_eq!(store.resume_sync(&kim(), "s").await.unwrap(), Resumed::Done("failed".into()));
                assert_eq!(
                    store.resume_sync(&kim(), "s").await.unwrap(),
                    Resumed::NotPaused("waiting".into())
                );
            }
            // Cancelled while it waits, and resumed from that as well.
            store.cancel(&kim(), &["s"]).await.unwrap();
            assert_eq!(ground.state("s").await, "failed");
            assert_eq!(store.resume_sync(&kim(), "s").await.unwrap(), Resumed::Done("failed".into()));
            let worker = ground.work(shaky(&shop, &up)).await;
            ground.ended("s").await;
            stop(worker).await;
            assert_eq!(result(&ground).await["successful"], 60, "{dialect:?}");
            assert!(shop.tries().values().all(|tries| *tries == 1), "nothing is pushed twice");
        }
    }
}

#[tokio::test]
async fn a_sync_that_is_forced_to_be_done_refuses_the_late_commit_of_its_run() {
    for dialect in BOTH {
        let (shop, ground) = (Shop::new(100, 10), Ground::start(dialect).await);
        let (reached, go) =
            (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
        let (told, gate) = (Arc::clone(&reached), Arc::clone(&go));
        let slow = bullock::handler::native::handler(move |job: Job<Value>, _: Context| {
            let (told, gate) = (Arc::clone(&told), Arc::clone(&gate));
            async move {
                if job.data["batch"] == 3 {
                    told.add_permits(1);
                    // It listens to nobody while it pushes.
                    drop(gate.acquire().await);
                }
                Ok::<_, JobError>(all_ok(&job.data))
            }
        });
        let worker = ground.work(SyncOptions { sink: Some(Arc::new(slow)), ..shop.options() }).await;
        ground.add("s", &json!({})).await;
        drop(reached.acquire().await);
        let before = ground.plan("s").await;
        let token = {
            let key = format!("bull:{}:s:lock", crate::shop::QUEUE);
            redis::cmd("GET").arg(key).query_async::<String>(&mut ground.db.clone()).await.unwrap()
        };
        let forced = ground.store().force_done(&kim(), "s").await.unwrap();
        assert_eq!(forced, Forced::Done("active".into()));
        go.add_permits(1);
        let late = bullock::store::sync::SyncCommit {
            id: "s",
            token: &token,
            number: 99,
            plan: "{}",
            progress: None,
            changed: "{}",
            items_max: 10,
            end: None,
            history: Duration::ZERO,
            seen: &[],
            items: &[],
        };
        let (verdict, _) = ground.store().commit(&late).await.unwrap();
        assert_eq!(verdict, bullock::store::finish::Verdict::LeaseLost);
        stop(worker).await;
        assert_eq!(ground.plan("s").await, before, "{dialect:?}: nothing of it was written");
        assert_eq!(result(&ground).await, json!({"forced": true, "by": "kim", "reason": "because"}));
    }
}

#[tokio::test]
async fn a_source_that_has_nothing_new_is_paused_as_well() {
    let ground = Ground::start(BOTH[0]).await;
    let from = crate::shop::source(|from| match from {
        0 => json!({"items": [{"id": 1}], "next": 1}),
        _ => json!({"items": [], "next": 1}),
    });
    let worker = ground.work(SyncOptions::new(Some(from), Some(sink(|batch| Ok(all_ok(batch)))))).await;
    ground.add("s", &json!({})).await;
    wait::until("a commit", async || ground.record("s", "plan").await.is_some()).await;
    ground.store().pause_sync(&kim(), "s").await.unwrap();
    wait::until("the pause", async || ground.state("s").await == "delayed").await;
    stop(worker).await;
}
