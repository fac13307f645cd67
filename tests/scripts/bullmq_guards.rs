//! `BullMQ`'s worker path on a queue that is damaged, or a server that is full: refused with nothing changed, or no job
//! lost.

use bullock::job::options::Keep;
use bullock::job::outcome::Fate;
use bullock::store::actor::Actor;
use bullock::store::finish::{Completion, FailedRun, Verdict};
use bullock::store::{Lane, Store, StoreError};

use crate::bullmq_worker::{running, waiting};
use crate::ground::{Ground, LEASE_MS, NOW, P, X, back, claim, completion, failed};
use crate::snapshot::difference;

const ACTS: [&str; 12] = [
    "claim",
    "complete",
    "fail",
    "hand_back",
    "renew",
    "progress",
    "promote",
    "recover",
    "stalled",
    "wait_for_children",
    "cancel",
    "log",
];
/// Keys that are broken one after the other: every one that a worker reads or writes.
const KEYS: [&str; 31] = [
    "wait",
    "paused",
    "active",
    "prioritized",
    "pc",
    "delayed",
    "waiting-children",
    "completed",
    "failed",
    "stalled",
    "stalled-check",
    "marker",
    "limiter",
    "events",
    "id",
    "meta",
    "repeat",
    "r1",
    "r1:lock",
    "r1:logs",
    "r1:dependencies",
    "r1:processed",
    "r1:unsuccessful",
    "w1",
    "d1",
    "de:x",
    "dn:x",
    "metrics:completed",
    "metrics:completed:data",
    "metrics:failed",
    "metrics:failed:data",
];
const OURS: [&str; 8] = ["leases", "leases:stalled", "fence", "job:r1", "job:r6", "rest", "cancel", "audit"];
const OTHERS: [&str; 6] = [
    "bull:p:P",
    "bull:p:wait",
    "bull:p:meta",
    "bull:p:waiting-children",
    "bull:p:events",
    "bull:p:P:dependencies",
];

async fn rich() -> Ground {
    let mut ground = Ground::bullmq_at(NOW).await;
    for (id, token) in [("f1", "w:01"), ("c1", "w:02")] {
        running(&mut ground, id, token).await;
    }
    ground.fail(&[failed("f1", "w:01", Fate::Bury)]).await.unwrap();
    ground.complete(&[completion("c1", "w:02")]).await.unwrap();
    for n in 1..=5 {
        running(&mut ground, &format!("r{n}"), &format!("w:0{n}")).await;
    }
    let parent = r#"{"id":"P","queueKey":"bull:p","idof":true}"#;
    ground.plain(&["HSET", "bull:q:r1", "parentKey", "bull:p:P", "parent", parent, "deid", "x"]).await;
    ground.plain(&["HSET", "bull:p:P", "name", "n", "data", "1"]).await;
    ground.plain(&["SADD", "bull:p:P:dependencies", "bull:q:r1"]).await;
    ground.plain(&["ZADD", "bull:p:waiting-children", "1", "P"]).await;
    ground.plain(&["SET", "bull:q:de:x", "r1"]).await;
    ground.plain(&["HSET", "bull:q:dn:x", "name", "m", "data", "1", "opts", "{}", "jid", "k"]).await;
    ground.plain(&["DEL", "bull:q:r5:lock"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "r5", "r1"]).await;
    // Cancelled while they ran: one of ours whose worker died, one of Node's, one that was given back.
    for (id, token) in [("r6", "w:06"), ("r7", "w:07"), ("w3", "w:08")] {
        running(&mut ground, id, token).await;
        let mark = r#"{"at":1,"by":"kim","from":"cli@shop","why":""}"#;
        ground.plain(&["HSET", &format!("{X}job:{id}"), "cancel", mark]).await;
        ground.plain(&["DEL", &format!("bull:q:{id}:lock")]).await;
    }
    ground.plain(&["SREM", "bull::x:q::leases", "r7", "w3"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "r7"]).await;
    ground.plain(&["LREM", "bull:q:active", "0", "w3"]).await;
    for id in ["w1", "w2"] {
        waiting(&mut ground, id).await;
    }
    ground.plain(&["RPUSH", "bull:q:wait", "w3"]).await;
    ground.plain(&["HSET", "bull:q:d1", "name", "n", "data", "1", "priority", "2"]).await;
    ground.plain(&["ZADD", "bull:q:delayed", &((NOW - 1) * 4096).to_string(), "d1"]).await;
    ground
}

