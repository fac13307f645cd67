//! `[audit] level = "all"`: the log of a job that only our scripts touched, replayed, gives what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use bullock::job::outcome::Fate;
use bullock::store::actor::Actor;
use bullock::store::audit::{AuditFilter, Auditing, Entry, RECORDED, Replayed};
use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::{Connection, Lane, Scripts, Store};
use bullock::wire::{Dialect, Keys, NewJob};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::aio::MultiplexedConnection;
use serde_json::json;

use crate::ground::{LEASE_MS, P, X, back, claim, completion, failed};
use crate::support::redis::Redis;

/// How many runs, of each dialect, unless `AUDIT_RUNS` says otherwise.
const RUNS: usize = 500;
const STEPS: usize = 40;
const IDS: u8 = 5;
const ALL: Auditing = Auditing { transitions: true, keep_count: 1_000_000, keep_age_ms: None };

type Step = (u8, u8, u8);

struct World {
    _redis: Redis,
    con: MultiplexedConnection,
    store: Store,
    dialect: Dialect,
}

impl World {
    async fn new(dialect: Dialect) -> World {
        let redis = Redis::start();
        let con = redis.connection().await;
        let connection = Connection::new(&redis.url(), None, RESPONSE_TIMEOUT).unwrap();
        let scripts = Arc::new(Scripts::of(dialect).auditing(ALL));
        let store = Store::new(connection, Keys::new("bull", "q"), scripts);
        World { _redis: redis, con, store, dialect }
    }

    fn job(&self, id: &str, a: u8) -> NewJob {
        let delay = if a.is_multiple_of(3) { 60_000 } else { 0 };
        let opts = json!({"jobId": id, "delay": delay, "priority": a % 2, "attempts": 3});
        let opts = opts.as_object().unwrap().clone();
        match self.dialect {
            Dialect::Bull => NewJob::bull("x", &json!({"n": 1}), opts),
            Dialect::BullMq => NewJob::bullmq("x", &json!({"n": 1}), opts).unwrap(),
        }
    }

    async fn play(&mut self, steps: &[Step]) {
        redis::cmd("FLUSHALL").exec_async(&mut self.con).await.unwrap();
        let (mut runs, mut lane) = (Vec::<(String, String)>::new(), Lane::new("t"));
        let actor = Actor { by: "kim".into(), from: "test".into(), why: String::new() };
        for (number, &(kind, which, how)) in steps.iter().enumerate() {
            let id = format!("j{}", which % IDS);
            let run = runs.get(usize::from(which) % runs.len().max(1)).cloned().unwrap_or_default();
            let (of, token) = (run.0.as_str(), run.1.as_str());
            lane.next();
            match kind {
                0..=5 => drop(self.store.enqueue("t", &[self.job(&id, how)]).await.unwrap()),
                6..=11 => {
                    let token = format!("w:{number:032x}");
                    let claimed = claim(&self.store, &lane, &[&token], None).await.unwrap();
                    runs.extend(claimed.jobs.iter().map(|job| (job.id.to_string(), token.clone())));
                }
                12..=14 => {
                    drop(self.store.complete(&lane, LEASE_MS, 0, &[completion(of, token)]).await.unwrap());
                }
                15..=17 => {
                    let fate = [Fate::Bury, Fate::RetryNow, Fate::Delay(60_000)][usize::from(how) % 3];
                    drop(self.store.fail(&lane, LEASE_MS, 0, &[failed(of, token, fate)]).await.unwrap());
                }
                18 => {
                    let delay = how.is_multiple_of(2).then_some(60_000);
                    drop(self.store.hand_back(&lane, LEASE_MS, 0, &[back(of, token, delay)]).await.unwrap());
                }
                19 => drop(self.store.progress(of, token, &format!("{{\"percent\":{how}}}")).await.unwrap()),
                20 => drop(self.store.promote_job("t", &id).await.unwrap()),
                21 => drop(self.store.by(actor.clone()).retry("t", &id, false).await.unwrap()),
                22 => drop(self.store.remove(&[&id], true).await.unwrap()),
                23 => drop(self.store.pause(how.is_multiple_of(2)).await.unwrap()),
                24 => drop(self.store.cancel(&actor, &[&id]).await.unwrap()),
                _ => {
                    if !of.is_empty() {
                        let lock = format!("{P}{of}:lock");
                        redis::cmd("DEL").arg(lock).exec_async(&mut self.con).await.unwrap();
                    }
                    drop(self.store.recover().await.unwrap());
                }
            }
        }
    }

