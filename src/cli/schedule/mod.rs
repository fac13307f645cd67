//! `bullock schedule`: job schedulers of `BullMQ` and repeatable jobs of Bull.

mod act;
mod add;
mod list;

use clap::Subcommand;

use super::error::{CliError, Exit};
use super::target::Target;

/// `bullock schedule`.
#[derive(Debug, Subcommand)]
pub enum Schedule {
    /// List what comes again, next first
    Ls(list::List),
    /// Create or change a scheduler; in Bull 4, add a repeatable job
    Add(Box<add::Add>),
    /// Remove schedulers, each with the job that is delayed for it
    Rm(act::Remove),
    /// Add one job now, as a scheduler would; its plan stays as it is
    Run(act::RunNow),
}

/// Runs the command.
pub async fn run(target: &Target, command: Schedule) -> Result<(), CliError> {
    match command {
        Schedule::Ls(args) => list::run(target, &args).await,
        Schedule::Add(args) => add::run(target, *args).await,
        Schedule::Rm(args) => act::remove(target, &args).await,
        Schedule::Run(args) => act::run_now(target, &args).await,
    }
}

fn no_scheduler(queue: &str, id: &str) -> CliError {
    CliError::new(Exit::NotFound, "no such scheduler")
        .at(queue)
        .found(id)
        .hint(format!("bullock schedule ls {queue} shows those that are there"))
}
