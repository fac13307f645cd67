//! Every script on a queue in which one key is of the wrong type: either an error that names the key, with nothing
//! changed, or no job lost.

use std::collections::BTreeSet;

use bullock::job::options::Keep;
use bullock::job::outcome::Fate;
use bullock::store::actor::Actor;
use bullock::store::claim::Limiter;
use bullock::store::control::CleanState;
use bullock::store::finish::{Completion, FailedRun};
use bullock::store::run::OPERATOR;
use bullock::store::{Lane, Store, StoreError};
use bullock::wire::NewJob;
use serde_json::json;

use crate::ground::{Ground, LEASE_MS, NOW, P, X, back, claim, completion, failed, job};
use crate::snapshot::{Snapshot, difference, problems};

const KINDS: [&str; 6] = ["string", "list", "set", "zset", "hash", "stream"];

/// Keys of the queue that need not be there for a test to begin.
const ABSENT: [&str; 10] = [
    "bull::x:q::cancel",
    "bull::x:q::audit",
    "bull:q:paused",
    "bull:q:meta",
    "bull:q:meta-paused",
    "bull:q:limiter",
    "bull:q:limiter:index",
    "bull:q:limiter:limited",
    "bull:q:stalled-check",
    "bull:q:de:new",
];

const ACTS: [&str; 32] = [
    "claim",
    "claim with a limiter",
    "complete",
    "fail",
    "hand_back",
    "renew",
    "progress",
    "log",
    "update_data",
    "update_data by an operator",
    "checkpoint",
    "enqueue",
    "repeat",
    "repeat_remove",
    "promote",
    "promote_job",
    "pause",
    "resume",
    "recover",
    "stalled",
    "retry",
    "retry_all",
    "remove",
    "cancel",
    "clean wait",
    "clean delayed",
    "clean failed",
    "clean active",
    "empty",
    "obliterate",
    "obliterate by force",
    "open",
];

/// Jobs in every state, with all that belongs to them.
async fn rich() -> Ground {
    let mut ground = Ground::at(NOW).await;
    for (id, token) in [("f1", "w:01"), ("f2", "w:01")] {
        ground.running(id, token, json!({})).await;
        let run = failed(id, token, Fate::Bury);
        ground.lane.next();
        ground.store.fail(&ground.lane, LEASE_MS, 3, &[run]).await.unwrap();
    }
    for id in ["c1", "c2"] {
        ground.running(id, "w:01", json!({})).await;
        ground.lane.next();
        ground.store.complete(&ground.lane, LEASE_MS, 3, &[completion(id, "w:01")]).await.unwrap();
    }
    ground.running("r2", "w:02", json!({"priority": 4})).await;
    ground.fail(&[failed("r2", "w:02", Fate::RetryNow)]).await.unwrap();
    ground.plain(&["HSET", "bull:q:r2", "stalledCounter", "1"]).await;
    assert_eq!(ground.claim(&["w:02"]).await, ["r2"]);
    for n in [1, 3, 4, 5, 6] {
        ground
            .running(&format!("r{n}"), &format!("w:0{n}"), json!({"debounce": {"id": format!("e{n}")}}))
            .await;
    }
    ground.store.log("r1", "w:01", 9, &["line".into()]).await.unwrap();
    ground.store.checkpoint("r1", "w:01", Some("1"), true).await.unwrap();
    ground.plain(&["DEL", "bull:q:r5:lock", "bull:q:r6:lock"]).await;
    ground.plain(&["SREM", "bull::x:q::leases", "r6"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "r1", "r6"]).await;
    // Cancelled while they ran: one of ours whose worker died, one of Node's, one that was given back.
    for (id, token) in [("r7", "w:07"), ("r8", "w:08"), ("r9", "w:09")] {
        ground.running(id, token, json!({"debounce": {"id": format!("e{id}")}})).await;
        let mark = r#"{"at":1,"by":"kim","from":"cli@shop","why":""}"#;
        ground.plain(&["HSET", &format!("{X}job:{id}"), "cancel", mark]).await;
        ground.plain(&["DEL", &format!("bull:q:{id}:lock")]).await;
    }
    ground.plain(&["SREM", "bull::x:q::leases", "r8", "r9"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "r8"]).await;
    ground.add("w1", json!({})).await;
    ground.add("w2", json!({"priority": 2})).await;
    ground.add("w3", json!({"debounce": {"id": "d"}})).await;
    ground.running("again", "w:07", json!({"lifo": true})).await;
    ground.fail(&[failed("again", "w:07", Fate::RetryNow)]).await.unwrap();
    ground.plain(&["LREM", "bull:q:active", "0", "r9"]).await;
    ground.plain(&["RPUSH", "bull:q:wait", "r9"]).await;
    ground.add("d1", json!({"delay": 1000, "priority": 1})).await;
    ground.add("d2", json!({"delay": 9_000_000})).await;
    act(&ground.store, "repeat").await.unwrap();
    ground.plain(&["DEL", "bull::x:q::reply:lane"]).await;
    ground.sound().await;
    ground
}

