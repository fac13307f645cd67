//! `bullock dead`: jobs that failed for good, looked through, put back in line, deleted.

mod act;
mod by_filter;
mod by_id;
mod edit;
mod filter;
mod groups;
mod list;
mod rate;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

use super::error::CliError;
use super::target::Target;

/// `bullock dead`.
#[derive(Debug, Subcommand)]
pub enum Dead {
    /// List dead letters, or count them by class or error
    Ls(list::List),
    /// Show one dead letter: why, its attempts, where it comes from, its data
    Show(show::Show),
    /// Put dead letters back in line, at a stated rate, or into another queue
    Replay(Box<act::Replay>),
    /// Delete dead letters for good
    Purge(act::Purge),
}

/// Runs the command.
pub async fn run(target: &Target, command: Dead) -> Result<ExitCode, CliError> {
    match command {
        Dead::Ls(args) => list::run(target, &args).await.map(|()| ExitCode::SUCCESS),
        Dead::Show(args) => show::run(target, &args).await.map(|()| ExitCode::SUCCESS),
        Dead::Replay(args) => act::replay(target.redis()?, &args).await,
        Dead::Purge(args) => act::purge(target.redis()?, &args).await,
    }
}
