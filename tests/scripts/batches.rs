//! A batch equals as many single calls in sequence: the same state, the same messages.

use bullock::job::options::Keep;
use bullock::job::outcome::Fate;
use bullock::store::claim::Limiter;
use bullock::store::finish::{Completion, FailedRun};
use bullock::store::{Lane, Store};
use futures_util::StreamExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::aio::{MultiplexedConnection, PubSub};
use serde_json::json;

use crate::ground::{LEASE_MS, NOW, claim, completion, failed, job, store};
use crate::snapshot::{self, Snapshot, difference};
use crate::support::redis::Redis;

const CASES: u32 = 200;

/// A job to add.
#[derive(Debug, Clone)]
struct Add {
    id: u8,
    priority: u8,
    delay: u8,
    lifo: bool,
    debounce: bool,
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
    adds: Vec<Add>,
    claims: u8,
    limiter: u8,
    ends: Vec<End>,
    paused: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let add =
        (0u8..12, 0u8..4, 0u8..8, any::<bool>(), 0u8..5).prop_map(|(id, priority, delay, lifo, debounce)| {
            Add { id, priority, delay: delay.saturating_sub(5), lifo, debounce: debounce == 0 }
        });
    let end = (0u8..3, 0u8..4, 0u8..6).prop_map(|(kind, keep, stale)| End { kind, keep, stale: stale == 0 });
    let lists = (prop::collection::vec(add, 1..10), prop::collection::vec(end, 12));
    (lists, 1u8..8, 0u8..6, 0u8..5).prop_map(|((adds, ends), claims, limiter, paused)| Case {
        adds,
        claims,
        limiter: limiter.saturating_sub(2),
        ends,
        paused: paused == 0,
    })
}

/// One side of the comparison, with a server of its own.
struct Side {
    _redis: Redis,
    con: MultiplexedConnection,
    messages: PubSub,
    store: Store,
    batched: bool,
    lane: Lane,
}

impl Side {
    async fn new(batched: bool) -> Side {
        let redis = Redis::start();
        let con = redis.connection().await;
        let mut messages = redis::Client::open(redis.url()).unwrap().get_async_pubsub().await.unwrap();
        messages.psubscribe("*").await.unwrap();
        let store = store(&redis, Some(NOW));
        Side { _redis: redis, con, messages, store, batched, lane: Lane::new("lane") }
    }

    /// Messages since the last time.
    async fn heard(&mut self) -> Vec<(String, String)> {
        let _: i64 = redis::cmd("PUBLISH").arg("end").arg("").query_async(&mut self.con).await.unwrap();
        let mut heard = Vec::new();
        let mut messages = self.messages.on_message();
        while let Some(message) = messages.next().await {
            if message.get_channel_name() == "end" {
                break;
            }
            heard.push((message.get_channel_name().to_owned(), message.get_payload().unwrap()));
        }
        heard
    }

    async fn state(&mut self) -> Snapshot {
        let mut all = snapshot::take(&mut self.con).await;
        all.retain(|key, _| !key.starts_with("bull::x:q::reply:"));
        all
    }

    async fn play(&mut self, case: &Case) {
        redis::cmd("FLUSHALL").exec_async(&mut self.con).await.unwrap();
        self.lane = Lane::new("lane");
        if case.paused {
            self.store.pause(true).await.unwrap();
        }
        let jobs: Vec<_> = case.adds.iter().map(new_job).collect();
        for chunk in jobs.chunks(if self.batched { jobs.len() } else { 1 }) {
            self.store.enqueue("t", chunk).await.unwrap();
        }
        if case.paused {
            self.store.pause(false).await.unwrap();
        }
        let held = self.claim(case).await;
        self.end(case, &held).await;
    }

