//! Queues broken by hand, one for each class: found as just that, and clean after a repair.

use std::sync::Arc;

use redis::AsyncCommands as _;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::support::redis::Redis;
use super::{doctor, found, send};

/// A sound Bull 4 queue with one job of each state.
const BULL: &str = r#"
    SET {b}id 6
    HSET {b}1 name a data {} opts {"attempts":1,"delay":0,"timestamp":1700000000000} timestamp 1700000000000 delay 0 priority 0
    LPUSH {b}wait 1
    HSET {b}2 name a data {} opts {"attempts":1} timestamp 1700000000000 delay 0 priority 0 processedOn 1700000000001
    LPUSH {b}active 2
    SET {b}2:lock 0b5cb0bd-7f0f-4b6e-9d3a-0f5a4f3b2c1d PX 600000
    HSET {b}3 name a data {} opts {"attempts":1} timestamp 1700000000000 delay 0 priority 0 returnvalue 1 finishedOn 1700000000002
    ZADD {b}completed 1700000000002 3
    HSET {b}4 name a data {} opts {"attempts":1} timestamp 1700000000000 delay 0 priority 0 failedReason no attemptsMade 1 finishedOn 1700000000002
    ZADD {b}failed 1700000000002 4
    HSET {b}5 name a data {} opts {"attempts":1} timestamp 1700000000000 delay 900000000000 priority 0
    ZADD {b}delayed 10649600000000000 5
    HSET {b}6 name a data {} opts {"attempts":1} timestamp 1700000000000 delay 0 priority 3
    RPUSH {b}wait 6
    ZADD {b}priority 3 6
"#;
/// The same of `BullMQ` 6, with a parent and a scheduler.
const BULLMQ: &str = r#"
    SET {b}id 6
    HSET {b}meta opts.maxLenEvents 10000 version bullmq:6.7.0
    XADD {b}events * event added jobId 1
    HSET {b}1 name a data {} opts {"attempts":0} timestamp 1700000000000 delay 0 priority 0
    LPUSH {b}wait 1
    ZADD {b}marker 0 0
    HSET {b}2 name a data {} opts {"attempts":0} timestamp 1700000000000 delay 0 priority 0 processedOn 1700000000001 ats 1
    LPUSH {b}active 2
    SET {b}2:lock 0b5cb0bd-7f0f-4b6e-9d3a-0f5a4f3b2c1d:1 PX 600000
    HSET {b}3 name a data {} opts {"attempts":0} timestamp 1700000000000 delay 0 priority 0 returnvalue 1 finishedOn 1700000000002 ats 1 atm 1
    ZADD {b}completed 1700000000002 3
    HSET {b}4 name a data {} opts {"attempts":0} timestamp 1700000000000 delay 0 priority 0 failedReason no finishedOn 1700000000002 ats 1 atm 1
    ZADD {b}failed 1700000000002 4
    HSET {b}5 name a data {} opts {"attempts":0} timestamp 1700000000000 delay 900000000000 priority 0
    ZADD {b}delayed 10649600000000000 5
    HSET {b}6 name a data {} opts {"attempts":0} timestamp 1700000000000 delay 0 priority 3
    ZADD {b}prioritized 12884901889 6
    SET {b}pc 1
    HSET {b}7 name p data {} opts {"attempts":0} timestamp 1700000000000 delay 0 priority 0
    ZADD {b}waiting-children 1700000000000 7
    SADD {b}7:dependencies {b}8
    HSET {b}8 name c data {} opts {"attempts":0} timestamp 1700000000000 delay 0 priority 0 parentKey {b}7 parent {"id":"7","queueKey":"PREFIX:q"}
    LPUSH {b}wait 8
    HSET {b}repeat:tick name tick every 60000 ic 1
    ZADD {b}repeat 2600000000000 tick
    HSET {b}repeat:tick:2600000000000 name tick data {} opts {"attempts":0} timestamp 1700000000000 delay 900000000000 priority 0 rjk tick
    ZADD {b}delayed 10649600000000001 repeat:tick:2600000000000
"#;

