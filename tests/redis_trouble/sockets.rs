//! The network: half-open sockets, a paused server, slow answers.

use std::time::{Duration, Instant};

use crate::rig::{BOTH, Rig, stop};

/// Half-open sockets are noticed within this time. The measure is 3 s; a busy machine gets some more.
const NOTICED: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_job_behind_half_open_sockets_is_picked_up_within_seconds() {
    for dialect in BOTH {
        for round in 0..3 {
            let rig = Rig::start(dialect).await;
            let worker = rig.plan().start().await.unwrap();
            let first = rig.add(0).await;
            rig.each_once(&[first]).await;
            // At another point of the waiting each time.
            tokio::time::sleep(Duration::from_millis(300 * round)).await;
            rig.proxy.blackhole_existing();
            let began = Instant::now();
            let id = rig.add(0).await;
            let took = rig.record.start_of(&id).await - began;
            println!("{dialect:?}: half-open, picked up after {took:?}");
            assert!(took < NOTICED, "{took:?}");
            rig.each_once(&[id]).await;
            stop(worker).await;
        }
    }
}

#[tokio::test]
async fn runs_that_end_on_half_open_sockets_are_written_on_new_ones() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let worker = rig.plan().start().await.unwrap();
        let ids = [rig.add(300).await, rig.add(300).await];
        for id in &ids {
            rig.record.start_of(id).await;
        }
        rig.proxy.blackhole_existing();
        rig.each_once(&ids).await;
        stop(worker).await;
    }
}

#[tokio::test]
async fn a_server_that_pauses_for_five_seconds_costs_no_run() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let db = rig.db().await;
        let worker = rig.plan().start().await.unwrap();
        let ids = [rig.add(1_000).await, rig.add(1_000).await, rig.add(7_000).await];
        for id in &ids {
            rig.record.start_of(id).await;
        }
        db.say("CLIENT PAUSE 5000 ALL").await;
        rig.each_once(&ids).await;
        stop(worker).await;
    }
}

#[tokio::test]
async fn answers_that_take_two_seconds_cost_no_run_and_no_connection() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let worker = rig.plan().start().await.unwrap();
        let first = rig.add(0).await;
        rig.each_once(&[first]).await;
        rig.proxy.delay(Duration::from_secs(1));
        let ids = [rig.add(0).await, rig.add(0).await];
        rig.each_once(&ids).await;
        rig.proxy.pass();
        stop(worker).await;
    }
}
