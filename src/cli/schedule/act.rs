//! `bullock schedule rm` and `bullock schedule run`.

use clap::Args;
use serde_json::{Value, json};

use super::no_scheduler;
use crate::cli::actor::Reason;
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::session::Session;
use crate::job::repeat::occurrence_prefix;
use crate::store::Queue;
use crate::wire::Dialect;

/// Arguments of `bullock schedule rm`.
#[derive(Debug, Args)]
pub struct Remove {
    /// Name of the queue
    queue: String,
    /// Ids of schedulers, as schedule ls shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reason: Reason,
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
pub(super) async fn remove(session: &Session, args: &Remove) -> Result<(), CliError> {
    let failed = |error| session.error(error);
    let store = session.known_queue(&args.queue).await?.by(args.reason.actor());
    for id in &args.ids {
        let prefix = match store.dialect() {
            Dialect::Bull => occurrence_prefix(id).ok_or_else(|| no_scheduler(&args.queue, id))?,
            Dialect::BullMq => String::new(),
        };
        let done = if args.dry_run {
            store.repeatable(id).await.map_err(failed)?.is_some()
        } else {
            store.repeat_remove(id, &prefix).await.map_err(failed)?
        };
        if !done {
            return Err(no_scheduler(&args.queue, id));
        }
        let what = if args.dry_run { "would be removed" } else { "is removed" };
        let json = json!({"queue": args.queue, "id": id, "removed": !args.dry_run});
        session.out.answer(&format!("scheduler {} {what}", shown(id)), id, &json)?;
    }
    Ok(())
}

/// Adds a job like those of the scheduler.
pub(super) async fn run_now(session: &Session, args: &RunNow) -> Result<(), CliError> {
    let failed = |error| session.error(error);
    let store = session.known_queue(&args.queue).await?.by(args.reason.actor());
    let one = store.repeatable(&args.id).await.map_err(failed)?;
    let one = one.ok_or_else(|| no_scheduler(&args.queue, &args.id))?;
    let Some((name, data, opts)) = store.job_of_template(&one).await.map_err(failed)? else {
        return Err(CliError::new(Exit::Conflict, "cannot run it now")
            .at(&args.queue)
            .found(&args.id)
            .hint("its next job is not there to be copied: it runs, or is about to. Try again"));
    };
    let added = Queue::on(store).add(&name, &data, Value::Object(opts)).await.map_err(failed)?;
    let id = added.id.as_str();
    let json = json!({"queue": args.queue, "scheduler": args.id, "id": id, "name": name});
    Ok(session.out.answer(&format!("added {id}"), id, &json)?)
}
