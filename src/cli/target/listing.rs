//! Pages of jobs.

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::queue::told;
use super::{At, QueueAt, Remote, Target};
use crate::cli::api::absent;
use crate::cli::error::CliError;
use crate::cli::job::record::Record;
use crate::cli::session::Session;
use crate::job::state::State;
use crate::store::Store;
use crate::store::inspect::PAGE_MAX;
use crate::store::search::{Condition, Filter, ORDER, Place, Search};
use crate::wire::Dialect;

/// States that Bull 4 does not have.
const OF_BULLMQ: [State; 2] = [State::Prioritized, State::WaitingChildren];
/// Jobs that are asked for at once.
const AT_ONCE: usize = 8;

/// Which jobs.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// Of this state only.
    pub state: Option<State>,
    /// Most jobs.
    pub limit: usize,
    /// Where the last page ended, as it said.
    pub cursor: Option<&'a str>,
    /// What they must be like: `data.shop=acme`.
    pub conditions: &'a [String],
    /// With their whole bodies.
    pub whole: bool,
}

/// Jobs, and where to go on.
#[derive(Debug, Default)]
pub struct JobsPage {
    /// The jobs.
    pub(in crate::cli) records: Vec<Record>,
    /// `None` = that was all.
    pub next: Option<String>,
}

impl Listing<'_> {
    /// Checks what was typed, before anything connects; a cursor of the API is the server's to read.
    pub fn check(&self, target: &Target) -> Result<(), CliError> {
        match target.at {
            At::Redis(_) => place(self).map(|_| ()),
            At::Api(_) => Ok(()),
        }
    }
}

impl QueueAt<'_> {
    /// A page of jobs.
    pub async fn jobs(&self, listing: &Listing<'_>) -> Result<JobsPage, CliError> {
        match self {
            Self::Redis(session, store) => {
                let states = states(store, listing.state)?;
                if listing.conditions.is_empty() {
                    list(session, store, states, listing).await
                } else {
                    search(session, store, &states, listing).await
                }
            }
            Self::Api(remote) => remote.jobs(listing).await,
        }
    }
}

impl Remote<'_> {
    async fn jobs(&self, listing: &Listing<'_>) -> Result<JobsPage, CliError> {
        let mut page = JobsPage { next: listing.cursor.map(str::to_owned), ..JobsPage::default() };
        loop {
            let limit = (listing.limit - page.records.len()).min(PAGE_MAX).to_string();
            let mut query = vec![("limit", limit.as_str())];
            query.extend(listing.state.map(|state| ("state", state.as_str())));
            query.extend(page.next.as_deref().map(|cursor| ("cursor", cursor)));
            query.extend(listing.conditions.iter().map(|text| ("where", text.as_str())));
            let mut found: Value = self.get(&["jobs"], &query).await?;
            let Value::Array(items) = found["items"].take() else { return Ok(page) };
            page.next = found["next"].as_str().map(str::to_owned);
            if listing.whole {
                page.records.extend(self.whole(items).await?);
            } else {
                page.records.extend(items.into_iter().map(Record::of_api));
            }
            if page.next.is_none() || page.records.len() >= listing.limit {
                return Ok(page);
            }
        }
    }

    /// The jobs of a list, where long bodies are cut, one by one; those that are gone meanwhile are left out.
    async fn whole(&self, items: Vec<Value>) -> Result<Vec<Record>, CliError> {
        let ids = items.into_iter().filter_map(|item| item["id"].as_str().map(str::to_owned));
        let reads = ids.map(|id| async move { absent(self.get(&["jobs", &id], &[]).await) });
        let found: Vec<Option<Value>> =
            futures_util::stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().map(Record::of_api).collect())
    }
}

/// The states that are meant, in the order in which they are listed.
fn states(store: &Store, only: Option<State>) -> Result<Vec<State>, CliError> {
    let has = |state: &State| store.dialect() == Dialect::BullMq || !OF_BULLMQ.contains(state);
    if let Some(state) = only.filter(|state| !has(state)) {
        return Err(CliError::usage("Bull 4 has no such state")
            .at("--state")
            .found(state.as_str())
            .expected("waiting, active, delayed, completed, failed or paused"));
    }
    Ok(ORDER.iter().copied().filter(has).filter(|state| only.is_none_or(|only| only == *state)).collect())
}

