//! What is kept: by age and count, in small steps, by one process at a time, and never what something else still needs.

use std::collections::HashMap;
use std::time::Duration;

use bullock::store::history::{Ask, SyncEnd};
use bullock::store::retention::{Rule, Step, What};
use bullock::wire::Dialect;
use redis::{cmd, pipe};
use serde_json::json;

use crate::ground::{BOTH, Ground, QUEUE, stop};
use crate::support::wait;

const TURN: Duration = Duration::from_secs(15);
const HOUR_MS: i64 = 3_600_000;

fn key(name: &str) -> String {
    format!("bull:{QUEUE}:{name}")
}

/// Finished jobs with these ids, one a second, the last one now; with these fields besides.
async fn finished(ground: &Ground, set: &str, ids: &[&str], fields: &[(&str, &str)]) {
    let now = chrono::Utc::now().timestamp_millis();
    let mut all = pipe();
    for (n, id) in ids.iter().rev().enumerate() {
        let at = now - 1000 * i64::try_from(n).unwrap();
        all.cmd("ZADD").arg(key(set)).arg(at).arg(id).ignore();
        all.cmd("HSET").arg(key(id)).arg("name").arg("x").arg("data").arg("{}").arg("timestamp").arg(at);
        all.arg("opts").arg("{\"attempts\":1}").arg("finishedOn").arg(at).ignore();
        for (field, value) in fields {
            all.cmd("HSET").arg(key(id)).arg(field).arg(value).ignore();
        }
    }
    let _: () = all.query_async(&mut ground.db.clone()).await.unwrap();
}

async fn pass(ground: &Ground, rule: &Rule) -> u64 {
    let (mut from, mut removed) = (None::<String>, 0);
    loop {
        let step = ground.store().retain("w-1", TURN, rule, from.as_deref()).await.unwrap();
        let Step { removed: more, next } = step.unwrap_or_else(|| panic!("it is our turn"));
        removed += more;
        let Some(next) = next else { return removed };
        from = Some(next);
    }
}

fn keep(count: u64) -> Rule {
    Rule { what: What::Completed, age: None, count: Some(count) }
}

async fn left(ground: &Ground) -> Vec<String> {
    cmd("ZRANGE").arg(key("completed")).arg(0).arg(-1).query_async(&mut ground.db.clone()).await.unwrap()
}

#[tokio::test]
async fn the_oldest_go_by_count_and_by_age_with_all_that_belongs_to_them() {
    for dialect in BOTH {
        let mut ground = Ground::start(dialect).await;
        finished(&ground, "completed", &["a", "b", "c", "d"], &[]).await;
        let record = format!("bull::x:{QUEUE}::job:a");
        let _: () =
            cmd("HSET").arg(&record).arg("reason").arg("x").query_async(&mut ground.db).await.unwrap();
        let _: () = cmd("RPUSH").arg(key("a:logs")).arg("line").query_async(&mut ground.db).await.unwrap();
        assert_eq!(pass(&ground, &keep(3)).await, 1, "{dialect:?}");
        assert_eq!(left(&ground).await, ["b", "c", "d"]);
        for gone in [key("a"), key("a:logs"), record] {
            assert!(!ground.exists(&gone).await, "{gone}");
        }
        let old = Rule { what: What::Completed, age: Some(Duration::from_millis(1500)), count: None };
        assert_eq!(pass(&ground, &old).await, 1);
        assert_eq!(left(&ground).await, ["c", "d"]);
        finished(&ground, "failed", &["e", "f"], &[]).await;
        assert_eq!(pass(&ground, &Rule { what: What::Failed, ..keep(1) }).await, 1);
        assert_eq!(
            (ground.card("failed").await, left(&ground).await.len()),
            (1, 2),
            "each set has its own rule"
        );
    }
}

