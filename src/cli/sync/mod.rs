//! `bullock sync`: starting, looking at and steering syncs.

mod act;
mod show;
mod start;

use std::process::ExitCode;

use clap::Subcommand;

use super::error::CliError;
use super::job::force_done;
use super::target::Target;

/// `bullock sync`.
#[derive(Debug, Subcommand)]
pub enum Sync {
    /// Start a sync, once: the same key, id, or kind of an organisation gives the one that is there
    Start(Box<start::Start>),
    /// Show one sync: progress, plan, items with reasons, last acts
    Show(act::One),
    /// Stop it after the batch under way, until it is resumed; no attempt is spent
    Pause(act::Act),
    /// Let a sync go on that is paused, failed or was cancelled
    Resume(act::Act),
    /// Push the failed items of a sync again that has ended
    RetryItems(act::RetryItems),
    /// Complete a sync by force, whatever it is doing
    ForceDone(force_done::ForceDone),
}

/// Runs the command.
pub async fn run(target: &Target, command: Sync) -> Result<ExitCode, CliError> {
    match command {
        Sync::Start(args) => start::run(target, &args).await?,
        Sync::Show(args) => show::run(target, &args).await?,
        Sync::Pause(args) => act::pause(target, &args).await?,
        Sync::Resume(args) => act::resume(target, &args).await?,
        Sync::RetryItems(args) => act::retry_items(target, &args).await?,
        Sync::ForceDone(args) => return force_done::run(target, &args, true).await,
    }
    Ok(ExitCode::SUCCESS)
}
