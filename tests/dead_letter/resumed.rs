//! A replay that is killed and run again, and two people who replay the same at once.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use redis::AsyncCommands as _;

use crate::ground::{Ground, KINDS, saying};
use crate::support::bullock::BINARY;
use crate::support::process::Process;
use crate::support::wait;

const MANY: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_killed_in_the_middle_and_run_again_leaves_nothing_out_and_does_nothing_twice() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground.bury((0..MANY).map(|n| saying(&format!("j{n:02}"), "no")).collect()).await;
        // What is replayed fails again at once: it must not be taken a second time.
        let worker = ground.failing_worker().await;
        let mut command = Command::new(BINARY);
        let arguments =
            ["dead", "replay", "q", "--class", "error", "--reason", "x", "--yes", "--rate", "30/s"];
        command.args(arguments).env("BULLOCK_REDIS_URL", ground.redis.url());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut first = Process::spawn(&mut command).unwrap();
        let replayed = async || {
            let mut db = ground.redis.connection().await;
            let mut pipe = redis::pipe();
            for n in 0..MANY {
                pipe.hexists(format!("bull::x:q::job:j{n:02}"), "replayed");
            }
            let marks: Vec<bool> = pipe.query_async(&mut db).await.unwrap();
            marks.into_iter().filter(|mark| *mark).count()
        };
        wait::until("the middle", async || replayed().await > 10).await;
        first.signal(Signal::SIGKILL);
        first.wait(wait::DEADLINE).await;
        let so_far = replayed().await;
        assert!(so_far < MANY, "killed too late");

        let mut again = arguments.to_vec();
        again.push("--json");
        let answer = ground.run(&again).await;
        assert!(answer.stderr.contains("going on with what"), "{answer:?}");
        let done: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(
            (done["done"].as_u64(), done["inAll"].as_u64()),
            (Some((MANY - so_far) as u64), Some(MANY as u64))
        );
        wait::until("all to have failed again", async || ground.count("failed").await == MANY).await;
        worker.stop();
        worker.join().await;
        let mut db = ground.redis.connection().await;
        let field = if kind == 4 { "attemptsMade" } else { "atm" };
        for n in 0..MANY {
            let made: u32 = db.hget(format!("bull:q:j{n:02}"), field).await.unwrap();
            assert_eq!(made, 2, "j{n:02} of kind {kind}: once before, once replayed");
        }
        ground.queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_who_replay_the_same_at_once_replay_each_job_once() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground.bury((0..MANY).map(|n| saying(&format!("j{n:02}"), "no")).collect()).await;
        let arguments =
            ["dead", "replay", "q", "--all", "--reason", "x", "--yes", "--rate", "100/s", "--json"];
        let (one, two) = tokio::join!(ground.run(&arguments), ground.run(&arguments));
        let done =
            |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["done"].as_u64().unwrap();
        assert_eq!(done(&one.stdout) + done(&two.stdout), MANY as u64, "{one:?} {two:?}");
        assert_eq!((ground.count("failed").await, ground.count("wait").await), (0, MANY));
        let mut waiting: Vec<String> =
            ground.redis.connection().await.lrange("bull:q:wait", 0, -1).await.unwrap();
        waiting.sort();
        waiting.dedup();
        assert_eq!(waiting.len(), MANY, "none is in line twice");
        ground.queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_with_the_same_limit_replay_no_more_than_it_together() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground.bury((0..MANY).map(|n| saying(&format!("j{n:02}"), "no")).collect()).await;
        let arguments =
            ["dead", "replay", "q", "--all", "--limit", "20", "--reason", "x", "--yes", "--rate", "40/s"];
        let (one, two) = tokio::join!(ground.run(&arguments), ground.run(&arguments));
        assert_eq!((one.code, two.code), (0, 0), "{one:?} {two:?}");
        assert_eq!((ground.count("failed").await, ground.count("wait").await), (MANY - 20, 20));
        ground.queue.close().await;
    }
}
