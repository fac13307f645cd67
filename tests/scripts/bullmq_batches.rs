//! `BullMQ`: a batch equals as many single calls in sequence: the same state, the same events, in flows too.

use std::collections::BTreeMap;
use std::sync::Arc;

use bullock::job::options::Keep;
use bullock::job::outcome::Fate;
use bullock::store::claim::Limiter;
use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::finish::{Completion, FailedRun, HandedBack};
use bullock::store::{Connection, Lane, Scripts, Store};
use bullock::wire::Keys;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::aio::MultiplexedConnection;

use crate::ground::{LEASE_MS, NOW, back, claim, completion, failed};
use crate::snapshot::{self, Snapshot, difference};
use crate::support::redis::Redis;

const CASES: u32 = 300;

/// A job that is there at the beginning.
#[derive(Debug, Clone)]
struct Seed {
    /// wait, prioritized, delayed and due, delayed, a ghost, an old marker.
    place: u8,
    /// none, the first seed, a parent in another queue.
    parent: u8,
    policy: u8,
    deferred: bool,
    dedup: bool,
}

/// What becomes of a claimed job.
#[derive(Debug, Clone)]
struct End {
    kind: u8,
    keep: u8,
    stale: bool,
}

#[derive(Debug, Clone)]
struct Case {
    seeds: Vec<Seed>,
    claims: u8,
    max: u8,
    concurrency: u8,
    five: bool,
    ends: Vec<End>,
}

fn cases() -> impl Strategy<Value = Case> {
    let seed =
        (0u8..8, 0u8..5, 0u8..5, 0u8..6, 0u8..4).prop_map(|(place, parent, policy, deferred, dedup)| Seed {
            place,
            parent,
            policy,
            deferred: deferred == 0,
            dedup: dedup == 0,
        });
    let end = (0u8..6, 0u8..4, 0u8..6).prop_map(|(kind, keep, stale)| End { kind, keep, stale: stale == 0 });
    let lists = (prop::collection::vec(seed, 1..10), prop::collection::vec(end, 12));
    (lists, 1u8..8, 0u8..6, 0u8..8, any::<bool>()).prop_map(
        |((seeds, ends), claims, max, concurrency, five)| Case {
            seeds,
            claims,
            max: max.saturating_sub(2),
            concurrency: concurrency.saturating_sub(4),
            five,
            ends,
        },
    )
}

struct Side {
    _redis: Redis,
    con: MultiplexedConnection,
    store: Store,
    batched: bool,
    /// What claims said of plain jobs, by token: the batched side ends them the short way.
    plain: BTreeMap<String, u8>,
}

/// State without what tells batches apart, and the fields of all events by stream.
type Seen = (Snapshot, BTreeMap<String, Vec<Vec<String>>>);

impl Side {
    async fn new(batched: bool) -> Side {
        let redis = Redis::start();
        let con = redis.connection().await;
        let connection = Connection::new(&redis.url(), None, RESPONSE_TIMEOUT).unwrap();
        let store = Store::new(connection, Keys::new("bull", "q"), Arc::new(Scripts::bullmq(Some(NOW))));
        Side { _redis: redis, con, store, batched, plain: BTreeMap::new() }
    }

    async fn run(&mut self, words: &[&str]) {
        let mut cmd = redis::cmd(words[0]);
        cmd.arg(&words[1..]).exec_async(&mut self.con).await.unwrap();
    }

    async fn seen(&mut self, case: &Case) -> Seen {
        let mut state = snapshot::take(&mut self.con).await;
        let mut events = BTreeMap::new();
        for key in state.iter().filter(|(_, entry)| entry.kind == "stream").map(|(key, _)| key.clone()) {
            let entries: Vec<(String, Vec<String>)> =
                redis::cmd("XRANGE").arg(&key).arg("-").arg("+").query_async(&mut self.con).await.unwrap();
            events.insert(key, entries.into_iter().map(|(_, fields)| fields).collect());
        }
        state.retain(|key, entry| {
            entry.kind != "stream" && !key.starts_with("bull::x:q::reply:") && key != "bull::x:q::fence"
        });
        // A failure that takes a parent out of `delayed` leaves the token of its due time behind: a wake-up for nothing,
        // which a batch need not make.
        let takes_along = |seed: &Seed| seed.parent == 1 && seed.policy == 1;
        if case.seeds.iter().any(takes_along)
            && let Some(marker) = state.get_mut("bull:q:marker")
        {
            marker.items.retain(|token| !token.starts_with("1="));
        }
        (state, events)
    }

