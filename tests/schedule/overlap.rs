//! Schedules of the config, and occurrences that are due before the one before them has ended; in both dialects.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bullock::store::actor::Actor;
use bullock::store::overlap::{Overlap, Schedule, When};
use bullock::store::{Connection, Store};
use bullock::wire::{Dialect, Keys};
use bullock::{Context, Job, JobError, Worker};
use redis::cmd;
use serde_json::{Map, Value, json};

use crate::support::redis::Redis;
use crate::support::wait;

const BOTH: [Dialect; 2] = [Dialect::Bull, Dialect::BullMq];

fn schedule(every_ms: u64, overlap: Overlap) -> Schedule {
    Schedule {
        name: "nightly".into(),
        job: "sync".into(),
        when: When::Every(every_ms),
        data: json!({"shop": "acme"}),
        opts: Map::new(),
        overlap,
    }
}

/// What the runs of a test did.
#[derive(Clone, Default)]
struct Runs {
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    /// Ids of jobs in the order in which they began.
    begun: Arc<Mutex<Vec<String>>>,
}

impl Runs {
    fn begun(&self) -> Vec<String> {
        self.begun.lock().unwrap().clone()
    }

    async fn run(self, job: Job<Value>, ctx: Context, long: usize) -> Result<(), JobError> {
        struct Leaving(Arc<AtomicUsize>);
        impl Drop for Leaving {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        let _leaving = Leaving(Arc::clone(&self.at_once));
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        let number = {
            let mut begun = self.begun.lock().unwrap();
            begun.push(job.id.to_string());
            begun.len()
        };
        // The first ones take long.
        let ms = if number <= long { 1_500 } else { 10 };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => Ok(()),
            () = ctx.cancelled.cancelled() => Err(JobError::retry("stopped")),
        }
    }
}

struct Ground {
    redis: Redis,
    dialect: Dialect,
}

impl Ground {
    fn start(dialect: Dialect) -> Ground {
        Ground { redis: Redis::start(), dialect }
    }

    async fn work(&self, slots: usize, schedule: Schedule, long: usize) -> (Worker, Runs) {
        let runs = Runs::default();
        let doing = runs.clone();
        let worker = Worker::builder(self.redis.url(), "q")
            .dialect(self.dialect)
            .concurrency(slots)
            .schedule(schedule)
            .handler("sync", move |job: Job<Value>, ctx: Context| doing.clone().run(job, ctx, long))
            .start()
            .await
            .unwrap();
        (worker, runs)
    }

    fn store(&self) -> Store {
        let connection = Connection::new(&self.redis.url(), None, Duration::from_secs(5)).unwrap();
        Store::of(connection, Keys::new("bull", "q"), Some(self.dialect))
    }

    async fn in_set(&self, set: &str) -> Vec<String> {
        let mut db = self.redis.connection().await;
        cmd("ZRANGE").arg(format!("bull:q:{set}")).arg(0).arg(-1).query_async(&mut db).await.unwrap()
    }

    async fn field(&self, id: &str, field: &str) -> Option<String> {
        let mut db = self.redis.connection().await;
        cmd("HGET").arg(format!("bull:q:{id}")).arg(field).query_async(&mut db).await.unwrap()
    }

    /// Completed occurrences that were passed over.
    async fn skipped(&self) -> Vec<String> {
        let mut skipped = Vec::new();
        for id in self.in_set("completed").await {
            let result = self.field(&id, "returnvalue").await.unwrap_or_default();
            if result.contains("\"skipped\":true") {
                skipped.push(id);
            }
        }
        skipped
    }
}

async fn stop(worker: Worker) {
    worker.stop();
    worker.stop();
    worker.join().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_due_too_soon_is_passed_over_also_when_no_slot_is_free() {
    for (dialect, slots) in [(BOTH[0], 4), (BOTH[0], 1), (BOTH[1], 4), (BOTH[1], 1)] {
        let ground = Ground::start(dialect);
        let (worker, runs) = ground.work(slots, schedule(700, Overlap::Skip), 1).await;
        wait::until("one to be passed over", async || !ground.skipped().await.is_empty()).await;
        wait::until("the next one to run", async || runs.begun().len() >= 2).await;
        stop(worker).await;
        assert_eq!(runs.most_at_once.load(Ordering::SeqCst), 1, "{dialect:?}, {slots} slots");
        let skipped = ground.skipped().await;
        assert!(runs.begun().iter().all(|id| !skipped.contains(id)));
        let result: Value =
            serde_json::from_str(&ground.field(&skipped[0], "returnvalue").await.unwrap()).unwrap();
        assert_eq!(result, json!({"skipped": true, "running": runs.begun()[0]}));
        assert_eq!(ground.field(&skipped[0], "data").await.unwrap(), r#"{"shop":"acme"}"#);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_that_queue_run_one_after_the_other_and_none_is_lost() {
    for dialect in BOTH {
        let ground = Ground::start(dialect);
        let (worker, runs) = ground.work(4, schedule(600, Overlap::Queue), 1).await;
        wait::until("some to run", async || runs.begun().len() >= 4).await;
        stop(worker).await;
        assert_eq!(runs.most_at_once.load(Ordering::SeqCst), 1, "{dialect:?}");
        assert!(ground.skipped().await.is_empty());
        let mut in_order = runs.begun();
        in_order.sort_by_key(|id| id.rsplit(':').next().unwrap().parse::<i64>().unwrap());
        assert_eq!(runs.begun(), in_order, "as they were due");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_one_is_cancelled_also_when_it_holds_the_only_slot() {
    for dialect in BOTH {
        let ground = Ground::start(dialect);
        let (worker, runs) = ground.work(1, schedule(700, Overlap::Cancel), 1).await;
        wait::until("the next one to run", async || runs.begun().len() >= 2).await;
        stop(worker).await;
        let first = runs.begun()[0].clone();
        assert!(ground.in_set("failed").await.contains(&first), "{dialect:?}");
        let why = ground.field(&first, "failedReason").await.unwrap();
        assert_eq!(why, "cancelled by bullock: the next one of schedule nightly is due");
        assert_eq!(runs.most_at_once.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn schedules_follow_the_config() {
    for dialect in BOTH {
        let ground = Ground::start(dialect);
        let (store, actor) = (ground.store(), Actor::default());
        let hourly = schedule(3_600_000, Overlap::Skip);
        let report = Schedule {
            name: "report".into(),
            when: When::Cron("0 3 * * *".into(), Some("Europe/Rome".into())),
            ..hourly.clone()
        };
        let planned = async || ground.in_set("repeat").await.len();
        store.keep_schedules(&actor, &[hourly.clone(), report.clone()]).await.unwrap();
        assert_eq!(planned().await, 2, "{dialect:?}");
        let before = ground.redis.dump().await;
        store.keep_schedules(&actor, &[hourly.clone(), report.clone()]).await.unwrap();
        assert_eq!(ground.redis.dump().await, before, "what has not changed is left alone");

        let other = Schedule { data: json!({"shop": "other"}), when: When::Every(7_200_000), ..hourly };
        store.keep_schedules(&actor, &[other.clone(), report]).await.unwrap();
        assert_eq!(planned().await, 2);
        store.keep_schedules(&actor, std::slice::from_ref(&other)).await.unwrap();
        assert_eq!(planned().await, 1, "what is not named any more is gone");
        let (key, _) = other.key_and_prefix(dialect);
        assert_eq!(ground.in_set("repeat").await, [key]);
    }
}
