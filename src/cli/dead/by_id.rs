//! Acts on dead letters that were named one by one: each has its answer.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;

use super::act::Task;
use super::edit;
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::output::Row;
use crate::store::StoreError;
use crate::store::dead::DeadLetter;
use crate::store::replay::{Act, Copied, Replay, Replayed};

/// What became of one: done, or why not.
type Outcome = Result<String, (Exit, String)>;

pub(super) async fn run(task: &Task<'_>) -> Result<ExitCode, CliError> {
    let ids = &task.which.ids;
    let mut found: HashMap<String, DeadLetter> = HashMap::new();
    if task.reads_jobs() || task.which.how.dry_run {
        let jobs = task.store.dead_by_id(ids).await.map_err(|error| task.error(error))?;
        found.extend(jobs.into_iter().map(|job| (job.id.clone(), job)));
    }
    let mut outcomes: Vec<(&String, Outcome)> = Vec::with_capacity(ids.len());
    for id in ids {
        let outcome = one(task, id, found.get(id)).await.map_err(|error| task.error(error))?;
        outcomes.push((id, outcome));
    }
    report(task, &outcomes)
}

async fn one(task: &Task<'_>, id: &str, job: Option<&DeadLetter>) -> Result<Outcome, StoreError> {
    if task.which.how.dry_run {
        let would = if task.act == Act::Purge { "would be deleted" } else { "would be replayed" };
        return Ok(if job.is_some() { Ok(would.into()) } else { refusal(id, Replayed::NotFailed) });
    }
    let verdict = match task.act {
        Act::Purge => task.store.purge(None, &task.actor, &[id]).await?.pop(),
        Act::Replay => {
            let replay = match (task.reads_jobs(), job) {
                (false, _) => Replay { id: id.to_owned(), ..Replay::default() },
                (true, None) => return Ok(refusal(id, Replayed::NotFailed)),
                (true, Some(job)) => match prepared(task, job).await? {
                    Ok(replay) => replay,
                    Err(problem) => {
                        return Ok(Err((Exit::Conflict, format!("job {}: {problem}", shown(id)))));
                    }
                },
            };
            task.store.replay(None, task.to.as_ref(), &task.actor, &[replay]).await?.pop()
        }
    };
    Ok(match verdict {
        Some(Replayed::Done) => Ok(format!("is {}", task.done_words())),
        Some(other) => refusal(id, other),
        None => refusal(id, Replayed::NotFound),
    })
}

/// A dead letter with the data and the options that it is to have. `Err` inside: its data cannot be changed so.
pub(super) async fn prepared(
    task: &Task<'_>,
    job: &DeadLetter,
) -> Result<Result<Replay, String>, StoreError> {
    let mut replay = Replay { id: job.id.clone(), ..Replay::default() };
    if let Some(data) = &task.data {
        replay.data.clone_from(data);
        if job.opts.is_none() {
            // They were set aside with data that could not be read.
            replay.opts = aside(task, &job.id).await?;
        }
    } else if !task.set.is_empty() {
        let Some(data) = &job.data else { return Ok(Err("it has no data".into())) };
        match edit::with(data, task.set) {
            Ok(changed) => (replay.expected, replay.data) = (data.clone(), changed),
            Err(problem) => return Ok(Err(problem)),
        }
    }
    if task.to.is_some() {
        replay.copy = Some(Copied {
            opts: job.opts.clone().unwrap_or_else(|| "{}".into()),
            class: job.class.clone(),
            error: job.error.clone(),
            attempts_made: job.attempts_made,
            failed_ms: job.failed_ms,
        });
    }
    Ok(Ok(replay))
}

/// The options that were set aside, if they can be read; else none.
async fn aside(task: &Task<'_>, id: &str) -> Result<String, StoreError> {
    let record = task.store.record(id).await?;
    let raw = record.into_iter().find(|(field, _)| field == "raw:opts").map(|(_, value)| value);
    let object =
        |text: &String| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
    Ok(raw.filter(object).unwrap_or_else(|| "{}".into()))
}

fn refusal(id: &str, verdict: Replayed) -> Outcome {
    let id = shown(id);
    Err(match verdict {
        Replayed::NotFound => (Exit::NotFound, format!("there is no job {id}")),
        Replayed::Running => (Exit::Conflict, format!("job {id} runs")),
        Replayed::NoBody => {
            (Exit::Conflict, format!("job {id} has no data to run: give it some with --edit-data"))
        }
        Replayed::Changed => {
            (Exit::Conflict, format!("the data of job {id} was changed meanwhile: try again"))
        }
        Replayed::NotFailed | Replayed::Done | Replayed::Enough => {
            (Exit::Conflict, format!("job {id} is not among the dead letters"))
        }
    })
}

/// Prints the answers; the exit code is that of the first job that could not be served.
fn report(task: &Task<'_>, outcomes: &[(&String, Outcome)]) -> Result<ExitCode, CliError> {
    let out = &task.session.out;
    if out.is_json() {
        let rows: Vec<Row> = outcomes
            .iter()
            .map(|(id, done)| {
                let message =
                    done.as_ref().map_or_else(|(_, why)| why.clone(), |what| format!("job {id} {what}"));
                Row { cells: Vec::new(), json: json!({"id": id, "done": done.is_ok(), "message": message}) }
            })
            .collect();
        out.list(&[], &rows)?;
    }
    let mut exit = None;
    for (id, done) in outcomes {
        match done {
            Ok(what) if !out.is_json() => out.answer(&format!("job {id} {what}"), id, &json!(null))?,
            Ok(_) => {}
            Err((code, why)) => {
                let error =
                    CliError::new(*code, format!("cannot {}", task.verb())).at(&task.which.queue).found(why);
                // A closed standard error leaves nobody to tell.
                let _ = writeln!(std::io::stderr(), "{error}");
                exit.get_or_insert(*code);
            }
        }
    }
    Ok(exit.map_or(ExitCode::SUCCESS, ExitCode::from))
}