/// A cursor as a page named it: the state, and where in it.
fn place<'a>(listing: &Listing<'a>) -> Result<Option<(State, &'a str)>, CliError> {
    let Some(cursor) = listing.cursor else { return Ok(None) };
    let wrong = || {
        CliError::usage("this is no cursor")
            .at("--cursor")
            .found(cursor)
            .expected("the cursor that the last page named, such as failed:50")
    };
    let (word, rest) = cursor.split_once(':').ok_or_else(wrong)?;
    let state: State = word.parse().map_err(|_| wrong())?;
    if rest.parse::<usize>().is_err() && !rest.contains(':') {
        return Err(wrong());
    }
    match listing.state.filter(|only| *only != state) {
        None => Ok(Some((state, rest))),
        Some(only) => Err(CliError::usage("the cursor belongs to another state")
            .at("--cursor")
            .found(state.as_str())
            .expected(format!("one of --state {only}"))),
    }
}

async fn list(
    session: &Session,
    store: &Store,
    states: Vec<State>,
    listing: &Listing<'_>,
) -> Result<JobsPage, CliError> {
    let failed = told(session);
    let at = place(listing)?;
    let wrong = |_| CliError::usage("this cursor is that of a search: name the same --where").at("--cursor");
    let mut offset = at.map_or(Ok(0), |(_, offset)| offset.parse::<usize>()).map_err(wrong)?;
    let mut page = JobsPage::default();
    for state in states.into_iter().skip_while(|state| at.is_some_and(|(first, _)| first != *state)) {
        loop {
            let wanted = (listing.limit - page.records.len()).min(PAGE_MAX);
            // One more than wanted tells whether there is a next page.
            let mut ids =
                store.ids(state.as_str(), offset, (wanted + 1).min(PAGE_MAX)).await.map_err(&failed)?;
            let full = ids.len() > wanted || ids.len() == PAGE_MAX;
            ids.truncate(wanted);
            if ids.is_empty() && full {
                page.next = Some(format!("{state}:{offset}"));
                return Ok(page);
            }
            offset += ids.len();
            page.records.extend(Record::read_all(store, state, &ids).await.map_err(&failed)?);
            if !full {
                break;
            }
            if page.records.len() >= listing.limit {
                page.next = Some(format!("{state}:{offset}"));
                return Ok(page);
            }
        }
        offset = 0;
    }
    Ok(page)
}

async fn search(
    session: &Session,
    store: &Store,
    states: &[State],
    listing: &Listing<'_>,
) -> Result<JobsPage, CliError> {
    let wrong = |text: &String, why: String| CliError::usage(why).at("--where").found(text);
    let condition = |text: &String| Condition::parse(text).map_err(|why| wrong(text, why));
    let conditions = listing.conditions.iter().map(condition).collect::<Result<_, _>>()?;
    let filter = Filter { conditions, ..Filter::default() };
    let after = place(listing)?.and_then(|(state, rest)| {
        let (at, id) = rest.split_once(':')?;
        Some(Place { state, at: at.to_owned(), id: id.to_owned() })
    });
    let hide = |_: &mut _| {};
    let mut ask = Search { states, ascending: None, after, limit: 0, filter: &filter, hide: &hide };
    let mut page = JobsPage::default();
    loop {
        ask.limit = (listing.limit - page.records.len()).min(PAGE_MAX);
        let found = store.search(&ask).await.map_err(told(session))?;
        for job in found.jobs {
            // Bodies that are too long for a list are read by themselves.
            let whole = if listing.whole && !job.left_out.is_empty() {
                Record::read(store, &job.view.id).await.map_err(told(session))?
            } else {
                None
            };
            page.records.push(whole.unwrap_or(Record {
                view: job.view,
                state: Some(job.state),
                mark: job.mark,
            }));
        }
        let Some(next) = found.next else { return Ok(page) };
        if page.records.len() >= listing.limit {
            page.next = Some(format!("{}:{}:{}", next.state, next.at, next.id));
            return Ok(page);
        }
        ask.after = Some(next);
    }
}