#[tokio::test]
async fn a_job_stays_that_something_else_needs_or_whose_producer_said_so() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let db = &mut ground.db.clone();
        finished(&ground, "completed", &["said"], &[("opts", "{\"removeOnComplete\":false}")]).await;
        finished(&ground, "completed", &["owner"], &[("deid", "d1")]).await;
        let _: () = cmd("SET").arg(key("de:d1")).arg("owner").query_async(db).await.unwrap();
        finished(&ground, "completed", &["held"], &[]).await;
        let _: () = cmd("SET").arg(key("held:lock")).arg("token").query_async(db).await.unwrap();
        finished(&ground, "completed", &["started"], &[]).await;
        let record = format!("bull::x:{QUEUE}::job:started");
        let _: () = cmd("HSET").arg(record).arg("idem").arg("acme:k").query_async(db).await.unwrap();
        let idem = format!("bull::x:{QUEUE}::idem:acme:k");
        let _: () = cmd("SET").arg(&idem).arg("started").query_async(db).await.unwrap();
        let mut stay = vec!["said", "owner", "held", "started"];
        if dialect == Dialect::BullMq {
            let parent = key("parent");
            let _: () = cmd("HSET").arg(&parent).arg("timestamp").arg(1).query_async(db).await.unwrap();
            finished(&ground, "completed", &["child"], &[("parentKey", &parent)]).await;
            finished(&ground, "completed", &["mother"], &[]).await;
            let children = key("mother:dependencies");
            let _: () = cmd("SADD").arg(children).arg(key("late")).query_async(db).await.unwrap();
            stay.extend(["child", "mother"]);
        }
        finished(&ground, "completed", &["a", "b"], &[("deid", "d2")]).await;
        let _: () = cmd("SET").arg(key("de:d2")).arg("another").query_async(db).await.unwrap();
        assert_eq!(pass(&ground, &keep(0)).await, 2, "{dialect:?}");
        let mut kept = left(&ground).await;
        kept.sort_unstable();
        stay.sort_unstable();
        assert_eq!(kept, stay);

        // Their reasons gone, they go.
        let _: () =
            cmd("DEL").arg(&idem).arg(key("de:d1")).arg(key("held:lock")).query_async(db).await.unwrap();
        let _: () = cmd("DEL").arg(key("mother:dependencies")).query_async(db).await.unwrap();
        let _: () = cmd("DEL").arg(key("parent")).query_async(db).await.unwrap();
        pass(&ground, &keep(0)).await;
        assert_eq!(left(&ground).await, ["said"]);
    }
}

#[tokio::test]
async fn one_process_at_a_time_has_the_turn() {
    let ground = Ground::start(BOTH[0]).await;
    finished(&ground, "completed", &["a", "b"], &[]).await;
    let store = ground.store();
    let short = Duration::from_millis(300);
    assert!(store.retain("w-1", short, &keep(1), None).await.unwrap().is_some());
    assert_eq!(store.retain("w-2", short, &keep(0), None).await.unwrap(), None);
    assert_eq!(left(&ground).await, ["b"]);
    wait::until("the turn to pass", async || {
        store.retain("w-2", short, &keep(0), None).await.unwrap().is_some()
    })
    .await;
    assert!(left(&ground).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_jobs_go_without_holding_redis() {
    for dialect in BOTH {
        let mut ground = Ground::start(dialect).await;
        let fill = format!(
            "for n = ARGV[1], ARGV[2] do redis.call('ZADD', '{0}completed', n, 'j' .. n) \
             redis.call('HSET', '{0}j' .. n, 'name', 'mail', 'data', '{{\"to\":\"somebody@example.org\"}}', 'opts', \
             '{{\"attempts\":3,\"delay\":0}}', 'timestamp', n, 'finishedOn', n, 'returnvalue', '{{\"ok\":true}}') end",
            key("")
        );
        for from in (1..=20_000).step_by(10_000) {
            let to = from + 9_999;
            let _: () =
                cmd("EVAL").arg(&fill).arg(0).arg(from).arg(to).query_async(&mut ground.db).await.unwrap();
        }
        let _: () = cmd("CONFIG")
            .arg("SET")
            .arg("slowlog-log-slower-than")
            .arg(0)
            .query_async(&mut ground.db)
            .await
            .unwrap();
        let _: () = cmd("CONFIG")
            .arg("SET")
            .arg("slowlog-max-len")
            .arg(100_000)
            .query_async(&mut ground.db)
            .await
            .unwrap();
        let _: () = cmd("SLOWLOG").arg("RESET").query_async(&mut ground.db).await.unwrap();
        let began = std::time::Instant::now();
        assert_eq!(pass(&ground, &keep(1000)).await, 19_000);
        let took = began.elapsed();
        let log: Vec<Vec<redis::Value>> =
            cmd("SLOWLOG").arg("GET").arg(-1).query_async(&mut ground.db).await.unwrap();
        let mut times: Vec<i64> = log
            .iter()
            .filter(|entry| format!("{:?}", entry[3]).contains("EVALSHA"))
            .map(|entry| redis::from_redis_value_ref(&entry[2]).unwrap())
            .collect();
        times.sort_unstable();
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{dialect:?}: {} steps in {took:?}, median {median} µs, longest {most} µs", times.len());
        assert!(median < 5_000, "{median} µs");
        assert_eq!(ground.card("completed").await, 1000);
        let keys: usize = cmd("DBSIZE").query_async(&mut ground.db).await.unwrap();
        assert!(keys <= 1010, "{keys} keys are left");
    }
}

#[tokio::test]
async fn large_jobs_go_a_few_at_a_time() {
    const MIB: usize = 1024 * 1024;
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let names: Vec<String> = (0..12).map(|n| format!("j{n}")).collect();
        let ids: Vec<&str> = names.iter().map(String::as_str).collect();
        finished(&ground, "completed", &ids, &[]).await;
        for (n, id) in ids.iter().enumerate() {
            let (field, bytes) = if n % 2 == 0 { ("data", MIB) } else { ("returnvalue", 3 * MIB) };
            let mut set = cmd("HSET");
            set.arg(key(id)).arg(field).arg("x".repeat(bytes));
            set.exec_async(&mut ground.db.clone()).await.unwrap();
        }
        let (mut from, mut steps) = (None, Vec::new());
        loop {
            let step = ground.store().retain("w-1", TURN, &keep(2), from.as_deref()).await.unwrap().unwrap();
            steps.push(step.removed);
            from = step.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(steps.iter().sum::<u64>(), 10, "{dialect:?}: {steps:?}");
        assert!(steps.iter().all(|removed| *removed <= 2), "{dialect:?}: {steps:?}");
        assert_eq!(ground.card("completed").await, 2);
    }
}

#[tokio::test]
async fn a_worker_keeps_what_its_rules_keep() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let names: Vec<String> = (0..150).map(|n| format!("j{n}")).collect();
        let ids: Vec<&str> = names.iter().map(String::as_str).collect();
        finished(&ground, "completed", &ids, &[]).await;
        if dialect == Dialect::BullMq {
            let meta = cmd("HSET").arg(key("meta")).arg("opts.maxLenEvents").arg(10_000).to_owned();
            let _: () = meta.query_async(&mut ground.db.clone()).await.unwrap();
        }
        let worker = ground.worker().keep(keep(20)).start().await.unwrap();
        wait::until("the others to go", async || ground.card("completed").await == 20).await;
        stop(worker).await;
        assert_eq!(left(&ground).await, ids[130..], "{dialect:?}: the newest stay");
    }
}

