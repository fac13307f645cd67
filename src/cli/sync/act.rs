//! `bullock sync pause|resume|retry-items`.

use clap::Args;
use serde_json::json;

use crate::cli::actor::{Reason, Trial};
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::job::no_job;
use crate::cli::target::{QueueAt, Target};
use crate::store::sync::operate::{Paused, Resumed, RetriedItems};

/// One sync.
#[derive(Debug, Args)]
pub struct One {
    /// Name of the queue
    pub(super) queue: String,
    /// Id of its job
    pub(super) id: String,
}

/// One sync, and why.
#[derive(Debug, Args)]
pub struct Act {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    reason: Reason,
}

/// Arguments of `bullock sync retry-items`.
#[derive(Debug, Args)]
pub struct RetryItems {
    #[command(flatten)]
    one: One,
    /// Ids of items [default: all that failed]
    #[arg(value_name = "ITEM")]
    items: Vec<String>,
    #[command(flatten)]
    how: Trial,
}

/// Pauses.
pub(super) async fn pause(target: &Target, args: &Act) -> Result<(), CliError> {
    let One { queue, id } = &args.one;
    let at = target.known_queue(queue).await?.by(&args.reason);
    let paused = at.pause_sync(&args.reason, id).await?;
    let id_shown = shown(id);
    let (words, was) = match paused {
        Paused::Done(was) if was == "active" => {
            (format!("sync {id_shown} stops after the batch under way"), was)
        }
        Paused::Done(was) => (format!("sync {id_shown} is paused; it was {was}"), was),
        Paused::Already(was) => (format!("sync {id_shown} was paused before"), was),
        Paused::Ended(state) => return Err(conflict("pause it", queue, &format!("it is {state}"))),
        Paused::NotFound => return Err(no_job(queue, id)),
    };
    Ok(target.out.answer(&words, id, &json!({"queue": queue, "id": id, "paused": true, "was": was}))?)
}

/// Resumes.
pub(super) async fn resume(target: &Target, args: &Act) -> Result<(), CliError> {
    let One { queue, id } = &args.one;
    let at = target.known_queue(queue).await?.by(&args.reason);
    let resumed = at.resume_sync(&args.reason, id).await?;
    let (words, was, done) = match resumed {
        Resumed::Done(was) => (format!("sync {} goes on; it was {was}", shown(id)), was, true),
        Resumed::NotPaused(was) => {
            (format!("sync {} is {was} and not paused: nothing was in its way", shown(id)), was, false)
        }
        Resumed::Completed => {
            let hint =
                format!("bullock sync retry-items {queue} {} pushes its failed items again", shown(id));
            return Err(conflict("resume it", queue, "it has completed").hint(hint));
        }
        Resumed::Running => return Err(conflict("resume it", queue, "a run holds it")),
        Resumed::NoBody => return Err(conflict("resume it", queue, "it has no data to run")),
        Resumed::NotFound => return Err(no_job(queue, id)),
    };
    Ok(target.out.answer(&words, id, &json!({"queue": queue, "id": id, "resumed": done, "was": was}))?)
}

/// Pushes failed items again.
pub(super) async fn retry_items(target: &Target, args: &RetryItems) -> Result<(), CliError> {
    let One { queue, id } = &args.one;
    let at = target.known_queue(queue).await?.by(&args.how.reason);
    if args.how.dry_run {
        return would_retry(target, &at, args).await;
    }
    let retried = at.retry_items(&args.how.reason, id, &args.items).await?;
    let refused = |found: &str| Err(conflict("push its items again", queue, found));
    let (was, items) = match retried {
        RetriedItems::Done(was, items) => (was, items),
        RetriedItems::NotEnded(state, 0) => {
            return refused(&format!("it is {state}, and none of these items waits for this"));
        }
        RetriedItems::NotEnded(state, _) => {
            let error = conflict("push its items again", queue, &format!("it is {state}"));
            return Err(error.expected("a sync that has ended").hint("wait for its end, or cancel it"));
        }
        RetriedItems::NothingFailed if args.items.is_empty() => return refused("no item has failed"),
        RetriedItems::NothingFailed => return refused("none of these items has failed"),
        RetriedItems::NoBody => return refused("it has no data to run"),
        RetriedItems::NoSync => return refused("it is no sync, or has pushed nothing yet"),
        RetriedItems::NotFound => return Err(no_job(queue, id)),
    };
    let words = format!("{items} items of sync {} are pushed again; it was {was}", shown(id));
    Ok(target.out.answer(&words, id, &json!({"queue": queue, "id": id, "items": items, "was": was}))?)
}

/// How many items would be pushed again, by what they look like now.
async fn would_retry(target: &Target, at: &QueueAt<'_>, args: &RetryItems) -> Result<(), CliError> {
    let One { queue, id } = &args.one;
    let Some(sync) = at.sync(id).await? else { return Err(no_job(queue, id)) };
    let failed = sync.items.get("failed").map(Vec::as_slice).unwrap_or_default();
    let is_meant = |item: &String| args.items.is_empty() || args.items.contains(item);
    let items = failed.iter().filter(|(item, _)| is_meant(item)).count();
    let words = format!("would push {items} items of sync {} again", shown(id));
    let json = json!({"queue": queue, "id": id, "items": 0, "wouldRetry": items});
    Ok(target.out.answer(&words, &items.to_string(), &json)?)
}

fn conflict(act: &str, queue: &str, found: &str) -> CliError {
    CliError::new(Exit::Conflict, format!("cannot {act}")).at(queue).found(found)
}
