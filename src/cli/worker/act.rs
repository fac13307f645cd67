//! `bullock worker quiet` and `bullock worker resume`.

use clap::Args;
use serde_json::json;

use crate::admin::routes::workers::{WorkerAct, listed};
use crate::cli::actor::Reason;
use crate::cli::api::{Again, new_key};
use crate::cli::error::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::target::{At, Target};
use crate::http::Method;

/// Arguments of both.
#[derive(Debug, Args)]
#[command(after_help = "It holds until the worker is resumed or started anew.")]
pub struct Tell {
    /// Name of the worker, as worker ls shows it
    worker: String,
    #[command(flatten)]
    reason: Reason,
}

/// Tells the worker, for every queue that it works.
pub(super) async fn tell(target: &Target, args: &Tell, quiet: bool) -> Result<(), CliError> {
    let name = &args.worker;
    let (changed, queues) = match &target.at {
        At::Redis(session) => directly(session, args, quiet).await?,
        At::Api(api) => {
            let (act, key) = (if quiet { "quiet" } else { "resume" }, new_key());
            let (path, body) = (["workers", name, act], json!({"reason": args.reason.reason}));
            let sent = api.write(Method::POST, (&path, &[]), &body, Some(&key), Again::Always);
            let told: WorkerAct = sent.await?;
            (told.changed, told.queues)
        }
    };
    let words = match (changed, quiet) {
        (true, true) => format!("{name} claims nothing more; it finishes what it has"),
        (true, false) => format!("{name} claims again"),
        (false, true) => format!("{name} is quiet already"),
        (false, false) => format!("{name} is not quiet"),
    };
    let json = json!({"worker": name, "quiet": quiet, "queues": queues, "changed": changed});
    Ok(target.out.answer(&words, name, &json)?)
}

async fn directly(session: &Session, args: &Tell, quiet: bool) -> Result<(bool, Vec<String>), CliError> {
    let failed = |error| session.error(error);
    let board = session.board();
    let look = board.look_through().await.map_err(failed)?;
    let all = listed(&board, &look, |_| true).await.map_err(failed)?;
    let name = &args.worker;
    let Some(worker) = all.items.into_iter().find(|worker| worker.name == *name) else {
        let error = CliError::new(Exit::NotFound, "no such worker").found(name);
        return Err(error.hint("bullock worker ls shows those that are there"));
    };
    if worker.kind != "bullock" {
        return Err(CliError::new(Exit::Conflict, "a Node worker does not listen")
            .found(name)
            .hint("pause its queue for all workers (bullock queue pause), or stop its process"));
    }
    let actor = args.reason.actor();
    let (mut changed, mut queues) = (false, Vec::new());
    for queue in worker.queues {
        let store = session.known_queue(&queue.queue).await?;
        changed |= if quiet {
            store.quiet_worker(&actor, name).await.map_err(failed)?
        } else {
            store.resume_worker(&actor, name).await.map_err(failed)?
        };
        queues.push(queue.queue);
    }
    Ok((changed, queues))
}
