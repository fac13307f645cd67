//! Random histories against a small model: after every step each job is in the place where the model has it, and
//! nowhere else (a job is never lost and never in two states).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bullock::job::outcome::Fate;
use bullock::store::control::{Removed, Retried};
use bullock::store::finish::Verdict;
use bullock::store::{Connection, Lane, Scripts, Store};
use bullock::wire::Keys;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::aio::MultiplexedConnection;
use serde_json::json;

use crate::ground::{LEASE_MS, NOW, P, back, claim, completion, failed, job};
use crate::snapshot;
use crate::support::redis::Redis;

const CASES: u32 = 60;
const STEPS: usize = 40;
const IDS: u8 = 6;
/// Times at which operations happen: so many steps of a second.
const TIMES: usize = 8;

#[derive(Debug, Clone)]
enum Step {
    Add {
        id: u8,
        delay_s: u8,
        priority: u8,
        lifo: bool,
    },
    Claim {
        wanted: u8,
    },
    Complete {
        run: u8,
    },
    Fail {
        run: u8,
        fate: u8,
    },
    HandBack {
        run: u8,
        delay_s: u8,
    },
    /// The lock runs out: its worker died or sleeps.
    Expire {
        run: u8,
    },
    /// The lease entry vanishes with the lock: as if a Node worker had died.
    ExpireNodes {
        run: u8,
    },
    Recover,
    Stalled,
    Promote,
    PromoteJob {
        id: u8,
    },
    Pause(bool),
    Retry {
        id: u8,
    },
    RetryAll,
    Remove {
        id: u8,
    },
    Later,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0..IDS;
    let run = 0u8..16;
    let step = prop_oneof![
        6 => (id.clone(), 0u8..4, 0u8..3, any::<bool>())
            .prop_map(|(id, delay, priority, lifo)| Step::Add { id, delay_s: delay.saturating_sub(1), priority, lifo }),
        6 => (1u8..4).prop_map(|wanted| Step::Claim { wanted }),
        3 => run.clone().prop_map(|run| Step::Complete { run }),
        4 => (run.clone(), 0u8..3).prop_map(|(run, fate)| Step::Fail { run, fate }),
        2 => (run.clone(), 0u8..3).prop_map(|(run, delay_s)| Step::HandBack { run, delay_s }),
        3 => run.clone().prop_map(|run| Step::Expire { run }),
        2 => run.prop_map(|run| Step::ExpireNodes { run }),
        2 => Just(Step::Recover),
        3 => Just(Step::Stalled),
        3 => Just(Step::Promote),
        1 => id.clone().prop_map(|id| Step::PromoteJob { id }),
        2 => any::<bool>().prop_map(Step::Pause),
        2 => id.clone().prop_map(|id| Step::Retry { id }),
        1 => Just(Step::RetryAll),
        1 => id.prop_map(|id| Step::Remove { id }),
        3 => Just(Step::Later),
    ];
    prop::collection::vec(step, STEPS)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Waiting,
    Active { run: usize, locked: bool, ours: bool },
    Delayed { due: i64 },
    Completed,
    Failed,
}

/// One claim that was made: which job, which token. It may be stale.
struct Run {
    id: u8,
    token: String,
}

struct World {
    con: MultiplexedConnection,
    stores: Vec<Store>,
    lane: Lane,
    jobs: BTreeMap<u8, Place>,
    /// How often Bull's check took a job back.
    stalls: BTreeMap<u8, u32>,
    marked: std::collections::BTreeSet<u8>,
    runs: Vec<Run>,
    paused: bool,
    time: usize,
}

fn name(id: u8) -> String {
    format!("j{id}")
}

impl World {
    fn store(&self) -> Store {
        self.stores[self.time].clone()
    }

    fn now(&self) -> i64 {
        NOW + 1000 * self.time.cast_signed() as i64
    }

    /// Does this run hold its job?
    fn holds(&self, run: usize) -> bool {
        matches!(self.jobs.get(&self.runs[run].id), Some(Place::Active { run: held, locked: true, .. }) if *held == run)
    }