async fn act(store: &Store, what: &str) -> Result<(), StoreError> {
    let (mut lane, now) = (Lane::new("actor"), NOW + 5000);
    lane.next();
    let keep = Keep::Some { count: Some(1), age_s: None, limit: None };
    match what {
        "claim" => drop(claim(store, &lane, &["w:11", "w:12", "w:13", "w:14", "w:15"], None).await?),
        "claim with a limiter" => {
            let limiter = Limiter { max: 2, duration_ms: 60_000, grouped: false };
            drop(claim(store, &lane, &["w:11", "w:12", "w:13", "w:14"], Some(&limiter)).await?);
        }
        "complete" => {
            let last = Completion { keep, ..completion("r3", "w:03") };
            let runs = [completion("r1", "w:01"), completion("r2", "w:02"), last];
            drop(store.complete(&lane, LEASE_MS, 3, &runs).await?);
        }
        "fail" => {
            let last = FailedRun { keep, ..failed("r4", "w:04", Fate::Bury) };
            let undecodable = FailedRun { class: "undecodable", ..failed("r3", "w:03", Fate::Bury) };
            let runs = [
                failed("r1", "w:01", Fate::Delay(5)),
                failed("r2", "w:02", Fate::RetryNow),
                undecodable,
                last,
            ];
            drop(store.fail(&lane, LEASE_MS, 3, &runs).await?);
        }
        "hand_back" => {
            let mut deferred = back("r1", "w:01", Some(5));
            deferred.max_deferrals = Some(5);
            drop(store.hand_back(&lane, LEASE_MS, 5, &[back("r2", "w:02", None), deferred]).await?);
        }
        "renew" => drop(store.renew(LEASE_MS, &[("r1", "w:01"), ("r2", "w:02")]).await?),
        "progress" => drop(store.progress("r1", "w:01", "5").await.map(|_| ())?),
        "log" => drop(store.log("r1", "w:01", 2, &["a".into()]).await.map(|_| ())?),
        "update_data" => drop(store.update_data("r1", "w:01", "{}").await.map(|_| ())?),
        "update_data by an operator" => drop(store.update_data("w1", OPERATOR, "{}").await.map(|_| ())?),
        "checkpoint" => drop(store.checkpoint("r1", "w:01", Some("2"), true).await.map(|_| ())?),
        "enqueue" => {
            let jobs = [
                job("n1", json!({})),
                job("n2", json!({"delay": 5})),
                job("n3", json!({"priority": 1})),
                job("n4", json!({"debounce": {"id": "new"}})),
                job("", json!({})),
            ];
            drop(store.enqueue("t", &jobs).await?);
        }
        "repeat" | "repeat_remove" => {
            use bullock::job::cron::Zone;
            use bullock::job::repeat;
            let rule = json!({"every": 60_000});
            if what == "repeat_remove" {
                let (key, prefix) = repeat::key_and_prefix("x", &rule, Zone::Utc);
                store.repeat_remove(&key, &prefix).await?;
            } else {
                let next =
                    repeat::first("x", None, &json!({"repeat": rule}), now, Zone::Utc).unwrap().unwrap();
                let occurrence = NewJob::occurrence("x", "{}", &next);
                store.repeat("t", None, &next.key, next.due_text(), &occurrence).await?;
            }
        }
        "promote" => drop(store.promote("t").await.map(|_| ())?),
        "promote_job" => drop(store.promote_job("t", "d1").await.map(|_| ())?),
        "pause" | "resume" => drop(store.pause(what == "pause").await.map(|_| ())?),
        "recover" => drop(store.recover().await?),
        "stalled" => drop(store.stalled(60_000, 1).await?),
        "retry" => drop(store.retry("t", "f1", false).await.map(|_| ())?),
        "retry_all" => drop(store.retry_all(100).await.map(|_| ())?),
        "cancel" => drop(store.cancel(&Actor::default(), &["r1", "r5", "w2", "w3", "d1"]).await?),
        "remove" => drop(store.remove(&["w3", "d1", "f1"], true).await?),
        "clean wait" => drop(store.clean(CleanState::Wait, 0, 0).await?),
        "clean delayed" => drop(store.clean(CleanState::Delayed, 0, 0).await?),
        "clean failed" => drop(store.clean(CleanState::Failed, 0, 0).await?),
        "clean active" => drop(store.clean(CleanState::Active, 0, 0).await?),
        "empty" => drop(store.empty().await.map(|_| ())?),
        "obliterate" => drop(store.obliterate(false).await.map(|_| ())?),
        "obliterate by force" => drop(store.obliterate(true).await.map(|_| ())?),
        "open" => drop(store.open().await?),
        other => panic!("{other}"),
    }
    Ok(())
}

