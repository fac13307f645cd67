//! `bullock job force-done`: ends a job well by a person's word.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::no_job;
use crate::cli::actor::Reason;
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::target::Target;
use crate::store::force_done::Forced;

/// Arguments of `bullock job force-done`.
#[derive(Debug, Args)]
pub struct ForceDone {
    /// Name of the queue
    queue: String,
    /// Id of the job
    id: String,
    #[command(flatten)]
    reason: Reason,
}

/// Runs the command; `sync` = it is a sync's job.
pub(in crate::cli) async fn run(target: &Target, args: &ForceDone, sync: bool) -> Result<ExitCode, CliError> {
    let ForceDone { queue, id, reason } = args;
    if reason.is_blank() {
        return Err(CliError::usage("a job is not forced to be done without a reason")
            .at("--reason")
            .hint("it becomes the job's result: --reason \"done by hand in the shop\""));
    }
    let at = target.known_queue(queue).await?.by(reason);
    let (forced, by) =
        if sync { at.force_sync_done(reason, id).await? } else { at.force_done(reason, id).await? };
    let (words, was) = match forced {
        Forced::Done(was) => (format!("job {} is completed by force; it was {was}", shown(id)), was),
        Forced::Already => (format!("job {} was forced to be done before", shown(id)), "completed".into()),
        Forced::Completed => {
            return Err(CliError::new(Exit::Conflict, "cannot force it to be done")
                .at(queue)
                .found(format!("job {} has completed", shown(id)))
                .hint(format!("bullock job show {queue} {} shows its result", shown(id))));
        }
        Forced::NotFound | Forced::NoZombie | Forced::Held => return Err(no_job(queue, id)),
    };
    let json = json!({"queue": queue, "id": id, "state": "completed", "was": was, "by": by, "reason": reason.reason});
    target.out.answer(&words, id, &json)?;
    Ok(ExitCode::SUCCESS)
}
