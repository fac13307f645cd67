//! `GET /queues/{queue}/jobs`: pages of jobs, and bounded search among them.

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::try_join;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::about::{About, Kind, Param, Shape, param, wrong};
use super::super::{Ask, answer, decode_cursor, encode_cursor};
use super::view::JobItem;
use crate::admin::problem::Problem;
use crate::job::state::State;
use crate::store::inspect::{Counts, PAGE_MAX};
use crate::store::search::{CONDITIONS_MAX, Condition, Filter, Place, Search};
use crate::store::{Store, StoreError};

/// Jobs of a page unless told otherwise.
const LIMIT_DEFAULT: u64 = 50;

pub(in crate::admin::routes) const LIST: About = About::new("jobs", "Jobs of a queue, or those among them that are searched for")
    .query(&[
        param("state", Kind::Text, "One state or several with commas between; all unless given"),
        param("sort", Kind::Word(&["asc", "desc"]), "asc: next to run, due or ended first; as fits the state unless given"),
        param("limit", Kind::Number(1, PAGE_MAX as u64, LIMIT_DEFAULT), "Most jobs"),
        param("cursor", Kind::Text, "Where the last page ended"),
        param("id", Kind::Text, "The job of this id"),
        param("name", Kind::Text, "Of this name; * stands for any text"),
        param("error", Kind::Text, "With this in the text of the failure, in any case"),
        Param {
            name: "where",
            kind: Kind::Text,
            most: CONDITIONS_MAX,
            needed: false,
            help: "data.shop=acme, data.items.0.sku~part, data.n!=5; also opts, progress, returnvalue; all must hold",
        },
    ])
    .answers(&[(200, "A page", Some(Shape::of::<JobList>()))])
    .refusals(&[404, 409]);

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct JobList {
    /// The jobs.
    pub items: Vec<JobItem>,
    /// Where to go on; null = that was all.
    pub next: Option<String>,
    /// How many jobs are in these states.
    pub total: u64,
    /// How many were looked at for this page.
    pub scanned: usize,
    /// The search ended at its budget before the page was full.
    pub truncated: bool,
    /// Redis' time, ms.
    pub server_time: i64,
}

/// Lists.
pub(in crate::admin::routes) async fn list(call: Ask) -> Result<Response, Problem> {
    let store = call.store().await?;
    let states = states(&store, call.query.text("state"))?;
    let filter = filter(call.query.text("name"), call.query.text("error"), call.query.all("where"))?;
    if let Some(id) = call.query.text("id") {
        return by_id(&call, &store, id, &states, &filter).await;
    }
    let after = call.query.text("cursor").map(|cursor| place(cursor, &states)).transpose()?;
    let search = Search {
        states: &states,
        ascending: call.query.text("sort").map(|sort| sort == "asc"),
        after,
        limit: call.query.number("limit").unwrap_or(LIMIT_DEFAULT) as usize,
        filter: &filter,
        hide: &|view| call.shared.redaction.hide(view),
    };
    let (found, (counts, _)) = try_join!(store.search(&search), store.counts())?;
    let viewer = call.viewer(&store);
    Ok(answer(
        StatusCode::OK,
        &JobList {
            items: found.jobs.into_iter().map(|job| viewer.item(job)).collect(),
            next: found.next.map(|place| encode_cursor(&(place.state.as_str(), place.at, place.id))),
            total: states.iter().map(|state| count_of(&counts, *state)).sum(),
            scanned: found.scanned,
            truncated: found.truncated,
            server_time: found.now_ms,
        },
    ))
}

async fn by_id(
    call: &Ask,
    store: &Store,
    id: &str,
    states: &[State],
    filter: &Filter,
) -> Result<Response, Problem> {
    let found = if store.is_key_of_queue(id) { None } else { store.job_detail(id).await? };
    let server_time = match &found {
        Some(detail) => detail.now_ms,
        None => store.time_ms().await?,
    };
    let meant = found.filter(|detail| {
        let mut seen = detail.view.clone();
        call.shared.redaction.hide(&mut seen);
        detail.state.is_none_or(|state| states.contains(&state)) && filter.accepts(&seen)
    });
    let items: Vec<JobItem> =
        meant.iter().map(|detail| call.viewer(store).page(detail, Vec::new()).job).collect();
    let total = items.len() as u64;
    let page = JobList { items, next: None, total, scanned: 1, truncated: false, server_time };
    Ok(answer(StatusCode::OK, &page))
}

/// The states that are asked for, in the order in which they are listed.
fn states(store: &Store, words: Option<&str>) -> Result<Vec<State>, Problem> {
    let Some(words) = words else { return Ok(store.states().collect()) };
    let mut asked = Vec::new();
    for word in words.split(',') {
        asked.push(state_of(store, word.trim(), "state")?);
    }
    Ok(store.states().filter(|state| asked.contains(state)).collect())
}

/// One state that this queue can have.
pub(in crate::admin::routes) fn state_of(store: &Store, word: &str, name: &str) -> Result<State, Problem> {
    let state: State = word.parse().map_err(|error| wrong(name, &format!("{name}: {error}")))?;
    if store.states().any(|known| known == state) {
        return Ok(state);
    }
    Err(StoreError::NotInDialect("such state").into())
}

/// A filter from what people write.
pub(in crate::admin::routes) fn filter<'a>(
    name: Option<&str>,
    error: Option<&str>,
    conditions: impl Iterator<Item = &'a str>,
) -> Result<Filter, Problem> {
    let read = |text: &str| {
        Condition::parse(text)
            .map_err(|problem| wrong("where", &format!("where \"{}\": {problem}", text.escape_debug())))
    };
    Ok(Filter {
        name: name.map(str::to_owned),
        error: error.map(str::to_owned),
        conditions: conditions.map(read).collect::<Result<_, _>>()?,
    })
}

/// What a cursor says. It comes from outside: a place in a state that was not asked for is none.
fn place(cursor: &str, states: &[State]) -> Result<Place, Problem> {
    let (state, at, id): (String, String, String) = decode_cursor(cursor)?;
    let state = state.parse().ok().filter(|state| states.contains(state));
    let is_place = at.is_empty() || at.parse::<f64>().is_ok_and(f64::is_finite);
    match state {
        Some(state) if is_place => Ok(Place { state, at, id }),
        _ => Err(wrong("cursor", "cursor: expected what the last page named, with the same state")),
    }
}

/// How many jobs are in a state.
pub(in crate::admin::routes) fn count_of(counts: &Counts, state: State) -> u64 {
    match state {
        State::Waiting => counts.waiting,
        State::Prioritized => counts.prioritized.unwrap_or(0),
        State::Delayed => counts.delayed,
        State::Active => counts.active,
        State::WaitingChildren => counts.waiting_children.unwrap_or(0),
        State::Completed => counts.completed,
        State::Failed => counts.failed,
        State::Paused => counts.paused,
    }
}
