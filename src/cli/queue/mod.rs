//! `bullock queue`: the queues of a prefix, one queue, its figures; acts on a whole queue.

mod act;
mod stats;

use clap::Subcommand;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Part, Row, Tone};
use crate::cli::session::Session;
use crate::cli::target::{At, Target, workers_of};
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
pub async fn run(session: &Target, command: Queue) -> Result<(), CliError> {
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
    dialect: String,
    counts: Counts,
    paused: bool,
    workers: Option<usize>,
}

async fn list(target: &Target, limit: usize) -> Result<(), CliError> {
    let (summaries, found) = match &target.at {
        At::Redis(session) => look_at_all(session, limit).await?,
        At::Api(api) => shown_by(target, api, limit).await?,
    };
    let rows: Vec<Row> = summaries.iter().map(row).collect();
    target.out.list(COLUMNS, &rows)?;
    if rows.is_empty() {
        let place = match &target.at {
            At::Redis(session) => format!("under prefix \"{}\" at {}", session.prefix, session.redis.shown()),
            At::Api(api) => format!("at {}", api.shown()),
        };
        target.out.note(&format!("no queues {place}"));
    } else if found > limit {
        target.out.note(&format!("{limit} of {found} queues; more: --limit {found}"));
    }
    Ok(())
}

/// The queues of a Redis, and how many there are.
async fn look_at_all(session: &Session, limit: usize) -> Result<(Vec<Summary>, usize), CliError> {
    let mut names =
        queues(&session.connection, &session.prefix).await.map_err(|error| session.error(error))?;
    let found = names.len();
    names.truncate(limit);
    let clients = client_names(&session.connection).await.map_err(|error| session.error(error))?;
    let stores = names.into_iter().map(|name| session.store(&name));
    let mut summaries: Vec<Summary> = futures_util::stream::iter(stores)
        .map(|store| async move { summary(session, &store).await })
        .buffered(AT_ONCE)
        .try_filter_map(|summary| std::future::ready(Ok(summary)))
        .try_collect()
        .await
        .map_err(|error: StoreError| session.error(error))?;
    for summary in &mut summaries {
        let of_queue = |names: &Vec<String>| workers_of(&session.store(&summary.name), names).len();
        summary.workers = clients.as_ref().map(of_queue);
    }
    Ok((summaries, found))
}

/// The same behind the API.
async fn shown_by(target: &Target, api: &Api, limit: usize) -> Result<(Vec<Summary>, usize), CliError> {
    let list: Value = api.get(&["queues"], &[]).await?;
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let summary = |item: &Value| {
        let name = item["name"].as_str()?.to_owned();
        if item["problem"].is_string() {
            target.out.note(&left_out(&name));
            return None;
        }
        Some(Summary {
            name,
            dialect: item["dialect"].as_str()?.to_owned(),
            counts: serde_json::from_value(item["counts"].clone()).ok()?,
            paused: item["paused"] == true,
            workers: item["workers"].as_u64().map(|n| n as usize),
        })
    };
    Ok((items.iter().take(limit).filter_map(summary).collect(), items.len()))
}

fn left_out(name: &str) -> String {
    format!("note: {name} is left out: its keys have other types than a queue's")
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
            session.out.note(&left_out(&store.keys().queue));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let (name, dialect) = (store.keys().queue.to_string(), dialect.to_owned());
    Ok(Some(Summary { name, dialect, counts, paused, workers: None }))
}

fn row(summary: &Summary) -> Row {
    let Summary { name, dialect, counts, paused, workers } = summary;
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
            Cell::new(dialect),
        ],
        json: json!({"queue": name, "dialect": dialect, "paused": paused, "counts": counts, "workers": workers}),
    }
}

async fn show(session: &Target, name: &str) -> Result<(), CliError> {
    let queue = session.known_queue(name).await?;
    let (counts, paused) = queue.counts().await?;
    let (workers, repeatables) = (queue.workers().await?, queue.repeatables().await?);
    let (oldest, dialect) = (queue.oldest_waiting().await?, queue.dialect().await?);
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
        Part::field("dialect", dialect.as_str()),
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
        let title = match dialect {
            Dialect::Bull => "repeatable jobs",
            Dialect::BullMq => "job schedulers",
        };
        parts.push(Part::Block(title, repeatables.iter().map(|one| repeatable_line(one, now)).collect()));
    }
    let repeat_json: Vec<Value> = repeatables.iter().map(repeatable_json).collect();
    let json = json!({"queue": name, "prefix": queue.prefix().await?, "dialect": dialect.as_str(), "paused": paused, "counts": counts,
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
