//! Pages of jobs, and searching among them: bounded in jobs, bytes and time, whatever the size of the queue.

mod filter;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::Value;

pub use filter::{CONDITIONS_MAX, Condition, Filter};

use filter::Needle;

use super::inspect::{PAGE_MAX, fields_of};
use super::job::{due, mark, number};
use super::look::Mark;
use super::script::Script;
use super::{Store, StoreError, array, integer, text};
use crate::job::state::State;
use crate::wire::Dialect;
use crate::wire::hash::JobView;

static READ: LazyLock<Script> =
    LazyLock::new(|| Script::new("read_page", include_str!("../../lua/read/page.lua"), None));

/// Jobs that one search looks at before it answers with what it has.
pub const SCAN_JOBS_MAX: usize = 10_000;
/// Time after which a search answers with what it has.
pub const SCAN_TIME_MAX: Duration = Duration::from_millis(60);
/// Bodies above this are not read into lists, bytes.
pub const LIST_BODY_BYTES_MAX: usize = 64 * 1024;
/// Bodies above this are not searched, bytes.
const SEARCH_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Jobs that one call looks at: Redis does nothing else meanwhile.
const CALL_JOBS_MAX: usize = 500;
/// Bytes of hashes that one call reads.
const CALL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// All states in the order in which they are listed.
pub const ORDER: [State; 8] = [
    State::Active,
    State::Waiting,
    State::Paused,
    State::Prioritized,
    State::Delayed,
    State::WaitingChildren,
    State::Failed,
    State::Completed,
];

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In which state.
    pub state: State,
    /// Position in a list, score in a sorted set; empty = before the first.
    pub at: String,
    /// The last job that was looked at.
    pub id: String,
}

/// What to list.
#[derive(Clone)]
pub struct Search<'a> {
    /// From which states, in this order.
    pub states: &'a [State],
    /// Next to run, or ended first, at the beginning; `None` = as fits the state.
    pub ascending: Option<bool>,
    /// Where the last page ended.
    pub after: Option<Place>,
    /// Most jobs of the page.
    pub limit: usize,
    /// Which jobs.
    pub filter: &'a Filter,
    /// Takes out of a job what must not be seen, before the filter looks at it: what is hidden cannot be searched for.
    pub hide: &'a (dyn Fn(&mut JobView) + Send + Sync),
}

/// A job of a page.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its hash, without bodies that are too long.
    pub view: JobView,
    /// The state whose list named it.
    pub state: State,
    /// Who holds it, why it failed, when it is due.
    pub mark: Mark,
    /// Its priority; 0 = none.
    pub priority: i64,
    /// How often the worker that ran it died.
    pub crashes: u64,
    /// Bodies that are too long for a list, and were not read.
    pub left_out: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Redis' time, ms.
    pub now_ms: i64,
    /// The jobs.
    pub jobs: Vec<Listed>,
    /// How many were looked at.
    pub scanned: usize,
    /// Where to go on; `None` = that was all.
    pub next: Option<Place>,
    /// The budget ended the search before the page was full.
    pub truncated: bool,
}

impl Search<'_> {
    fn is_meant(&self, view: &JobView) -> bool {
        if !self.filter.reads_bodies() {
            return self.filter.accepts(view);
        }
        let mut seen = view.clone();
        (self.hide)(&mut seen);
        self.filter.accepts(&seen)
    }
}

/// One call's part of a page.
struct Part {
    now_ms: i64,
    looked: usize,
    ended: bool,
    place: Place,
    jobs: Vec<Listed>,
}

/// The key of a state.
pub(super) fn key_of(state: State) -> &'static str {
    match state {
        State::Waiting => "wait",
        other => other.as_str(),
    }
}

impl Store {
    /// The states that this queue can have, in the order in which they are listed.
    pub fn states(&self) -> impl Iterator<Item = State> {
        let is_mq = self.dialect() == Dialect::BullMq;
        ORDER.into_iter().filter(move |s| is_mq || !matches!(s, State::Prioritized | State::WaitingChildren))
    }

