//! More runs than this process may open files for.

use serde_json::json;

use crate::backend::Backend;
use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

const JOBS: usize = 150;
const FILES: usize = 72;

fn limits(pid: u32) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_find_no_file_to_open_wait_for_others_and_spend_no_attempt() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let program = r#"exec = ["sleep", "0.2"]"#;
    let config = format!(
        "[redis]\nurl = \"{}\"\n[queues.http]\nconcurrency = {JOBS}\n[queues.http.handlers.\"*\"]\nhttp = \"{}/first-hangs\"\n\
         [queues.exec]\nconcurrency = {JOBS}\n[queues.exec.handlers.\"*\"]\n{program}\n",
        redis.url(),
        backend.url
    );
    let worker = Bullock::run(&config).await;
    let files = limits(worker.pid());
    let mut words = files.split_whitespace().skip(3).map(|word| word.parse().unwrap_or(u64::MAX));
    let (soft, hard) = (words.next().unwrap(), words.next().unwrap());
    assert_eq!(soft, hard.min(65_536).max(soft), "raised: {files}");
    let lowered = std::process::Command::new("prlimit")
        .args(["--pid", &worker.pid().to_string(), &format!("--nofile={FILES}:{FILES}")])
        .status();
    assert!(lowered.unwrap().success());

    let mut queues =
        [BullQueue::open(&redis.url(), "http").await, BullQueue::open(&redis.url(), "exec").await];
    for queue in &mut queues {
        let jobs: Vec<_> = (0..JOBS).map(|n| json!({"name": "x", "data": {"n": n}})).collect();
        queue.call("addBulk", json!([jobs])).await.unwrap();
    }
    let crowded = || worker.logs().matches("no room on this machine").count();
    wait::until("the runs to be too many", async || crowded() > 0 && !backend.runs().is_empty()).await;
    let began = backend.runs().len();
    assert!(began < FILES, "{began} have begun");
    backend.release();
    for (queue, name) in queues.iter_mut().zip(["http", "exec"]) {
        let db = redis.connection().await;
        wait::until("all to be done", async || {
            let key = format!("bull:{name}:completed");
            let done: usize = redis::cmd("ZCARD").arg(key).query_async(&mut db.clone()).await.unwrap();
            done == JOBS
        })
        .await;
        let ids: Vec<String> = (1..=JOBS).map(|id| id.to_string()).collect();
        for id in &ids {
            let made = queue.job(id, "attemptsMade").await;
            assert_eq!(made, 0, "{name} {id} was tried again");
        }
    }
    assert!(crowded() < 10, "said for each run:\n{}", worker.logs());
    assert_eq!(worker.stop().await.code, Some(0));
    for queue in queues {
        queue.close().await;
    }
}
