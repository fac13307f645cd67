//! Where a command acts: on Redis itself, or through the admin API of a server. One command, one way of printing; only
//! what is asked differs, and that is here.
//!
//! Owns: the two ways to ask each question, with the same answer. Must never know: what is printed. Called by the
//! commands; one that asks for [`Target::redis`] does not go over the API, and says so.

mod dead;
mod jobs;
mod listing;
mod queue;
mod remote;
mod schedules;
mod syncs;
mod zombies;

pub use dead::DeadPage;
pub use jobs::{Added, Beside, Changes};
pub use listing::{JobsPage, Listing};
pub use queue::{QueueAt, workers_of};
pub use remote::{Remote, names};
pub use schedules::Listed;
pub use syncs::{SyncFacts, SyncStart};
pub use zombies::{Found, verb};

use super::api::Api;
use super::error::CliError;
use super::output::Output;
use super::session::{Session, Shared};
use crate::store::inspect::queues;
use crate::wire::Dialect;
use crate::wire::keys::check_name;

/// Where a command acts.
pub struct Target {
    /// Where the answers go.
    pub out: Output,
    /// Whom it asks.
    pub at: At,
}

/// Whom a command asks.
pub enum At {
    /// Redis itself.
    Redis(Session),
    /// A server that has a Redis.
    Api(Api),
}

impl Target {
    /// Checks the flags. Nothing is sent yet.
    pub fn new(shared: &Shared) -> Result<Self, CliError> {
        let out = shared.output();
        let Some(api) = Api::named(shared)? else {
            return Ok(Self { out, at: At::Redis(Session::new(shared)?) });
        };
        out.detail(&format!("admin API {}", api.shown()));
        if api.tells_its_token() {
            out.note("note: the token goes over the network without TLS");
        }
        Ok(Self { out, at: At::Api(api) })
    }

    /// Redis itself; refused over the API.
    pub fn redis(&self) -> Result<&Session, CliError> {
        match &self.at {
            At::Redis(session) => Ok(session),
            At::Api(api) => Err(CliError::usage("this does not go over the admin API").at(api.shown()).hint(
                "run it where Redis can be reached, with --redis-url; the reference lists what goes over the API",
            )),
        }
    }

    /// The Redis or the server, for people.
    pub fn shown(&self) -> &str {
        match &self.at {
            At::Redis(session) => session.redis.shown(),
            At::Api(api) => api.shown(),
        }
    }

    /// The prefix of all keys; empty over the API, where the server knows it.
    pub fn prefix(&self) -> &str {
        match &self.at {
            At::Redis(session) => &session.prefix,
            At::Api(_) => "",
        }
    }

    /// A queue by the name that a person typed, and whether it has any keys.
    pub async fn queue(&self, name: &str) -> Result<(QueueAt<'_>, bool), CliError> {
        match &self.at {
            At::Redis(session) => {
                let (store, known) = session.queue(name).await?;
                Ok((QueueAt::Redis(session, store), known))
            }
            At::Api(api) => {
                let remote = Remote::new(api, checked(name)?);
                let known = remote.page_if_any().await?.is_some();
                Ok((QueueAt::Api(remote), known))
            }
        }
    }

    /// A queue that must exist. Over the API that shows with the first question.
    pub async fn known_queue(&self, name: &str) -> Result<QueueAt<'_>, CliError> {
        match &self.at {
            At::Redis(session) => Ok(QueueAt::Redis(session, session.known_queue(name).await?)),
            At::Api(api) => Ok(QueueAt::Api(Remote::new(api, checked(name)?))),
        }
    }

    /// All queues.
    pub async fn queues(&self) -> Result<Vec<QueueAt<'_>>, CliError> {
        Ok(match &self.at {
            At::Redis(session) => {
                let names = queues(&session.connection, &session.prefix).await;
                let names = names.map_err(|error| session.error(error))?;
                names.iter().map(|name| QueueAt::Redis(session, session.store(name))).collect()
            }
            At::Api(api) => {
                let names = remote::names(api).await?;
                names.iter().map(|name| QueueAt::Api(Remote::new(api, name))).collect()
            }
        })
    }

    /// A queue to add to, which may have no keys yet; `dialect` is then its layout.
    pub async fn queue_to_add_to(
        &self,
        name: &str,
        dialect: Option<Dialect>,
    ) -> Result<QueueAt<'_>, CliError> {
        match &self.at {
            At::Redis(session) => Ok(QueueAt::Redis(session, session.queue_as(name, dialect).await?.0)),
            At::Api(api) => Ok(QueueAt::Api(Remote { dialect, ..Remote::new(api, checked(name)?) })),
        }
    }
}

fn checked(name: &str) -> Result<&str, CliError> {
    check_name("queue name", name).map_err(CliError::usage)?;
    Ok(name)
}
