//! `bullock queue`: the queues of a prefix, one queue, its figures; acts on a whole queue.

mod act;
mod stats;

use clap::Subcommand;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Part, Row, Tone};
use crate::cli::session::Session;
use crate::cli::time::{age, iso, local, now_ms};
use crate::store::inspect::{Counts, Repeatable, queues};
use crate::store::look::client_names;
use crate::store::{Opened, Store, StoreError};
use crate::wire::Dialect;

/// Queues that are asked about at once.
const AT_ONCE: usize = 16;
/// The word for a queue that both dialects write to.
const MIXED: &str = "mixed";
/// Workers that `queue show` names.
const WORKERS_SHOWN: usize = 20;

/// `bullock queue`.
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// List the queues of the prefix with their counts
    Ls {
        /// Most queues to list
        #[arg(long, default_value_t = 1000)]
        limit: usize,
    },
    /// Show one queue: counts, workers, repeatable jobs or job schedulers
    Show {
        /// Name of the queue
        queue: String,
    },
    /// Show success rate and times of a queue, from its newest jobs that have ended
    Stats(stats::Stats),
    /// Pause a queue for all its workers, Node's too; jobs that run are finished
    Pause(act::Pause),
    /// Resume a paused queue
    Resume(act::Pause),
    /// Delete all jobs that wait, and those that are delayed
    Drain(act::Drain),
    /// Delete a queue with everything in it
    Obliterate(act::Obliterate),
}

/// Runs the command.
pub async fn run(session: &Session, command: Queue) -> Result<(), CliError> {
    match command {
        Queue::Ls { limit } => list(session, limit).await,
        Queue::Show { queue } => show(session, &queue).await,
        Queue::Stats(args) => stats::run(session, &args).await,
        Queue::Pause(args) => act::pause(session, &args, true).await,
        Queue::Resume(args) => act::pause(session, &args, false).await,
        Queue::Drain(args) => act::drain(session, &args).await,
        Queue::Obliterate(args) => act::obliterate(session, &args).await,
    }
}

/// What one line of the list says.
struct Summary {
    name: String,
    dialect: &'static str,
    counts: Counts,
    paused: bool,
}

async fn list(session: &Session, limit: usize) -> Result<(), CliError> {
    let mut names =
        queues(&session.connection, &session.prefix).await.map_err(|error| session.error(error))?;
    let found = names.len();
    names.truncate(limit);
    let clients = client_names(&session.connection).await.map_err(|error| session.error(error))?;
    let stores = names.into_iter().map(|name| session.store(&name));
    let summaries: Vec<Summary> = futures_util::stream::iter(stores)
        .map(|store| async move { summary(session, &store).await })
        .buffered(AT_ONCE)
        .try_filter_map(|summary| std::future::ready(Ok(summary)))
        .try_collect()
        .await
        .map_err(|error: StoreError| session.error(error))?;
    let rows: Vec<Row> = summaries
        .iter()
        .map(|summary| {
            let workers =
                clients.as_ref().map(|names| workers_of(&session.store(&summary.name), names).len());
            row(summary, workers)
        })
        .collect();
    session.out.list(COLUMNS, &rows)?;
    if rows.is_empty() {
        session.out.note(&format!(
            "no queues under prefix \"{}\" at {}",
            session.prefix,
            session.redis.shown()
        ));
    } else if found > limit {
        session.out.note(&format!("{limit} of {found} queues; more: --limit {found}"));
    }
    Ok(())
}

const COLUMNS: &[Column] = &[
    Column::text("QUEUE"),
    Column::number("WAITING"),
    Column::number("ACTIVE"),
    Column::number("DELAYED"),
    Column::number("FAILED"),
    Column::number("COMPLETED"),
    Column::number("WORKERS"),
    Column::text("PAUSED"),
    Column::text("DIALECT").wide(),
];

