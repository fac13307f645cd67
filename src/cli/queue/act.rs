//! Acts on a whole queue: pause, resume, drain, obliterate.

use clap::Args;
use serde_json::json;

use crate::cli::actor::Reason;
use crate::cli::error::{CliError, Exit};
use crate::cli::job::confirm;
use crate::cli::session::Session;
use crate::store::control::Obliterated;
use crate::wire::Dialect;

/// Arguments of `bullock queue pause` and `bullock queue resume`.
#[derive(Debug, Args)]
pub struct Pause {
    /// Name of the queue
    queue: String,
    #[command(flatten)]
    reason: Reason,
}

/// Arguments of `bullock queue drain`.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are help texts")]
pub struct Drain {
    /// Name of the queue
    queue: String,
    /// Leave those that are delayed; BullMQ only
    #[arg(long)]
    keep_delayed: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    reason: Reason,
}

/// Arguments of `bullock queue obliterate`.
#[derive(Debug, Args)]
pub struct Obliterate {
    /// Name of the queue
    queue: String,
    /// Even if jobs run; what they write later is refused
    #[arg(long)]
    force: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    reason: Reason,
}

/// Pauses or resumes.
pub(super) async fn pause(session: &Session, args: &Pause, pause: bool) -> Result<(), CliError> {
    let name = &args.queue;
    let store = session.known_queue(name).await?.by(args.reason.actor());
    let changed = store.pause(pause).await.map_err(|error| session.error(error))?;
    let state = if pause { "paused" } else { "resumed" };
    let words = match (changed, pause) {
        (true, _) => format!("{state} {name}"),
        (false, true) => format!("{name} is paused already"),
        (false, false) => format!("{name} is not paused"),
    };
    let json = json!({"queue": name, "paused": pause, "changed": changed});
    if session.out.is_json() {
        session.out.json_line(&json)?;
    } else {
        session.out.note(&words);
    }
    Ok(())
}

/// Deletes what is still to be done.
pub(super) async fn drain(session: &Session, args: &Drain) -> Result<(), CliError> {
    let failed = |error| session.error(error);
    let store = session.known_queue(&args.queue).await?.by(args.reason.actor());
    if args.keep_delayed && store.dialect() == Dialect::Bull {
        return Err(CliError::usage("Bull 4 cannot drain without the delayed jobs").at("--keep-delayed"));
    }
    let (counts, _) = store.counts().await.map_err(failed)?;
    let delayed = if args.keep_delayed { 0 } else { counts.delayed };
    let wanted = counts.in_line() + delayed;
    let mut removed = 0;
    if !args.dry_run && wanted > 0 {
        confirm(args.yes, &format!("delete {} of {}", jobs(wanted), args.queue))?;
        let done = if args.keep_delayed { store.drain().await } else { store.empty().await };
        removed = done.map_err(failed)?;
    }
    let words = if args.dry_run {
        format!("would delete {} of {}", jobs(wanted), args.queue)
    } else {
        format!("deleted {} of {}", jobs(removed as u64), args.queue)
    };
    let would = args.dry_run.then_some(wanted);
    let json = json!({"queue": args.queue, "removed": removed, "wouldRemove": would});
    let plain = would.unwrap_or(removed as u64).to_string();
    Ok(session.out.answer(&words, &plain, &json)?)
}

/// Deletes everything.
pub(super) async fn obliterate(session: &Session, args: &Obliterate) -> Result<(), CliError> {
    let failed = |error| session.error(error);
    let name = &args.queue;
    let store = session.known_queue(name).await?.by(args.reason.actor());
    let running = || {
        CliError::new(Exit::Conflict, "jobs of the queue run").at(name).hint(
            "wait for them, or cancel them, or --force; the queue stays paused until bullock queue resume",
        )
    };
    let (counts, _) = store.counts().await.map_err(failed)?;
    if args.dry_run {
        if counts.active > 0 && !args.force {
            return Err(running());
        }
        let json = json!({"queue": name, "obliterated": false});
        return Ok(session.out.answer(&format!("would delete {name} with everything in it"), name, &json)?);
    }
    confirm(args.yes, &format!("delete {name} with everything in it"))?;
    match store.obliterate(args.force).await.map_err(failed)? {
        Obliterated::Done => {
            let json = json!({"queue": name, "obliterated": true});
            Ok(session.out.answer(&format!("deleted {name} with everything in it"), name, &json)?)
        }
        Obliterated::JobsRunning => Err(running()),
    }
}

fn jobs(n: u64) -> String {
    if n == 1 { "1 job".into() } else { format!("{n} jobs") }
}