#[tokio::test]
async fn syncs_go_a_month_after_their_end_and_failed_ones_stay() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let db = &mut ground.db.clone();
        let now = chrono::Utc::now().timestamp_millis();
        let (old, young) = (now - 2 * HOUR_MS, now - 1000);
        let runs = format!("bull::x:{QUEUE}::runs");
        for (id, entry_at, ended_at) in [
            ("gone", old, None),
            ("old", old + 1, Some(old)),
            ("again", old + 2, Some(young)),
            ("new", young, Some(young)),
        ] {
            let summary = json!({"state": "completed", "processed": 1}).to_string();
            let fields =
                [("job", id), ("name", "sync"), ("org", ""), ("started", "1"), ("summary", &*summary)];
            let _: String = cmd("XADD").arg(&runs).arg(entry_at).arg(&fields).query_async(db).await.unwrap();
            if let Some(at) = ended_at {
                finished(&ground, "completed", &[id], &[]).await;
                let _: () = cmd("ZADD").arg(key("completed")).arg(at).arg(id).query_async(db).await.unwrap();
                let items = format!("bull::x:{QUEUE}::items:{id}");
                let _: () = cmd("HSET").arg(items).arg("1").arg("{}").query_async(db).await.unwrap();
            }
        }
        // No sync, or one that failed before its end: as old, and nobody's business.
        finished(&ground, "failed", &["letter"], &[]).await;
        let _: () = cmd("ZADD").arg(key("failed")).arg(old).arg("letter").query_async(db).await.unwrap();
        let month = Rule { what: What::Syncs, age: Some(Duration::from_hours(1)), count: None };
        assert_eq!(pass(&ground, &month).await, 1, "{dialect:?}");
        assert_eq!(left(&ground).await.len(), 2);
        assert!(!ground.exists(&format!("bull::x:{QUEUE}::items:old")).await);
        assert!(ground.exists(&format!("bull::x:{QUEUE}::items:again")).await);
        assert_eq!(ground.card("failed").await, 1);
        let runs = ground.store().sync_runs(&Ask::between(0, now), 10, None).await.unwrap().runs;
        let kept: HashMap<_, _> = runs.iter().map(|run| (&*run.id, run.end)).collect();
        assert_eq!(kept, HashMap::from([("new", SyncEnd::Completed)]));
    }
}
