//! `bullock move`: takes the jobs of a Bull 4 queue to a `BullMQ` queue while programs use both.

mod place;
mod report;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;

use self::place::Place;
use super::error::{CliError, Exit};
use super::session::Session;
use super::time::parse_duration;
use crate::job::cron::Zone;
use crate::store::inspect::Counts;
use crate::store::moving::{Mover, Tally};
use crate::store::{Store, StoreError};
use crate::wire::Dialect;

/// How often the source is looked at while it has nothing to move. Short: an occurrence that an old producer registers again
/// is dropped by the next look, and a Bull worker that is faster fires it a second time.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long one that follows waits for a Redis that is gone.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Arguments of `bullock move`.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are help texts")]
#[command(
    after_help = "The queue's name follows the last colon; in --from, a name with colons of its own follows the \
                  prefix that --prefix names.\n\nExit codes:\n  0 nothing is left to move  5 jobs had to stay, they are listed  7 \
                  jobs still run; run it again"
)]
pub struct Move {
    /// The Bull 4 queue
    #[arg(long, value_name = "PREFIX:QUEUE")]
    from: String,
    /// The BullMQ queue; it need not exist
    #[arg(long, value_name = "PREFIX:QUEUE")]
    to: String,
    /// Move completed jobs, too
    #[arg(long)]
    completed: bool,
    /// Wait so long for jobs that run in the source
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    wait: Duration,
    /// Go on moving what is added to the source, until stopped by SIGINT or SIGTERM
    #[arg(long, conflicts_with_all = ["dry_run", "wait"])]
    follow: bool,
    /// Only count, and say what would be said in another way and what would stay
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub async fn run(session: &Session, args: &Move) -> Result<(), CliError> {
    let from = place::source(&args.from, &session.prefix)?;
    let to = place::target(&args.to)?;
    if from.base() == to.base() {
        return Err(CliError::usage("source and target are one queue").at("--to").found(&args.to));
    }
    let source = open(session, &from, Dialect::Bull, true).await?;
    let target = open(session, &to, Dialect::BullMq, false).await?;
    let mover = Mover::new(source, target, args.completed, args.dry_run, Zone::Local);
    let mut tally = Tally::default();
    let started = Instant::now();
    let counts =
        go_on(session, args, &mover, &mut tally).await.map_err(|error| failed(session, error, &from, &to))?;
    let in_all = mover.moved_in_all().await.map_err(|error| session.error(error))?;
    let report = report::Report {
        from: &from,
        to: &to,
        dry: args.dry_run,
        tally: &tally,
        source: counts,
        completed: args.completed,
        in_all,
        took: started.elapsed(),
    };
    report.print(&session.out)?;
    if args.dry_run { Ok(()) } else { verdict(&tally, waits(args, counts), counts, &from) }
}

async fn open(
    session: &Session,
    place: &Place,
    dialect: Dialect,
    must_exist: bool,
) -> Result<Store, CliError> {
    let (store, exists) = session.queue_under(&place.prefix, &place.queue, Some(dialect)).await?;
    if exists || !must_exist {
        return Ok(store);
    }
    Err(CliError::new(Exit::NotFound, "no such queue")
        .at(session.redis.shown())
        .found(place.to_string())
        .expected("a Bull 4 queue, as PREFIX:QUEUE"))
}

/// Moves until there is nothing more to do, or it shall stop; answers what is in the source then.
async fn go_on(
    session: &Session,
    args: &Move,
    mover: &Mover,
    tally: &mut Tally,
) -> Result<Counts, StoreError> {
    if args.dry_run {
        return Ok(look(mover, tally).await?.1);
    }
    let stop = mover.stop();
    let heard = mover.stop();
    // Waits for ever if signals cannot be heard; the process then ends by them, which loses nothing either.
    tokio::spawn(async move {
        if signalled().await.is_ok() {
            heard.store(true, Ordering::Relaxed);
        }
    });
    if args.follow {
        session.out.note("moving until Ctrl-C or SIGTERM");
    }
    let (mut quiet_since, mut unreachable) = (None, false);
    loop {
        let began = Instant::now();
        let (passed, source) = match look(mover, tally).await {
            Err(error) if args.follow && error.is_transient() && !stop.load(Ordering::Relaxed) => {
                if !unreachable {
                    session.out.note(&format!("trying again: {error}"));
                }
                unreachable = true;
                tokio::time::sleep(TRY_AGAIN).await;
                continue;
            }
            looked => looked?,
        };
        unreachable = false;
        if passed > 0 {
            session.out.detail(&format!("moved {} jobs so far", tally.total()));
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(source);
        }
        if passed > 0 {
            continue;
        }
        // All counts are of one moment: nothing is on its way between two places.
        let done = source.active == 0 && waits(args, source) <= tally.staying();
        let late = quiet_since.get_or_insert_with(Instant::now).elapsed() >= args.wait;
        if !args.follow && (done || late) {
            return Ok(source);
        }
        // Jobs that stay are looked at in every pass: that takes half of the time at most.
        tokio::time::sleep(LOOK_AGAIN.max(began.elapsed())).await;
    }
}

/// One pass: how many jobs have left the source, and what is in it now.
async fn look(mover: &Mover, tally: &mut Tally) -> Result<(u64, Counts), StoreError> {
    let passed = mover.pass(tally).await?;
    Ok((passed, mover.source().await?))
}

/// Jobs in the source that should not be there at the end.
fn waits(args: &Move, source: Counts) -> u64 {
    source.waiting
        + source.paused
        + source.delayed
        + source.failed
        + if args.completed { source.completed } else { 0 }
}

async fn signalled() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

/// What the exit code says about the source.
fn verdict(tally: &Tally, waiting: u64, source: Counts, from: &Place) -> Result<(), CliError> {
    let staying = tally.staying();
    if source.active > 0 || waiting > staying {
        let (n, what) = if source.active > 0 {
            (source.active, "still run")
        } else {
            (waiting - staying, "came in, or were busy, at the end")
        };
        return Err(CliError::new(Exit::TimedOut, format!("some jobs {what}"))
            .at(from.to_string())
            .found(n.to_string())
            .hint("run the same command again, or wait longer with --wait"));
    }
    if staying > 0 {
        return Err(CliError::new(Exit::Conflict, "jobs had to stay in the source")
            .at(from.to_string())
            .found(staying.to_string())
            .hint("they are listed with the reason, all of them with --json"));
    }
    Ok(())
}

fn failed(session: &Session, error: StoreError, from: &Place, to: &Place) -> CliError {
    match error {
        StoreError::Unavailable(text) | StoreError::Protocol(text) if text.contains("CROSSSLOT") => {
            CliError::usage("source and target are in different slots of the cluster")
                .found(format!("{from} and {to}"))
                .expected("the same {tag} in both")
        }
        error => session.error(error),
    }
}
