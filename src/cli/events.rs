//! `bullock events`: what happens in the queues, a line each, as it happens.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::api::Api;
use super::error::CliError;
use super::output::Output;
use super::session::Session;
use super::target::{At, Target};
use crate::admin::live::event::{News, now_ms};
use crate::admin::live::filter::Filter;
use crate::store::discovery::queues;
use crate::store::feed::{Feed, Heard};
use crate::store::{Opened, Store};
use crate::wire::redact::Redaction;

/// How often to look for further queues.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Most events taken in one go.
const TAKEN_MAX: usize = 1000;

/// Arguments of `bullock events`.
#[derive(Debug, Args)]
pub struct Events {
    /// These queues only; * stands for any text. May be repeated
    #[arg(long = "queue", value_name = "QUEUE")]
    pub queues: Vec<String>,
    /// These types only, such as job.failed or "job.*". May be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// These jobs only. May be repeated
    #[arg(long = "job", value_name = "ID")]
    pub jobs: Vec<String>,
    /// End after so many events
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

type Known = Arc<Mutex<BTreeMap<String, Store>>>;

/// Prints events until it is stopped: one JSON object a line, or words on a terminal.
pub async fn run(target: &Target, args: Events) -> Result<ExitCode, CliError> {
    let filter = Filter { queues: args.queues, types: args.types, jobs: args.jobs };
    if let Some(problem) = filter.problem() {
        return Err(CliError::usage(problem));
    }
    match &target.at {
        At::Redis(session) => directly(session, filter, args.limit).await,
        At::Api(api) => told_by(target, api, &filter, args.limit).await,
    }
}

/// The same as a server tells it.
async fn told_by(
    target: &Target,
    api: &Api,
    filter: &Filter,
    limit: Option<usize>,
) -> Result<ExitCode, CliError> {
    let named = [("queue", &filter.queues), ("type", &filter.types), ("job", &filter.jobs)];
    let query: Vec<(&str, &str)> =
        named.iter().flat_map(|(name, all)| all.iter().map(|one| (*name, one.as_str()))).collect();
    let mut stream = api.stream(&["events"], &query).await?;
    target.out.detail("listening");
    let mut left = limit;
    while left != Some(0) {
        let (text, event) = stream.next().await?;
        show(&target.out, &text, &event)?;
        left = left.map(|left| left - 1);
    }
    Ok(ExitCode::SUCCESS)
}

async fn directly(session: &Session, filter: Filter, limit: Option<usize>) -> Result<ExitCode, CliError> {
    let known = Known::default();
    find(session, &filter, &known).await?;
    if known.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
        session.out.note("no such queue yet; waiting for one");
    }
    let listed = Arc::clone(&known);
    let stores = move || listed.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
    let mut feed = Feed::start(Arc::new(stores)).await;
    session.out.detail("listening");
    let (mut look, mut heard) = (tokio::time::interval(LOOK_AGAIN), Vec::new());
    let (mut seq, mut left) = (now_ms() * 1000, limit);
    loop {
        tokio::select! {
            () = feed.take(&mut heard, TAKEN_MAX) => {}
            _ = look.tick() => {
                // Away for a moment: the feed says so itself.
                let _ = find(session, &filter, &known).await;
                continue;
            }
        }
        for one in heard.drain(..) {
            let news = match one {
                Heard::Told(told) => News::read(told, &Redaction::default()),
                Heard::Lost(loss) => vec![News::lost(loss)],
            };
            for one in news {
                let event = one.numbered(seq);
                seq += 1;
                if !filter.wants(&event) {
                    continue;
                }
                let text = String::from_utf8_lossy(event.json());
                show(&session.out, &text, &json!(event))?;
                left = left.map(|left| left.saturating_sub(1));
                if left == Some(0) {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }
}

/// Adds the queues that are wanted and not known yet.
async fn find(session: &Session, filter: &Filter, known: &Known) -> Result<(), CliError> {
    let exact = !filter.queues.is_empty() && !filter.queues.iter().any(|queue| queue.contains('*'));
    let names = if exact {
        filter.queues.clone()
    } else {
        queues(&session.connection, &session.prefix).await.map_err(|error| session.error(error))?
    };
    for name in names.into_iter().filter(|name| filter.names(name)) {
        if known.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&name) {
            continue;
        }
        let store = session.store(&name);
        let opened = store.look().await.map_err(|error| session.error(error))?;
        // One that two kinds of programs write to tells nothing that could be trusted.
        if matches!(opened, Opened::Ready(..)) {
            known.lock().unwrap_or_else(PoisonError::into_inner).insert(name, store);
        }
    }
    Ok(())
}

fn show(out: &Output, text: &str, event: &Value) -> Result<(), CliError> {
    if !out.is_for_people() {
        return Ok(out.line(text)?);
    }
    let member = |name: &str| event[name].as_str();
    let time = member("ts").unwrap_or_default();
    let time = time.get(11..23).unwrap_or(time);
    let queue = member("queue").unwrap_or("-");
    let job = member("jobId").map(|job| format!("/{job}")).unwrap_or_default();
    let name = member("name").map(|name| format!(" ({name})")).unwrap_or_default();
    let data = event["data"].as_object().filter(|data| !data.is_empty());
    let data = data.map_or_else(String::new, |_| format!("  {}", event["data"]));
    let kind = member("type").unwrap_or_default();
    Ok(out.line(&format!("{time}  {kind:<20}  {queue}{job}{name}{data}"))?)
}
