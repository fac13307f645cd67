//! States that npm bull and npm bullmq left: nothing is wrong with them; with one thing broken at random, nothing gets
//! worse by a repair.

use std::collections::BTreeMap;
use std::time::Duration;

use bullock::store::actor::Actor;
use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::doctor::{Finding, Sort, scan};
use bullock::store::{Connection, Store, StoreError};
use bullock::wire::Keys;

use redis::aio::MultiplexedConnection;

use super::dumps::{self, Dump};
use super::support::redis::Redis;

/// What is wrong in all queues of a prefix that a look finds by itself, and in those that are named.
async fn look(connection: &Connection, prefix: &str, named: &[String]) -> Vec<(String, Finding)> {
    let mut all = Vec::new();
    let mut queues = scan(connection, prefix, &[]).await.unwrap();
    let unseen: Vec<String> = named.iter().filter(|queue| !queues.contains_key(*queue)).cloned().collect();
    if !unseen.is_empty() {
        queues.extend(scan(connection, prefix, &unseen).await.unwrap());
    }
    for (queue, keys) in queues {
        let store = Store::of(connection.clone(), Keys::new(prefix, &queue), None);
        let report = store.doctor(&keys, Duration::ZERO).await.unwrap();
        all.extend(report.findings.into_iter().map(|finding| (queue.clone(), finding)));
    }
    all
}

/// What is broken in some vectors, and why: a library's call left it so, or the vector broke it to see what a call does.
#[rustfmt::skip]
const BROKEN: &[(&str, &str, &str)] = &[
    ("bull complete-remove-null", "orphan_hash", "the script fails after it took the job out of active"),
    ("bull complete-lock-missing", "active_without_lease", "the vector has a lock that ran out; the call refuses"),
    ("bull complete-not-active", "orphan_hash", "the vector has a job in no state; the call refuses"),
    ("bull complete-hash-missing", "ghost_id", "the vector deletes the hash; the call leaves the id in active"),
    ("bull complete-ignore-lock", "lock_without_active", "ignoreLock completes the job and leaves its lock"),
    ("bull complete-ignore-lock", "stalled_not_active", "ignoreLock completes the job and leaves its mark"),
    ("bull empty", "orphan_hash", "the call forgets the hashes of delayed jobs"),
    ("bull limiter-bounceback", "orphan_hash", "bounceBack takes the job out of active and puts it nowhere"),
    ("bull delayed-ghost", "ghost_id", "the vector has an id without a hash; the call makes a stub of one"),
    ("bull remove-pattern", "dedup_dangling", "removing by pattern leaves the debounce key of the job"),
    ("v5 dedup-stale", "dedup_dangling", "the vector has a key of a job that is gone; 5.x leaves it, 6.x mends it"),
    ("v5 complete-errors", "active_without_lease", "the vector takes the lock away; the call refuses"),
    ("v5 complete-errors", "orphan_hash", "the vector takes the job out of active; the call refuses"),
    ("v6 complete-errors", "active_without_lease", "as in 5.x"),
    ("v6 complete-errors", "orphan_hash", "as in 5.x"),
    ("v5 pause-mixed-loss", "orphan_hash", "resume of 5.x renames paused over wait, and what was in wait is lost"),
    ("v5 ghost-id", "ghost_id", "the vector has an id without a hash; the call makes a stub of one"),
    ("v6 ghost-id", "ghost_id", "as in 5.x"),
    ("v5 remove-tree-locked", "flow_broken", "the call removes a parent and leaves its children, which speak of it"),
    ("v6 remove-tree-locked", "flow_broken", "as in 5.x"),
    ("v6 flow-other-parent", "flow_broken", "a parent waits, and its only child belongs to another: it waits for ever"),
    ("v5 scheduler-collision", "active_without_lease", "the vector moves the planned job to active without a claim"),
    ("v6 scheduler-collision", "active_without_lease", "as in 5.x"),
];

/// Which exception a fault falls under.
fn exception(dump: &Dump, class: &str) -> Option<usize> {
    let name = dump.name.split(" step ").next().unwrap();
    BROKEN.iter().position(|(at, what, _)| (*at, *what) == (name, class))
}

