//! `bullock job add`: one job, as npm `bull` or `bullmq` adds it.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::opts::{self, Body, NAME_BYTES_MAX};
use super::watch::{self, End, View};
use crate::cli::error::CliError;
use crate::cli::target::{Added, Changes, QueueAt, Target};
use crate::cli::time::parse_duration;
use crate::job::JobId;
use crate::wire::Dialect;

/// Arguments of `bullock job add`.
#[derive(Debug, Args)]
#[command(after_help = "Prints the id of the job; with --wait, its result.")]
pub struct Add {
    /// Name of the queue
    queue: String,
    /// Name of the job, which selects its handler
    name: String,
    #[command(flatten)]
    body: Body,
    /// Run it after this time, such as 5s
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    delay: Option<Duration>,
    /// Tries in all, the first one included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=opts::ATTEMPTS_MAX))]
    attempts: Option<u64>,
    /// Wait between tries: TIME, fixed:TIME, exponential:TIME, or a type of the workers' config
    #[arg(long, value_name = "BACKOFF", value_parser = parse_backoff)]
    backoff: Option<Backoff>,
    /// 1 is first, larger numbers come later, 0 is none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=opts::PRIORITY_MAX))]
    priority: Option<u64>,
    /// Id of the job; if there is one of this id, nothing is added
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    job_id: Option<String>,
    /// Layout of a queue that has no keys yet: bull or bullmq [default: bull]
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::parse)]
    dialect: Option<Dialect>,
    /// Run it before all that wait
    #[arg(long)]
    lifo: bool,
    /// Wait for its end and print its result; exit code 1 if it fails
    #[arg(long)]
    wait: bool,
    /// With --wait: give up after this time, with exit code 7 [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "wait")]
    timeout: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Backoff(Value);

fn parse_backoff(text: &str) -> Result<Backoff, String> {
    let ms = |time: Duration| Value::from(time.as_millis() as u64);
    if let Ok(time) = parse_duration(text) {
        return Ok(Backoff(json!({"type": "fixed", "delay": ms(time)})));
    }
    let backoff = match text.split_once(':') {
        Some((kind, time)) => json!({"type": kind, "delay": ms(parse_duration(time)?)}),
        None => json!({"type": text}),
    };
    if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        Ok(Backoff(backoff))
    } else {
        Err("expected 5s, fixed:5s, exponential:1s, or the name of a type".into())
    }
}

pub(in crate::cli) fn parse_id(text: &str) -> Result<String, String> {
    JobId::checked(text).map(|id| id.to_string())
}

/// Adds, and waits if asked to.
pub(super) async fn run(target: &Target, args: Add) -> Result<ExitCode, CliError> {
    if args.name.trim().is_empty() || args.name.len() > NAME_BYTES_MAX {
        return Err(CliError::usage("wrong name of a job")
            .found(&args.name)
            .expected(format!("1 to {NAME_BYTES_MAX} bytes, not blank")));
    }
    let (data, mut opts) = args.body.read()?;
    opts.extend(flags(&args));
    let queue = target.queue_to_add_to(&args.queue, args.dialect).await?;
    let remarks = queue.prepare(&opts).await?;
    // Subscribed before the job is there: its end cannot be missed, even if it is removed at once.
    let changes = if args.wait { Some(queue.changes(None).await?) } else { None };
    let added = queue.add(&args.name, &data, opts).await?;
    for remark in remarks.iter().chain(&added.remarks) {
        target.out.note(remark);
    }
    match changes {
        None => {
            report(target, &args.queue, &added)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(changes) => wait(target, &queue, &args, &added, changes).await,
    }
}

fn report(target: &Target, queue: &str, added: &Added) -> Result<(), CliError> {
    let id = added.id.as_str();
    if added.existed {
        target.out.note(&format!("{queue} has a job {id} already: nothing was added"));
    }
    let json = json!({"queue": queue, "id": id, "existed": added.existed});
    Ok(target.out.answer(id, id, &json)?)
}

async fn wait(
    target: &Target,
    queue: &QueueAt<'_>,
    args: &Add,
    added: &Added,
    mut news: Changes,
) -> Result<ExitCode, CliError> {
    let id = added.id.as_str();
    target.out.note(&if added.existed {
        format!("{} has a job {id} already: nothing was added; waiting for that one", args.queue)
    } else {
        format!("added {id}, waiting for its end")
    });
    let mut bar = target.out.is_live().then(View::bar);
    let changed = |record: &_| bar.as_mut().map_or(Ok(()), |bar| bar.show(target, record));
    let end = watch::follow(target, queue, id, &mut news, args.timeout, changed).await;
    if let Some(bar) = &bar {
        bar.clear();
    }
    let end = end?;
    if let End::Completed { result, record } = &end {
        match record {
            Some(record) if target.out.is_json() => target.out.json_line(&record.json())?,
            None if target.out.is_json() => {
                target.out.json_line(&json!({"id": id, "status": "completed", "returnvalue": result}))?;
            }
            _ => target.out.line(&result.to_string())?,
        }
    }
    end.exit(&args.queue, id)
}

/// The options that have flags of their own.
fn flags(args: &Add) -> impl Iterator<Item = (String, Value)> {
    let flags = [
        ("delay", args.delay.map(|delay| Value::from(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))),
        ("attempts", args.attempts.map(Value::from)),
        ("backoff", args.backoff.as_ref().map(|backoff| backoff.0.clone())),
        ("priority", args.priority.map(Value::from)),
        ("jobId", args.job_id.clone().map(Value::from)),
        ("lifo", args.lifo.then_some(Value::Bool(true))),
    ];
    flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

/// JSON from the command line, a file (`@path`) or standard input (`-`).
pub(in crate::cli) fn read_json(flag: &'static str, text: &str) -> Result<Value, CliError> {
    let unreadable = |what: &str, error: std::io::Error| {
        CliError::usage(format!("cannot read {what}")).at(flag).found(error.to_string())
    };
    let (text, place) = if text == "-" {
        let mut input = String::new();
        std::io::stdin().read_to_string(&mut input).map_err(|error| unreadable("standard input", error))?;
        (input, format!("{flag}, standard input"))
    } else if let Some(path) = text.strip_prefix('@') {
        let content = std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
        (content, format!("{flag}, {path}"))
    } else {
        (text.to_owned(), flag.to_owned())
    };
    serde_json::from_str(&text).map_err(|error| {
        let problem = error.to_string();
        let problem = problem.split(" at line ").next().unwrap_or(&problem);
        CliError::usage(format!("no valid JSON: {problem}"))
            .at(format!("{place}, line {} column {}", error.line(), error.column()))
            .found(&text)
            .hint("put single quotes around it: '{\"to\": \"ada\"}'")
    })
}