async fn act(store: &Store, what: &str) -> Result<(), StoreError> {
    let mut lane = Lane::new("actor");
    lane.next();
    let keep = Keep::Some { count: Some(1), age_s: Some(0.0), limit: None };
    match what {
        "claim" => drop(claim(store, &lane, &["w:11", "w:12", "w:13"], None).await?),
        "complete" => {
            let runs = [completion("r1", "w:01"), Completion { keep, ..completion("r2", "w:02") }];
            drop(store.complete(&lane, LEASE_MS, 3, &runs).await?);
        }
        "fail" => {
            let last = FailedRun { keep, ..failed("r1", "w:01", Fate::Bury) };
            let runs = [failed("r2", "w:02", Fate::Delay(5)), failed("r3", "w:03", Fate::RetryNow), last];
            drop(store.fail(&lane, LEASE_MS, 3, &runs).await?);
        }
        "hand_back" => {
            let mut deferred = back("r1", "w:01", Some(5));
            deferred.max_deferrals = Some(5);
            drop(store.hand_back(&lane, LEASE_MS, 5, &[back("r2", "w:02", None), deferred]).await?);
        }
        "renew" => drop(store.renew(LEASE_MS, &[("r1", "w:01"), ("r2", "w:02")]).await?),
        "progress" => drop(store.progress("r1", "w:01", "5").await?),
        "promote" => store.promote("t").await.map(|_| ())?,
        "recover" => drop(store.recover().await?),
        "stalled" => drop(store.stalled(30_000, 1).await?),
        "cancel" => drop(store.cancel(&Actor::default(), &["r1", "r5", "w1", "d1"]).await?),
        "wait_for_children" => drop(store.wait_for_children("r1", "w:01", None).await?),
        _ => drop(store.log("r1", "w:01", 5, &["line".into()]).await?),
    }
    Ok(())
}