/// All keys as `RESTORE` takes them.
struct Saved(Vec<(Vec<u8>, i64, Vec<u8>)>);

const SAVE: &str = "local out = {} for i, k in ipairs(redis.call('KEYS', '*')) do
  out[i] = { k, math.max(redis.call('PTTL', k), 0), redis.call('DUMP', k) } end return out";

impl Saved {
    async fn of(ground: &mut Ground) -> Saved {
        Saved(ground.run(&["EVAL", SAVE, "0"]).await)
    }

    async fn restore(&self, ground: &mut Ground) {
        let mut pipe = redis::pipe();
        pipe.cmd("FLUSHALL").ignore();
        for (key, ttl, bytes) in &self.0 {
            pipe.cmd("RESTORE").arg(key).arg(ttl).arg(bytes).ignore();
        }
        pipe.exec_async(&mut ground.con).await.expect("restore");
    }
}

async fn put(ground: &mut Ground, key: &str, kind: &str) {
    ground.plain(&["DEL", key]).await;
    match kind {
        "string" => ground.plain(&["SET", key, "garbage"]).await,
        "list" => ground.plain(&["RPUSH", key, "garbage"]).await,
        "set" => ground.plain(&["SADD", key, "garbage"]).await,
        "zset" => ground.plain(&["ZADD", key, "1", "garbage"]).await,
        "hash" => ground.plain(&["HSET", key, "garbage", "1"]).await,
        _ => ground.plain(&["XADD", key, "1-1", "garbage", "1"]).await,
    }
}