#[tokio::test]
async fn what_the_libraries_leave_behind_has_no_faults_but_those_that_they_made() {
    let redis = Redis::start();
    let mut raw = redis.connection().await;
    let connection = Connection::new(&redis.url(), None, RESPONSE_TIMEOUT).unwrap();
    let (mut wrong, mut seen) = (Vec::new(), vec![false; BROKEN.len()]);
    for dump in dumps::all() {
        dump.load(&mut raw).await;
        for (queue, finding) in look(&connection, dump.prefix, &[]).await {
            let Finding { fault, .. } = &finding;
            if let Some(at) = exception(&dump, fault.class.as_str()) {
                seen[at] = true;
            } else {
                let what = format!("{} {}: {}", fault.class.as_str(), finding.shown_id(), fault.detail);
                wrong.push(format!("{}: {queue} {what}", dump.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    let idle: Vec<_> = BROKEN.iter().zip(seen).filter(|(_, seen)| !seen).collect();
    assert!(idle.is_empty(), "exceptions that nothing needs: {idle:?}");
}

/// A small generator of numbers; the same seed gives the same ones.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Breaks one thing, and says what.
async fn break_one(raw: &mut MultiplexedConnection, dump: &Dump, dice: &mut Dice) -> String {
    let keys: Vec<&String> = dump.keys.keys().collect();
    let key = *dice.pick(&keys);
    let entry = &dump.keys[key];
    let garbage =
        *dice.pick(&["", "x", "-1", "{bad", "[]", "null", "1e400", "99999999999999999999", "\u{0}\u{1}"]);
    let mut pipe = redis::pipe();
    let any_id =
        || dump.keys.keys().filter_map(|key| key.rsplit(':').next()).map(str::to_owned).collect::<Vec<_>>();
    let other = dice.pick(&any_id()).clone();
    let what = match (entry["type"].as_str().unwrap(), dice.below(4)) {
        (_, 0) => {
            pipe.del(key);
            "deleted".to_owned()
        }
        (kind, 1) if dice.below(3) == 0 => {
            pipe.del(key);
            if kind == "string" {
                pipe.hset(key, "a", "b")
            } else {
                pipe.set(key, "x")
            };
            "of another type".to_owned()
        }
        ("hash", how) => {
            let fields: Vec<&String> = entry["value"].as_object().unwrap().keys().collect();
            let field = *dice.pick(&fields);
            if how == 2 {
                pipe.hdel(key, field)
            } else {
                pipe.hset(key, field, garbage)
            };
            format!("{field} is {}", if how == 2 { "gone" } else { garbage })
        }
        ("list", how) => {
            let items = entry["value"].as_array().unwrap();
            let item = dice.pick(items).as_str().unwrap_or_default().to_owned();
            match how {
                1 => pipe.lrem(key, 0, &item),
                2 => pipe.lpush(key, &item),
                _ => pipe.lpush(key, &other),
            };
            format!("{item} is gone, is there twice, or {other} is there")
        }
        ("zset", how) => {
            let pairs = entry["value"].as_array().unwrap();
            let member = dice.pick(pairs)[0].as_str().unwrap_or_default().to_owned();
            match how {
                1 => pipe.zrem(key, &member),
                2 => pipe
                    .cmd("ZADD")
                    .arg(key)
                    .arg(*dice.pick(&["inf", "-inf", "-1", "0", "1700000000000"]))
                    .arg(&member),
                _ => pipe.cmd("ZADD").arg(key).arg(1).arg(&other),
            };
            format!("{member} is gone or has another score, or {other} is there")
        }
        ("set", how) => {
            if how == 1 {
                pipe.del(key)
            } else {
                pipe.sadd(key, &other)
            };
            format!("{other} is there, too, or it is gone")
        }
        (_, _) => {
            pipe.set(key, garbage);
            format!("is {garbage}")
        }
    };
    pipe.query_async::<()>(raw).await.unwrap();
    format!("{}: {key} {what}", dump.name)
}

/// The jobs of a Redis: in how many states each is.
async fn jobs(raw: &mut MultiplexedConnection, dump: &Dump) -> BTreeMap<String, usize> {
    let mut jobs = BTreeMap::new();
    for queue in dump.queues() {
        let base = format!("{}:{queue}:", dump.prefix);
        let mut states: BTreeMap<String, usize> = BTreeMap::new();
        for list in ["wait", "paused", "active"] {
            let ids: Vec<String> = redis::cmd("LRANGE")
                .arg(format!("{base}{list}"))
                .arg(0)
                .arg(-1)
                .query_async(raw)
                .await
                .unwrap_or_default();
            for id in ids {
                *states.entry(id).or_default() += 1;
            }
        }
        for set in ["completed", "failed", "delayed", "prioritized", "waiting-children"] {
            let ids: Vec<String> = redis::cmd("ZRANGE")
                .arg(format!("{base}{set}"))
                .arg(0)
                .arg(-1)
                .query_async(raw)
                .await
                .unwrap_or_default();
            for id in ids {
                *states.entry(id).or_default() += 1;
            }
        }
        for key in dump.keys.keys().filter_map(|key| key.strip_prefix(&base)) {
            let body: Result<(Option<String>, Option<String>), _> = redis::cmd("HMGET")
                .arg(format!("{base}{key}"))
                .arg("data")
                .arg("opts")
                .query_async(raw)
                .await;
            let is_scheduler = dump.keys.contains_key(&format!("{base}repeat"))
                && key.matches(':').count() == 1
                && key.starts_with("repeat:");
            if !key.starts_with("dn:") && !is_scheduler && body.is_ok_and(|body| body.1.is_some()) {
                jobs.insert(format!("{queue} {key}"), states.get(key).copied().unwrap_or(0));
            }
        }
    }
    jobs
}

/// Mends all that can be mended, and answers what is left. The queues are named: of one that has nothing but hashes of
/// jobs nobody could tell that it is one.
async fn repair(connection: &Connection, dump: &Dump) -> Vec<(String, Finding)> {
    let (actor, queues) = (Actor::default(), dump.queues());
    for _ in 0..5 {
        let findings = look(connection, dump.prefix, &queues).await;
        let mut mended = 0;
        for (queue, finding) in &findings {
            let store = Store::of(connection.clone(), Keys::new(dump.prefix, queue), None);
            store.look().await.unwrap();
            match store.mend(&actor, finding).await {
                Ok(answer) => mended += usize::from(answer.sort == Sort::Done),
                Err(StoreError::WrongKey(_)) => {}
                Err(error) => panic!("{finding:?}: {error}"),
            }
        }
        if mended == 0 {
            return findings;
        }
    }
    panic!("a repair does not come to an end: {:?}", look(connection, dump.prefix, &queues).await);
}

/// Seeds that once found a queue of which nothing but the hash of a job is left.
#[tokio::test]
async fn a_job_whose_queue_has_no_other_key_is_found_where_the_queue_is_named() {
    for seed in [1_795_413_978_843_350_124, 1_795_414_011_490_931_864] {
        break_many(seed, 250).await;
    }
}

/// Breaks one random thing in each of many states, looks, repairs, and counts the jobs.
async fn break_many(seed: u64, rounds: usize) {
    let redis = Redis::start();
    let mut raw = redis.connection().await;
    let connection = Connection::new(&redis.url(), None, RESPONSE_TIMEOUT).unwrap();
    let (dumps, mut dice) = (dumps::all(), Dice(seed | 1));
    for _ in 0..rounds {
        let dump = dice.pick(&dumps);
        dump.load(&mut raw).await;
        let what = format!("seed {seed}, {}", break_one(&mut raw, dump, &mut dice).await);
        let before = jobs(&mut raw, dump).await;
        let left = repair(&connection, dump).await;
        let after = jobs(&mut raw, dump).await;
        for (job, states) in before {
            let (queue, id) = job.split_once(' ').unwrap();
            let about_queue =
                |finding: &Finding| ["wrong_type", "mixed_layout"].contains(&finding.fault.class.as_str());
            let is_said = left
                .iter()
                .any(|(at, finding)| at == queue && (finding.shown_id() == id || about_queue(finding)));
            // Moved aside whole, or in one state.
            let key = format!("{}::x:{queue}::broken:{id}", dump.prefix);
            let aside: bool = redis::cmd("EXISTS").arg(key).query_async(&mut raw).await.unwrap();
            let record = format!("{}::x:{queue}::job:{id}", dump.prefix);
            let buried: bool =
                redis::cmd("HEXISTS").arg(record).arg("reason").query_async(&mut raw).await.unwrap();
            let whole = after.get(&job).is_some_and(|states| *states == 1);
            assert!(
                whole || aside || buried || is_said,
                "{what}: {job}, once in {states} states: {after:?}, left {left:?}"
            );
        }
    }
}

#[tokio::test]
async fn one_thing_broken_at_random_never_loses_a_job_by_a_repair() {
    break_many(20_260_101, 250).await;
}

#[tokio::test]
async fn nor_with_a_seed_that_nobody_chose() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    break_many(now.as_nanos() as u64, 250).await;
}
