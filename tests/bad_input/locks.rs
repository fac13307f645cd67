//! Locks and listings that are not as they should be (B60, B63, B69; F62).

use std::time::Duration;

use crate::ground::Ground;
use crate::support::wait;

#[tokio::test]
async fn an_id_that_is_listed_twice_runs_once() {
    let mut ground = Ground::new().await;
    ground.good("twice").await;
    ground.plain(&["LPUSH", "bull:q:wait", "twice"]).await;
    ground.good("good").await;
    let worker = ground.worker_with(5).await;
    ground.comes_to("good", "completed").await;
    ground.comes_to("twice", "completed").await;
    assert_eq!(ground.recorder.of("twice").len(), 1);
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn an_id_that_waits_although_it_runs_is_not_started_again() {
    let mut ground = Ground::new().await;
    ground.place("runs", &[("name", "hangs")]).await;
    let worker = ground.worker_with(3).await;
    wait::until("the job to run", async || ground.recorder.of("runs").len() == 1).await;
    ground.plain(&["LPUSH", "bull:q:wait", "runs"]).await;
    ground.good("good").await;
    ground.comes_to("good", "completed").await;
    ground.comes_to("runs", "active").await;
    assert_eq!(ground.recorder.of("runs").len(), 1);
    worker.stop();
    worker.join().await;
    ground.sound().await;
}

#[tokio::test]
async fn an_id_that_is_listed_as_ended_and_waiting_ends_in_one_place() {
    let mut ground = Ground::new().await;
    for set in ["completed", "failed"] {
        let id = format!("was-{set}");
        ground.place(&id, &[("processedOn", "1"), ("finishedOn", "2")]).await;
        ground.plain(&["ZADD", &format!("bull:q:{set}"), "2", &id]).await;
    }
    let worker = ground.worker().await;
    for id in ["was-completed", "was-failed"] {
        ground.comes_to(id, "completed").await;
        assert_eq!(ground.recorder.of(id).len(), 1);
    }
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn markers_of_another_dialect_are_no_jobs() {
    let mut ground = Ground::new().await;
    ground.plain(&["LPUSH", "bull:q:wait", "0:1700000000000", "0:0"]).await;
    ground.good("good").await;
    let worker = ground.worker().await;
    ground.comes_to("good", "completed").await;
    assert!(ground.place_of("0:0").await.is_empty());
    assert_eq!(ground.run::<i64>(&["EXISTS", "bull:q:0:0", "bull:q:0:1700000000000"]).await, 0);
    assert_eq!(ground.recorder.ids(), ["good"]);
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn a_running_job_with_somebody_elses_lock_is_left_to_it_until_the_lock_expires() {
    let mut ground = Ground::new().await;
    for (id, lock) in [
        ("unknown", vec!["SET", "bull:q:unknown:lock", "who-knows", "PX", "1500"]),
        ("eternal", vec!["SET", "bull:q:eternal:lock", "who-knows"]),
        ("hash", vec!["HSET", "bull:q:hash:lock", "a", "b"]),
    ] {
        ground.place(id, &[]).await;
        ground.plain(&["LREM", "bull:q:wait", "0", id]).await;
        ground.plain(&["LPUSH", "bull:q:active", id]).await;
        ground.plain(&["SADD", "bull::x:q::leases", id]).await;
        ground.plain(&lock).await;
    }
    ground.good("good").await;
    let worker = ground.worker().await;
    ground.comes_to("good", "completed").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for id in ["unknown", "eternal", "hash"] {
        assert_eq!(ground.place_of(id).await, ["active"], "{id}");
        assert!(ground.recorder.of(id).is_empty(), "{id}");
    }
    worker.stop();
    worker.join().await;
    // Node's rule takes it back when the lock is gone: here the check is hastened.
    wait::until("the lock to expire", || {
        let mut con = ground.con.clone();
        async move {
            redis::cmd("EXISTS").arg("bull:q:unknown:lock").query_async::<i64>(&mut con).await.unwrap() == 0
        }
    })
    .await;
    ground.plain(&["DEL", "bull:q:stalled-check"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "unknown", "eternal", "hash"]).await;
    let worker = ground.worker().await;
    ground.comes_to("unknown", "completed").await;
    assert_eq!(ground.place_of("eternal").await, ["active"]);
    assert_eq!(ground.place_of("hash").await, ["active"]);
    worker.stop();
    worker.join().await;
}

#[tokio::test]
async fn a_waiting_job_with_a_lock_of_any_kind_runs() {
    let mut ground = Ground::new().await;
    for id in ["token", "list"] {
        ground.place(id, &[]).await;
    }
    ground.plain(&["SET", "bull:q:token:lock", "left by hand"]).await;
    ground.plain(&["RPUSH", "bull:q:list:lock", "x"]).await;
    let worker = ground.worker().await;
    for id in ["token", "list"] {
        ground.comes_to(id, "completed").await;
        assert_eq!(ground.recorder.of(id).len(), 1);
    }
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn a_lock_that_is_replaced_while_the_job_runs_stops_the_run_and_nothing_of_it_lands() {
    for lock in [vec!["SET", "bull:q:job:lock", "thief"], vec!["RPUSH", "bull:q:job:lock", "x"]] {
        let mut ground = Ground::new().await;
        ground.place("job", &[("name", "hangs")]).await;
        let worker = ground.worker().await;
        wait::until("the job to run", async || ground.recorder.of("job").len() == 1).await;
        ground.plain(&["DEL", "bull:q:job:lock"]).await;
        ground.plain(&lock).await;
        // The handler ends when it is told to: its slot is free again.
        ground.good("good").await;
        ground.comes_to("good", "completed").await;
        assert_eq!(ground.place_of("job").await, ["active"]);
        assert_eq!(ground.run::<i64>(&["HEXISTS", "bull:q:job", "returnvalue"]).await, 0);
        worker.stop();
        worker.join().await;
    }
}

#[tokio::test]
async fn everything_deleted_under_a_running_worker_leaves_no_ghosts_and_the_worker_lives() {
    let mut ground = Ground::new().await;
    ground.place("hangs", &[("name", "hangs")]).await;
    ground.good("before").await;
    let worker = ground.worker_with(3).await;
    ground.comes_to("before", "completed").await;
    wait::until("the job to run", async || ground.recorder.of("hangs").len() == 1).await;
    ground.plain(&["FLUSHALL"]).await;
    ground.good("after").await;
    ground.comes_to("after", "completed").await;
    ground.plain(&["FLUSHALL"]).await;
    ground.plain(&["SCRIPT", "FLUSH"]).await;
    ground.good("after-scripts").await;
    ground.comes_to("after-scripts", "completed").await;
    worker.stop();
    worker.join().await;
    ground.sound().await;
    let hashes: Vec<String> = ground.run(&["KEYS", "bull:q:*"]).await;
    assert!(!hashes.iter().any(|key| key.contains("hangs") || key.contains("before")), "{hashes:?}");
    ground.bull_reads_all().await;
}