    /// One page. A search that finds little ends at its budget, and says where to go on.
    pub async fn search(&self, search: &Search<'_>) -> Result<Found, StoreError> {
        let (started, mut slowest) = (Instant::now(), Duration::ZERO);
        let limit = search.limit.clamp(1, PAGE_MAX);
        let mut found = Found::default();
        let first = search.after.as_ref().map_or(search.states.first().copied(), |place| Some(place.state));
        let mut after = search.after.clone();
        for state in search.states.iter().copied().skip_while(|state| Some(*state) != first) {
            loop {
                let left = SCAN_JOBS_MAX.saturating_sub(found.scanned);
                // A page of all jobs looks at no more than it shows: only a search can go on and on.
                // The next call may take as long as the slowest one did, and has to be over by then.
                let spent = left == 0 || started.elapsed() + slowest >= SCAN_TIME_MAX;
                if found.jobs.len() >= limit || (spent && !search.filter.is_empty()) {
                    found.truncated = found.jobs.len() < limit;
                    found.next =
                        Some(after.unwrap_or_else(|| Place { state, at: String::new(), id: String::new() }));
                    return Ok(found);
                }
                let asked = Instant::now();
                let part = self
                    .part(
                        search,
                        state,
                        after.as_ref(),
                        limit - found.jobs.len(),
                        left.clamp(1, CALL_JOBS_MAX),
                    )
                    .await?;
                slowest = slowest.max(asked.elapsed());
                found.now_ms = part.now_ms;
                found.scanned += part.looked;
                found.jobs.extend(part.jobs);
                if part.ended {
                    break;
                }
                after = Some(part.place);
            }
            after = None;
        }
        Ok(found)
    }

    async fn part(
        &self,
        search: &Search<'_>,
        state: State,
        after: Option<&Place>,
        take: usize,
        look: usize,
    ) -> Result<Part, StoreError> {
        let ascending = search.ascending.unwrap_or(!state.is_finished());
        let body_max = if search.filter.reads_bodies() { SEARCH_BODY_BYTES_MAX } else { LIST_BODY_BYTES_MAX };
        let mut call = READ.call(&self.keys);
        call.arg(key_of(state)).arg(if ascending { "asc" } else { "desc" });
        call.arg(after.map_or("", |place| &place.at)).arg(after.map_or("", |place| &place.id));
        call.arg(look).arg(take).arg(body_max).arg(CALL_BYTES_MAX);
        for Needle { field, is_pattern, text } in search.filter.needles() {
            call.arg(field).arg(u8::from(is_pattern)).arg(text);
        }
        let mut reply = array(READ.run(&self.connection, &call).await?)?.into_iter();
        let mut next = || reply.next().unwrap_or(Value::Nil);
        let (now_ms, looked, ended) = (integer(&next())?, integer(&next())?, integer(&next())?);
        let place = Place { state, at: text(next())?, id: text(next())? };
        let mut jobs = Vec::new();
        for job in reply {
            let job = self.listed(state, job)?;
            if search.is_meant(&job.view) {
                jobs.push(job);
            }
        }
        Ok(Part { now_ms, looked: looked.max(0) as usize, ended: ended == 1, place, jobs })
    }

    fn listed(&self, state: State, reply: Value) -> Result<Listed, StoreError> {
        let mut reply = array(reply)?.into_iter();
        let mut next = || reply.next().unwrap_or(Value::Nil);
        let (id, score) = (text(next())?, text(next())?);
        let (lock, left) = (next(), next());
        let (reason, crashes, left_out) = (text(next())?, text(next())?, text(next())?);
        let fields = fields_of(next())?;
        let priority = fields.iter().find(|(name, _)| name == "priority").map(|(_, value)| value.as_str());
        let mut mark = mark(lock, &left, Some(reason));
        if state == State::Delayed {
            mark.due_ms = due(Some(score.into_bytes()));
        }
        Ok(Listed {
            priority: number(priority),
            crashes: number(Some(&crashes)).max(0).cast_unsigned(),
            left_out: left_out.split_whitespace().map(str::to_owned).collect(),
            view: self.view(&id, &fields),
            state,
            mark,
        })
    }
}
