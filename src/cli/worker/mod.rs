//! `bullock worker`: who works the queues, ours and Node's.

mod act;
mod list;

use clap::Subcommand;

use super::error::CliError;
use super::target::Target;

/// `bullock worker`.
#[derive(Debug, Subcommand)]
pub enum Worker {
    /// List the workers of all queues with what they run
    Ls(list::List),
    /// Tell a worker of ours to claim nothing more; what it has it finishes
    Quiet(act::Tell),
    /// Let it claim again
    Resume(act::Tell),
}

/// Runs the command.
pub async fn run(target: &Target, command: Worker) -> Result<(), CliError> {
    match command {
        Worker::Ls(args) => list::run(target, &args).await,
        Worker::Quiet(args) => act::tell(target, &args, true).await,
        Worker::Resume(args) => act::tell(target, &args, false).await,
    }
}