/// Ids about which a state scan complains.
fn troubled(all: &Snapshot) -> BTreeSet<String> {
    let all = problems(all, P);
    all.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// May `what` go on although `key`, which it changes on a healthy queue, is of another type?
fn may_go_on(what: &str, key: &str) -> bool {
    let job_level = |name: &str| {
        ["r", "w", "d", "f", "c", "n"].iter().any(|head| name.starts_with(head))
            && name.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
            || name.starts_with("again")
            || name.starts_with("de:")
            || name.starts_with("repeat:")
    };
    let name = key.strip_prefix(P).or(key.strip_prefix(X)).unwrap_or(key);
    job_level(name)
        || name.starts_with("job:")
        || name.starts_with("reply:")
        || ["rest", "version", "meta-paused"].contains(&name)
        // Deleted whatever it is.
        || what.starts_with("obliterate")
        || what == "empty"
        // A lease is worth more than a mark.
        || (what == "renew" && name == "stalled")
        // So is the end of a cancelled job more than being counted.
        || (["recover", "stalled"].contains(&what) && name == "metrics:failed")
}

#[tokio::test]
async fn a_key_of_the_wrong_type_is_named_and_nothing_changes_or_no_job_is_lost_while_jobs_run() {
    try_all(&ACTS[..16]).await;
}

#[tokio::test]
async fn a_key_of_the_wrong_type_is_named_and_nothing_changes_or_no_job_is_lost_around_the_runs() {
    try_all(&ACTS[16..]).await;
}

async fn try_all(acts: &[&str]) {
    let mut ground = rich().await;
    // Late, so that d1 is due and all is old enough to be cleaned.
    let store = ground.at_time(NOW + 5000);
    let saved = Saved::of(&mut ground).await;
    let healthy = ground.snapshot().await;
    let mut keys: BTreeSet<String> = healthy.keys().cloned().collect();
    keys.extend(ABSENT.map(str::to_owned));
    let mut named = 0;
    for what in acts {
        let what = *what;
        saved.restore(&mut ground).await;
        act(&store, what).await.unwrap_or_else(|error| panic!("{what} on a healthy queue: {error}"));
        let after = ground.snapshot().await;
        let left = troubled(&after);
        assert!(left.is_empty(), "{what} on a healthy queue: {left:?}");
        let touched: BTreeSet<&String> =
            keys.iter().filter(|key| healthy.get(*key) != after.get(*key)).collect();
        for (n, key) in keys.iter().enumerate() {
            // What the script changes, in all wrong types; the rest, which it may read, in one of them.
            let all_kinds = touched.contains(key);
            let wrong = KINDS.into_iter().cycle().skip(n).take(KINDS.len());
            let wrong = wrong.filter(|kind| healthy.get(key).is_none_or(|entry| entry.kind != *kind));
            for kind in wrong.take(if all_kinds { KINDS.len() } else { 1 }) {
                saved.restore(&mut ground).await;
                put(&mut ground, key, kind).await;
                let before = ground.snapshot().await;
                let told = act(&store, what).await;
                let after = ground.snapshot().await;
                let case = format!("{what}, {key} is a {kind}");
                match told {
                    Err(StoreError::WrongKey(text)) => {
                        assert!(text.contains(key.as_str()), "{case}: {text}");
                        let changes = difference(&before, &after);
                        // Pausing comes first, by a call of its own.
                        let paused = what.starts_with("obliterate");
                        assert!(changes.is_empty() || paused, "{case}:\n{}", changes.join("\n"));
                        named += 1;
                    }
                    Err(other) => panic!("{case}: {other:?}"),
                    Ok(()) => {
                        // A string may stand where a string belongs.
                        let fits = !healthy.contains_key(key) && kind == "string";
                        let must_tell = touched.contains(key) && !may_go_on(what, key) && !fits;
                        assert!(!must_tell || right_for(key, kind), "{case}: nobody noticed");
                        let new: Vec<_> = troubled(&after).difference(&troubled(&before)).cloned().collect();
                        assert!(new.is_empty(), "{case}: {new:?} of {:?}", problems(&after, P));
                    }
                }
            }
        }
    }
    assert!(named > 100, "only {named} cases were refused");
}

/// Is `kind` the type that an absent key should have?
fn right_for(key: &str, kind: &str) -> bool {
    let ours = ["cancel", "audit"].iter().any(|name| key.strip_prefix(X) == Some(name));
    (ours && kind == "stream")
        || matches!(
            (key.strip_prefix(P).unwrap_or_default(), kind),
            ("paused", "list")
                | ("meta" | "limiter:index", "hash")
                | ("limiter:limited", "set")
                | ("meta-paused" | "limiter" | "stalled-check" | "de:new", "string")
        )
}
