//! Redis is there and refuses: outcomes are kept, leases hold, and it goes on by itself.

use std::time::Duration;

use crate::rig::{BOTH, Db, Rig, stop};
use crate::support::redis::Redis;

const LEASE: Duration = Duration::from_secs(6);
const RENEW: Duration = Duration::from_millis(500);

/// A short run ends in the middle of the trouble, a long one only after it.
async fn through(rig: &Rig, reason: &str, begin: impl AsyncFn(&Db), end: impl AsyncFn(&Db)) {
    let db = rig.db().await;
    let worker = rig.plan().lease(LEASE, RENEW).concurrency(2).start().await.unwrap();
    let mut ids = vec![rig.add(1_000).await, rig.add(5_000).await];
    for id in &ids {
        rig.record.start_of(id).await;
    }
    // One in line: a claim that finds nothing writes nothing, and would not be refused.
    ids.push(rig.add(0).await);
    begin(&db).await;
    rig.record.tells(reason).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    end(&db).await;
    rig.record.is_well().await;
    ids.push(rig.add(0).await);
    rig.each_once(&ids).await;
    // That it began, of what kind it was at first and then, and that it is over.
    assert!(rig.record.told() <= 4, "told {} times", rig.record.told());
    stop(worker).await;
}

#[tokio::test]
async fn out_of_memory_costs_no_lease_and_no_end() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let squeeze = async |db: &Db| db.say("CONFIG SET maxmemory 1").await;
        let relax = async |db: &Db| db.say("CONFIG SET maxmemory 0").await;
        through(&rig, "redis is out of memory (oom)", squeeze, relax).await;
    }
}

#[tokio::test]
async fn a_primary_that_became_a_replica_for_a_while_gets_all_ends_when_it_is_one_no_more() {
    for dialect in BOTH {
        let primary = Redis::start();
        let rig = Rig::start(dialect).await;
        let port = primary.port();
        // A replica of nobody: it keeps its data, and takes no writes.
        drop(primary);
        let demote = async |db: &Db| db.say(&format!("REPLICAOF 127.0.0.1 {port}")).await;
        let promote = async |db: &Db| db.say("REPLICAOF NO ONE").await;
        through(&rig, "redis is unavailable (read_only)", demote, promote).await;
    }
}

#[tokio::test]
async fn a_disk_that_takes_no_snapshot_stops_the_work_until_it_does() {
    for dialect in BOTH {
        let rig = Rig::on(Redis::start_with(&["--enable-protected-configs", "local"]), dialect).await;
        let (_, dir): (String, String) = rig.db().await.ask(redis::cmd("CONFIG").arg("GET").arg("dir")).await;
        let saved = async |db: &Db, how: &str| {
            crate::support::wait::until("the snapshot to end", async || {
                let info: String = db.ask(redis::cmd("INFO").arg("persistence")).await;
                info.contains("rdb_bgsave_in_progress:0")
                    && info.contains(&format!("rdb_last_bgsave_status:{how}"))
            })
            .await;
        };
        let fail = async |db: &Db| {
            std::fs::remove_dir_all(&dir).unwrap();
            let _: redis::Value = db.ask(redis::cmd("CONFIG").arg("SET").arg("save").arg("3600 1")).await;
            db.say("BGSAVE").await;
            saved(db, "err").await;
        };
        let mend = async |db: &Db| {
            std::fs::create_dir_all(&dir).unwrap();
            db.say(&format!("CONFIG SET dir {dir}")).await;
            db.say("BGSAVE").await;
            saved(db, "ok").await;
        };
        through(&rig, "redis is unavailable (disk)", fail, mend).await;
    }
}

#[tokio::test]
async fn somebody_elses_endless_script_is_waited_out() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        rig.db().await.say("CONFIG SET busy-reply-threshold 100").await;
        let endless = rig.db().await;
        let begin = async |_: &Db| {
            let endless = endless.clone();
            tokio::spawn(async move {
                let mut connection = endless.0.clone();
                let script = redis::cmd("EVAL").arg("while true do end").arg(0).clone();
                let _: redis::RedisResult<()> = script.query_async(&mut connection).await;
            });
        };
        let kill = async |db: &Db| db.say("SCRIPT KILL").await;
        through(&rig, "redis is unavailable (busy_script)", begin, kill).await;
    }
}

#[tokio::test]
async fn a_password_that_was_changed_is_told_and_ends_are_kept_until_it_is_right_again() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let rotate = async |db: &Db| {
            db.say("CONFIG SET requirepass changed").await;
            db.say("CLIENT KILL TYPE normal SKIPME yes").await;
        };
        let back = async |db: &Db| db.say("CONFIG SET requirepass \"\"").await;
        through(&rig, "redis refused (password)", rotate, back).await;
    }
}

#[tokio::test]
async fn a_server_whose_clients_are_too_many_is_asked_again_until_there_is_room() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let crowd = async |db: &Db| {
            // Room for the test alone.
            db.say("CONFIG SET maxclients 1").await;
            db.say("CLIENT KILL TYPE normal SKIPME yes").await;
            db.say("CLIENT KILL TYPE pubsub SKIPME yes").await;
        };
        let room = async |db: &Db| db.say("CONFIG SET maxclients 1000").await;
        through(&rig, "redis is unavailable (max_clients)", crowd, room).await;
    }
}

#[tokio::test]
async fn scripts_that_are_forgotten_in_mid_work_are_taught_again_also_in_bulk() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let db = rig.db().await;
        let worker = rig.plan().start().await.unwrap();
        let mut ids = Vec::new();
        for _ in 0..15 {
            db.say("SCRIPT FLUSH").await;
            let jobs =
                (0..3).map(|_| ("x".to_owned(), serde_json::json!({}), serde_json::json!({}))).collect();
            let added = rig.queue.add_bulk(jobs).await.unwrap();
            ids.extend(added.into_iter().map(|job| job.id.to_string()));
        }
        rig.each_once(&ids).await;
        stop(worker).await;
    }
}

#[tokio::test]
async fn a_flushed_server_leaves_no_ghost_and_the_worker_goes_on() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let db = rig.db().await;
        let worker = rig.plan().lease(Duration::from_secs(2), RENEW).start().await.unwrap();
        let gone = rig.add(1_000).await;
        rig.record.start_of(&gone).await;
        let long = rig.add(60_000).await;
        rig.record.start_of(&long).await;
        db.say("FLUSHALL").await;
        let id = rig.add(0).await;
        rig.record.start_of(&id).await;
        crate::support::wait::until("the runs of flushed jobs to be given up", async || {
            rig.record.count(bullock::worker::Ended::LeaseLost) == 2
        })
        .await;
        let id = rig.add(0).await;
        crate::support::wait::until("its end", async || db.score("completed", &id).await.is_some()).await;
        for key in ["active", "stalled", "wait"] {
            let keys: u8 = db.ask(redis::cmd("EXISTS").arg(db.key(key))).await;
            assert_eq!(keys, 0, "{key} is left");
        }
        let ghost: u8 = db.ask(redis::cmd("EXISTS").arg(db.key(&gone))).await;
        assert_eq!((ghost, db.score("failed", &gone).await), (0, None));
        stop(worker).await;
    }
}
