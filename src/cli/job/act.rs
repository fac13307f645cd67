//! `bullock job retry|promote|rm`: acts on jobs, each with its answer.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::record::Record;
use crate::cli::actor::Reason;
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::output::Row;
use crate::cli::session::Session;
use crate::job::state::State;
use crate::store::control::{Removed, Retried};
use crate::store::{Store, StoreError};

/// Arguments of `bullock job retry`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["ids", "all_failed"]),
    override_usage = "bullock job retry [OPTIONS] <QUEUE> <ID>...\n       bullock job retry [OPTIONS] <QUEUE> --all-failed")]
pub struct Retry {
    /// Name of the queue
    queue: String,
    /// Ids of jobs
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All failed jobs of the queue, oldest first
    #[arg(long)]
    all_failed: bool,
    /// With --all-failed: at most so many
    #[arg(long, value_name = "N", requires = "all_failed")]
    limit: Option<u64>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    reason: Reason,
}

/// Jobs by id.
#[derive(Debug, Args)]
pub struct Many {
    /// Name of the queue
    queue: String,
    /// Ids of jobs
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reason: Reason,
}

/// What became of one job: what was done, or why not.
struct Outcome {
    id: String,
    done: Result<&'static str, (Exit, String)>,
}

#[derive(Clone, Copy)]
enum Act {
    Retry,
    Promote,
    Remove,
}

impl Act {
    fn verb(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Promote => "promote",
            Self::Remove => "remove",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Retry => "is in line again",
            Self::Promote => "is in line now",
            Self::Remove => "is removed",
        }
    }

    fn would(self) -> &'static str {
        match self {
            Self::Retry => "would be retried",
            Self::Promote => "would be promoted",
            Self::Remove => "would be removed",
        }
    }

    /// `false` = not done; what the job looks like says why.
    async fn run(self, store: &Store, token: &str, id: &str) -> Result<bool, StoreError> {
        Ok(match self {
            Self::Retry => store.retry(token, id, false).await? == Retried::Done,
            Self::Promote => store.promote_job(token, id).await?,
            Self::Remove => store.remove(&[id], true).await?.first() == Some(&Removed::Done),
        })
    }

    /// Why it cannot be done to such a job; `None` = it can.
    fn refusal(self, record: &Record) -> Option<String> {
        let id = shown(&record.view.id);
        let is = || format!("job {id} is {}", record.whereabouts());
        match (self, record.state) {
            (_, _) if record.mark.holder.is_some() && !matches!(self, Self::Promote) => Some(is()),
            (Self::Retry, Some(State::Failed)) if record.view.data.is_null() => {
                Some(format!("job {id} has no data to run: it failed for that"))
            }
            (Self::Retry, Some(State::Failed))
            | (Self::Promote, Some(State::Delayed))
            | (Self::Remove, _) => None,
            (Self::Retry | Self::Promote, Some(State::Waiting | State::Prioritized | State::Paused)) => {
                Some(format!("job {id} is waiting already"))
            }
            (Self::Retry, Some(State::Delayed)) => {
                Some(format!("job {id} is delayed; it will run by itself, or now with job promote"))
            }
            (Self::Retry, _) => Some(format!("{}; only failed jobs can be retried", is())),
            (Self::Promote, _) => Some(format!("{}; only delayed jobs can be promoted", is())),
        }
    }
}

/// Retries.
pub(super) async fn retry(session: &Session, args: &Retry) -> Result<ExitCode, CliError> {
    if args.all_failed {
        return retry_all(session, args).await;
    }
    let chosen = (args.queue.as_str(), args.ids.as_slice());
    each(session, Act::Retry, chosen, args.dry_run, &args.reason).await
}

/// Promotes.
pub(super) async fn promote(session: &Session, args: &Many) -> Result<ExitCode, CliError> {
    let chosen = (args.queue.as_str(), args.ids.as_slice());
    each(session, Act::Promote, chosen, args.dry_run, &args.reason).await
}

/// Removes.
pub(super) async fn remove(session: &Session, args: &Many) -> Result<ExitCode, CliError> {
    let chosen = (args.queue.as_str(), args.ids.as_slice());
    each(session, Act::Remove, chosen, args.dry_run, &args.reason).await
}

