//! `bullock events`: what happens in the queues, a line each, as it happens. Directly from Redis.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;

use super::error::CliError;
use super::session::Session;
use crate::admin::live::event::{Event, News, now_ms};
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
pub async fn run(session: &Session, args: Events) -> Result<ExitCode, CliError> {
    let filter = Filter { queues: args.queues, types: args.types, jobs: args.jobs };
    if let Some(problem) = filter.problem() {
        return Err(CliError::usage(problem));
    }
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
    let (mut seq, mut left) = (now_ms() * 1000, args.limit);
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
                show(session, &event)?;
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

fn show(session: &Session, event: &Event) -> Result<(), CliError> {
    if !session.out.is_for_people() {
        let text = String::from_utf8_lossy(event.json());
        return Ok(session.out.line(&text)?);
    }
    let time = event.ts.get(11..23).unwrap_or(&event.ts);
    let queue = event.queue.as_deref().unwrap_or("-");
    let job = event.job.as_ref().map(|job| format!("/{job}")).unwrap_or_default();
    let name = event.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let data = if event.data.is_empty() {
        String::new()
    } else {
        format!("  {}", serde_json::Value::Object(event.data.clone()))
    };
    Ok(session.out.line(&format!("{time}  {:<20}  {queue}{job}{name}{data}", event.kind))?)
}
