//! `bullock job retry|promote|rm`: acts on jobs, each with its answer.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::record::Record;
use crate::cli::actor::{Careful, Trial};
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::output::Row;
use crate::cli::target::{QueueAt, Target};
use crate::job::state::State;

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
    #[command(flatten)]
    how: Careful,
}

/// Jobs by id.
#[derive(Debug, Args)]
pub struct Many {
    /// Name of the queue
    queue: String,
    /// Ids of jobs
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    how: Trial,
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
    async fn run(self, queue: &QueueAt<'_>, token: &str, id: &str) -> Result<bool, CliError> {
        match self {
            Self::Retry => queue.retry(token, id).await,
            Self::Promote => queue.promote(token, id).await,
            Self::Remove => queue.remove(id).await,
        }
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
pub(super) async fn retry(target: &Target, args: &Retry) -> Result<ExitCode, CliError> {
    if args.all_failed {
        return retry_all(target, args).await;
    }
    let how = Trial { dry_run: args.how.dry_run, reason: args.how.reason.clone() };
    each(target, Act::Retry, (&args.queue, &args.ids), &how).await
}

/// Promotes.
pub(super) async fn promote(target: &Target, args: &Many) -> Result<ExitCode, CliError> {
    each(target, Act::Promote, (&args.queue, &args.ids), &args.how).await
}

/// Removes.
pub(super) async fn remove(target: &Target, args: &Many) -> Result<ExitCode, CliError> {
    each(target, Act::Remove, (&args.queue, &args.ids), &args.how).await
}

async fn each(
    target: &Target,
    act: Act,
    (queue, ids): (&str, &[String]),
    how: &Trial,
) -> Result<ExitCode, CliError> {
    let at = target.known_queue(queue).await?.by(&how.reason);
    let token = uuid::Uuid::new_v4().to_string();
    let mut outcomes = Vec::with_capacity(ids.len());
    for id in ids {
        let done = one(&at, act, &token, id, how.dry_run).await?;
        outcomes.push(Outcome { id: id.clone(), done });
    }
    report(target, act, queue, &outcomes)
}

async fn one(
    queue: &QueueAt<'_>,
    act: Act,
    token: &str,
    id: &str,
    dry_run: bool,
) -> Result<Result<&'static str, (Exit, String)>, CliError> {
    if !dry_run && queue.can_be_a_job(id) && act.run(queue, token, id).await? {
        return Ok(Ok(act.done()));
    }
    let Some(record) = queue.record(id).await? else {
        return Ok(Err((Exit::NotFound, format!("there is no job {}", shown(id)))));
    };
    Ok(match act.refusal(&record) {
        Some(refusal) => Err((Exit::Conflict, refusal)),
        None if dry_run => Ok(act.would()),
        // Between the act and the look, the job moved to where it could be done: say so rather than try for ever.
        None => Err((Exit::Conflict, format!("job {} moved meanwhile: try again", shown(id)))),
    })
}

/// Prints the answers; the exit code is that of the first job that could not be served.
fn report(target: &Target, act: Act, queue: &str, outcomes: &[Outcome]) -> Result<ExitCode, CliError> {
    if target.out.is_json() {
        let rows: Vec<Row> = outcomes
            .iter()
            .map(|Outcome { id, done }| {
                let message =
                    done.as_ref().map_or_else(|(_, why)| why.clone(), |what| format!("job {id} {what}"));
                Row { cells: Vec::new(), json: json!({"id": id, "done": done.is_ok(), "message": message}) }
            })
            .collect();
        target.out.list(&[], &rows)?;
    }
    let mut exit = ExitCode::SUCCESS;
    let mut first = true;
    for Outcome { id, done } in outcomes {
        match done {
            Ok(what) if !target.out.is_json() => {
                target.out.answer(&format!("job {id} {what}"), id, &json!(null))?;
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

async fn retry_all(target: &Target, args: &Retry) -> Result<ExitCode, CliError> {
    let how = &args.how;
    let queue = target.known_queue(&args.queue).await?.by(&how.reason);
    let (counts, _) = queue.counts().await?;
    let wanted = args.limit.map_or(counts.failed, |limit| limit.min(counts.failed));
    let mut done = 0;
    if !how.dry_run && wanted > 0 {
        confirm(how.yes, &format!("retry {} of {}", jobs(wanted), args.queue))?;
        // Jobs that failed meanwhile may be among them; those without data stay behind.
        while done < wanted {
            match queue.retry_all((wanted - done) as usize).await? as u64 {
                0 => break,
                more => done += more,
            }
        }
    }
    let words = match (how.dry_run, counts.failed) {
        (_, 0) => format!("{} has no failed jobs", args.queue),
        (true, all) => format!("would retry {wanted} of {} of {}", jobs(all), args.queue),
        (false, _) => format!("{} of {} in line again", jobs(done), args.queue),
    };
    let answer = json!({"queue": args.queue, "retried": done, "wouldRetry": how.dry_run.then_some(wanted)});
    let plain = if how.dry_run { wanted } else { done };
    target.out.answer(&words, &plain.to_string(), &answer)?;
    if !how.dry_run && done < wanted {
        target
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
