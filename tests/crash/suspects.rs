//! Suspects: one at a time in each process, beside normal jobs, and cleared by their end.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use nix::sys::signal::Signal;
use redis::AsyncCommands as _;
use serde_json::json;

use crate::fleet::{KINDS, producer, record, starts, told, worker};
use crate::support::redis::Redis;
use crate::support::wait;

const SUSPECTS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspects_run_one_after_the_other_and_normal_jobs_beside_them() {
    for kind in KINDS {
        let redis = Arc::new(Redis::start());
        let mut db = redis.connection().await;
        let () = db.set("hold", 1).await.unwrap();
        let mut queue = producer(&redis, kind, "q").await;
        let mut suspects = HashSet::new();
        for _ in 0..SUSPECTS {
            suspects.insert(queue.add("x", json!({"do": "hold", "ms": 50}), json!({})).await);
        }
        // After the first death they run beside each other as before.
        for name in ["w-0", "w-1"] {
            let (mut first, _) = worker(&redis, "q", name, SUSPECTS);
            starts(&redis, SUSPECTS).await;
            first.signal(Signal::SIGKILL);
            first.wait(wait::DEADLINE).await;
            let () = db.del(crate::fleet::TOLD).await.unwrap();
        }

        let (_second, log) = worker(&redis, "q", "w-2", SUSPECTS);
        // One suspect is held; normal jobs that come later pass by all of them.
        starts(&redis, 1).await;
        let mut normal = Vec::new();
        for _ in 0..3 {
            normal.push(queue.add("x", json!({"do": "work"}), json!({})).await);
        }
        for id in &normal {
            assert_eq!(queue.finished(id).await, Ok(json!("done")), "{}", log.text());
        }
        let so_far: Vec<_> = told(&redis).await;
        let begun: Vec<_> =
            so_far.iter().filter(|line| line.0 == "start" && suspects.contains(&line.1)).collect();
        assert_eq!(begun.len(), 1, "kind {kind}: {so_far:?}");

        let () = db.del("hold").await.unwrap();
        for id in &suspects {
            assert_eq!(queue.finished(id).await, Ok(json!("done")), "{}", log.text());
            assert_eq!(record(&redis, "q", id, "crashes").await.as_deref(), Some("2"));
            assert_eq!(record(&redis, "q", id, "own_crashes").await, None);
        }
        let mut running = 0;
        for (what, id, _) in told(&redis).await {
            if suspects.contains(&id) {
                running += if what == "start" { 1 } else { -1 };
                assert!((0..=1).contains(&running), "two suspects at once");
            }
        }
        wait::until("all to be cleared", async || {
            !redis.connection().await.exists::<_, bool>("bull::x:q::suspects").await.unwrap()
        })
        .await;
        queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspect_that_is_handed_back_is_charged_with_nothing_and_stays_a_suspect() {
    let redis = Arc::new(Redis::start());
    let mut db = redis.connection().await;
    let () = db.set("hold", 1).await.unwrap();
    let mut queue = producer(&redis, 4, "q").await;
    let id = queue.add("x", json!({"do": "hold"}), json!({})).await;
    let config = |sleep: &str| {
        format!(
            "[redis]\nurl = \"{}\"\n[worker]\nlease = \"1s\"\nrenew = \"300ms\"\nshutdown_grace = \"1ms\"\n[queues.q]\n\
             [queues.q.handlers.\"*\"]\nexec = [\"sleep\", \"{sleep}\"]\n",
            redis.url()
        )
    };
    let first = crate::support::bullock::Bullock::run(&config("60")).await;
    let job = format!("bull:q:{id}:lock");
    let runs = async || {
        wait::until("the run", async || redis.connection().await.exists::<_, bool>(&job).await.unwrap())
            .await;
    };
    runs().await;
    first.crash().await;
    let held = async || redis.connection().await.exists::<_, bool>(&job).await.unwrap();
    wait::until("the end of the lease", async || !held().await).await;
    let again = crate::support::bullock::Bullock::run(&config("60")).await;
    runs().await;
    again.crash().await;
    let second = crate::support::bullock::Bullock::run(&config("60")).await;
    wait::until("the run as a suspect", async || {
        let token: Option<String> = redis.connection().await.hget("bull::x:q::suspects", &id).await.unwrap();
        token.is_some_and(|token| token.contains(':'))
    })
    .await;
    second.stop().await;
    let token: Option<String> = db.hget("bull::x:q::suspects", &id).await.unwrap();
    assert_eq!(token.as_deref(), Some(""), "in line, under suspicion");
    assert_eq!(record(&redis, "q", &id, "own_crashes").await, None);
    let third = crate::support::bullock::Bullock::run(&config("0")).await;
    assert_eq!(queue.finished(&id).await, Ok(json!(null)));
    assert_eq!(third.stop().await.code, Some(0));
    queue.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_runs_one_suspect_over_all_its_queues() {
    let redis = Arc::new(Redis::start());
    let config = |command: &str| {
        let mut config =
            format!("[redis]\nurl = \"{}\"\n[worker]\nlease = \"1s\"\nrenew = \"300ms\"\n", redis.url());
        for queue in ["one", "two"] {
            let handler = format!("[queues.{queue}.handlers.\"*\"]\nexec = {command}\n");
            write!(config, "[queues.{queue}]\ndialect = \"bull\"\n{handler}").unwrap();
        }
        config
    };
    let endless = config(r#"["sleep", "60"]"#);
    let first = crate::support::bullock::Bullock::run(&endless).await;
    let (mut one, mut two) = (producer(&redis, 4, "one").await, producer(&redis, 4, "two").await);
    let ids = [one.add("x", json!({}), json!({})).await, two.add("x", json!({}), json!({})).await];
    let active = async |queue: &str| {
        redis.connection().await.llen::<_, usize>(format!("bull:{queue}:active")).await.unwrap()
    };
    wait::until("both runs", async || active("one").await + active("two").await == 2).await;
    first.crash().await;
    // The first death may have been anybody's: both run again at once.
    let crashes = async || {
        let one = record(&redis, "one", &ids[0], "crashes").await;
        (one, record(&redis, "two", &ids[1], "crashes").await)
    };
    let again = crate::support::bullock::Bullock::run(&endless).await;
    wait::until("both to have crashed and to run", async || {
        crashes().await == (Some("1".into()), Some("1".into()))
            && active("one").await + active("two").await == 2
    })
    .await;
    again.crash().await;
    // Each run waits until it is let go.
    let held = r#"["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done"]"#;
    let second = crate::support::bullock::Bullock::run(&config(held)).await;
    let suspects = async || {
        let mut db = redis.connection().await;
        let mut tokens: Vec<String> = db.hvals("bull::x:one::suspects").await.unwrap();
        tokens.extend(db.hvals::<_, Vec<String>>("bull::x:two::suspects").await.unwrap());
        (tokens.len(), tokens.iter().filter(|token| !token.is_empty()).count())
    };
    wait::until("one of two suspects to run", async || suspects().await == (2, 1)).await;
    // A normal job of the other queue is not held up; the other suspect stays in line meanwhile.
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!((suspects().await, active("one").await + active("two").await), ((2, 1), 1));
    }
    std::fs::write(second.dir().join("go"), "").unwrap();
    assert_eq!(one.finished(&ids[0]).await, Ok(json!(null)));
    assert_eq!(two.finished(&ids[1]).await, Ok(json!(null)));
    assert_eq!(second.stop().await.code, Some(0));
    one.close().await;
    two.close().await;
}
