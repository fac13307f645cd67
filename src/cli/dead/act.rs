//! `bullock dead replay|purge`: acts on dead letters, by id or by filter.

use std::process::ExitCode;

use clap::Args;

use super::edit::{self, Set};
use super::filter::Chosen;
use super::rate::{self, Rate};
use super::{by_filter, by_id};
use crate::cli::actor::Careful;
use crate::cli::error::{CliError, Exit};
use crate::cli::session::Session;
use crate::store::Store;
use crate::store::actor::Actor;
use crate::store::replay::Act;
use crate::wire::Keys;

/// Which dead letters, and how an act on them is done.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").args(["ids", "all"]))]
pub(super) struct Which {
    /// Name of the queue
    pub(super) queue: String,
    /// Ids of jobs
    #[arg(value_name = "ID")]
    pub(super) ids: Vec<String>,
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// All dead letters of the queue
    #[arg(long)]
    pub(super) all: bool,
    /// By filter: at most so many, oldest first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) limit: Option<u64>,
    #[command(flatten)]
    pub(super) how: Careful,
}

/// Arguments of `bullock dead replay`.
#[derive(Debug, Args)]
#[command(override_usage = "bullock dead replay [OPTIONS] --reason <TEXT> <QUEUE> <ID>...\n       \
    bullock dead replay [OPTIONS] --reason <TEXT> <QUEUE> --class <CLASS>|--error <TEXT>|…|--all")]
pub struct Replay {
    #[command(flatten)]
    which: Which,
    /// By filter: how many jobs are put back in which time, such as 50/s, 100/m
    #[arg(long, value_name = "JOBS/TIME", default_value = rate::DEFAULT, value_parser = rate::parse)]
    rate: Rate,
    /// One job: its new data, JSON from this file, or from standard input with -
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    edit_data: Option<String>,
    /// Sets a field of the data: data.amount=12; may be given several times
    #[arg(long, value_name = "FIELD=VALUE", value_parser = edit::parse_set)]
    set: Vec<Set>,
    /// Into this queue instead of back into their own
    #[arg(long, value_name = "QUEUE")]
    to: Option<String>,
}

/// Arguments of `bullock dead purge`.
#[derive(Debug, Args)]
#[command(override_usage = "bullock dead purge [OPTIONS] --reason <TEXT> <QUEUE> <ID>...\n       \
    bullock dead purge [OPTIONS] --reason <TEXT> <QUEUE> --class <CLASS>|--error <TEXT>|…|--all")]
pub struct Purge {
    #[command(flatten)]
    which: Which,
}

/// An act that is ready to be done.
pub(super) struct Task<'a> {
    pub(super) session: &'a Session,
    pub(super) store: Store,
    pub(super) which: &'a Which,
    pub(super) act: Act,
    pub(super) actor: Actor,
    pub(super) rate: Rate,
    /// The data is read, and changed by `set` or replaced by `data`.
    pub(super) set: &'a [Set],
    pub(super) data: Option<String>,
    pub(super) to: Option<Keys>,
}

impl Task<'_> {
    pub(super) fn error(&self, error: crate::store::StoreError) -> CliError {
        self.session.error(error)
    }

    /// Must a job be read before it is replayed?
    pub(super) fn reads_jobs(&self) -> bool {
        self.act == Act::Replay && (!self.set.is_empty() || self.data.is_some() || self.to.is_some())
    }

    pub(super) fn verb(&self) -> &'static str {
        self.act.as_str()
    }

    /// What has happened to those that are done.
    pub(super) fn done_words(&self) -> String {
        match (self.act, &self.to) {
            (Act::Purge, _) => "deleted".into(),
            (Act::Replay, None) => "in line again".into(),
            (Act::Replay, Some(to)) => format!("in line in {}", to.queue),
        }
    }

    async fn run(self) -> Result<ExitCode, CliError> {
        if self.which.ids.is_empty() { by_filter::run(&self).await } else { by_id::run(&self).await }
    }
}

/// Replays.
pub(super) async fn replay(session: &Session, args: &Replay) -> Result<ExitCode, CliError> {
    let which = &args.which;
    if args.edit_data.is_some() && which.ids.len() != 1 {
        return Err(CliError::usage("--edit-data is the data of one job")
            .expected("one ID")
            .hint("--set changes single fields of many"));
    }
    let store = begin(session, which).await?;
    let to = match &args.to {
        None => None,
        Some(name) => Some(target(session, &store, name).await?),
    };
    let data = args.edit_data.as_deref().map(edit::read).transpose()?;
    let actor = which.how.reason.actor();
    Task { session, store, which, act: Act::Replay, actor, rate: args.rate, set: &args.set, data, to }
        .run()
        .await
}

/// Purges.
pub(super) async fn purge(session: &Session, args: &Purge) -> Result<ExitCode, CliError> {
    let which = &args.which;
    let store = begin(session, which).await?;
    let (actor, rate) = (which.how.reason.actor(), rate::parse("1000000/s").map_err(CliError::usage)?);
    Task { session, store, which, act: Act::Purge, actor, rate, set: &[], data: None, to: None }.run().await
}

/// Checks what was asked for, and opens the queue.
async fn begin(session: &Session, which: &Which) -> Result<Store, CliError> {
    let (named, chosen) = (!which.ids.is_empty(), which.chosen.is_given() || which.all);
    if named == chosen {
        return Err(CliError::usage("say which dead letters are meant")
            .expected("ids, or a filter (--class, --error, --signature, --since, --until, --where), or --all")
            .hint("bullock dead ls takes the same filters and only shows"));
    }
    if which.how.reason.is_blank() && !which.how.dry_run {
        return Err(CliError::usage("say why: it is kept in the audit log").expected("--reason TEXT"));
    }
    session.known_queue(&which.queue).await
}

/// The other queue, if jobs of this one can go there.
async fn target(session: &Session, store: &Store, name: &str) -> Result<Keys, CliError> {
    if *store.keys().queue == *name {
        return Err(CliError::usage("this is their own queue").at("--to").found(name).hint("leave --to out"));
    }
    let (other, _) = session.queue_as(name, Some(store.dialect())).await?;
    let keys = other.keys().clone();
    let misfit = store.clone().with_dead_letters(Some(keys.clone())).dead_letters_misfit().await;
    match misfit.map_err(|error| session.error(error))? {
        Some(problem) => Err(CliError::new(Exit::Conflict, problem).at("--to")),
        None => Ok(keys),
    }
}
