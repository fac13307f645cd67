//! Limits by key: how many run at once, and how many begin in a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bullock::worker::HandlerSpec;
use serde_json::json;

use crate::rig::{BOTH, Rig, Seen, does, start, stop};
use crate::terms::{add_bulk, completed, jobs, nothing_left, rate, running};

/// How many ran at once of each organisation, at most.
#[derive(Clone, Default)]
struct Most(Arc<Mutex<HashMap<String, (usize, usize)>>>);

impl Most {
    fn begin(&self, org: &str) {
        let mut all = self.0.lock().unwrap();
        let entry = all.entry(org.to_owned()).or_default();
        entry.0 += 1;
        entry.1 = entry.1.max(entry.0);
    }

    fn end(&self, org: &str) {
        self.0.lock().unwrap().get_mut(org).unwrap().0 -= 1;
    }

    fn of(&self, org: &str) -> usize {
        self.0.lock().unwrap().get(org).map_or(0, |entry| entry.1)
    }
}

/// Takes a while, notes who began, and fails the first time where data.fail says so.
fn takes(ms: u64, most: &Most, seen: &Seen) -> HandlerSpec {
    let (most, seen) = (most.clone(), seen.clone());
    does(move |job, _| {
        let (most, seen) = (most.clone(), seen.clone());
        async move {
            let org = job.data["org"].as_str().unwrap_or("-").to_owned();
            most.begin(&org);
            seen.note(format!("{org}{}", job.data["n"]));
            tokio::time::sleep(Duration::from_millis(ms)).await;
            most.end(&org);
            let fails = job.data["fails"] == true && job.attempts_made == 0;
            if fails { Err("once more".to_owned()) } else { Ok(json!(null)) }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_organisation_at_its_limit_neither_runs_more_nor_stops_the_others() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        add_bulk(&mut rig, jobs("A", 60, &json!({}))).await;
        add_bulk(&mut rig, jobs("B", 20, &json!({}))).await;
        add_bulk(&mut rig, vec![json!({"name": "work", "data": {"n": 1}})]).await;
        let (most, seen) = (Most::default(), Seen::default());
        let worker = || rig.worker().turns(running(2)).concurrency(10);
        let first = start(worker().handler_spec("*", takes(10, &most, &seen))).await;
        let second = start(worker().handler_spec("*", takes(10, &most, &seen))).await;
        completed(&rig, 81).await;
        nothing_left(&mut rig, library).await;
        stop(first).await;
        stop(second).await;
        assert_eq!((most.of("A"), most.of("B")), (2, 2), "{library:?}");
        let order = seen.all();
        assert_eq!(order.len(), 81, "{library:?}: each once");
        let place = |what: &str| order.iter().position(|note| note == what).unwrap();
        assert!(place("B19") < place("A59"), "{library:?}: B did not wait for A: {order:?}");
        assert!(place("-1") < 10, "{library:?}: a job of nobody waits for nobody: {order:?}");
        let of_a: Vec<usize> = order.iter().filter_map(|note| note.strip_prefix('A')?.parse().ok()).collect();
        // Two at a time may pass each other, and no more.
        assert!(of_a.iter().enumerate().all(|(at, n)| at.abs_diff(*n) <= 2), "{library:?}: {of_a:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retried_delayed_and_prioritized_jobs_count_like_any_others() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let fails = |n: usize, opts| json!({"name": "work", "data": {"org": "A", "n": n, "fails": true}, "opts": opts});
        add_bulk(&mut rig, (0..10).map(|n| fails(n, json!({"attempts": 2, "backoff": 5}))).collect()).await;
        add_bulk(&mut rig, (10..20).map(|n| fails(n, json!({"attempts": 2}))).collect()).await;
        add_bulk(&mut rig, jobs("A", 10, &json!({"delay": 30}))).await;
        for n in 0..5 {
            rig.node.add("work", json!({"org": "A", "n": n}), json!({"priority": 5 - n})).await;
        }
        add_bulk(&mut rig, jobs("A", 5, &json!({"lifo": true}))).await;
        let (most, seen) = (Most::default(), Seen::default());
        let worker = rig.worker().turns(running(1)).concurrency(10).handler_spec("*", takes(2, &most, &seen));
        let worker = start(worker).await;
        completed(&rig, 40).await;
        nothing_left(&mut rig, library).await;
        stop(worker).await;
        assert_eq!(most.of("A"), 1, "{library:?}");
        assert_eq!(seen.all().len(), 60, "{library:?}: each run once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_of_one_organisation_holds_over_two_workers_and_leaves_the_others_alone() {
    const PER: Duration = Duration::from_millis(500);
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        add_bulk(&mut rig, jobs("A", 100, &json!({}))).await;
        add_bulk(&mut rig, jobs("B", 15, &json!({}))).await;
        let (most, seen) = (Most::default(), Seen::default());
        let worker = || rig.worker().turns(rate(20, PER)).concurrency(10);
        let begun = Instant::now();
        let first = start(worker().handler_spec("*", takes(0, &most, &seen))).await;
        let second = start(worker().handler_spec("*", takes(0, &most, &seen))).await;
        completed(&rig, 115).await;
        let took = begun.elapsed();
        stop(first).await;
        stop(second).await;
        // 20 at once, and 80 more that take 4 windows.
        assert!(took >= PER * 4, "{library:?}: {took:?}");
        let order = seen.all();
        let last_b = order.iter().rposition(|note| note.starts_with('B')).unwrap();
        assert!(last_b < 60, "{library:?}: B does not wait for A: {order:?}");
        assert_eq!(order.len(), 115, "{library:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_freed_by_another_process_begins_within_well_under_a_second() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let (most, seen) = (Most::default(), Seen::default());
        let worker = |rig: &Rig| rig.worker().turns(running(1)).handler_spec("*", takes(300, &most, &seen));
        let first = start(worker(&rig)).await;
        add_bulk(&mut rig, jobs("A", 1, &json!({}))).await;
        seen.has(1).await;
        let second = start(worker(&rig)).await;
        first.stop();
        add_bulk(&mut rig, jobs("A", 1, &json!({}))).await;
        assert!(first.join().await.clean);
        let ended = Instant::now();
        seen.has(2).await;
        assert!(ended.elapsed() < Duration::from_secs(5), "{library:?}: {:?}", ended.elapsed());
        stop(second).await;
        assert_eq!(most.of("A"), 1, "{library:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_a_little_late_still_finds_when_the_last_ones_began_and_counts_as_on_time() {
    const LATE_MS: i64 = 50;
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        add_bulk(&mut rig, jobs("A", 12, &json!({}))).await;
        let (most, seen) = (Most::default(), Seen::default());
        let per = Duration::from_secs(1);
        let worker =
            rig.worker().turns(rate(4, per)).concurrency(10).handler_spec("*", takes(0, &most, &seen));
        let worker = start(worker).await;
        completed(&rig, 12).await;
        stop(worker).await;
        // The newest beginning, and how long after it the list is there, in one look.
        let look = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) \
                    local list = redis.call('LRANGE', KEYS[1], 0, -1) \
                    return { #list, list[#list] and now + redis.call('PTTL', KEYS[1]) - list[#list] or 0 }";
        let (length, there_ms): (i64, i64) = rig.ask(&["EVAL", look, "1", "X:turns:rate:data.org=A"]).await;
        assert!(length == 4 && there_ms >= 1000 + LATE_MS, "{library:?}: {length} of 4, for {there_ms} ms");
    }
}
