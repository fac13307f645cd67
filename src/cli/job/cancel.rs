//! `bullock job cancel|kill`: jobs that must not go on, wherever they are.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::actor::Trial;
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::output::Row;
use crate::cli::target::{QueueAt, Target};
use crate::job::state::State;
use crate::store::cancel::Cancelled;

/// Arguments of `bullock job cancel|kill`.
#[derive(Debug, Args)]
pub struct Cancel {
    /// Name of the queue
    queue: String,
    /// Ids of jobs
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    how: Trial,
}

/// One job's answer: the code for scripts, or the exit code; and the words.
struct Answer {
    id: String,
    done: Result<&'static str, Exit>,
    words: String,
}

/// Cancels; with `kill`, what runs gets no grace.
pub(super) async fn run(target: &Target, args: &Cancel, kill: bool) -> Result<ExitCode, CliError> {
    let queue = target.known_queue(&args.queue).await?.by(&args.how.reason);
    let mut answers = Vec::with_capacity(args.ids.len());
    for id in &args.ids {
        let answer = if !queue.can_be_a_job(id) {
            no_job(id)
        } else if args.how.dry_run {
            would(&queue, id, kill).await?
        } else {
            done(id, kill, queue.cancel(&args.how.reason, id, kill).await?)
        };
        answers.push(answer);
    }
    report(target, &args.queue, if kill { "kill" } else { "cancel" }, &answers)
}

fn no_job(id: &str) -> Answer {
    Answer { id: id.to_owned(), done: Err(Exit::NotFound), words: format!("there is no job {}", shown(id)) }
}

fn done(id: &str, kill: bool, cancelled: Cancelled) -> Answer {
    let told = if kill { "is told to stop at once" } else { "is told to stop" };
    let refused = |state: &str| (Err(Exit::Conflict), format!("is {state}; it has ended already"));
    let (done, what) = match cancelled {
        Cancelled::NotFound => return no_job(id),
        Cancelled::Done => (Ok("cancelled"), "is cancelled".to_owned()),
        Cancelled::Told => (Ok("told"), told.to_owned()),
        Cancelled::Marked => (
            Ok("marked"),
            "is marked: a Node worker runs it, which does not listen. It will not be tried again".to_owned(),
        ),
        Cancelled::ToldBefore => (Ok("told-before"), "was told to stop before, and is told again".to_owned()),
        Cancelled::Before => (Ok("cancelled-before"), "was cancelled before".to_owned()),
        Cancelled::Completed => refused("completed"),
        Cancelled::Failed => refused("failed"),
        Cancelled::Planned => (
            Err(Exit::Conflict),
            "is the next run of something that repeats, which would end with it; cancel it while it runs, or remove what \
             repeats"
                .to_owned(),
        ),
        Cancelled::Stuck => {
            (Err(Exit::Conflict), "is in no list of the queue: there is nothing to cancel".to_owned())
        }
    };
    Answer { id: id.to_owned(), done, words: format!("job {} {what}", shown(id)) }
}

/// What would become of it, by what it looks like now.
async fn would(queue: &QueueAt<'_>, id: &str, kill: bool) -> Result<Answer, CliError> {
    let Some(record) = queue.record(id).await? else { return Ok(no_job(id)) };
    let running = record.state == Some(State::Active) && record.mark.holder.is_some();
    let what = match record.state {
        None => return Ok(done(id, kill, Cancelled::Stuck)),
        Some(State::Completed) => return Ok(done(id, kill, Cancelled::Completed)),
        Some(State::Failed) if record.mark.reason.as_deref() == Some("cancelled") => {
            return Ok(done(id, kill, Cancelled::Before));
        }
        Some(State::Failed) => return Ok(done(id, kill, Cancelled::Failed)),
        Some(_) if running && kill => "would be told to stop at once",
        Some(_) if running => "would be told to stop",
        Some(_) => "would be cancelled",
    };
    Ok(Answer { id: id.to_owned(), done: Ok("dry-run"), words: format!("job {} {what}", shown(id)) })
}

/// Prints the answers; the exit code is that of the first job that could not be served.
fn report(target: &Target, queue: &str, verb: &str, answers: &[Answer]) -> Result<ExitCode, CliError> {
    if target.out.is_json() {
        let row = |Answer { id, done, words }: &Answer| Row {
            cells: Vec::new(),
            json: json!({"id": id, "done": done.is_ok(), "what": done.ok(), "message": words}),
        };
        target.out.list(&[], &answers.iter().map(row).collect::<Vec<_>>())?;
    }
    let mut exit = None;
    for Answer { id, done, words } in answers {
        match done {
            Ok(_) if target.out.is_json() => {}
            Ok(_) => target.out.answer(words, id, &Value::Null)?,
            Err(code) => {
                let error = CliError::new(*code, format!("cannot {verb}")).at(queue).found(words);
                // A closed standard error leaves nobody to tell.
                let _ = writeln!(std::io::stderr(), "{error}");
                exit.get_or_insert(*code);
            }
        }
    }
    Ok(exit.map_or(ExitCode::SUCCESS, Into::into))
}