    /// The run that a step means; `None` = there has been none yet.
    fn pick(&self, run: u8) -> Option<usize> {
        (!self.runs.is_empty()).then(|| self.runs.len() - 1 - usize::from(run) % self.runs.len())
    }

    fn expected(&self) -> BTreeMap<String, Vec<&'static str>> {
        let waiting = if self.paused { "paused" } else { "wait" };
        let place = |place: &Place| match place {
            Place::Waiting => waiting,
            Place::Active { .. } => "active",
            Place::Delayed { .. } => "delayed",
            Place::Completed => "completed",
            Place::Failed => "failed",
        };
        self.jobs.iter().map(|(id, at)| (name(*id), vec![place(at)])).collect()
    }

    async fn take(&mut self, step: &Step) {
        let store = self.store();
        match step {
            Step::Add { id, delay_s, priority, lifo } => self.add(*id, *delay_s, *priority, *lifo).await,
            Step::Claim { wanted } => self.claim(*wanted).await,
            Step::Complete { run } => {
                let Some(run) = self.pick(*run) else { return };
                self.lane.next();
                let id = name(self.runs[run].id);
                let ended = [completion(&id, &self.runs[run].token)];
                let verdicts = store.complete(&self.lane, LEASE_MS, 2, &ended).await.unwrap();
                self.ended(run, verdicts[0], Place::Completed);
            }
            Step::Fail { run, fate } => {
                let Some(run) = self.pick(*run) else { return };
                let (fate, place) = match fate {
                    0 => (Fate::Bury, Place::Failed),
                    1 => (Fate::RetryNow, Place::Waiting),
                    _ => (Fate::Delay(1500), Place::Delayed { due: self.now() + 1500 }),
                };
                self.lane.next();
                let id = name(self.runs[run].id);
                let ended = [failed(&id, &self.runs[run].token, fate)];
                let verdicts = store.fail(&self.lane, LEASE_MS, 2, &ended).await.unwrap();
                self.ended(run, verdicts[0], place);
            }
            Step::HandBack { run, delay_s } => {
                let Some(run) = self.pick(*run) else { return };
                let delay = (*delay_s > 0).then(|| u64::from(*delay_s) * 1000);
                let due = |ms: u64| Place::Delayed { due: self.now() + ms.cast_signed() };
                let place = delay.map_or(Place::Waiting, due);
                self.lane.next();
                let id = name(self.runs[run].id);
                let ended = [back(&id, &self.runs[run].token, delay)];
                let verdicts = store.hand_back(&self.lane, LEASE_MS, 0, &ended).await.unwrap();
                self.ended(run, verdicts[0], place);
            }
            Step::Expire { run } => self.expire(*run, true).await,
            Step::ExpireNodes { run } => self.expire(*run, false).await,
            Step::Recover => self.recover().await,
            Step::Stalled => self.stalled().await,
            Step::Promote => self.promote().await,
            Step::PromoteJob { id } => {
                let was = matches!(self.jobs.get(id), Some(Place::Delayed { .. }));
                assert_eq!(store.promote_job("t", &name(*id)).await.unwrap(), was);
                if was {
                    self.jobs.insert(*id, Place::Waiting);
                }
            }
            Step::Pause(pause) => {
                assert_eq!(store.pause(*pause).await.unwrap(), self.paused != *pause);
                self.paused = *pause;
            }
            Step::Retry { id } => {
                let expected = match self.jobs.get(id) {
                    None => Retried::NotFound,
                    Some(Place::Active { locked: true, .. }) => Retried::Running,
                    Some(Place::Failed) => Retried::Done,
                    Some(_) => Retried::NotFailed,
                };
                assert_eq!(store.retry("t", &name(*id), false).await.unwrap(), expected);
                if expected == Retried::Done {
                    self.jobs.insert(*id, Place::Waiting);
                }
            }
            Step::RetryAll => {
                let failed: Vec<u8> = self
                    .jobs
                    .iter()
                    .filter(|(_, place)| **place == Place::Failed)
                    .map(|(id, _)| *id)
                    .collect();
                assert_eq!(store.retry_all(100).await.unwrap(), failed.len());
                for id in failed {
                    self.jobs.insert(id, Place::Waiting);
                }
            }
            Step::Remove { id } => {
                let expected = match self.jobs.get(id) {
                    None => Removed::NotFound,
                    Some(Place::Active { locked: true, .. }) => Removed::Running,
                    Some(_) => Removed::Done,
                };
                assert_eq!(store.remove(&[&name(*id)], true).await.unwrap(), [expected]);
                if expected == Removed::Done {
                    self.jobs.remove(id);
                    self.stalls.remove(id);
                }
            }
            Step::Later => self.time = (self.time + 1).min(TIMES - 1),
        }
    }

    async fn add(&mut self, id: u8, delay_s: u8, priority: u8, lifo: bool) {
        let delay = i64::from(delay_s) * 1000;
        let mut new = job(&name(id), json!({"delay": delay, "priority": priority, "lifo": lifo}));
        new.timestamp = Some(self.now());
        let added = self.store().enqueue("t", &[new]).await.unwrap();
        assert_eq!(added[0].existed, self.jobs.contains_key(&id));
        let place = if delay > 0 { Place::Delayed { due: self.now() + delay } } else { Place::Waiting };
        self.jobs.entry(id).or_insert(place);
    }

    async fn claim(&mut self, wanted: u8) {
        let tokens: Vec<String> =
            (0..wanted).map(|n| format!("w:{:04x}", self.runs.len() + usize::from(n))).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        self.lane.next();
        let claimed = claim(&self.store(), &self.lane, &tokens, None).await.unwrap();
        let waiting = self.jobs.values().filter(|place| **place == Place::Waiting).count();
        let free = if self.paused { 0 } else { waiting.min(usize::from(wanted)) };
        assert_eq!(claimed.jobs.len(), free);
        for got in claimed.jobs {
            let id: u8 = got.id.as_str()[1..].parse().unwrap();
            assert_eq!(self.jobs[&id], Place::Waiting, "{id} was claimed");
            let run = self.runs.len();
            self.runs.push(Run { id, token: tokens[got.token_index].to_owned() });
            self.jobs.insert(id, Place::Active { run, locked: true, ours: true });
            self.marked.remove(&id);
        }
    }

    fn ended(&mut self, run: usize, verdict: Verdict, place: Place) {
        let id = self.runs[run].id;
        if self.holds(run) {
            assert_eq!(verdict, Verdict::Done);
            self.jobs.insert(id, place);
            self.marked.remove(&id);
        } else if self.jobs.contains_key(&id) {
            assert_eq!(verdict, Verdict::LeaseLost, "a stale run");
        } else {
            assert_eq!(verdict, Verdict::JobGone);
        }
    }

    async fn expire(&mut self, run: u8, ours: bool) {
        let Some(run) = self.pick(run) else { return };
        if !self.holds(run) {
            return;
        }
        let id = self.runs[run].id;
        let mut pipe = redis::pipe();
        pipe.cmd("DEL").arg(format!("{P}{}:lock", name(id))).ignore();
        if !ours {
            pipe.cmd("SREM").arg("bull::x:q::leases").arg(name(id)).ignore();
        }
        pipe.exec_async(&mut self.con).await.unwrap();
        self.jobs.insert(id, Place::Active { run, locked: false, ours });
    }

    async fn recover(&mut self) {
        let mut recovered: Vec<u8> = self
            .store()
            .recover()
            .await
            .unwrap()
            .jobs
            .iter()
            .map(|(id, _)| id.as_str()[1..].parse().unwrap())
            .collect();
        recovered.sort_unstable();
        let dead = |place: &Place| matches!(place, Place::Active { locked: false, ours: true, .. });
        let expected: Vec<u8> =
            self.jobs.iter().filter(|(_, place)| dead(place)).map(|(id, _)| *id).collect();
        assert_eq!(recovered, expected);
        for id in recovered {
            self.jobs.insert(id, Place::Waiting);
            self.marked.remove(&id);
        }
    }

    async fn stalled(&mut self) {
        redis::cmd("DEL").arg("bull:q:stalled-check").exec_async(&mut self.con).await.unwrap();
        let stalled = self.store().stalled(60_000, 1).await.unwrap();
        let number = |id: &bullock::job::JobId| id.as_str()[1..].parse::<u8>().unwrap();
        let (mut failed, mut recovered): (Vec<u8>, Vec<u8>) =
            (stalled.failed.iter().map(number).collect(), stalled.recovered.iter().map(number).collect());
        failed.sort_unstable();
        recovered.sort_unstable();
        let (mut give_up, mut take_back) = (Vec::new(), Vec::new());
        for id in std::mem::take(&mut self.marked) {
            if matches!(self.jobs.get(&id), Some(Place::Active { locked: false, ours: false, .. })) {
                let stalls = self.stalls.entry(id).or_default();
                *stalls += 1;
                if *stalls > 1 { give_up.push(id) } else { take_back.push(id) }
            }
        }
        assert_eq!((failed, recovered), (give_up.clone(), take_back.clone()));
        for id in give_up {
            self.jobs.insert(id, Place::Failed);
        }
        for id in take_back {
            self.jobs.insert(id, Place::Waiting);
        }
        let active = |place: &Place| matches!(place, Place::Active { .. });
        self.marked = self.jobs.iter().filter(|(_, place)| active(place)).map(|(id, _)| *id).collect();
    }

    async fn promote(&mut self) {
        let promoted = self.store().promote("t").await.unwrap();
        let now = self.now();
        // The low bits of a score are less than a millisecond: a job is never early, and at most 1 ms late.
        let due = |place: &Place| matches!(place, Place::Delayed { due } if *due < now);
        let on_time = |place: &Place| matches!(place, Place::Delayed { due } if *due == now);
        let must: Vec<u8> = self.jobs.iter().filter(|(_, place)| due(place)).map(|(id, _)| *id).collect();
        let may: Vec<u8> = self.jobs.iter().filter(|(_, place)| on_time(place)).map(|(id, _)| *id).collect();
        let moved = promoted.moved as usize;
        assert!((must.len()..=must.len() + may.len()).contains(&moved), "{moved} were promoted");
        let found = snapshot::places(&snapshot::take(&mut self.con).await, P);
        let still = |id: &u8| found.get(&name(*id)).is_some_and(|places| places == &["delayed"]);
        for id in must.into_iter().chain(may.into_iter().filter(|id| !still(id))) {
            self.jobs.insert(id, Place::Waiting);
        }
    }
}