/// `None` = the keys only looked like a queue's, or it is gone meanwhile.
async fn summary(session: &Session, store: &Store) -> Result<Option<Summary>, StoreError> {
    let dialect = match store.look().await? {
        Opened::Ready(dialect, _) => dialect.as_str(),
        Opened::Otherwise(..) => MIXED,
        Opened::Undecided | Opened::NewerLayout(_) => return Ok(None),
    };
    let (counts, paused) = match store.counts().await {
        Ok(found) => found,
        Err(StoreError::Unavailable(text) | StoreError::Protocol(text)) if text.contains("WRONGTYPE") => {
            session.out.note(&format!(
                "note: {} is left out: its keys have other types than a queue's",
                store.keys().queue
            ));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Ok(Some(Summary { name: store.keys().queue.to_string(), dialect, counts, paused }))
}

fn row(summary: &Summary, workers: Option<usize>) -> Row {
    let Summary { name, dialect, counts, paused } = summary;
    let failed = if counts.failed > 0 { Tone::Bad } else { Tone::Plain };
    let workers_text = workers.map_or_else(|| "?".to_owned(), |n| n.to_string());
    Row {
        cells: vec![
            Cell::new(name),
            Cell::new(counts.in_line()),
            Cell::new(counts.active),
            Cell::new(counts.delayed),
            Cell::new(counts.failed).tone(failed),
            Cell::new(counts.completed),
            Cell::new(workers_text),
            Cell::new(if *paused { "yes" } else { "no" }).tone(if *paused {
                Tone::Busy
            } else {
                Tone::Faint
            }),
            Cell::new(*dialect),
        ],
        json: json!({"queue": name, "dialect": dialect, "paused": paused, "counts": counts, "workers": workers}),
    }
}

/// Names of this queue's workers, Node's and ours.
fn workers_of(store: &Store, clients: &[String]) -> Vec<String> {
    let worker = |name: &String| store.keys().worker_of(name).map(str::to_owned);
    let shown = |name: String| if name.is_empty() { "Node".into() } else { name };
    clients.iter().filter_map(worker).map(shown).collect()
}

async fn show(session: &Session, name: &str) -> Result<(), CliError> {
    let store = session.known_queue(name).await?;
    let failed = |error| session.error(error);
    let (counts, paused) = store.counts().await.map_err(failed)?;
    let workers =
        client_names(&session.connection).await.map_err(failed)?.map(|names| workers_of(&store, &names));
    let repeatables = store.repeatables().await.map_err(failed)?;
    let oldest = store.oldest_waiting().await.map_err(failed)?;
    let now = now_ms();

    let waiting = counts.in_line();
    let line = match &oldest {
        Some((id, added)) => format!("{waiting}, next is {id}, added {} ago", age(*added, now)),
        None => waiting.to_string(),
    };
    let named = |workers: &Vec<String>| match workers.len() {
        0 => "none".to_owned(),
        n if n > WORKERS_SHOWN => format!("{n}: {}, …", workers[..WORKERS_SHOWN].join(", ")),
        n => format!("{n}: {}", workers.join(", ")),
    };
    let mut parts = vec![
        Part::field("queue", name),
        Part::field("dialect", store.dialect().as_str()),
        Part::Field(
            "paused",
            if paused { "yes" } else { "no" }.into(),
            if paused { Tone::Busy } else { Tone::Plain },
        ),
        Part::field("waiting", line),
        Part::field("active", counts.active),
        Part::field("delayed", counts.delayed),
        Part::Field(
            "failed",
            counts.failed.to_string(),
            if counts.failed > 0 { Tone::Bad } else { Tone::Plain },
        ),
        Part::field("completed", counts.completed),
    ];
    if let Some(parents) = counts.waiting_children {
        parts.push(Part::field("waiting for children", parents));
    }
    parts.push(Part::field(
        "workers",
        workers.as_ref().map_or_else(|| "unknown (no right to CLIENT LIST)".into(), named),
    ));
    if !repeatables.is_empty() {
        let title = match store.dialect() {
            Dialect::Bull => "repeatable jobs",
            Dialect::BullMq => "job schedulers",
        };
        parts.push(Part::Block(title, repeatables.iter().map(|one| repeatable_line(one, now)).collect()));
    }
    let repeat_json: Vec<Value> = repeatables.iter().map(repeatable_json).collect();
    let json = json!({"queue": name, "prefix": session.prefix, "dialect": store.dialect().as_str(), "paused": paused, "counts": counts,
        "nextWaiting": oldest.map(|(id, added)| json!({"id": id, "timestamp": added, "addedAt": iso(added)})),
        "workers": workers, "repeatables": repeat_json});
    Ok(session.out.page(&parts, &json)?)
}

fn repeatable_line(one: &Repeatable, now: i64) -> String {
    let next = one.next_ms;
    let when = if next > now { format!("in {}", age(now, next)) } else { format!("{} late", age(next, now)) };
    let rule: String = one.record.iter().fold(String::new(), |rule, (field, value)| match *field {
        "every" => format!("{rule}  every {value} ms"),
        "pattern" => format!("{rule}  {value}"),
        "tz" => format!("{rule} {value}"),
        "limit" => format!("{rule}, at most {value} times"),
        "ic" => format!("{rule}, planned {value} so far"),
        _ => rule,
    });
    format!("{}{rule}  next {} ({when})", one.key, local(next))
}

fn repeatable_json(one: &Repeatable) -> Value {
    let mut json = json!({"key": one.key, "next": one.next_ms});
    for (field, value) in &one.record {
        let number = value.parse::<i64>().ok().filter(|_| !["name", "pattern", "tz"].contains(field));
        let field = if *field == "ic" { "iterationCount" } else { field };
        json[field] = number.map_or_else(|| json!(value), |number| json!(number));
    }
    json
}