/// Ids that are in no list and no set although their hash is there.
async fn lost(ground: &mut Ground) -> Vec<String> {
    let all = ground.snapshot().await;
    let listed = |id: &str| {
        ["wait", "paused", "active", "prioritized", "delayed", "completed", "failed", "waiting-children"]
            .iter()
            .any(|place| {
                all.get(&format!("{P}{place}")).is_some_and(|entry| {
                    entry.items.iter().any(|item| item == id || item.starts_with(&format!("{id}=")))
                })
            })
    };
    ["w1", "w2", "w3", "d1", "r1", "r2", "r3", "r4", "r5", "r6", "r7"]
        .into_iter()
        .filter(|id| all.contains_key(&format!("{P}{id}")) && !listed(id))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_key_of_the_wrong_type_stops_a_call_before_it_writes_or_costs_no_job() {
    let ours = OURS.iter().map(|key| format!("{X}{key}"));
    let keys: Vec<String> =
        KEYS.iter().map(|key| format!("{P}{key}")).chain(ours).chain(OTHERS.map(str::to_owned)).collect();
    let mut ground = rich().await;
    let mut problems = Vec::new();
    let saved = ground.snapshot().await;
    let dumped = dumps(&mut ground, saved.keys()).await;
    for what in ACTS {
        for key in &keys {
            for wrong in [["SET", key, "text"], ["RPUSH", key, "item"], ["SADD", key, "item"]] {
                restore(&mut ground, &dumped).await;
                let holds = |kind: &str| saved.get(key).is_some_and(|entry| entry.kind == kind);
                let kind = match wrong[0] {
                    "SET" => "string",
                    "RPUSH" => "list",
                    _ => "set",
                };
                if holds(kind) {
                    continue;
                }
                ground.plain(&["DEL", key]).await;
                ground.plain(&wrong).await;
                let before = ground.snapshot().await;
                let outcome = act(&ground.store, what).await;
                let changes = difference(&before, &ground.snapshot().await);
                let place = format!("{what}, {key} is a {kind}");
                match outcome {
                    Err(StoreError::WrongKey(_)) if changes.is_empty() => {}
                    Err(error) => problems.push(format!("{place}: {error}; {changes:?}")),
                    // A list or set that is broken itself has lost its ids already.
                    Ok(()) if saved.get(key).is_some_and(|e| e.kind == "list" || e.kind == "zset") => {}
                    Ok(()) => problems
                        .extend(lost(&mut ground).await.iter().map(|id| format!("{place}: {id} is lost"))),
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

async fn dumps(ground: &mut Ground, keys: impl Iterator<Item = &String>) -> Vec<(String, Vec<u8>, i64)> {
    let mut all = Vec::new();
    for key in keys {
        let bytes: Vec<u8> = ground.run(&["DUMP", key]).await;
        let ttl: i64 = ground.run(&["PTTL", key]).await;
        all.push((key.clone(), bytes, ttl.max(0)));
    }
    all
}

async fn restore(ground: &mut Ground, dumped: &[(String, Vec<u8>, i64)]) {
    let mut pipe = redis::pipe();
    pipe.cmd("FLUSHALL").ignore();
    for (key, bytes, ttl) in dumped {
        pipe.cmd("RESTORE").arg(key).arg(ttl).arg(bytes).ignore();
    }
    pipe.exec_async(&mut ground.con).await.unwrap();
}

#[tokio::test]
async fn without_memory_nothing_is_claimed_or_promoted_and_every_run_can_end() {
    let mut ground = rich().await;
    let info: String = ground.run(&["INFO", "memory"]).await;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim();
    let below = used.parse::<u64>().unwrap() - 100_000;
    ground.plain(&["CONFIG", "SET", "maxmemory", &below.to_string()]).await;
    let before = ground.snapshot().await;
    for what in ["claim", "progress", "log"] {
        let answer = act(&ground.store, what).await;
        assert!(matches!(answer, Err(StoreError::OutOfMemory(_))), "{what}: {answer:?}");
    }
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new());
    act(&ground.store, "renew").await.unwrap();
    assert_eq!(ground.complete(&[completion("r1", "w:01")]).await.unwrap(), [Verdict::Done]);
    assert_eq!(ground.fail(&[failed("r2", "w:02", Fate::RetryNow)]).await.unwrap(), [Verdict::Done]);
    assert_eq!(ground.fail(&[failed("r3", "w:03", Fate::Bury)]).await.unwrap(), [Verdict::Done]);
    assert_eq!(ground.hand_back(&[back("r4", "w:04", None)]).await.unwrap(), [Verdict::Done]);
    // The child's end and its parent's release are one step.
    assert_eq!(ground.run::<Vec<String>>(&["LRANGE", "bull:p:wait", "0", "-1"]).await, ["P"]);
}

#[tokio::test]
async fn a_stale_run_changes_nothing() {
    let mut ground = rich().await;
    let before = ground.snapshot().await;
    let lost = [Verdict::LeaseLost];
    assert_eq!(ground.complete(&[completion("r1", "w:99")]).await.unwrap(), lost);
    assert_eq!(ground.fail(&[failed("r1", "w:99", Fate::Bury)]).await.unwrap(), lost);
    assert_eq!(ground.hand_back(&[back("r1", "w:99", None)]).await.unwrap(), lost);
    assert_eq!(ground.store.progress("r1", "w:99", "1").await.unwrap(), Verdict::LeaseLost);
    assert_eq!(ground.store.renew(LEASE_MS, &[("r1", "w:99")]).await.unwrap().lost, [0]);
    assert_eq!(ground.complete(&[completion("r5", "w:05")]).await.unwrap(), lost);
    assert_eq!(ground.complete(&[completion("gone", "w:05")]).await.unwrap(), [Verdict::JobGone]);
    assert_eq!(difference(&before, &ground.snapshot().await), Vec::<String>::new());
}