async fn each(
    session: &Session,
    act: Act,
    (queue, ids): (&str, &[String]),
    dry_run: bool,
    reason: &Reason,
) -> Result<ExitCode, CliError> {
    let store = session.known_queue(queue).await?.by(reason.actor());
    let token = uuid::Uuid::new_v4().to_string();
    let mut outcomes = Vec::with_capacity(ids.len());
    for id in ids {
        let done = one(&store, act, &token, id, dry_run).await.map_err(|error| session.error(error))?;
        outcomes.push(Outcome { id: id.clone(), done });
    }
    report(session, act, queue, &outcomes)
}

async fn one(
    store: &Store,
    act: Act,
    token: &str,
    id: &str,
    dry_run: bool,
) -> Result<Result<&'static str, (Exit, String)>, StoreError> {
    let no_job = || Err((Exit::NotFound, format!("there is no job {}", shown(id))));
    if store.is_key_of_queue(id) {
        return Ok(no_job());
    }
    if !dry_run && act.run(store, token, id).await? {
        return Ok(Ok(act.done()));
    }
    let Some(record) = Record::read(store, id).await? else { return Ok(no_job()) };
    Ok(match act.refusal(&record) {
        Some(refusal) => Err((Exit::Conflict, refusal)),
        None if dry_run => Ok(act.would()),
        // Between the act and the look, the job moved to where it could be done: say so rather than try for ever.
        None => Err((Exit::Conflict, format!("job {} moved meanwhile: try again", shown(id)))),
    })
}

/// Prints the answers; the exit code is that of the first job that could not be served.
fn report(session: &Session, act: Act, queue: &str, outcomes: &[Outcome]) -> Result<ExitCode, CliError> {
    if session.out.is_json() {
        let rows: Vec<Row> = outcomes
            .iter()
            .map(|Outcome { id, done }| {
                let message =
                    done.as_ref().map_or_else(|(_, why)| why.clone(), |what| format!("job {id} {what}"));
                Row { cells: Vec::new(), json: json!({"id": id, "done": done.is_ok(), "message": message}) }
            })
            .collect();
        session.out.list(&[], &rows)?;
    }
    let mut exit = ExitCode::SUCCESS;
    let mut first = true;
    for Outcome { id, done } in outcomes {
        match done {
            Ok(what) if !session.out.is_json() => {
                session.out.answer(&format!("job {id} {what}"), id, &json!(null))?;
            }
            Ok(_) => {}
            Err((code, why)) => {
                let error = CliError::new(*code, format!("cannot {}", act.verb())).at(queue).found(why);
                // A closed standard error leaves nobody to tell.
                let _ = writeln!(std::io::stderr(), "{error}");
                if std::mem::take(&mut first) {
                    exit = (*code).into();
                }
            }
        }
    }
    Ok(exit)
}

async fn retry_all(session: &Session, args: &Retry) -> Result<ExitCode, CliError> {
    let store = session.known_queue(&args.queue).await?.by(args.reason.actor());
    let failed = |error| session.error(error);
    let (counts, _) = store.counts().await.map_err(failed)?;
    let wanted = args.limit.map_or(counts.failed, |limit| limit.min(counts.failed));
    let mut done = 0;
    if !args.dry_run && wanted > 0 {
        confirm(args.yes, &format!("retry {} of {}", jobs(wanted), args.queue))?;
        // Jobs that failed meanwhile may be among them; those without data stay behind.
        while done < wanted {
            match store.retry_all((wanted - done) as usize).await.map_err(failed)? as u64 {
                0 => break,
                more => done += more,
            }
        }
    }
    let words = match (args.dry_run, counts.failed) {
        (_, 0) => format!("{} has no failed jobs", args.queue),
        (true, all) => format!("would retry {wanted} of {} of {}", jobs(all), args.queue),
        (false, _) => format!("{} of {} in line again", jobs(done), args.queue),
    };
    let answer = json!({"queue": args.queue, "retried": done, "wouldRetry": args.dry_run.then_some(wanted)});
    let plain = if args.dry_run { wanted } else { done };
    session.out.answer(&words, &plain.to_string(), &answer)?;
    if !args.dry_run && done < wanted {
        session
            .out
            .note(&format!("{} left behind: no data to run, or taken by somebody else", jobs(wanted - done)));
    }
    Ok(ExitCode::SUCCESS)
}

fn jobs(n: u64) -> String {
    if n == 1 { "1 failed job".into() } else { format!("{n} failed jobs") }
}

/// Asks on a terminal; elsewhere only `--yes` will do.
pub(in crate::cli) fn confirm(yes: bool, what: &str) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(
            CliError::usage(format!("not confirmed: {what}")).hint("add --yes, or look first with --dry-run")
        );
    }
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "{what}? [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(CliError::usage("nothing was done")) }
}
