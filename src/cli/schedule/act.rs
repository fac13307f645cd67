//! `bullock schedule rm` and `bullock schedule run`.

use clap::Args;
use serde_json::json;

use super::no_scheduler;
use crate::cli::actor::{Reason, Trial};
use crate::cli::error::{CliError, shown};
use crate::cli::target::Target;

/// Arguments of `bullock schedule rm`.
#[derive(Debug, Args)]
pub struct Remove {
    /// Name of the queue
    queue: String,
    /// Ids of schedulers, as schedule ls shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    how: Trial,
}

/// Arguments of `bullock schedule run`.
#[derive(Debug, Args)]
pub struct RunNow {
    /// Name of the queue
    queue: String,
    /// Id of the scheduler, as schedule ls shows it
    id: String,
    #[command(flatten)]
    reason: Reason,
}

/// Removes; at the first one that is not there it ends.
pub(super) async fn remove(target: &Target, args: &Remove) -> Result<(), CliError> {
    let queue = target.known_queue(&args.queue).await?.by(&args.how.reason);
    for id in &args.ids {
        let done = if args.how.dry_run {
            queue.has_scheduler(id).await?
        } else {
            queue.remove_scheduler(id).await?
        };
        if !done {
            return Err(no_scheduler(&args.queue, id));
        }
        let what = if args.how.dry_run { "would be removed" } else { "is removed" };
        let json = json!({"queue": args.queue, "id": id, "removed": !args.how.dry_run});
        target.out.answer(&format!("scheduler {} {what}", shown(id)), id, &json)?;
    }
    Ok(())
}

/// Adds a job like those of the scheduler.
pub(super) async fn run_now(target: &Target, args: &RunNow) -> Result<(), CliError> {
    let queue = target.known_queue(&args.queue).await?.by(&args.reason);
    let added = queue.run_scheduler(&args.id).await?;
    let (id, name) = added.ok_or_else(|| no_scheduler(&args.queue, &args.id))?;
    let json = json!({"queue": args.queue, "scheduler": args.id, "id": id, "name": name});
    Ok(target.out.answer(&format!("added {id}"), &id, &json)?)
}
