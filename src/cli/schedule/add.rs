//! `bullock schedule add`.

use std::time::Duration;

use chrono::DateTime;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::actor::Reason;
use crate::cli::error::CliError;
use crate::cli::job::opts::read_body;
use crate::cli::target::Target;
use crate::cli::time::{iso, local, parse_duration};
use crate::wire::Dialect;
use crate::wire::new_job::check::check_job_name;

/// Arguments of `bullock schedule add`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("when").required(true).args(["every", "cron"]),
    after_help = "A scheduler of BullMQ that exists is changed. A repeatable job of Bull 4 is another one as soon as \
    anything about its plan differs: remove the old one with schedule rm.")]
pub struct Add {
    /// Name of the queue
    queue: String,
    /// Id of the scheduler; in Bull 4, the name of its jobs
    id: String,
    /// Time between two jobs, such as 10m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    every: Option<Duration>,
    /// When they come: a cron pattern, such as "0 7 * * *"
    #[arg(long, value_name = "PATTERN")]
    cron: Option<String>,
    /// Zone of the pattern, such as Europe/Rome [default: that of the machine that adds the next one]
    #[arg(long, value_name = "ZONE", requires = "cron")]
    tz: Option<String>,
    /// Most jobs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// No job before this, such as 2026-12-24T00:00:00Z
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    start: Option<i64>,
    /// No job after this
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    end: Option<i64>,
    /// Name of the jobs [default: the id]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Data of the jobs: JSON, @FILE, or - for standard input [default: {}]
    #[arg(short, long, value_name = "JSON", allow_hyphen_values = true)]
    data: Option<String>,
    /// Options of the jobs, those of npm bull or bullmq, as JSON or @FILE
    #[arg(long, value_name = "JSON")]
    opts: Option<String>,
    /// Layout of a queue that has no keys yet: bull or bullmq [default: bull]
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::parse)]
    dialect: Option<Dialect>,
    #[command(flatten)]
    reason: Reason,
}

fn parse_date(text: &str) -> Result<i64, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|date| date.timestamp_millis())
        .map_err(|_| "expected a date with a zone, such as 2026-12-24T00:00:00Z".into())
}

/// Adds or changes.
pub(super) async fn run(target: &Target, args: Add) -> Result<(), CliError> {
    let name = args.name.as_deref().unwrap_or(&args.id);
    check_job_name(name).map_err(|expected| {
        CliError::usage("wrong name of a job")
            .at(if args.name.is_some() { "--name" } else { "<ID>" })
            .found(name)
            .expected(expected)
    })?;
    if args.every.is_some_and(|every| every.as_millis() == 0) {
        return Err(CliError::usage("no time at all").at("--every").found("0").expected("1ms or more"));
    }
    let (data, opts) = read_body(args.data.as_deref(), args.opts.as_deref())?;
    let queue = target.queue_to_add_to(&args.queue, args.dialect).await?.by(&args.reason);
    for remark in queue.prepare(&opts).await? {
        target.out.note(&remark);
    }
    let dialect = queue.dialect().await?;
    let job = match dialect {
        Dialect::BullMq => {
            let body = (&data, opts);
            queue.upsert_scheduler(&args.id, repeat(&args, "pattern"), args.name.as_deref(), body).await?
        }
        Dialect::Bull => queue.add(name, &data, of_bull(&args, opts)).await?.id,
    };
    let found = queue.repeatables().await?;
    let next = found.iter().filter(|one| owns(&args, dialect, &one.key)).map(|one| one.next_ms).min();
    let when = next.map_or_else(String::new, |next| format!(", next at {}", local(next)));
    let words = format!("{} comes again{when}", args.id);
    let json =
        json!({"queue": args.queue, "id": args.id, "jobId": job, "next": next, "nextTime": next.map(iso)});
    Ok(target.out.answer(&words, &args.id, &json)?)
}

fn owns(args: &Add, dialect: Dialect, key: &str) -> bool {
    match dialect {
        Dialect::BullMq => key == args.id,
        Dialect::Bull => {
            let name = args.name.as_deref().unwrap_or(&args.id);
            key.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
        }
    }
}

/// The plan under the libraries' names; that of the pattern differs.
fn repeat(args: &Add, pattern: &str) -> Map<String, Value> {
    let parts = [
        ("every", args.every.map(|every| Value::from(every.as_millis() as u64))),
        (pattern, args.cron.clone().map(Value::from)),
        ("tz", args.tz.clone().map(Value::from)),
        ("limit", args.limit.map(Value::from)),
        ("startDate", args.start.map(Value::from)),
        ("endDate", args.end.map(Value::from)),
    ];
    parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Bull knows a repeatable job by the name of its jobs and, where two of one name are meant to differ, by an id.
fn of_bull(args: &Add, mut opts: Map<String, Value>) -> Map<String, Value> {
    opts.insert("repeat".into(), Value::Object(repeat(args, "cron")));
    if args.name.is_some() {
        opts.insert("jobId".into(), args.id.clone().into());
    }
    opts
}
