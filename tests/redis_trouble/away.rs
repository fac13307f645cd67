//! The server is away: killed, loading, restarted. It is met as soon as it is back.

use std::time::{Duration, Instant};

use bullock::wire::Dialect;

use crate::rig::{BOTH, Rig, stop};
use crate::support::redis::Redis;

const KEEPS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];
/// The first job starts so soon after Redis is back. The measure is 1 s; a busy machine gets more.
const MET_AGAIN: Duration = Duration::from_secs(3);

async fn outage(rig: &mut Rig, lasts: Duration) -> Duration {
    rig.redis.crash();
    tokio::time::sleep(lasts).await;
    let began = Instant::now();
    rig.redis.restart();
    let ready = Instant::now();
    let id = rig.add(0).await;
    let took = rig.record.start_of(&id).await - ready;
    println!(
        "{:?}: after {lasts:?} away (back in {:?}), first job {took:?} after it",
        rig.dialect,
        ready - began
    );
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_job_after_an_outage_starts_within_a_second() {
    for dialect in BOTH {
        let mut rig = Rig::on(Redis::start_with(KEEPS), dialect).await;
        let worker = rig.plan_at(rig.redis.url()).start().await.unwrap();
        for lasts in [1, 6, 13] {
            let took = outage(&mut rig, Duration::from_secs(lasts)).await;
            assert!(took < MET_AGAIN, "{took:?}");
        }
        rig.record.is_well().await;
        stop(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_its_data_is_waited_for() {
    for dialect in [Dialect::Bull] {
        let slow = ["--key-load-delay", "4000", "--loading-process-events-interval-bytes", "1024"];
        let mut rig = Rig::on(Redis::start_with(&slow), dialect).await;
        let db = rig.db().await;
        for n in 0..800 {
            db.say(&format!("SET filler:{n} 1")).await;
        }
        let worker = rig.plan_at(rig.redis.url()).start().await.unwrap();
        let running = rig.add(1_000).await;
        rig.record.start_of(&running).await;
        db.say("SAVE").await;
        let took = outage(&mut rig, Duration::ZERO).await;
        rig.record.tells("redis is unavailable (loading)").await;
        assert!(took < MET_AGAIN, "{took:?}");
        rig.each_once(&[running]).await;
        stop(worker).await;
    }
}

/// One connection looks for it, every 0.1 to 0.3 s at first, whatever the number of slots. A busy machine looks less often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lets_nobody_in_is_looked_for_gently_and_told_of_once() {
    const AWAY: Duration = Duration::from_secs(3);
    const LOOKS_MAX: u64 = 50;
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let worker = rig.plan().concurrency(50).start().await.unwrap();
        let first = rig.add(0).await;
        rig.record.start_of(&first).await;
        rig.proxy.refuse();
        let before = rig.proxy.opened();
        tokio::time::sleep(AWAY).await;
        let looks = rig.proxy.opened() - before;
        rig.proxy.pass();
        rig.record.is_well().await;
        println!("{dialect:?}: {looks} connections in {AWAY:?}, told {} times", rig.record.told());
        assert!(looks <= LOOKS_MAX, "{looks} connections in {AWAY:?}");
        // That it began, of what kind it was at first and then, and that it is over.
        assert!(rig.record.told() <= 4, "told {} times", rig.record.told());
        let second = rig.add(0).await;
        rig.each_once(&[first, second]).await;
        stop(worker).await;
    }
}
