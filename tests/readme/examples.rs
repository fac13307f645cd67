//! examples/*.rs run, and the README shows them as they are.

use serde_json::json;

use crate::blocks;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;

#[allow(dead_code, reason = "its main is for people")]
#[path = "../../examples/producer.rs"]
mod producer;
#[allow(dead_code, reason = "its main is for people")]
#[path = "../../examples/worker.rs"]
mod worker;

#[tokio::test]
async fn the_rust_worker_does_what_npm_bull_and_the_rust_producer_add() {
    let redis = Redis::start();
    let worker = worker::start(&redis.url()).await.unwrap();
    let mut queue = BullQueue::open(&redis.url(), "emails").await;
    let from_node = queue.add("welcome", json!({"to": "bob@example.com"}), json!({})).await;
    let from_rust = producer::add(&redis.url(), "ada@example.com").await.unwrap();
    assert_eq!(queue.finished(&from_node).await.unwrap(), "sent to bob@example.com");
    assert_eq!(queue.finished(&from_rust).await.unwrap(), "sent to ada@example.com");
    worker.stop();
    worker.join().await;
}

#[tokio::test]
async fn a_permanent_error_of_the_rust_worker_ends_the_job_at_its_first_attempt() {
    let redis = Redis::start();
    let worker = worker::start(&redis.url()).await.unwrap();
    let mut queue = BullQueue::open(&redis.url(), "emails").await;
    let id = producer::add(&redis.url(), "nobody").await.unwrap();
    assert_eq!(queue.finished(&id).await.unwrap_err(), "nobody is no address");
    assert_eq!(queue.job(&id, "attemptsMade").await, 1);
    worker.stop();
    worker.join().await;
}

/// Leading space and empty lines aside, the lines of `part` stand in `whole` in one piece.
pub(crate) fn is_part_of(part: &str, whole: &str) -> bool {
    let lines = |text: &str| {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let (part, whole) = (lines(part), lines(whole));
    whole.windows(part.len()).any(|window| window == part)
}

#[test]
fn the_rust_blocks_of_the_readme_are_parts_of_the_examples() {
    let examples = [blocks::page("examples/worker.rs"), blocks::page("examples/producer.rs")];
    for block in blocks::of(&blocks::page("README.md")) {
        if block.language == "rust" {
            let found = examples.iter().any(|example| is_part_of(&block.text, example));
            assert!(found, "README.md line {}: not a part of any file in examples/", block.line);
        }
    }
}
