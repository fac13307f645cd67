//! Terms that tests share, and what must be left when all is done.

use std::time::Duration;

use bullock::store::orgs::{KeyLimit, Names, Turns};
use serde_json::{Value, json};

use crate::rig::{Library, Rig};
use crate::support::wait;

pub(crate) fn org_path() -> Vec<String> {
    vec!["org".into()]
}

/// Turns between organisations, no limits.
pub(crate) fn fair() -> Turns {
    Turns { org: Some(org_path()), fair: true, limits: Vec::new() }
}

/// So many at once of each organisation.
pub(crate) fn running(most: u64) -> Turns {
    limited(Some(most), None)
}

pub(crate) fn rate(max: u64, per: Duration) -> Turns {
    limited(None, Some((max, per)))
}

fn limited(running: Option<u64>, rate: Option<(u64, Duration)>) -> Turns {
    let limit =
        KeyLimit { label: "data.org".into(), path: Some(org_path()), names: Names::Any, running, rate };
    Turns { org: Some(org_path()), fair: false, limits: vec![limit] }
}

/// Jobs of an organisation as `addBulk` takes them; data.n counts them.
pub(crate) fn jobs(org: &str, count: usize, opts: &Value) -> Vec<Value> {
    (0..count).map(|n| json!({"name": "work", "data": {"org": org, "n": n}, "opts": opts})).collect()
}

pub(crate) async fn add_bulk(rig: &mut Rig, jobs: Vec<Value>) {
    rig.node.call("addBulk", json!([jobs])).await.unwrap();
}

/// Waits until so many have completed.
pub(crate) async fn completed(rig: &Rig, count: usize) {
    let mut db = rig.redis.connection().await;
    let started = std::time::Instant::now();
    loop {
        let done: usize = redis::cmd("ZCARD").arg("bull:q:completed").query_async(&mut db).await.unwrap();
        if done >= count {
            return;
        }
        assert!(started.elapsed() < wait::DEADLINE * 3, "{:?}: {done} of {count} completed", rig.library);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Nothing of the index is left but what the workers agreed on, and when the last ones began.
pub(crate) async fn nothing_left(rig: &mut Rig, library: Library) {
    let started = std::time::Instant::now();
    loop {
        let mut keys: Vec<String> = rig.ask(&["KEYS", "X:turns:*"]).await;
        keys.retain(|key| !key.contains("turns:rate:") && !key.ends_with("turns:orgs"));
        if keys.is_empty() {
            return;
        }
        assert!(started.elapsed() < wait::DEADLINE, "{library:?}: {keys:?} are left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