    /// Oldest first.
    async fn entries(&self) -> Vec<Entry> {
        let (mut entries, _, _) = self.store.audit(&AuditFilter::default(), "+", "-", 100_000).await.unwrap();
        entries.reverse();
        entries
    }

    async fn stored(&mut self, id: &str) -> Replayed {
        let hash: BTreeMap<String, String> =
            redis::cmd("HGETALL").arg(format!("{P}{id}")).query_async(&mut self.con).await.unwrap();
        let fields = hash.into_iter().filter(|(field, _)| RECORDED.contains(&field.as_str())).collect();
        let all = crate::snapshot::take(&mut self.con).await;
        let place = crate::snapshot::places(&all, P).remove(id).unwrap_or_default();
        let ranked = all.get("bull:q:prioritized").map_or(&[][..], |set| &set.items);
        let state = match place.as_slice() {
            [] if ranked.iter().any(|item| item.starts_with(&format!("{id}="))) => "prioritized",
            [] => "",
            ["wait"] => "waiting",
            [place] => place,
            many => panic!("{id} is in {many:?}"),
        };
        Replayed { state: state.to_owned(), fields }
    }
}

fn replay(dialect: Dialect) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = std::cell::RefCell::new(runtime.block_on(World::new(dialect)));
    let runs = crate::support::runs("AUDIT_RUNS", RUNS);
    let config =
        Config { cases: u32::try_from(runs).unwrap(), failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec((0u8..26, any::<u8>(), any::<u8>()), STEPS);
    let mut runner = TestRunner::new(config);
    let played = std::cell::Cell::new(0);
    let outcome = runner.run(&steps, |steps| {
        let world = &mut *world.borrow_mut();
        runtime.block_on(async {
            world.play(&steps).await;
            let entries = world.entries().await;
            for id in (0..IDS).map(|n| format!("j{n}")) {
                prop_assert_eq!(
                    Replayed::of(&id, &entries),
                    world.stored(&id).await,
                    "{}: {:#?}",
                    id,
                    entries
                );
            }
            played.set(played.get() + 1);
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert_eq!(played.get(), runs);
    println!("{runs} runs of {dialect:?} jobs replayed");
}

#[test]
fn the_log_of_a_bull_job_replayed_gives_what_is_stored() {
    replay(Dialect::Bull);
}

#[test]
fn the_log_of_a_bullmq_job_replayed_gives_what_is_stored() {
    replay(Dialect::BullMq);
}

#[tokio::test]
async fn a_log_is_kept_by_count_and_by_age() {
    for dialect in [Dialect::Bull, Dialect::BullMq] {
        let mut world = World::new(dialect).await;
        let jobs: Vec<NewJob> = (0..1000).map(|n| world.job(&format!("k{n}"), 1)).collect();
        let kept = |count, age| Auditing { transitions: true, keep_count: count, keep_age_ms: age };
        let length = async |world: &mut World| -> usize {
            redis::cmd("XLEN").arg(format!("{X}audit")).query_async(&mut world.con).await.unwrap()
        };
        let few = Store::of(world.store.connection().clone(), Keys::new("bull", "q"), Some(dialect));
        few.clone().with_auditing(kept(100, None)).enqueue("t", &jobs).await.unwrap();
        let left = length(&mut world).await;
        assert!((100..=300).contains(&left), "{dialect:?}: {left} of 1000, about 100 are kept");
        // Whole nodes of the stream go: those that are older than a millisecond when the next entries come.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let more: Vec<NewJob> = (0..300).map(|n| world.job(&format!("m{n}"), 1)).collect();
        few.clone().with_auditing(kept(1_000_000, Some(1))).enqueue("t", &more).await.unwrap();
        let left = length(&mut world).await;
        assert!(left < 500, "{dialect:?}: {left} entries, the old ones are gone");
        // Off by default: nothing is written.
        redis::cmd("DEL").arg(format!("{X}audit")).exec_async(&mut world.con).await.unwrap();
        few.enqueue("t", &[world.job("off", 1)]).await.unwrap();
        assert_eq!(length(&mut world).await, 0);
    }
}