/// What is broken, on which kind of queue (b, m, or both), by which commands, and where the job is after the repair
/// (`-` = nothing to look at).
type Case = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("ghost_id", "bm", "DEL {b}1", "zscore failed 1"),
    ("ghost_id", "bm", "DEL {b}3", "-"),
    ("ghost_id", "bm", "LPUSH {b}wait limiter:x:lock", "-"),
    ("ghost_id", "bm", "HDEL {b}1 data opts", "zscore failed 1"),
    ("orphan_hash", "bm", "LREM {b}wait 0 1", "lpos wait 1"),
    ("orphan_hash", "bm", "LREM {b}active 0 2\nDEL {b}2:lock", "zscore failed 2"),
    ("orphan_hash", "bm", "ZREM {b}completed 3", "zscore completed 3"),
    ("orphan_hash", "bm", "ZREM {b}failed 4", "zscore failed 4"),
    ("orphan_hash", "bm", "ZREM {b}delayed 5", "zscore delayed 5"),
    ("orphan_hash", "b", "HSET {b}9 stalledCounter 1", "-"),
    ("orphan_hash", "m", "HSET {b}9 stc 1", "-"),
    ("two_states", "bm", "LPUSH {b}wait 3", "zscore completed 3"),
    ("two_states", "bm", "LPUSH {b}wait 2", "lpos active 2"),
    ("two_states", "bm", "ZADD {b}delayed 10649600000000000 1", "zscore delayed 1"),
    ("twice_in_list", "bm", "LPUSH {b}wait 1", "lpos wait 1"),
    ("twice_in_list", "bm", "LPUSH {b}active 2", "lpos active 2"),
    ("active_without_lease", "bm", "DEL {b}2:lock", "lpos wait 2"),
    ("lock_without_ttl", "bm", "PERSIST {b}2:lock", "lpos active 2"),
    ("lock_without_active", "bm", "SET {b}1:lock tok PX 600000", "lpos wait 1"),
    ("lock_without_active", "bm", "SET {b}99:lock tok PX 600000", "-"),
    ("undecodable_data", "bm", "HSET {b}1 data {bad", "zscore failed 1"),
    ("undecodable_opts", "bm", "HSET {b}1 opts {bad", "zscore failed 1"),
    ("bad_counter", "b", "HSET {b}1 attemptsMade many", "lpos wait 1"),
    ("bad_counter", "m", "HSET {b}1 atm many", "lpos wait 1"),
    ("bad_counter", "bm", "SET {b}id many", "-"),
    ("wrong_type", "bm", "DEL {b}1\nSET {b}1 x", "zscore failed 1"),
    ("wrong_type", "bm", "DEL {b}2:lock\nHSET {b}2:lock a b", "-"),
    ("delayed_score", "bm", "ZADD {b}delayed 2600000000000 5", "zscore delayed 5"),
    ("delayed_score", "bm", "ZADD {b}delayed inf 5", "zscore delayed 5"),
    ("delayed_score", "bm", "ZADD {b}delayed -7 5", "zscore delayed 5"),
    ("dirty_terminal_hash", "b", "HSET {b}3 failedReason slow attemptsMade 1 stacktrace []", "zscore completed 3"),
    ("dirty_terminal_hash", "bm", "HSET {b}4 returnvalue 1", "zscore failed 4"),
    ("stalled_not_active", "bm", "SADD {b}stalled 1", "-"),
    ("priority_mismatch", "b", "ZADD {b}priority 3 3", "-"),
    ("priority_mismatch", "m", "HSET {b}6 priority 5", "zscore prioritized 6"),
    ("stale_record", "bm", "HSET {x}job:77 reason error of 1", "-"),
    ("lease_entry_stale", "bm", "SADD {x}leases 1", "-"),
    ("dedup_dangling", "bm", "SET {b}de:once 77", "-"),
    ("flow_broken", "m", "DEL {b}8\nLREM {b}wait 0 8", "lpos wait 7"),
    ("flow_broken", "m", "DEL {b}7:dependencies", "lpos wait 7"),
    ("flow_broken", "m", "HSET {b}9 name c data {} opts {} timestamp 1 delay 0 priority 0 parentKey {b}70\nLPUSH {b}wait 9", "lpos wait 9"),
    ("flow_broken", "m", "SADD {b}70:dependencies {b}1", "-"),
    ("scheduler_broken", "m", "ZADD {b}repeat 5 lost", "-"),
    ("marker_missing", "m", "DEL {b}marker\nDEL {b}active {b}2 {b}2:lock", "zscore marker 0"),
];

fn base(dialect: char, prefix: &str) -> String {
    if dialect == 'b' { BULL.to_owned() } else { BULLMQ.replace("PREFIX", prefix) }
}

/// Breaks a queue of its own, looks, repairs, looks again.
async fn one(redis: &Redis, prefix: &str, dialect: char, case: &Case) {
    let (class, _, commands, after) = case;
    let mut connection = redis.connection().await;
    send(&mut connection, prefix, &base(dialect, prefix)).await;
    send(&mut connection, prefix, commands).await;
    let case = format!("{class} on {dialect}: {commands}");
    let before = found(redis, &["--prefix", prefix]).await;
    assert_eq!(before.into_iter().collect::<Vec<_>>(), [((*class).to_owned(), 1)], "{case}");

    let unchanged = redis.dump().await;
    let dry = doctor(redis, &["--prefix", prefix, "--repair", "--dry-run", "--json"]).await;
    assert_eq!(dry.code, 1, "{case}: {dry:?}");
    let mine = |dump: std::collections::BTreeMap<String, String>| {
        dump.into_iter().filter(|(key, _)| key.starts_with(&format!("{prefix}:"))).collect::<Vec<_>>()
    };
    // Locks run down meanwhile; nothing else may change.
    assert_eq!(mine(unchanged).len(), mine(redis.dump().await).len(), "{case}");

    let repaired =
        doctor(redis, &["--prefix", prefix, "--repair", "--reason", "a bad night", "--json"]).await;
    assert_eq!(repaired.code, 0, "{case}: {repaired:?}");
    let rows: Value = serde_json::from_str(&repaired.stdout).unwrap();
    assert_eq!(rows[0]["repair"]["mended"], 1, "{case}: {rows}");
    assert!(found(redis, &["--prefix", prefix]).await.is_empty(), "{case}");

    // One mend may lay bare another fault: a job whose broken lock goes is one that nobody holds.
    let audit: usize = connection.xlen(format!("{prefix}::x:q::audit")).await.unwrap();
    assert!(audit >= 1, "{case}");
    if let [command, key, member] = after.split(' ').collect::<Vec<_>>()[..] {
        let mut cmd = redis::cmd(command);
        let there: redis::Value =
            cmd.arg(format!("{prefix}:q:{key}")).arg(member).query_async(&mut connection).await.unwrap();
        assert_ne!(there, redis::Value::Nil, "{case}: {after}");
    }
}

