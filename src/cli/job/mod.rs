//! `bullock job`: adding, looking at and acting on jobs.

pub(in crate::cli) mod act;
pub(in crate::cli) mod add;
mod cancel;
pub(in crate::cli) mod force_done;
mod list;
mod logs;
pub(in crate::cli) mod opts;
pub(in crate::cli) mod record;
mod show;
mod watch;

use std::process::ExitCode;

use clap::Subcommand;

pub(super) use act::confirm;

use super::error::{CliError, Exit};
use super::target::Target;

/// `bullock job`.
#[derive(Debug, Subcommand)]
pub enum Job {
    /// Add a job
    Add(Box<add::Add>),
    /// List jobs
    Ls(list::List),
    /// Show one job: state, timeline, attempts, error, log
    Show(One),
    /// Watch one job to its end; exit code 1 if it fails
    Watch(watch::Watch),
    /// Print the log of a job
    Logs(logs::Logs),
    /// Put failed jobs back in line
    Retry(act::Retry),
    /// Stop jobs for good, wherever they are; what runs gets its grace
    Cancel(cancel::Cancel),
    /// The same at once: what runs is stopped hard
    Kill(cancel::Cancel),
    /// Run delayed jobs now
    Promote(act::Many),
    /// Complete a job by force, whatever it is doing
    ForceDone(force_done::ForceDone),
    /// Remove jobs that do not run
    Rm(act::Many),
}

/// One job.
#[derive(Debug, clap::Args)]
pub struct One {
    /// Name of the queue
    queue: String,
    /// Id of the job
    id: String,
}

/// Runs the command.
pub async fn run(target: &Target, command: Job) -> Result<ExitCode, CliError> {
    match command {
        Job::Add(args) => add::run(target, *args).await,
        Job::Ls(args) => list::run(target, &args).await.map(|()| ExitCode::SUCCESS),
        Job::Show(args) => show::run(target, &args).await.map(|()| ExitCode::SUCCESS),
        Job::Watch(args) => watch::run(target, &args).await,
        Job::Logs(args) => logs::run(target, &args).await.map(|()| ExitCode::SUCCESS),
        Job::Retry(args) => act::retry(target, &args).await,
        Job::Cancel(args) => cancel::run(target, &args, false).await,
        Job::Kill(args) => cancel::run(target, &args, true).await,
        Job::Promote(args) => act::promote(target, &args).await,
        Job::ForceDone(args) => force_done::run(target, &args, false).await,
        Job::Rm(args) => act::remove(target, &args).await,
    }
}

pub(in crate::cli) fn no_job(queue: &str, id: &str) -> CliError {
    CliError::new(Exit::NotFound, "no such job")
        .at(queue)
        .found(id)
        .hint(format!("bullock job ls {queue} shows the jobs that are there"))
}
