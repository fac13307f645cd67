//! `bullock worker`: who works the queues, ours and Node's.

mod list;

use clap::Subcommand;

use super::error::CliError;
use super::session::Session;

/// `bullock worker`.
#[derive(Debug, Subcommand)]
pub enum Worker {
    /// List the workers of all queues with what they run
    Ls(list::List),
}

/// Runs the command.
pub async fn run(session: &Session, command: Worker) -> Result<(), CliError> {
    match command {
        Worker::Ls(args) => list::run(session, &args).await,
    }
}
