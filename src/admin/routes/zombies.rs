//! `GET /zombies` and `POST /zombies/resolve`: jobs that look alive and are not, and what a person does with them.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::about::{About, Kind, Shape, param};
use super::{Ask, answer};
use crate::admin::problem::Problem;
use crate::store::Store;
use crate::store::doctor::SETTLE;
use crate::store::zombies::{Act, Acted, Limits, Sort, Zombie};
use crate::wire::doctor::Place;

/// Active jobs that are looked at, of one queue and in all; overdue ones as many again.
const SCAN: (usize, usize) = (2000, 10_000);
/// Jobs that are looked at twice, and shown.
const SHOWN_MAX: usize = 500;
/// Longest time that can be asked for, ms: a year.
const TIME_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1000;
/// Ids of one request.
const IDS_MAX: usize = 500;

pub(super) const LIST: About = About::new(
    "zombies",
    "Active jobs that nobody holds or that give no sign, and delayed ones that are overdue; takes 2 s if there are some",
)
.query(&[
    param("queue", Kind::Text, "Of this queue only"),
    param("silent", Kind::Duration(0, TIME_MS_MAX, 600_000), "A run that gave no sign for longer is silent"),
    param("overdue", Kind::Duration(0, TIME_MS_MAX, 60_000), "A delayed job that was due longer ago is overdue"),
])
.answers(&[(200, "Those that are so at two looks", Some(Shape::of::<ZombieList>()))])
.refusals(&[404, 409]);

pub(super) const RESOLVE: About =
    About::new("zombies", "Requeues, fails or completes zombies, each if it still is one")
        .body(Shape::of::<Resolve>())
        .answers(&[(200, "What became of each", Some(Shape::of::<Resolved>()))])
        .refusals(&[404, 409]);

/// Zombies.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ZombieList {
    /// By queue.
    pub items: Vec<ZombieItem>,
    /// There may be more than were looked at.
    pub truncated: bool,
    /// Redis' time, ms; ages are against it.
    pub server_time: i64,
}

/// A job that looks alive and is not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ZombieItem {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its class: `active_without_lease`, `silent`, `overdue`, `active_without_hash` or `two_states`.
    #[schema(example = "silent")]
    pub kind: &'static str,
    /// The class in words.
    pub why: &'static str,
    /// What was seen.
    pub detail: String,
    /// Since when it may have been one, ms.
    pub since_on: Option<i64>,
    /// How long it is active, ms.
    pub active_ms: Option<i64>,
    /// How long ago a callback was heard, ms.
    pub heartbeat_ms: Option<i64>,
    /// Its last sign of life that is written down, ms.
    pub last_sign_on: Option<i64>,
    /// Who ran it last, where that is known.
    pub worker: Option<String>,
    /// A run holds it: it is taken away with `force` only.
    pub held: bool,
    /// What may be done to it: requeue, fail, force-done.
    pub allowed_actions: Vec<&'static str>,
}

