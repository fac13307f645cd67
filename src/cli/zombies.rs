//! `bullock zombies`: jobs that look alive and are not, and what a person does with them.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::actor::Careful;
use super::error::{CliError, Exit, shown};
use super::job::confirm;
use super::output::{Cell, Column, Row, Tone};
use super::target::{Found, Target, verb};
use super::time::{age, iso, now_ms, parse_duration};
use crate::store::zombies::{Act, Acted, Limits, Sort};

/// `bullock zombies`.
#[derive(Debug, Subcommand)]
pub enum Zombies {
    /// List jobs that look alive and are not, of one queue or of all
    Ls(List),
    /// Put them back in line
    Requeue(Mend),
    /// Fail them for good
    Fail(Mend),
    /// Complete them by force
    ForceDone(Mend),
}

/// From when on a job counts.
#[derive(Debug, Args)]
pub struct Since {
    /// A running job that has given no sign for longer is silent
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    silent: Duration,
    /// A delayed job that was due longer ago is overdue
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    overdue: Duration,
}

/// Arguments of `bullock zombies ls`.
#[derive(Debug, Args)]
pub struct List {
    /// Name of the queue [default: all]
    queue: Option<String>,
    #[command(flatten)]
    since: Since,
}

/// Arguments of the acts.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["ids", "all"]))]
pub struct Mend {
    /// Name of the queue
    queue: String,
    /// Ids of jobs
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All zombies of the queue
    #[arg(long)]
    all: bool,
    /// Only those of this class
    #[arg(long, value_name = "CLASS", value_parser = Sort::parse)]
    class: Option<Sort>,
    /// Only those that are known to be older
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Take jobs from runs whose lease is alive, too; what these write later is refused
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    since: Since,
    #[command(flatten)]
    how: Careful,
}

const COLUMNS: &[Column] = &[
    Column::text("QUEUE"),
    Column::text("ID"),
    Column::text("NAME"),
    Column::text("CLASS"),
    Column::number("AGE"),
    Column::text("OWNER"),
    Column::text("LAST SIGN"),
    Column::text("MEND"),
    Column::text("WHY"),
];

/// Runs the command.
pub async fn run(target: &Target, command: Zombies) -> Result<ExitCode, CliError> {
    match command {
        Zombies::Ls(args) => list(target, &args).await,
        Zombies::Requeue(args) => mend(target, Act::Requeue, &args).await,
        Zombies::Fail(args) => mend(target, Act::Fail, &args).await,
        Zombies::ForceDone(args) => mend(target, Act::ForceDone, &args).await,
    }
}

async fn list(target: &Target, args: &List) -> Result<ExitCode, CliError> {
    let found = target.zombies(args.queue.as_deref(), &limits(&args.since, false)).await?;
    let now = now_ms();
    let rows: Vec<Row> = found.iter().map(|zombie| row(zombie, now)).collect();
    target.out.list(COLUMNS, &rows)?;
    if rows.is_empty() {
        target.out.note("no zombies");
    }
    Ok(ExitCode::SUCCESS)
}

fn limits(since: &Since, force: bool) -> Limits {
    Limits { silent: since.silent, overdue: since.overdue, from_live_runs: force }
}

/// What a person may do, in a word.
fn remedy(sort: Sort) -> &'static str {
    match sort {
        Sort::ActiveWithoutLease => "by itself, or requeue",
        Sort::Silent => "requeue --force",
        Sort::Overdue => "start a worker, or requeue",
        Sort::ActiveWithoutHash => "by itself, or fail",
        Sort::TwoStates => "doctor --repair",
        Sort::OrphanHash => "requeue, or doctor --repair",
    }
}

fn row(zombie: &Found, now: i64) -> Row {
    let Found { queue, id, owner, last_sign_ms: sign, .. } = zombie;
    let name = zombie.name.clone().unwrap_or_else(|| "?".into());
    let ago = |ms: Option<i64>| ms.map_or_else(|| "unknown".to_owned(), |ms| format!("{} ago", age(ms, now)));
    let mend = remedy(zombie.sort());
    Row {
        cells: vec![
            Cell::new(queue),
            Cell::new(id),
            Cell::new(&name),
            Cell::new(zombie.sort().as_str()).tone(Tone::Bad),
            Cell::new(zombie.since_ms.map_or_else(|| "unknown".to_owned(), |since| age(since, now))),
            Cell::new(owner.as_deref().unwrap_or("unknown")),
            Cell::new(ago(*sign)),
            Cell::new(mend),
            Cell::new(&zombie.reason),
        ],
        json: json!({"queue": queue, "id": id, "name": zombie.name, "class": zombie.sort().as_str(), "since": zombie.since_ms,
            "sinceAt": zombie.since_ms.map(iso), "ageMs": zombie.since_ms.map(|since| (now - since).max(0)), "owner": owner,
            "lastSign": sign, "lastSignAt": sign.map(iso), "reason": zombie.reason, "mend": mend}),
    }
}

