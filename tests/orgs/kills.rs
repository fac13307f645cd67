//! Processes die, their limits do not.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::rig::{Library, Rig};
use crate::support::bullock::Bullock;
use crate::support::wait;
use crate::terms::{add_bulk, completed, jobs};

const KILLS: usize = 20;
const RUNNING: i64 = 2;
/// A job tells the log when it begins and when it ends; one line is one write, which none can split.
const PROGRAM: &str = r#"
data=$(cat)
org=${data#*\"org\":\"}
org=${org%%\"*}
echo "+ $org" >> "$1"
sleep 0.03
echo "- $org" >> "$1"
"#;

fn config(url: &str, dialect: &str, log: &Path) -> String {
    let (program, log) = (log.with_extension("sh").display().to_string(), log.display());
    std::fs::write(&program, PROGRAM).unwrap();
    format!(
        "[redis]\nurl = \"{url}\"\neviction_check = false\n\
         [worker]\nallow_short_leases = true\nlease = \"2s\"\nrenew = \"500ms\"\nsweep = \"100ms\"\ncrash_limit = 1000\n\
         [queues.q]\ndialect = \"{dialect}\"\nconcurrency = 8\norg = \"data.org\"\nfair = true\n\
         limits = [{{ key = \"data.org\", running = {RUNNING} }}]\n\
         [queues.q.handlers.\"*\"]\nexec = [\"sh\", \"{program}\", \"{log}\"]\n"
    )
}

/// The most that ran at once of each organisation.
fn most(log: &Path) -> HashMap<String, i64> {
    let (mut now, mut most) = (HashMap::<String, i64>::new(), HashMap::<String, i64>::new());
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let (sign, org) = line.split_once(' ').unwrap();
        let running = now.entry(org.to_owned()).or_default();
        *running += if sign == "+" { 1 } else { -1 };
        let top = most.entry(org.to_owned()).or_default();
        *top = (*top).max(*running);
    }
    most
}

async fn holds_over_kills(library: Library, dialect: &str) {
    let mut rig = Rig::start(library).await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    std::fs::write(&log, "").unwrap();
    let config = config(&rig.redis.url(), dialect, &log);
    for org in ["A", "B", "C"] {
        add_bulk(&mut rig, jobs(org, 100, &json!({"attempts": 3}))).await;
    }
    let mut fleet = vec![Bullock::run(&config).await, Bullock::run(&config).await];
    for kill in 0..KILLS {
        let lines = || std::fs::read_to_string(&log).unwrap().lines().count();
        let before = lines();
        wait::until("work to go on", async || lines() > before + 4).await;
        fleet.remove(0).crash().await;
        fleet.push(Bullock::run(&config).await);
        if kill % 5 == 0 {
            rig.node.add("work", json!({"org": "A", "n": 1000 + kill}), json!({})).await;
        }
        add_bulk(&mut rig, jobs("B", 5, &json!({}))).await;
    }
    completed(&rig, 300 + KILLS / 5 + 5 * KILLS).await;
    for worker in fleet {
        worker.stop().await;
    }
    // A shell outlives its worker by 30 ms at most.
    tokio::time::timeout(wait::DEADLINE, async {
        let text = || std::fs::read_to_string(&log).unwrap();
        while text().matches('+').count() != text().matches('-').count() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .ok();
    let found = most(&log);
    assert!(["A", "B", "C"].iter().all(|org| found[*org] >= 1), "{library:?}: {found:?}");
    for (org, most) in found {
        assert!(most <= RUNNING, "{library:?}: {most} of {org} ran at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_organisation_runs_more_than_its_limit_over_20_kills_on_a_bull_queue() {
    holds_over_kills(Library::Bull, "bull").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_organisation_runs_more_than_its_limit_over_20_kills_on_a_bullmq_queue() {
    holds_over_kills(Library::BullMq(6), "bullmq").await;
}
