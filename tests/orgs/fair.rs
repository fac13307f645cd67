//! Turns between organisations.

use serde_json::json;

use crate::rig::{BOTH, Library, Rig, Seen, does, start, stop};
use crate::support::wait;
use crate::terms::{add_bulk, completed, fair, jobs, nothing_left};

/// Writes jobs as a producer does, in one go: a hundred thousand of A, then ten of B.
const FILL: &str = "
local function add(id, org)
  redis.call('HSET', 'bull:q:' .. id, 'name', 'work', 'data', '{\"org\":\"' .. org .. '\",\"n\":0}', 'opts', '{}',
    'timestamp', '1', 'delay', '0', 'priority', '0')
  redis.call('LPUSH', 'bull:q:wait', id)
end
for i = 1, 100000 do add('a' .. i, 'A') end
for i = 1, 10 do add('b' .. i, 'B') end";

#[tokio::test(flavor = "multi_thread")]
async fn ten_jobs_begin_within_25_slots_behind_a_hundred_thousand_of_another_organisation() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        rig.node.add("work", json!({"org": "A", "n": 0}), json!({"jobId": "first"})).await;
        let _: () = rig.ask(&["EVAL", FILL, "0"]).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let handler = does(move |job, _| {
            notes.note(format!("{} {}", job.data["org"].as_str().unwrap(), job.id));
            async { Ok(json!(null)) }
        });
        let worker = start(rig.worker().turns(fair()).handler_spec("*", handler)).await;
        seen.has(30).await;
        stop(worker).await;
        let order = seen.all();
        let last_b = order.iter().rposition(|note| note.starts_with('B')).unwrap();
        assert!(last_b < 25, "{library:?}: {order:?}");
        let of_b: Vec<&String> = order.iter().filter(|note| note.starts_with('B')).collect();
        let expected: Vec<String> = (1..=10).map(|n| format!("B b{n}")).collect();
        assert!(of_b.into_iter().eq(&expected), "{library:?}: in their order: {order:?}");
        let waiting: usize = rig.ask(&["LLEN", "Q:wait"]).await;
        let done: usize = rig.ask(&["ZCARD", "Q:completed"]).await;
        assert_eq!(waiting + done, 100_011, "{library:?}: none is lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_and_order_hold_within_an_organisation() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        add_bulk(&mut rig, jobs("A", 6, &json!({}))).await;
        let lower = json!({"priority": 3});
        let urgent = json!({"priority": 1});
        for (n, opts) in [(10, &lower), (11, &urgent), (12, &lower), (13, &urgent)] {
            rig.node.add("work", json!({"org": "B", "n": n}), opts.clone()).await;
        }
        rig.node.add("work", json!({"n": 20}), json!({})).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let handler = does(move |job, _| {
            notes.note(format!("{}{}", job.data["org"].as_str().unwrap_or("-"), job.data["n"]));
            async { Ok(json!(null)) }
        });
        let worker = start(rig.worker().turns(fair()).handler_spec("*", handler)).await;
        completed(&rig, 11).await;
        nothing_left(&mut rig, library).await;
        stop(worker).await;
        let order = seen.all();
        let of = |org: char| order.iter().filter(|note| note.starts_with(org)).cloned().collect::<Vec<_>>();
        assert_eq!(of('A'), ["A0", "A1", "A2", "A3", "A4", "A5"], "{library:?}");
        assert_eq!(of('B'), ["B11", "B13", "B10", "B12"], "{library:?}");
        let last = order.iter().rposition(|note| note.starts_with('B')).unwrap();
        assert!(last <= 8, "{library:?}: three take turns: {order:?}");
        assert!(order.iter().position(|note| note == "-20").unwrap() <= 2, "{library:?}: {order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_without_organisations_and_limits_keeps_no_index() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        add_bulk(&mut rig, jobs("A", 50, &json!({}))).await;
        let worker = start(rig.worker().concurrency(10).handler_spec("*", nothing())).await;
        completed(&rig, 50).await;
        stop(worker).await;
        let keys: Vec<String> = rig.ask(&["KEYS", "X:turns*"]).await;
        assert!(keys.is_empty(), "{library:?}: {keys:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_lost_is_made_again_and_one_of_other_terms_is_replaced() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let seen = Seen::default();
        let notes = seen.clone();
        let handler = does(move |job, _| {
            let notes = notes.clone();
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                notes.note(job.data["org"].as_str().unwrap());
                Ok(json!(null))
            }
        });
        let worker = start(rig.worker().turns(fair()).handler_spec("*", handler)).await;
        for round in 1..=10 {
            add_bulk(&mut rig, jobs("A", 20, &json!({}))).await;
            add_bulk(&mut rig, jobs("B", 20, &json!({}))).await;
            let mut keys: Vec<String> = rig.ask(&["KEYS", "X:turns*"]).await;
            if round % 2 == 0 {
                // Half of it: what is left must not mislead anybody for good.
                keys.retain(|key| key.len() % 2 == 0);
            }
            if !keys.is_empty() {
                let words: Vec<&str> =
                    std::iter::once("DEL").chain(keys.iter().map(String::as_str)).collect();
                let _: usize = rig.ask(&words).await;
            }
        }
        if library == Library::Bull {
            rig.node.call("pause", json!([])).await.unwrap();
            rig.node.call("resume", json!([])).await.unwrap();
        }
        completed(&rig, 400).await;
        stop(worker).await;
        let other = start(rig.worker().turns(crate::terms::running(1)).handler_spec("*", nothing())).await;
        add_bulk(&mut rig, jobs("A", 20, &json!({}))).await;
        completed(&rig, 420).await;
        stop(other).await;
        wait::until("every job once", async || seen.all().len() == 400).await;
    }
}

fn nothing() -> bullock::worker::HandlerSpec {
    does(|_, _| async { Ok(json!(null)) })
}
