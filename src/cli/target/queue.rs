//! A queue, and acts on all of it.

use serde_json::{Value, json};

use super::Remote;
use crate::admin::routes::schedulers::SchedulerItem;
use crate::admin::routes::stats::{CountsView, QueueStats, Sample, Stats};
use crate::admin::routes::workers::WorkerList;
use crate::cli::actor::Reason;
use crate::cli::api::Again;
use crate::cli::error::{CliError, Exit};
use crate::cli::session::Session;
use crate::http::Method;
use crate::store::control::Obliterated;
use crate::store::inspect::{Counts, Repeatable};
use crate::store::look::client_names;
use crate::store::{Store, StoreError};
use crate::wire::Dialect;

/// One queue, in Redis or behind the API.
pub enum QueueAt<'a> {
    /// In Redis.
    Redis(&'a Session, Store),
    /// Behind the API.
    Api(Remote<'a>),
}

impl QueueAt<'_> {
    /// The queue's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Redis(_, store) => &store.keys().queue,
            Self::Api(remote) => &remote.name,
        }
    }

    /// Can a job have this id? Some are taken by the queue's own keys; a server looks by itself.
    pub fn can_be_a_job(&self, id: &str) -> bool {
        match self {
            Self::Redis(_, store) => !store.is_key_of_queue(id),
            Self::Api(_) => true,
        }
    }

    /// The same, acting for this reason. Who acts is the user of the shell, or whoever the token is.
    #[must_use]
    pub fn by(self, reason: &Reason) -> Self {
        match self {
            Self::Redis(session, store) => Self::Redis(session, store.by(reason.actor())),
            Self::Api(remote) => Self::Api(Remote { why: reason.reason.clone(), ..remote }),
        }
    }

    /// Whose layout it has.
    pub async fn dialect(&self) -> Result<Dialect, CliError> {
        match self {
            Self::Redis(_, store) => Ok(store.dialect()),
            Self::Api(remote) => Ok(remote.facts().await?.2),
        }
    }

    /// Jobs by state, and whether it is paused.
    pub async fn counts(&self) -> Result<(Counts, bool), CliError> {
        match self {
            Self::Redis(session, store) => store.counts().await.map_err(told(session)),
            Self::Api(remote) => remote.facts().await.map(|(counts, paused, _)| (counts, paused)),
        }
    }

    /// The prefix of its keys.
    pub async fn prefix(&self) -> Result<String, CliError> {
        match self {
            Self::Redis(session, _) => Ok(session.prefix.clone()),
            Self::Api(remote) => Ok(remote.page().await?["prefix"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// A name for each connection of its workers, sorted; `None` = Redis does not let us ask.
    pub async fn workers(&self) -> Result<Option<Vec<String>>, CliError> {
        let mut names = match self {
            Self::Redis(session, store) => {
                let names = client_names(&session.connection).await.map_err(told(session))?;
                names.map(|names| workers_of(store, &names))
            }
            Self::Api(remote) => {
                let all: WorkerList = remote.api.get(&["workers"], &[]).await?;
                let of_queue = all.items.into_iter().flat_map(|worker| {
                    let here = worker.queues.iter().find(|queue| queue.queue == remote.name);
                    std::iter::repeat_n(worker.name.clone(), here.map_or(0, |queue| queue.connections))
                });
                all.known.then(|| of_queue.collect())
            }
        };
        if let Some(names) = &mut names {
            names.sort();
        }
        Ok(names)
    }

    /// Repeatable jobs, or job schedulers, next first.
    pub async fn repeatables(&self) -> Result<Vec<Repeatable>, CliError> {
        match self {
            Self::Redis(session, store) => store.repeatables().await.map_err(told(session)),
            Self::Api(_) => Ok(self.schedulers().await?.into_iter().map(repeatable).collect()),
        }
    }

    /// The job that has waited longest: its id, and when it was added, ms.
    pub async fn oldest_waiting(&self) -> Result<Option<(String, i64)>, CliError> {
        let remote = match self {
            Self::Redis(session, store) => return store.oldest_waiting().await.map_err(told(session)),
            Self::Api(remote) => remote,
        };
        let page = remote.page().await?;
        for state in ["waiting", "paused", "prioritized"] {
            if page["counts"][state].as_u64().unwrap_or(0) == 0 {
                continue;
            }
            let found: Value =
                remote.get(&["jobs"], &[("state", state), ("sort", "asc"), ("limit", "1")]).await?;
            let job = &found["items"][0];
            if let (Some(id), Some(added)) = (job["id"].as_str(), job["timestamp"].as_i64()) {
                return Ok(Some((id.to_owned(), added)));
            }
        }
        Ok(None)
    }

    /// How it does, from its newest jobs that have ended.
    pub(crate) async fn stats(&self) -> Result<QueueStats, CliError> {
        match self {
            Self::Redis(session, store) => {
                let (counts, _) = store.counts().await.map_err(told(session))?;
                let sample = Sample::read(store).await.map_err(told(session))?;
                Ok(sample.stats(self.name(), Some(CountsView::of(&counts))))
            }
            Self::Api(remote) => {
                let stats: Stats = remote.api.get(&["stats"], &[("queue", &remote.name)]).await?;
                let gone = || CliError::new(Exit::NotFound, "no such queue").at(remote.api.shown());
                stats.queues.into_iter().next().ok_or_else(gone)
            }
        }
    }

    /// Pauses or resumes; was it otherwise before?
    pub async fn pause(&self, pause: bool) -> Result<bool, CliError> {
        match self {
            Self::Redis(session, store) => store.pause(pause).await.map_err(told(session)),
            Self::Api(remote) => {
                let act = if pause { "pause" } else { "resume" };
                let answer: Value = remote.send(Method::POST, &[act], json!({}), Again::Always).await?;
                Ok(answer["changed"] == true)
            }
        }
    }

    /// Deletes what waits, and what is delayed unless told otherwise; how many jobs that were.
    pub async fn drain(&self, keep_delayed: bool) -> Result<usize, CliError> {
        match self {
            Self::Redis(session, store) if keep_delayed => store.drain().await.map_err(told(session)),
            Self::Redis(session, store) => store.empty().await.map_err(told(session)),
            Self::Api(remote) => {
                let answer: Value = remote.post(&["drain"], json!({"delayed": !keep_delayed})).await?;
                Ok(answer["removed"].as_u64().unwrap_or(0) as usize)
            }
        }
    }

    /// Deletes it with everything in it.
    pub async fn obliterate(&self, force: bool) -> Result<Obliterated, CliError> {
        match self {
            Self::Redis(session, store) => store.obliterate(force).await.map_err(told(session)),
            Self::Api(remote) => {
                let body = json!({"confirm": remote.name, "force": force});
                match remote.post::<Value>(&["obliterate"], body).await {
                    Ok(_) => Ok(Obliterated::Done),
                    Err(error) if error.exit() == Exit::Conflict => Ok(Obliterated::JobsRunning),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

/// Names of this queue's workers, Node's and ours.
pub fn workers_of(store: &Store, clients: &[String]) -> Vec<String> {
    let worker = |name: &String| store.keys().worker_of(name).map(str::to_owned);
    let shown = |name: String| if name.is_empty() { "Node".into() } else { name };
    clients.iter().filter_map(worker).map(shown).collect()
}

/// The store's error as the command's.
pub(super) fn told(session: &Session) -> impl Fn(StoreError) -> CliError + '_ {
    |error| session.error(error)
}

/// A scheduler as Redis has it. Bull's key says all.
fn repeatable(item: SchedulerItem) -> Repeatable {
    let number = |n: Option<i64>| n.map(|n| n.to_string());
    let fields = if item.dialect == "bull" {
        Vec::new()
    } else {
        vec![
            ("name", item.name),
            ("every", number(item.every)),
            ("pattern", item.pattern),
            ("tz", item.tz),
            ("offset", number(item.offset)),
            ("limit", number(item.limit)),
            ("endDate", number(item.end_date)),
            ("ic", number(item.iterations)),
        ]
    };
    let record = fields.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
    Repeatable { key: item.key, next_ms: item.next, record }
}
