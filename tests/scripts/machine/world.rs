//! Does to the queue what is done to the model, and compares answers.

use std::fmt::Debug;

use bullock::store::actor::Actor;
use bullock::store::finish::Verdict;
use bullock::store::{Lane, Store};
use bullock::wire::NewJob;
use redis::aio::MultiplexedConnection;

use super::dump::{self, Value};
use super::model::{Flavour, LANE, Model};
use super::sending::Sent;
use super::step::{Failure, Report, Step};
use crate::ground::{LEASE_MS, NOW, P, X};

/// Times at which operations happen: so many steps of [`TIME_MS`].
pub const TIMES: usize = 8;
const TIME_MS: i64 = 20_000;
/// From this number on a step means any run.
const ANY_RUN: u8 = 5;

pub fn time(at: usize) -> i64 {
    NOW + TIME_MS * at.cast_signed() as i64
}

pub struct World {
    pub(super) con: MultiplexedConnection,
    /// One for each time.
    stores: Vec<Store>,
    time: usize,
    pub(super) lane: Lane,
    /// Every claim that was made, as (id, token). It may be stale.
    runs: Vec<(String, String)>,
    tokens: usize,
    pub(super) last: Option<Sent>,
    pub(super) model: Model,
}

pub type Checked = Result<(), String>;

pub fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Checked {
    if found == expected { Ok(()) } else { Err(format!("{what} answered {found:?}, expected {expected:?}")) }
}

pub fn actor() -> Actor {
    Actor { by: "kim".into(), from: "cli@shop".into(), why: "because".into() }
}

impl World {
    pub async fn new(con: MultiplexedConnection, stores: Vec<Store>, flavour: Flavour) -> World {
        let mut world = World {
            con,
            stores,
            time: 0,
            lane: Lane::new(LANE),
            runs: Vec::new(),
            tokens: 0,
            last: None,
            model: Model::new(flavour, time(0)),
        };
        world.command(&["FLUSHALL"]).await;
        if let Some(version) = world.model.meta.get("version").cloned() {
            world.command(&["HSET", &format!("{P}meta"), "version", &version]).await;
        }
        world
    }

    pub(super) async fn command(&mut self, words: &[&str]) {
        redis::cmd(words[0]).arg(&words[1..]).exec_async(&mut self.con).await.expect("a command");
    }

    pub(super) fn store(&self) -> Store {
        self.stores[self.time].clone()
    }

    pub(super) fn by_kim(&self) -> Store {
        self.stores[self.time].by(actor())
    }

    /// The job that a step means: custom ids are j1, j2 …; 0 is the last number that the queue gave. Where there are jobs
    /// to which the step could happen it is one of them.
    pub(super) fn id(&self, id: u8, possible: &[String]) -> String {
        match possible.len() {
            0 if id == 0 => self.model.counter.to_string(),
            0 => format!("j{id}"),
            all => possible[usize::from(id) % all].clone(),
        }
    }

    /// The run that a step means: one that holds its job, or, seldom, any of those so far.
    fn run(&self, run: u8) -> Option<(String, String)> {
        let held: Vec<(&String, &String)> = self.model.locks.iter().collect();
        if run < ANY_RUN && !held.is_empty() {
            let (id, token) = held[usize::from(run) % held.len()];
            return Some((id.clone(), token.clone()));
        }
        let last = self.runs.len().checked_sub(1)?;
        Some(self.runs[last - usize::from(run - run.min(ANY_RUN)) % self.runs.len()].clone())
    }

    /// Takes a step; an error says what was not as the model has it.
    pub async fn take(&mut self, step: &Step) -> Checked {
        match step {
            Step::Add { .. } | Step::Claim { .. } | Step::SendAgain | Step::Later => self.begin(step).await?,
            Step::Complete { run, .. }
            | Step::Fail { run, .. }
            | Step::HandBack { run, .. }
            | Step::Renew { run }
            | Step::Report { run, .. }
            | Step::Expire { run }
            | Step::ExpireNodes { run } => {
                let Some((id, token)) = self.run(*run) else { return Ok(()) };
                self.go_on(step, id, token).await?;
            }
            Step::Recover { .. } | Step::Stalled | Step::Promote => self.sweep(step).await?,
            _ => self.act(step).await?,
        }
        self.compare().await
    }

    async fn compare(&mut self) -> Checked {
        let found = dump::take(&mut self.con).await;
        // A sweep takes jobs in the order of a set, which is nobody's promise: what it says may come in any.
        if let Some((Value::Stream(lines), _)) = found.0.get(&format!("{P}events")) {
            let sorted = |lines: &[String]| {
                let mut lines = lines.to_vec();
                lines.sort();
                lines
            };
            if sorted(lines) == sorted(&self.model.events) {
                self.model.events.clone_from(lines);
            }
        }
        let lines = self.model.dump().differences(&found);
        if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
    }

