//! Acts on a whole queue: pause, resume, drain, obliterate.

use clap::Args;
use serde_json::json;

use crate::cli::actor::{Careful, Reason};
use crate::cli::error::{CliError, Exit};
use crate::cli::job::confirm;
use crate::cli::target::Target;
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
    #[command(flatten)]
    how: Careful,
}

/// Arguments of `bullock queue obliterate`.
#[derive(Debug, Args)]
pub struct Obliterate {
    /// Name of the queue
    queue: String,
    /// Even if jobs run; what they write later is refused
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    how: Careful,
}

/// Pauses or resumes.
pub(super) async fn pause(target: &Target, args: &Pause, pause: bool) -> Result<(), CliError> {
    let name = &args.queue;
    let queue = target.known_queue(name).await?.by(&args.reason);
    let changed = queue.pause(pause).await?;
    let state = if pause { "paused" } else { "resumed" };
    let words = match (changed, pause) {
        (true, _) => format!("{state} {name}"),
        (false, true) => format!("{name} is paused already"),
        (false, false) => format!("{name} is not paused"),
    };
    let json = json!({"queue": name, "paused": pause, "changed": changed});
    if target.out.is_json() {
        target.out.json_line(&json)?;
    } else {
        target.out.note(&words);
    }
    Ok(())
}

/// Deletes what is still to be done.
pub(super) async fn drain(target: &Target, args: &Drain) -> Result<(), CliError> {
    let queue = target.known_queue(&args.queue).await?.by(&args.how.reason);
    if args.keep_delayed && queue.dialect().await? == Dialect::Bull {
        return Err(CliError::usage("Bull 4 cannot drain without the delayed jobs").at("--keep-delayed"));
    }
    let (counts, _) = queue.counts().await?;
    let delayed = if args.keep_delayed { 0 } else { counts.delayed };
    let wanted = counts.in_line() + delayed;
    let mut removed = 0;
    if !args.how.dry_run && wanted > 0 {
        confirm(args.how.yes, &format!("delete {} of {}", jobs(wanted), args.queue))?;
        removed = queue.drain(args.keep_delayed).await?;
    }
    let words = if args.how.dry_run {
        format!("would delete {} of {}", jobs(wanted), args.queue)
    } else {
        format!("deleted {} of {}", jobs(removed as u64), args.queue)
    };
    let would = args.how.dry_run.then_some(wanted);
    let json = json!({"queue": args.queue, "removed": removed, "wouldRemove": would});
    let plain = would.unwrap_or(removed as u64).to_string();
    Ok(target.out.answer(&words, &plain, &json)?)
}

/// Deletes everything.
pub(super) async fn obliterate(target: &Target, args: &Obliterate) -> Result<(), CliError> {
    let name = &args.queue;
    let queue = target.known_queue(name).await?.by(&args.how.reason);
    let running = || {
        CliError::new(Exit::Conflict, "jobs of the queue run").at(name).hint(
            "wait for them, or cancel them, or --force; the queue stays paused until bullock queue resume",
        )
    };
    let (counts, _) = queue.counts().await?;
    if args.how.dry_run {
        if counts.active > 0 && !args.force {
            return Err(running());
        }
        let json = json!({"queue": name, "obliterated": false});
        return Ok(target.out.answer(&format!("would delete {name} with everything in it"), name, &json)?);
    }
    confirm(args.how.yes, &format!("delete {name} with everything in it"))?;
    match queue.obliterate(args.force).await? {
        Obliterated::Done => {
            let json = json!({"queue": name, "obliterated": true});
            Ok(target.out.answer(&format!("deleted {name} with everything in it"), name, &json)?)
        }
        Obliterated::JobsRunning => Err(running()),
    }
}

fn jobs(n: u64) -> String {
    if n == 1 { "1 job".into() } else { format!("{n} jobs") }
}