/// What to do, and to which of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::admin) struct Resolve {
    /// The queue of the jobs.
    pub queue: String,
    /// These jobs; at most 500.
    #[schema(min_items = 1, max_items = 500)]
    pub ids: Vec<String>,
    /// What to do.
    pub action: ResolveAction,
    /// Take them from runs whose lease is alive, too; what these write later is refused.
    #[serde(default)]
    pub force: bool,
    /// A run that gave no sign for longer is silent; ten minutes unless given.
    #[schema(maximum = 31_536_000_000_u64)]
    pub silent_ms: Option<u64>,
    /// A delayed job that was due longer ago is overdue; a minute unless given.
    #[schema(maximum = 31_536_000_000_u64)]
    pub overdue_ms: Option<u64>,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// What can be done to a zombie.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::admin) enum ResolveAction {
    /// Back in line, next to run.
    Requeue,
    /// Into the dead letters, as crashed.
    Fail,
    /// Into completed, without its work.
    ForceDone,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct Resolved {
    /// In the order of the ids.
    pub items: Vec<ResolvedJob>,
    /// How many were served.
    pub done: usize,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct ResolvedJob {
    /// Its id.
    pub id: String,
    /// It was served.
    pub done: bool,
    /// Where it was.
    pub was: Option<String>,
    /// Where it is.
    pub is: Option<String>,
    /// Why it was not served, in a word: gone, held or no-body.
    pub refusal: Option<&'static str>,
    /// The same for people.
    pub problem: Option<&'static str>,
}

pub(super) async fn list(call: Ask) -> Result<Response, Problem> {
    let (names, look, board) = (call.queues_asked().await?, call.look().await?, call.board()?);
    let is_alone = call.query.text("queue").is_some();
    let limits = limits(call.query.duration("silent"), call.query.duration("overdue"), false);
    let (mut suspects, mut truncated) = (Vec::<(Store, Vec<String>)>::new(), false);
    let (mut budget, mut room) = (SCAN.1, SHOWN_MAX);
    for name in &names {
        let counts = look.queues.get(name.as_str()).map(|sight| &sight.glance.counts);
        let active = counts.map_or(0, |counts| counts.active) as usize;
        if !is_alone && (active == 0 && counts.is_none_or(|counts| counts.delayed == 0)) {
            continue;
        }
        let store = match board.open(name).await {
            Ok(store) => store,
            // Gone since, or of both libraries at once: the list of queues says so.
            Err(problem) if is_alone => return Err(problem),
            Err(_) => continue,
        };
        let most = SCAN.0.min(budget);
        truncated |= active > most;
        let mut ids = store.zombie_suspects(&limits, most).await?;
        budget -= most.min(active);
        truncated |= ids.len() > room;
        ids.truncate(room);
        room -= ids.len();
        if !ids.is_empty() {
            suspects.push((store, ids));
        }
    }
    if !suspects.is_empty() {
        // What moves just now is between two states for a moment, and no zombie.
        tokio::time::sleep(SETTLE).await;
    }
    let (mut items, mut now_ms) = (Vec::new(), look.now_ms);
    for (store, ids) in &suspects {
        now_ms = store.time_ms().await?;
        for zombie in store.zombies_among(ids, &limits).await? {
            items.push(shown(&store.keys().queue, &zombie, now_ms, call.shared.read_only));
        }
    }
    Ok(answer(StatusCode::OK, &ZombieList { items, truncated, server_time: now_ms }))
}

fn shown(queue: &str, zombie: &Zombie, now_ms: i64, read_only: bool) -> ZombieItem {
    let facts = &zombie.facts;
    let ago = |ms: i64| (now_ms - ms).max(0);
    let began: Option<i64> = facts.processed_on.as_ref().and_then(|ms| ms.parse().ok());
    ZombieItem {
        queue: queue.to_owned(),
        id: zombie.shown_id(),
        name: facts.name.clone(),
        kind: zombie.sort.as_str(),
        why: match zombie.sort {
            Sort::ActiveWithoutLease => "active without a lease",
            Sort::Silent => "silent",
            Sort::Overdue => "overdue",
            Sort::ActiveWithoutHash => "active without a job",
            Sort::TwoStates => "in two states",
            Sort::OrphanHash => "in no state",
        },
        detail: zombie.reason.clone(),
        since_on: zombie.since_ms,
        active_ms: began.filter(|_| facts.places.has(Place::Active)).map(ago),
        heartbeat_ms: facts.beat.map(ago),
        last_sign_on: facts.last_sign_ms(),
        worker: zombie.last_owner(),
        held: facts.is_held(),
        allowed_actions: match zombie.sort {
            _ if read_only => Vec::new(),
            // There is nothing to run or to complete.
            Sort::ActiveWithoutHash => vec!["fail"],
            Sort::TwoStates => vec!["requeue", "fail"],
            _ => vec!["requeue", "fail", "force-done"],
        },
    }
}

fn limits(silent: Option<Duration>, overdue: Option<Duration>, from_live_runs: bool) -> Limits {
    let usual = Limits::default();
    Limits {
        silent: silent.unwrap_or(usual.silent),
        overdue: overdue.unwrap_or(usual.overdue),
        from_live_runs,
    }
}

pub(super) async fn resolve(call: Ask) -> Result<Response, Problem> {
    let Resolve { queue, ids, action, force, reason, silent_ms, overdue_ms } = call.body().await?;
    let too_long = |ms: &Option<u64>| ms.is_some_and(|ms| ms > TIME_MS_MAX);
    if let Some(name) =
        [("silentMs", silent_ms), ("overdueMs", overdue_ms)].iter().find(|(_, ms)| too_long(ms))
    {
        return Err(Problem::validation(format!("{}: expected at most {TIME_MS_MAX}", name.0)));
    }
    if ids.is_empty() || ids.len() > IDS_MAX {
        return Err(Problem::validation(format!("ids: expected 1 to {IDS_MAX} of them")));
    }
    if !call.caller()?.may(&queue) {
        return Err(Problem::forbidden("this token is not for that queue"));
    }
    let act = match action {
        ResolveAction::Requeue => Act::Requeue,
        ResolveAction::Fail => Act::Fail,
        ResolveAction::ForceDone => Act::ForceDone,
    };
    let actor = call.actor(reason)?;
    if act == Act::ForceDone && actor.why.trim().is_empty() {
        let why = "reason: expected some text, because it becomes a part of the job's result";
        return Err(Problem::validation(why).with("pointer", "/reason"));
    }
    let store = call.board()?.open(&queue).await?;
    let limits = limits(silent_ms.map(Duration::from_millis), overdue_ms.map(Duration::from_millis), force);
    let zombies = store.zombies_among(&ids, &limits).await?;
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        let found = zombies.iter().find(|zombie| zombie.id == id.as_bytes());
        let acted = match found {
            Some(zombie) => store.mend_zombie(&actor, act, zombie.sort, &id, &limits).await?,
            None => Acted::Gone,
        };
        let (states, refused) = match acted {
            Acted::Done(was, is) => (Some((was, is)), None),
            Acted::Gone => (None, Some(("gone", "it is no zombie, or not any more"))),
            Acted::Held => (None, Some(("held", "a live run holds it; force takes it away"))),
            Acted::NoBody => (None, Some(("no-body", "there is nothing to run or to complete"))),
        };
        let ((was, is), (refusal, problem)) = (states.unzip(), refused.unzip());
        items.push(ResolvedJob { id, done: problem.is_none(), was, is, refusal, problem });
    }
    let done = items.iter().filter(|item| item.done).count();
    Ok(answer(StatusCode::OK, &Resolved { items, done }))
}