#[test]
fn whatever_happens_each_job_is_in_one_place_and_that_is_the_right_one() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let redis = Redis::start();
    let (con, stores) = runtime.block_on(async {
        let connection = Connection::new(&redis.url(), None, std::time::Duration::from_secs(20)).unwrap();
        let at = |time: usize| {
            let scripts = Arc::new(Scripts::bull(Some(NOW + 1000 * time.cast_signed() as i64)));
            Store::new(connection.clone(), Keys::new("bull", "q"), scripts)
        };
        (redis.connection().await, (0..TIMES).map(at).collect::<Vec<_>>())
    });
    let case = RefCell::new(0u64);
    let config =
        Config { cases: CASES, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let play = |steps: Vec<Step>| {
        let mut con = con.clone();
        *case.borrow_mut() += 1;
        let lane = Lane::new(format!("lane-{}", case.borrow()));
        runtime.block_on(async {
            redis::cmd("FLUSHALL").exec_async(&mut con).await.unwrap();
            let mut world = World {
                con: con.clone(),
                stores: stores.clone(),
                lane,
                jobs: BTreeMap::new(),
                stalls: BTreeMap::new(),
                marked: std::collections::BTreeSet::new(),
                runs: Vec::new(),
                paused: false,
                time: 0,
            };
            for (n, step) in steps.iter().enumerate() {
                world.take(step).await;
                let all = snapshot::take(&mut con).await;
                assert_eq!(snapshot::places(&all, P), world.expected(), "after step {n}, {step:?}");
                assert_eq!(snapshot::problems(&all, P), Vec::<String>::new(), "after step {n}, {step:?}");
            }
        });
        Ok(())
    };
    TestRunner::new(config).run(&steps(), play).unwrap();
}