async fn mend(target: &Target, act: Act, args: &Mend) -> Result<ExitCode, CliError> {
    let queue = target.known_queue(&args.queue).await?.by(&args.how.reason);
    let limits = limits(&args.since, args.force);
    let all = if args.all {
        target.zombies(Some(&args.queue), &limits).await?
    } else {
        queue.zombies_among(target, &args.ids, &limits).await?
    };
    let now = now_ms();
    let old_enough = |zombie: &Found| {
        let Some(least) = args.older_than else { return true };
        zombie
            .since_ms
            .is_some_and(|since| now - since >= i64::try_from(least.as_millis()).unwrap_or(i64::MAX))
    };
    let wanted: Vec<Found> = all
        .into_iter()
        .filter(|zombie| args.class.is_none_or(|class| class == zombie.sort()) && old_enough(zombie))
        .collect();
    let mut exit = ExitCode::SUCCESS;
    for id in args.ids.iter().filter(|id| !wanted.iter().any(|zombie| zombie.id == **id)) {
        complain(act, &args.queue, format!("job {} is no such zombie", shown(id)));
        exit = Exit::Conflict.into();
    }
    if args.all && !args.how.dry_run && !wanted.is_empty() {
        let what = format!("{} {} of {}", verb(act), zombies(wanted.len()), args.queue);
        confirm(args.how.yes, &what)?;
    }
    let done: Vec<Done> = if args.how.dry_run {
        wanted.iter().map(|zombie| would(act, zombie, args.force)).collect()
    } else {
        let acted = queue.mend(&args.how.reason, act, &wanted, &limits).await?;
        wanted.iter().zip(acted).map(|(zombie, acted)| became(act, zombie, acted)).collect()
    };
    for why in done.iter().filter_map(|done| done.as_ref().err()) {
        complain(act, &args.queue, why.clone());
        exit = Exit::Conflict.into();
    }
    let rows: Vec<(String, &str, Done)> = wanted
        .iter()
        .zip(done)
        .map(|(zombie, done)| (zombie.id.clone(), zombie.sort().as_str(), done))
        .collect();
    report(target, &rows)?;
    if args.all && rows.is_empty() {
        target.out.note("no zombies");
    }
    Ok(exit)
}

/// What was done, or why it was not.
type Done = Result<String, String>;

fn held(id: &str) -> String {
    format!("job {} is held by a live run; --force takes it away", shown(id))
}

fn would(act: Act, zombie: &Found, force: bool) -> Done {
    if force || !zombie.held {
        Ok(format!("would {} ({})", verb(act), zombie.sort().as_str()))
    } else {
        Err(held(&zombie.id))
    }
}

fn became(act: Act, zombie: &Found, acted: Acted) -> Done {
    let id = shown(&zombie.id);
    match acted {
        Acted::Done(was, is) => {
            let was = if was.is_empty() { "in no state" } else { &*was };
            Ok(format!("is {is} now; it was {was}"))
        }
        Acted::Held => Err(held(&zombie.id)),
        Acted::Gone => Err(format!("job {id} is no {} any more", zombie.sort().as_str())),
        Acted::NoBody => {
            Err(format!("job {id} has no body to {}", if act == Act::Requeue { "run" } else { "complete" }))
        }
    }
}

fn zombies(n: usize) -> String {
    if n == 1 { "1 zombie".into() } else { format!("{n} zombies") }
}

fn complain(act: Act, queue: &str, why: String) {
    let error = CliError::new(Exit::Conflict, format!("cannot {}", verb(act))).at(queue).found(why);
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{error}");
}

fn report(target: &Target, rows: &[(String, &'static str, Done)]) -> Result<(), CliError> {
    if target.out.is_json() {
        let rows: Vec<Row> = rows
            .iter()
            .map(|(id, class, done)| Row {
                cells: Vec::new(),
                json: json!({"id": id, "class": class, "done": done.is_ok(), "message": done.as_ref().unwrap_or_else(|why| why)}),
            })
            .collect();
        return Ok(target.out.list(&[], &rows)?);
    }
    for (id, _, what) in rows.iter().filter_map(|(id, class, done)| Some((id, class, done.as_ref().ok()?))) {
        target.out.answer(&format!("job {id} {what}"), id, &json!(null))?;
    }
    Ok(())
}
