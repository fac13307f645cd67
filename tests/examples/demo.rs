//! What `script/demo` runs: it stays up with a sync under way that people can look at.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::process::{Output, Process};
use crate::support::wait::{self, DEADLINE};

#[tokio::test]
async fn the_demo_shows_a_live_sync_and_leaves_nothing_behind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new("node");
    command.arg("examples/express/demo.mjs").current_dir(root);
    command.env("BULLOCK_BIN", env!("CARGO_BIN_EXE_bullock")).env("TMPDIR", temporary.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = Process::spawn(&mut command).expect("node starts");
    let output = Output::default();
    output.follow_stdout(demo.child().stdout.take().expect("piped"));
    output.follow_stderr(demo.child().stderr.take().expect("piped"));
    let is_up = async || output.text().contains("Look around:").then_some(());
    wait::value_within(DEADLINE * 3, "the demo to stay up", is_up).await;
    let text = output.text();
    assert!(text.contains("ok   a sync of 797 customers    partial: 792 good and 5 failed"), "{text}");
    assert!(text.contains("9 of 9 ended as they should"), "{text}");
    let redis = text.split_once("redis     127.0.0.1:").unwrap().1.split(' ').next().unwrap();
    let client = redis::Client::open(format!("redis://127.0.0.1:{redis}/")).unwrap();
    let db = client.get_multiplexed_async_connection().await.unwrap();
    let processed = async || {
        let mut ask = redis::cmd("HGET");
        ask.arg("bull::x:shop-sync::job:products-acme").arg("plan");
        let plan: Option<String> = ask.query_async(&mut db.clone()).await.unwrap();
        plan.map_or(0, |plan| serde_json::from_str::<Value>(&plan).unwrap()["processed"].as_u64().unwrap())
    };
    wait::until("the sync to go on", async || processed().await > 0).await;
    let before = processed().await;
    wait::until("it to go on further", async || processed().await > before).await;
    demo.signal(Signal::SIGTERM);
    let status = demo.wait(DEADLINE * 3).await;
    assert_eq!(status.code(), Some(0), "{}", output.text());
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "what it wrote is gone");
}