async fn all(dialect: char) {
    let redis = Redis::start();
    let cases: Vec<_> = CASES.iter().filter(|(_, kinds, ..)| kinds.contains(dialect)).enumerate().collect();
    assert!(cases.len() > 20, "{}", cases.len());
    let mut tasks = tokio::task::JoinSet::new();
    let (redis, few) = (Arc::new(redis), Arc::new(Semaphore::new(8)));
    for (at, case) in cases {
        let (redis, few) = (Arc::clone(&redis), Arc::clone(&few));
        tasks.spawn(async move {
            let _turn = few.acquire_owned().await.unwrap();
            one(&redis, &format!("p{at}"), dialect, case).await;
        });
    }
    let mut failed = Vec::new();
    while let Some(done) = tasks.join_next().await {
        failed.extend(
            done.err()
                .map(|error| error.into_panic())
                .map(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned())),
        );
    }
    assert!(failed.is_empty(), "{} cases:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test]
async fn every_kind_of_fault_in_a_bull_queue_is_found_as_such_and_mended() {
    all('b').await;
}

#[tokio::test]
async fn every_kind_of_fault_in_a_bullmq_queue_is_found_as_such_and_mended() {
    all('m').await;
}

#[tokio::test]
async fn a_sound_queue_has_no_faults_and_an_unknown_one_is_an_error() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    send(&mut connection, "bull", &base('b', "bull")).await;
    send(&mut connection, "mq", &base('m', "mq")).await;
    for prefix in ["bull", "mq"] {
        let before = redis.dump().await;
        assert!(found(&redis, &["q", "--prefix", prefix]).await.is_empty());
        assert_eq!(redis.dump().await.len(), before.len());
    }
    let answer = doctor(&redis, &["nowhere"]).await;
    assert_eq!((answer.code, answer.stderr.contains("no such queue")), (3, true), "{answer:?}");
}

#[tokio::test]
async fn jobs_that_are_all_that_is_left_of_a_queue_are_told_where_it_is_named_and_left_alone() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    send(&mut connection, "bull", "HSET bull:q:7 name a data {} opts {}\nHSET bull:q:8 other x").await;
    let before = redis.dump().await;
    assert!(found(&redis, &[]).await.is_empty(), "a name says that it is a queue, and nothing else does");
    for args in [&["q"][..], &["q", "--repair"]] {
        let answer = doctor(&redis, args).await;
        assert!(answer.code == 1 && answer.stdout.contains("orphan_hash"), "{answer:?}");
        assert!(!answer.stdout.contains('8'), "{answer:?}");
    }
    assert_eq!(redis.dump().await, before);
}

#[tokio::test]
async fn what_has_no_safe_rule_is_said_and_left_alone() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    let cases = [
        ("mixed_layout", 'm', "SET {b}meta-paused 1"),
        ("newer_version", 'b', "SET {x}version 99"),
        ("wrong_type", 'b', "DEL {b}failed {b}4\nSET {b}failed x"),
        ("scheduler_broken", 'm', "HDEL {b}repeat:tick every\nHSET {b}repeat:tick pattern every-morning"),
        ("dedup_dangling", 'm', "HSET {b}dn:once name a data {} opts {}"),
    ];
    for (class, dialect, commands) in cases {
        let prefix = format!("p{class}");
        send(&mut connection, &prefix, &base(dialect, &prefix)).await;
        send(&mut connection, &prefix, commands).await;
        let classes: Vec<String> = found(&redis, &["--prefix", &prefix]).await.into_keys().collect();
        assert_eq!(classes, [class]);
        let before = redis.dump().await;
        let answer = doctor(&redis, &["--prefix", &prefix, "--repair", "-o", "table"]).await;
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(class == "newer_version" || answer.stdout.contains("no safe rule"), "{answer:?}");
        assert_eq!(redis.dump().await.len(), before.len());
    }
}

#[tokio::test]
async fn a_redis_that_may_evict_is_found() {
    let redis = Redis::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let mut connection = redis.connection().await;
    send(&mut connection, "bull", &base('b', "bull")).await;
    assert_eq!(found(&redis, &[]).await.into_keys().collect::<Vec<_>>(), ["eviction_policy"]);
}