    async fn begin(&mut self, step: &Step) -> Checked {
        match step {
            Step::Add { id, delay_s, priority, lifo } => {
                let (id, delay) = ((*id > 0).then(|| self.id(*id, &[])), i64::from(*delay_s) * 1000);
                let new = NewJob {
                    id: id.clone(),
                    name: "x".into(),
                    data: "{}".into(),
                    opts_head: "{}".into(),
                    timestamp: Some(time(self.time)),
                    delay: delay.to_string(),
                    priority: priority.to_string(),
                    lifo: *lifo,
                    ..NewJob::default()
                };
                let added = self.store().enqueue("t", &[new]).await.expect("add").remove(0);
                let expected = self.model.add(id.as_deref(), delay, i64::from(*priority), *lifo);
                same("add", &(added.id.to_string(), added.existed), &expected)
            }
            Step::Claim { wanted, may_take_suspect } => {
                self.tokens += usize::from(*wanted);
                let token = |n: u8| format!("w:{:032x}", self.tokens - usize::from(n));
                let tokens: Vec<String> = (0..*wanted).map(token).collect();
                self.lane.next();
                let found = self.send_claim(&tokens, *may_take_suspect).await;
                let jobs = self.model.claim(&tokens, *may_take_suspect);
                let expected: Vec<(String, String)> = jobs.into_iter().zip(tokens.clone()).collect();
                same("claim", &found, &expected)?;
                self.runs.extend(expected.clone());
                let sent = Sent::Claim { tokens, may_take_suspect: *may_take_suspect, got: expected };
                self.last = self.model.remembered.then_some(sent);
                Ok(())
            }
            Step::SendAgain => self.send_again().await,
            _ => {
                self.time = (self.time + 1).min(TIMES - 1);
                self.model.now = time(self.time);
                Ok(())
            }
        }
    }

    /// A run ends, tells, or dies.
    async fn go_on(&mut self, step: &Step, id: String, token: String) -> Checked {
        match step {
            Step::Complete { keep, .. } => {
                self.lane.next();
                let answer = self.send_complete(&id, &token, *keep).await;
                same("complete", &answer, &self.model.complete(&id, &token, *keep))?;
                self.sent(Sent::Complete { id, token, keep: *keep, answer });
            }
            Step::Fail { how, lifo, keep, .. } => {
                self.lane.next();
                let spends = i64::from(!matches!(how, Failure::Unrun));
                let made = u32::try_from(self.model.number(&id, "attemptsMade") + spends).expect("few");
                let answer = self.send_failure(&id, &token, *how, *lifo, *keep, made).await;
                same("fail", &answer, &self.model.fail(&id, &token, *how, *lifo, *keep))?;
                self.sent(Sent::Fail { id, token, how: *how, lifo: *lifo, keep: *keep, made, answer });
            }
            Step::HandBack { how, .. } => {
                self.lane.next();
                let answer = self.send_back(&id, &token, *how).await;
                same("hand back", &answer, &self.model.hand_back(&id, &token, *how))?;
                self.sent(Sent::HandBack { id, token, how: *how, answer });
            }
            Step::Renew { .. } => {
                let renewed = self.store().renew(LEASE_MS, &[(&id, &token)]).await.expect("renew");
                same("renew", &renewed.lost.is_empty(), &self.model.renew(&id, &token))?;
            }
            Step::Report { what, .. } => {
                let answer = self.report(&id, &token, *what).await;
                same("report", &answer, &self.model.report(&id, &token, *what))?;
            }
            _ if self.model.locks.get(&id) == Some(&token) => {
                self.command(&["DEL", &format!("{P}{id}:lock")]).await;
                self.model.locks.remove(&id);
                if matches!(step, Step::ExpireNodes { .. }) {
                    self.command(&["SREM", &format!("{X}leases"), &id]).await;
                    self.model.leases.remove(&id);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn sent(&mut self, sent: Sent) {
        self.last = self.model.remembered.then_some(sent);
    }

    async fn report(&self, id: &str, token: &str, what: Report) -> Verdict {
        let store = self.store();
        let answer = match what {
            Report::Progress(value) => store.progress(id, token, &value.to_string()).await,
            Report::Log => store.log(id, token, 2, &["line".to_owned()]).await,
            Report::Checkpoint(value) => store.checkpoint(id, token, Some(&value.to_string()), false).await,
            Report::Beat => store.checkpoint(id, token, None, true).await,
            Report::Moved => store.moved(id, token).await,
            Report::Data(value) => store.update_data(id, token, &value.to_string()).await,
        };
        answer.expect("report")
    }

    async fn sweep(&mut self, step: &Step) -> Checked {
        let sorted = |mut ids: Vec<String>| {
            ids.sort();
            ids
        };
        let named = |ids: &[bullock::job::JobId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        match step {
            Step::Recover { survived } => {
                // Told only by a worker that has lost the lease.
                let survived = survived.and_then(|run| self.run(run));
                let survived = survived.filter(|(id, token)| self.model.locks.get(id) != Some(token));
                let told: Vec<(&str, &str)> = survived.iter().map(|(id, token)| (&**id, &**token)).collect();
                let recovered = self.store().recover_beside(&told).await.expect("recover");
                let order: Vec<String> = recovered.jobs.iter().map(|(id, _)| id.to_string()).collect();
                let expected = self.model.recover(&order, told.first().copied());
                same("recover", &sorted(order), &expected)
            }
            Step::Stalled => {
                self.command(&["DEL", &format!("{P}stalled-check")]).await;
                let found = self.store().stalled(60_000, 1).await.expect("stalled");
                let order = named(&found.recovered);
                let (failed, taken) = self.model.check_stalled(&order, 1);
                same("stalled", &(sorted(named(&found.failed)), sorted(order)), &(failed, taken))
            }
            _ => {
                let promoted = self.store().promote("t").await.expect("promote");
                let due = self.model.due();
                self.model.bring_due(&due);
                same("promote", &promoted.moved, &(due.len() as u64))
            }
        }
    }
}