    async fn seed(&mut self, case: &Case) {
        self.run(&["FLUSHALL"]).await;
        let version = if case.five { "bullmq:5.81.5" } else { "bullmq:6.7.0" };
        self.run(&["HSET", "bull:q:meta", "version", version, "opts.maxLenEvents", "10000"]).await;
        if case.concurrency > 0 {
            self.run(&["HSET", "bull:q:meta", "concurrency", &case.concurrency.to_string()]).await;
        }
        for parent in ["bull:p:P", "bull:q:j0"] {
            self.run(&[
                "HSET", parent, "name", "n", "data", "{}", "opts", "{}", "delay", "0", "priority", "0",
            ])
            .await;
        }
        self.run(&["ZADD", "bull:p:waiting-children", "1", "P"]).await;
        for (n, seed) in (0..).zip(&case.seeds) {
            self.seed_one(n, seed).await;
        }
    }

    async fn seed_one(&mut self, n: u32, seed: &Seed) {
        let (id, key) = (format!("j{n}"), format!("bull:q:j{n}"));
        let priority = if seed.place == 1 { "3" } else { "0" };
        let score = |base: i64| (base + i64::from(n)).to_string();
        let (command, place, ranked) = match seed.place {
            1 => ("ZADD", "prioritized", Some(score(3 * 4_294_967_296))),
            2 => ("ZADD", "delayed", Some(score((NOW - 5) * 4096))),
            3 => ("ZADD", "delayed", Some(score((NOW + 90_000) * 4096))),
            4 => return self.run(&["LPUSH", "bull:q:wait", &format!("ghost{n}")]).await,
            5 => return self.run(&["LPUSH", "bull:q:wait", "0:1700000000000"]).await,
            _ => ("LPUSH", "wait", None),
        };
        let place = format!("bull:q:{place}");
        let words: Vec<&str> = [command, &place].into_iter().chain(ranked.as_deref()).chain([&*id]).collect();
        self.run(&words).await;
        let fields =
            ["name", "n", "data", "{}", "opts", "{}", "timestamp", "1", "delay", "0", "priority", priority];
        self.run(&[&["HSET", &key][..], &fields].concat()).await;
        if seed.deferred {
            self.run(&["HSET", &key, "defa", "why"]).await;
        }
        let (queue, parent) = match seed.parent {
            1 if n > 0 => ("bull:q", "j0"),
            2 | 3 => ("bull:p", "P"),
            _ => ("", ""),
        };
        if !queue.is_empty() {
            let flag = ["", r#","fpof":true"#, r#","cpof":true"#, r#","idof":true"#, r#","rdof":true"#];
            let json =
                format!(r#"{{"id":"{parent}","queueKey":"{queue}"{}}}"#, flag[usize::from(seed.policy)]);
            let parent_key = format!("{queue}:{parent}");
            self.run(&["HSET", &key, "parentKey", &parent_key, "parent", &json]).await;
            self.run(&["SADD", &format!("{parent_key}:dependencies"), &key]).await;
        }
        if seed.dedup {
            self.run(&["HSET", &key, "deid", &id]).await;
            self.run(&["SET", &format!("bull:q:de:{id}"), &id]).await;
            let parked = format!("bull:q:dn:{id}");
            self.run(&["HSET", &parked, "name", "m", "data", "1", "opts", "{}", "jid", &format!("k{n}")])
                .await;
        }
    }

    async fn play(&mut self, case: &Case) -> Seen {
        self.seed(case).await;
        let held = self.claim(case).await;
        self.end(case, &held).await;
        self.seen(case).await
    }

    async fn claim(&mut self, case: &Case) -> Vec<(String, String)> {
        let limiter = Limiter { max: u64::from(case.max), duration_ms: 60_000, grouped: false };
        let limiter = (case.max > 0).then_some(&limiter);
        let tokens: Vec<String> = (0..case.claims).map(|n| format!("w:{n}")).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let (mut held, mut lane) = (Vec::new(), Lane::new("claim"));
        while held.len() < tokens.len() {
            // One at a time: a token that got nothing is asked for again, as its place in a batch would be.
            let wanted = if self.batched { &tokens[..] } else { &tokens[held.len()..=held.len()] };
            lane.next();
            let claimed = claim(&self.store, &lane, wanted, limiter).await.unwrap();
            let plain = claimed.jobs.iter().filter_map(|job| Some((job.token_index, job.plain_fields?)));
            self.plain.extend(plain.map(|(index, fields)| (wanted[index].to_owned(), fields)));
            held.extend(claimed.jobs.iter().map(|j| (j.id.to_string(), wanted[j.token_index].to_owned())));
            if self.batched || claimed.jobs.is_empty() {
                break;
            }
        }
        held
    }

    async fn end(&mut self, case: &Case, held: &[(String, String)]) {
        let plans: Vec<_> = held
            .iter()
            .zip(&case.ends)
            .map(|((id, token), end)| (id.as_str(), if end.stale { "w:stale" } else { token.as_str() }, end))
            .collect();
        let of = |kinds: std::ops::Range<u8>| plans.iter().filter(move |plan| kinds.contains(&plan.2.kind));
        let (completed, broken, returned): (Vec<_>, Vec<_>, Vec<_>) =
            (of(0..2).collect(), of(2..5).collect(), of(5..6).collect());
        let size = if self.batched { 100 } else { 1 };
        let mut lane = Lane::new("end");
        for chunk in completed.chunks(size) {
            let runs: Vec<Completion<'_>> = chunk
                .iter()
                .map(|(id, token, end)| {
                    let plain_fields = self.plain.get(*token).copied().filter(|_| self.batched);
                    Completion { keep: keep(end), plain_fields, ..completion(id, token) }
                })
                .collect();
            lane.next();
            self.store.complete(&lane, LEASE_MS, 3, &runs).await.unwrap();
        }
        for chunk in broken.chunks(size) {
            let runs: Vec<FailedRun<'_>> = chunk
                .iter()
                .map(|(id, token, end)| FailedRun { keep: keep(end), ..failed(id, token, fate(end)) })
                .collect();
            lane.next();
            self.store.fail(&lane, LEASE_MS, 3, &runs).await.unwrap();
        }
        for chunk in returned.chunks(size) {
            let delay = |end: &End| (end.keep == 0).then_some(500);
            let runs: Vec<HandedBack<'_>> =
                chunk.iter().map(|(id, token, end)| back(id, token, delay(end))).collect();
            lane.next();
            self.store.hand_back(&lane, LEASE_MS, 0, &runs).await.unwrap();
        }
    }
}

fn keep(end: &End) -> Keep {
    match end.keep {
        0 => Keep::None,
        1 => Keep::Some { count: Some(1), age_s: None, limit: None },
        2 => Keep::Some { count: Some(2), age_s: Some(0.001), limit: Some(1) },
        _ => Keep::All,
    }
}

fn fate(end: &End) -> Fate {
    match end.kind {
        2 => Fate::RetryNow,
        3 => Fate::Delay(700),
        _ => Fate::Bury,
    }
}

#[tokio::test]
async fn a_parent_that_fails_in_the_same_batch_as_its_child_is_told_nothing_more() {
    let seed = |parent, policy| Seed { place: 0, parent, policy, deferred: false, dedup: false };
    let end = |keep| End { kind: 4, keep, stale: false };
    let case = Case {
        seeds: vec![seed(0, 0), seed(1, 1)],
        claims: 2,
        max: 0,
        concurrency: 0,
        five: false,
        ends: vec![end(3), end(3)],
    };
    let (one, many) = (Side::new(false).await.play(&case).await, Side::new(true).await.play(&case).await);
    assert_eq!(difference(&one.0, &many.0), Vec::<String>::new());
    assert_eq!(one.1, many.1);
    assert!(!many.0["bull:q:j0"].items.iter().any(|field| field.starts_with("defa=")), "{:?}", many.0);
}

#[test]
fn a_batch_of_claims_and_ends_equals_single_calls() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sides = runtime.block_on(async { (Side::new(false).await, Side::new(true).await) });
    let sides = std::cell::RefCell::new(sides);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&cases(), |case| {
        let (single, batched) = &mut *sides.borrow_mut();
        runtime.block_on(async {
            let (one, many) = (single.play(&case).await, batched.play(&case).await);
            prop_assert_eq!(difference(&one.0, &many.0), Vec::<String>::new());
            prop_assert_eq!(one.1, many.1);
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
