use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::{BULL, BULLMQ, Stage};
use crate::support::bullock::BINARY;
use crate::support::node::BullQueue;
use crate::support::process::{Output, Process};
use crate::support::wait::{DEADLINE, until};

/// `bullock events` with these arguments, as a process of the test's own.
struct Tail {
    process: Process,
    out: Output,
    said: Output,
}

impl Tail {
    async fn start(stage: &Stage, arguments: &[&str]) -> Tail {
        let mut command = Command::new(BINARY);
        command.arg("events").args(arguments).args(["-v", "--redis-url", &stage.redis.url()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap();
        let (out, said) = (Output::default(), Output::default());
        out.follow_stdout(process.child().stdout.take().unwrap());
        said.follow_stderr(process.child().stderr.take().unwrap());
        let tail = Tail { process, out, said };
        until("it listens", async || tail.said.text().contains("listening")).await;
        tail
    }

    /// Its lines once it has ended by itself.
    async fn end(mut self) -> Vec<Value> {
        let status = self.process.wait(DEADLINE).await;
        assert!(status.success(), "{}", self.said.text());
        let text = self.out.text();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn events_of_both_kinds_of_queues_are_lines_of_json() {
    let stage = Stage::start();
    let mut bull = BullQueue::open(&stage.redis.url(), BULL).await;
    let mut mq = BullQueue::open_mq(6, &stage.redis.url(), BULLMQ, &json!({})).await;
    bull.add("first", json!({}), json!({})).await;
    mq.add("first", json!({}), json!({})).await;
    let tail = Tail::start(&stage, &["--type", "job.waiting", "--limit", "2"]).await;
    let one = bull.add("sync", json!({}), json!({})).await;
    let two = mq.add("ship", json!({}), json!({})).await;
    let mut heard: Vec<(Value, Value)> =
        tail.end().await.iter().map(|event| (event["queue"].clone(), event["jobId"].clone())).collect();
    heard.sort_by_key(|(queue, _)| queue.to_string());
    assert_eq!(heard, [(json!(BULLMQ), json!(two)), (json!(BULL), json!(one))]);
    bull.close().await;
    mq.close().await;
}

#[tokio::test]
async fn a_queue_that_comes_later_is_heard_and_filters_hold() {
    let stage = Stage::start();
    let tail = Tail::start(&stage, &["--queue", "late:*", "--type", "job.*", "--limit", "1"]).await;
    let mut late = BullQueue::open(&stage.redis.url(), "late:one").await;
    let start = Instant::now();
    while tail.out.text().is_empty() {
        assert!(start.elapsed() < DEADLINE, "{}", tail.said.text());
        late.add("x", json!({}), json!({})).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let heard = tail.end().await;
    assert_eq!((&heard[0]["queue"], &heard[0]["type"]), (&json!("late:one"), &json!("job.waiting")));
    late.close().await;
}

#[tokio::test]
async fn a_type_that_does_not_exist_and_a_redis_that_is_away_are_told() {
    let wrong = crate::support::bullock::cli(&["events", "--type", "job.done"], &[]).await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.stderr.contains("job.completed"), "{wrong:?}");
    let url = format!("redis://127.0.0.1:{}", crate::support::process::free_port());
    let away = crate::support::bullock::cli(&["events"], &[("REDIS_URL", &url)]).await;
    assert_eq!(away.code, 6, "{away:?}");
}
