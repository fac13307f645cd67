//! What the vectors' producers and administrators call, done with our store.

use bullock::job::cron::Zone;
use bullock::job::repeat::scheduler;
use bullock::store::change::{Changed, Detached, RateLimit};
use bullock::store::claim::ClaimRequest;
use bullock::store::control::{CleanState, Obliterated, Removed, Retried};
use bullock::store::flow::Flow;
use bullock::wire::{Dialect, NewJob};
use serde_json::{Map, Value, json};

use super::bullmq::{Step, lane};

/// The sender of all requests.
const TOKEN: &str = "tok";

/// Calls that are not replayed: scenario and call.
pub const OPEN: &[(&str, &str)] = &[
    // Neither is a transition of a job: a Node queue's greeting, and a program's own events.
    ("queue-init", "new Queue('q')"),
    ("custom-event", "publishEvent({eventName:'mine',x:'1'})"),
    // 5.x only, and only its producer makes them; what it has made is gone on with.
    ("legacy-repeatable", "add repeat every 10000"),
];

/// Does one step. The answer is compared with the library's unless it is `null`; `None` = no call of this file.
pub async fn act(step: &mut Step<'_>) -> Option<Value> {
    match step.scenario {
        _ if step.call == "add while maxed (no marker)" => {
            redis::cmd("DEL").arg("vec:q:marker").exec_async(&mut step.con).await.expect("del");
            add(step).await
        }
        "legacy-repeatable" => claim_iteration(step).await,
        "add-standard"
        | "add-lifo"
        | "add-delayed"
        | "add-prioritized"
        | "add-bulk"
        | "add-opts"
        | "add-custom-id"
        | "dedup-simple"
        | "dedup-throttle"
        | "dedup-debounce"
        | "dedup-keep-last"
        | "dedup-reschedule"
        | "dedup-stale"
        | "dedup-extend"
        | "dedup-replace-waiting"
        | "dedup-replace-ttl"
        | "dedup-keep-last-replace" => add(step).await,
        name if name.starts_with("flow-") && step.call.starts_with("flow.add") => flow(step).await,
        name if name.starts_with("scheduler-") => schedule(step).await,
        _ => match step.call {
            call if call.starts_with("add ") => add(step).await,
            _ => other(step).await,
        },
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// What each call adds: name, data, options.
fn jobs_of(step: &Step<'_>) -> Option<Vec<(&'static str, Value, Value)>> {
    let one = |data: Value, opts: Value| Some(vec![("n", data, opts)]);
    let de = |opts: Value| json!({"deduplication": opts});
    let replace = json!({"delay": 5000,
        "deduplication": {"id": "d", "ttl": 5000, "extend": true, "replace": true}});
    let keep_last = de(json!({"id": "d", "keepLastIfActive": true}));
    match (step.scenario, step.call) {
        ("add-standard", "queue.add('n',{a:1})") => one(json!({"a": 1}), json!({})),
        ("add-standard", "queue.add('n',{a:2})") => one(json!({"a": 2}), json!({})),
        ("add-standard", "queue.add('nodata')") => Some(vec![("nodata", json!(null), json!({}))]),
        ("add-lifo", _) => one(json!({}), json!({"lifo": true})),
        ("add-delayed", call) => {
            let ms: u64 = call.split(' ').nth(2)?.parse().ok()?;
            one(json!({}), json!({"delay": ms}))
        }
        ("add-prioritized", call) => {
            let priority: u64 = call.split(' ').nth(2)?.parse().ok()?;
            one(json!({}), json!({"priority": priority}))
        }
        ("add-bulk", _) => Some(vec![
            ("a", json!(1), json!({})),
            ("b", json!([]), json!({"delay": 10})),
            ("c", json!("x"), json!({"priority": 3})),
        ]),
        ("add-opts", "add with every common option") => one(
            json!({"é": "ü", "n": 1.5, "big": 12_345_678_901_234_567_000_u64, "e": []}),
            json!({"attempts": 3, "backoff": 1000, "removeOnComplete": true,
                "removeOnFail": {"age": 3600, "count": 10}, "keepLogs": 5, "stackTraceLimit": 2, "sizeLimit": 1000,
                "telemetry": {"metadata": "tp", "omitContext": true}}),
        ),
        ("add-opts", "add exponential backoff with jitter") => one(
            json!({}),
            json!({"attempts": 2, "backoff": {"type": "exponential", "delay": 100, "jitter": 0.5}}),
        ),
        ("add-opts", _) => {
            one(json!({}), json!({"custom": {"list": [], "big": 1_700_000_000_000_123_u64, "f": 0.1}}))
        }
        ("add-custom-id", "add jobId 'abc'") => one(json!({"v": 1}), json!({"jobId": "abc"})),
        ("add-custom-id", "add jobId 'abc' again") => one(json!({"v": 2}), json!({"jobId": "abc"})),
        ("add-custom-id", "add jobId '12'") => one(json!({}), json!({"jobId": "12"})),
        ("add-custom-id", "add jobId 'a:b'") => one(json!({}), json!({"jobId": "a:b"})),
        ("add-custom-id", "add jobId 'a:b:c'") => one(json!({}), json!({"jobId": "a:b:c"})),
        ("add-custom-id", _) => one(json!({}), json!({})),
        ("dedup-simple", "add deduplication {id:'d'}") => one(json!({"v": 1}), de(json!({"id": "d"}))),
        ("dedup-simple", "add again") => one(json!({"v": 2}), de(json!({"id": "d"}))),
        ("dedup-throttle", _) => one(json!({}), de(json!({"id": "d", "ttl": 5000}))),
        ("dedup-debounce", "add") => one(json!({"v": 1}), replace),
        ("dedup-debounce", _) => one(json!({"v": 2}), replace),
        ("dedup-keep-last", "add") => one(json!({"v": 1}), keep_last),
        ("dedup-keep-last", "add while active") => one(json!({"v": 2}), keep_last),
        ("dedup-keep-last", "add while active again") => one(json!({"v": 3}), keep_last),
        ("dedup-reschedule", call) => {
            let ms: u64 = call.rsplit(' ').next()?.parse().ok()?;
            one(json!({}), json!({"delay": ms, "deduplication": {"id": "d", "reschedule": true}}))
        }
        ("dedup-stale", "add") => one(json!({}), de(json!({"id": "d"}))),
        ("dedup-extend", _) => one(json!({}), de(json!({"id": "d", "ttl": 5000, "extend": true}))),
        ("dedup-replace-waiting", _) => one(json!({"v": 2}), de(json!({"id": "d", "replace": true}))),
        ("dedup-replace-ttl", _) => one(
            json!({"v": 2}),
            json!({"delay": 9000, "deduplication": {"id": "d", "ttl": 5000, "replace": true}}),
        ),
        ("dedup-keep-last-replace", call) => {
            let mut opts = de(json!({"id": "d", "ttl": 5000, "keepLastIfActive": true, "replace": true}));
            let version = match call {
                "add" => 1,
                "add while waiting" => 2,
                _ => {
                    opts["delay"] = json!(100);
                    3
                }
            };
            one(json!({"v": version}), opts)
        }
        ("add-existing-child", call) => {
            let (name, id, parent) = match call {
                "add ended C below P2" => ("c", "C", Some("P2")),
                "add waiting W below P2" => ("w", "W", Some("P2")),
                "add Y below P" => ("y", "Y", Some("P")),
                _ => ("y", "Y", None),
            };
            let mut opts = json!({"jobId": id});
            if let Some(parent) = parent {
                opts["parent"] = json!({"id": parent, "queue": "vec:p"});
            }
            Some(vec![(name, json!({}), opts)])
        }
        ("pause-others", "add paused delayed") => Some(vec![("e", json!({}), json!({"delay": 100}))]),
        ("pause-others", "add paused prioritized") => Some(vec![("p", json!({}), json!({"priority": 2}))]),
        ("claim-global-concurrency", "add while maxed (no marker)") => {
            Some(vec![("c", json!({}), json!({}))])
        }
        ("pause-resume", "add while paused") => Some(vec![("b", json!({}), json!({}))]),
        ("move-to-waiting-children", "add child with parent option") => {
            Some(vec![("child", json!({}), json!({"jobId": "C", "parent": {"id": "P", "queue": "vec:q"}}))])
        }
        ("move-to-waiting-children", "add child of a missing parent -> -5") => {
            Some(vec![("child", json!({}), json!({"parent": {"id": "nope", "queue": "vec:q"}}))])
        }
        _ => None,
    }
}

async fn add(step: &mut Step<'_>) -> Option<Value> {
    let encoded: Result<Vec<NewJob>, String> = jobs_of(step)?
        .into_iter()
        .map(|(name, data, opts)| NewJob::bullmq(name, &data, object(opts)))
        .collect();
    let refused = step.returns.get("error").is_some();
    let jobs = match encoded {
        Ok(jobs) => jobs,
        Err(error) if refused => {
            assert!(!error.is_empty());
            return Some(Value::Null);
        }
        Err(error) => panic!("{}: {error}", step.call),
    };
    let added = step.store("q").enqueue(TOKEN, &jobs).await.expect("enqueue");
    if refused {
        assert!(added[0].refused.is_some(), "{}: {added:?}", step.call);
        return Some(Value::Null);
    }
    let answers: Vec<Value> = added.iter().map(|added| json!({"job": added.id.as_str()})).collect();
    Some(if step.returns.is_array() { Value::Array(answers) } else { answers[0].clone() })
}

async fn flow(step: &mut Step<'_>) -> Option<Value> {
    let child = |name: &str, id: &str, data: Value| Flow::new("q", name, data).opts(json!({"jobId": id}));
    let policy = match step.scenario {
        "flow-fail-parent" => json!({"jobId": "C1", "failParentOnFailure": true}),
        "flow-ignore" => json!({"jobId": "C1", "ignoreDependencyOnFailure": true}),
        "flow-remove" => json!({"jobId": "C1", "removeDependencyOnFailure": true}),
        "flow-continue" => json!({"jobId": "C1", "continueParentOnFailure": true}),
        _ => json!({"jobId": "C1"}),
    };
    let none = json!(null);
    let flow = match (step.scenario, step.call) {
        ("flow-three-levels", _) => deep_flow(),
        ("flow-other-parent", _) => {
            Flow::new("p", "parent", none.clone()).opts(json!({"jobId": "P2"})).child(child("c", "C", none))
        }
        ("flow-existing-child", _) => {
            Flow::new("p", "parent", none.clone()).opts(json!({"jobId": "P"})).child(child("c", "C", none))
        }
        ("flow-parent-options", "flow.add parent {\"priority\":4}") => Flow::new("p", "parent", none.clone())
            .opts(json!({"jobId": "PP", "priority": 4}))
            .child(child("c", "CPP", none)),
        ("flow-parent-options", _) => Flow::new("p", "parent", none.clone())
            .opts(json!({"jobId": "PD", "delay": 3000}))
            .child(child("c", "CPD", none)),
        _ => Flow::new("p", "parent", json!({"p": 1}))
            .opts(json!({"jobId": "P"}))
            .child(child("c1", "C1", json!(1)).opts(policy))
            .child(child("c2", "C2", json!(2))),
    };
    let added = step.store("p").add_flow(TOKEN, &flow).await;
    assert_eq!(added.is_ok(), step.scenario != "flow-other-parent", "{added:?}");
    Some(Value::Null)
}

/// Three levels in three queues.
fn deep_flow() -> Flow {
    let none = json!(null);
    let leaf = Flow::new("p", "leaf", json!({"l": 1})).opts(json!({"jobId": "L1", "delay": 5000}));
    let other = json!({"jobId": "L2", "priority": 2, "failParentOnFailure": true});
    let middle = Flow::new("q", "mid", none.clone())
        .opts(json!({"jobId": "M", "priority": 3}))
        .child(leaf)
        .child(Flow::new("r", "leaf", none.clone()).opts(other));
    Flow::new("p", "root", none.clone())
        .opts(json!({"jobId": "R"}))
        .child(middle)
        .child(Flow::new("r", "side", none).opts(json!({"jobId": "S", "lifo": true})))
}

async fn schedule(step: &mut Step<'_>) -> Option<Value> {
    let nothing = || (json!(null), json!({}));
    let (id, repeat, name, (data, opts)) = match (step.scenario, step.call) {
        (_, call) if call.contains("claim") => return claim_iteration(step).await,
        ("scheduler-every", "removeJobScheduler('s')") => {
            return Some(json!(step.store("q").repeat_remove("s", "").await.expect("remove")));
        }
        ("scheduler-every", "remove of the scheduled next job is refused (-8)") => {
            let removed = step.store("q").remove(&["repeat:s:1700000031234"], true).await.expect("remove");
            assert_eq!(removed, [Removed::Planned]);
            return Some(Value::Null);
        }
        ("scheduler-every", call) if call.starts_with("upsert again") => {
            ("s", json!({"every": 10_000}), "tick", (json!({"d": 2}), json!({})))
        }
        ("scheduler-every", call) if call.starts_with("upsert") => {
            ("s", json!({"every": 10_000}), "tick", (json!({"d": 1}), json!({"attempts": 2})))
        }
        ("scheduler-every-offset", _) => {
            ("s", json!({"every": 10_000, "offset": 3000, "limit": 2}), "s", nothing())
        }
        ("scheduler-cron", "upsert with immediately") => {
            ("i", json!({"pattern": "0 * * * *", "immediately": true}), "i", nothing())
        }
        ("scheduler-cron", _) => {
            let end = 1_700_000_000_000_i64 + 3_600_000;
            let repeat = json!({"pattern": "*/5 * * * *", "tz": "Europe/Madrid", "endDate": end});
            ("s", repeat, "s", (json!({"d": 1}), json!({})))
        }
        ("scheduler-upsert-paused", _) => ("s", json!({"every": 60_000}), "s", nothing()),
        ("scheduler-changed", "every 7000") => {
            ("s", json!({"every": 7000}), "b", (json!({"v": 2}), json!({"priority": 4})))
        }
        ("scheduler-changed", "every 60000 from a startDate") => {
            ("s", json!({"every": 60_000, "startDate": 1_700_000_100_000_i64}), "d", nothing())
        }
        ("scheduler-changed", _) => ("s", json!({"pattern": "0 * * * *"}), "c", nothing()),
        ("scheduler-upsert-active", "every 500") => ("s", json!({"every": 500}), "s", nothing()),
        ("scheduler-upsert-active", _) => ("s", json!({"every": 10_000}), "s", nothing()),
        ("scheduler-collision", _) => {
            ("s", json!({"pattern": "0 * * * *", "immediately": true}), "s", nothing())
        }
        _ => return None,
    };
    let template = NewJob::template(name, &data, object(opts)).expect("template");
    let stored = object(serde_json::from_str(&template.opts_head).expect("opts"));
    let upsert = scheduler::upsert(id, &repeat, &stored, step.now, Zone::Utc).expect("upsert");
    let planned = step.store("q").upsert_scheduler(TOKEN, id, &upsert, &template).await;
    if step.returns.get("error").is_some() {
        assert!(planned.is_err(), "{planned:?}");
        return Some(Value::Null);
    }
    let planned = planned.expect("upsert");
    Some(json!({"job": planned.id.as_str()}))
}

/// What a worker does with an iteration, in its two steps.
async fn claim_iteration(step: &mut Step<'_>) -> Option<Value> {
    if !step.call.contains("claim") {
        return None;
    }
    let store = step.store("q");
    let token = step.returns["token"].as_str().expect("token").to_owned();
    let request = ClaimRequest {
        lease_ms: 30_000,
        busy: true,
        worker: "",
        limiter: None,
        tokens: std::slice::from_ref(&token),
        may_take_suspect: true,
    };
    let claimed = store.claim(&lane("claim"), &request).await.expect("claim").jobs.pop().expect("a job");
    let job = Dialect::BullMq.decode(&"q".into(), claimed.id, claimed.fields).expect("decode");
    if let Some(successor) = store.successor(&job, step.now, Zone::Utc).expect("successor") {
        store.add_successor(&token, &job, &successor).await.expect("add");
    }
    Some(json!({"job": job.id.as_str(), "token": token}))
}

async fn remove(step: &mut Step<'_>) -> Option<Value> {
    let store = step.store("q");
    match (step.scenario, step.call) {
        ("remove", call) => {
            let (id, expected) = match call {
                "queue.remove('2')" => ("2", Removed::Done),
                "remove locked job -> 0 / throws" => ("1", Removed::Running),
                _ => ("missing", Removed::NotFound),
            };
            assert_eq!(store.remove(&[id], true).await.expect("remove"), [expected], "{call}");
        }
        ("dedup-remove-owner", _) => {
            assert_eq!(store.remove(&["1"], true).await.expect("remove"), [Removed::Done]);
        }
        ("flow-three-levels" | "remove-tree" | "remove-tree-locked", call) => {
            let id = call.split(' ').nth(1)?;
            let queue = match id {
                "S" => "r",
                "M" => "q",
                _ => "p",
            };
            let is_locked = step.scenario == "remove-tree-locked" && call == "remove R";
            let expected = if is_locked { Removed::Running } else { Removed::Done };
            let with_children = !call.ends_with("without children");
            let removed = step.store(queue).remove(&[id], with_children).await.expect("remove");
            assert_eq!(removed, [expected], "{call}");
        }
        ("remove-child-dependency", call) => {
            let id = &call[..2];
            let expected = if call == "C2 again" { Detached::NoParent } else { Detached::Done };
            assert_eq!(store.remove_child_dependency(id).await.expect("detach"), expected);
        }
        ("remove-unprocessed-children" | "remove-unprocessed-all", _) => {
            step.store("p").remove_unprocessed_children("R").await.expect("remove");
        }
        _ => return None,
    }
    Some(Value::Null)
}

async fn other(step: &mut Step<'_>) -> Option<Value> {
    let store = step.store("q");
    match (step.scenario, step.call) {
        (_, "queue.pause()") => drop(store.pause(true).await.expect("pause")),
        (_, "queue.resume()") => drop(store.pause(false).await.expect("resume")),
        (_, "queue.rateLimit(5000)") => store.rate_limit(Some(5000)).await.expect("limit"),
        (_, "setGlobalRateLimit") => {
            let limit = RateLimit { max: 1, duration_ms: 5000 };
            store.set_global_rate_limit(Some(limit)).await.expect("limit");
        }
        (_, "setGlobalConcurrency(1)") => store.set_global_concurrency(Some(1)).await.expect("limit"),
        ("clean-states" | "drain-scheduler", call) if call.starts_with("clean(") => {
            let words: Vec<&str> = call["clean(".len()..].trim_end_matches(')').split(',').collect();
            let state = match words[2] {
                "'wait'" => CleanState::Wait,
                "'delayed'" => CleanState::Delayed,
                "'prioritized'" => CleanState::Prioritized,
                _ => CleanState::Failed,
            };
            let (grace, limit) = (words[0].parse().expect("grace"), words[1].parse().expect("limit"));
            return Some(json!(store.clean(state, grace, limit).await.expect("clean")));
        }
        ("retry-completed", _) => {
            assert_eq!(store.reprocess(TOKEN, "1", true, false).await.expect("retry"), Retried::Done);
        }
        ("pause-others", _) => drop(store.pause(false).await.expect("resume")),
        ("change-priority-states", call) => {
            let done = match call {
                "delayed" => store.change_priority("2", 7, false).await,
                "prioritized to waiting lifo" => store.change_priority("3", 0, true).await,
                "waiting to prioritized" => store.change_priority("3", 1, false).await,
                _ => store.change_delay("3", 10).await.map(|changed| changed == Changed::NotDelayed),
            };
            assert!(done.expect("change"), "{call}");
        }
        ("promote-prioritized", _) | ("promote", "job.promote()") => {
            assert!(store.promote_job(TOKEN, "1").await.expect("promote"));
        }
        ("promote", _) => assert!(!store.promote_job(TOKEN, "1").await.expect("promote")),
        ("promote-jobs", _) => assert_eq!(store.promote_all(1000).await.expect("promote"), 2),
        ("change-delay-priority", "changeDelay(1000)") => {
            assert_eq!(store.change_delay("1", 1000).await.expect("delay"), Changed::Done);
        }
        ("change-delay-priority", call) => {
            let (priority, lifo) = match call {
                "changePriority({priority:5})" => (5, false),
                "changePriority({priority:5,lifo:true})" => (5, true),
                _ => (0, false),
            };
            assert!(store.change_priority("2", priority, lifo).await.expect("priority"), "{call}");
        }
        ("retry-child", "retry C1") => {
            assert_eq!(store.retry(TOKEN, "C1", false).await.expect("retry"), Retried::Done);
        }
        ("retry-failed", "job.retry('failed')") => {
            assert_eq!(store.retry(TOKEN, "1", false).await.expect("retry"), Retried::Done);
        }
        ("retry-failed", "retryJobs()") => assert_eq!(store.retry_all(1000).await.expect("retry"), 1),
        ("retry-failed", _) => {
            assert_eq!(store.reprocess(TOKEN, "2", false, true).await.expect("retry"), Retried::Done);
        }
        (_, "child queue.drain()" | "drain()") => drop(store.drain().await.expect("drain")),
        (_, "drain(true)") => drop(store.empty().await.expect("empty")),
        (_, "clean(0,10,'completed')") => {
            let ids = store.clean(CleanState::Completed, 0, 10).await.expect("clean");
            return Some(json!(ids));
        }
        (_, "obliterate the parent queue") => {
            assert_eq!(step.store("p").obliterate(false).await.expect("obliterate"), Obliterated::Done);
        }
        (_, "obliterate()") => {
            assert_eq!(store.obliterate(false).await.expect("obliterate"), Obliterated::Done);
        }
        _ => return remove(step).await,
    }
    Some(Value::Null)
}