    async fn claim(&mut self, case: &Case) -> Vec<(String, String)> {
        let limiter = Limiter { max: u64::from(case.limiter), duration_ms: 60_000, grouped: false };
        let limiter = (case.limiter > 0).then_some(&limiter);
        let tokens: Vec<String> = (0..case.claims).map(|n| format!("w:{n}")).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let mut held = Vec::new();
        let mut at = 0;
        for _ in 0..tokens.len() {
            // One at a time: a token that got nothing is asked for again, as its place in a batch would be.
            let wanted = if self.batched { &tokens[..] } else { &tokens[at..=at] };
            self.lane.next();
            let claimed = claim(&self.store, &self.lane, wanted, limiter).await.unwrap();
            for job in &claimed.jobs {
                held.push((job.id.to_string(), wanted[job.token_index].to_owned()));
            }
            at = held.len();
            if self.batched || claimed.drained {
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
        let completed: Vec<_> = plans.iter().filter(|(.., end)| end.kind == 0).collect();
        let broken: Vec<_> = plans.iter().filter(|(.., end)| end.kind > 0).collect();
        let size = if self.batched { 100 } else { 1 };
        for chunk in completed.chunks(size) {
            let runs: Vec<Completion<'_>> = chunk
                .iter()
                .map(|(id, token, end)| Completion { keep: keep(end), ..completion(id, token) })
                .collect();
            self.lane.next();
            self.store.complete(&self.lane, LEASE_MS, 3, &runs).await.unwrap();
        }
        for chunk in broken.chunks(size) {
            let runs: Vec<FailedRun<'_>> = chunk
                .iter()
                .map(|(id, token, end)| FailedRun { keep: keep(end), ..failed(id, token, fate(end)) })
                .collect();
            self.lane.next();
            self.store.fail(&self.lane, LEASE_MS, 3, &runs).await.unwrap();
        }
    }
}

fn new_job(add: &Add) -> bullock::wire::NewJob {
    let mut opts = json!({"priority": add.priority, "delay": add.delay, "lifo": add.lifo});
    if add.debounce {
        opts["debounce"] = json!({"id": "d"});
    }
    // Some ids come twice, some are counted.
    let id = if add.id > 8 { String::new() } else { format!("j{}", add.id) };
    job(&id, opts)
}

fn keep(end: &End) -> Keep {
    match end.keep {
        0 => Keep::None,
        1 => Keep::Some { count: Some(1), age_s: None, limit: None },
        2 => Keep::Some { count: Some(2), age_s: Some(0.001), limit: None },
        _ => Keep::All,
    }
}

fn fate(end: &End) -> Fate {
    match end.kind {
        1 => Fate::Bury,
        _ if end.keep == 0 => Fate::RetryNow,
        _ => Fate::Delay(i64::from(end.keep)),
    }
}

#[test]
fn a_batch_equals_single_calls_in_sequence() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut together, mut singly) =
        runtime.block_on(async { (Side::new(true).await, Side::new(false).await) });
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let sides = std::cell::RefCell::new((&mut together, &mut singly));
    TestRunner::new(config)
        .run(&cases(), |case| {
            let (together, singly) = &mut *sides.borrow_mut();
            let (changes, heard) = runtime.block_on(async {
                together.play(&case).await;
                singly.play(&case).await;
                let states = [together.state().await, singly.state().await].map(|all| timeless(all, &case));
                let changes = difference(&states[0], &states[1]);
                (changes, (together.heard().await, singly.heard().await))
            });
            prop_assert!(changes.is_empty(), "together -> singly:\n{}", changes.join("\n"));
            // `drained` is said once when waiting runs dry, at the latest with the next claim.
            let (a, b) = (told(&heard.0, &case), told(&heard.1, &case));
            prop_assert_eq!(a, b);
            Ok(())
        })
        .unwrap();
}

/// The rate limiter reckons with a time to live, which no fixed clock stops: then only the ids count.
fn timeless(mut all: Snapshot, case: &Case) -> Snapshot {
    if case.limiter > 0
        && let Some(delayed) = all.get_mut("bull:q:delayed")
    {
        for item in &mut delayed.items {
            item.truncate(item.find('=').unwrap_or(item.len()));
        }
        delayed.items.sort();
    }
    all
}

/// Messages by channel, in order. Across channels a batch groups what single calls interleave.
fn told<'a>(heard: &'a [(String, String)], case: &Case) -> std::collections::BTreeMap<&'a str, Vec<&'a str>> {
    let mut by_channel: std::collections::BTreeMap<&'a str, Vec<&'a str>> = std::collections::BTreeMap::new();
    for (channel, message) in heard.iter().filter(|(channel, _)| !channel.ends_with(":drained")) {
        let timed = case.limiter > 0 && channel.ends_with(":delayed");
        by_channel.entry(channel).or_default().push(if timed { "" } else { message });
    }
    by_channel
}
