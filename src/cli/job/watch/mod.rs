//! `bullock job watch`: one job to its end, by its events; a look once a second is the guard.

mod view;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::no_job;
use super::record::Record;
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::target::{Changes, QueueAt, Target};
use crate::cli::time::{duration, parse_duration};
use crate::job::state::State;
use crate::store::events::JobEvent;
pub(super) use view::View;

/// Time between two looks, for what no event tells.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A job that is gone may have ended a moment ago: wait so long for the event that says how.
const LATE_EVENT: Duration = Duration::from_millis(300);
/// Redis may be away for so long before the watch is given up.
const AWAY_MAX: Duration = Duration::from_secs(30);

/// Arguments of `bullock job watch`.
#[derive(Debug, Args)]
#[command(after_help = "Draws a progress bar on a terminal; prints one JSON line for each change otherwise.")]
pub struct Watch {
    /// Name of the queue
    queue: String,
    /// Id of the job
    id: String,
    /// Give up after this time, with exit code 7 [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// How a watch ended.
pub(super) enum End {
    /// The job is completed.
    Completed {
        /// What it returned; null = nothing.
        result: Value,
        /// `None` = it was removed at its end.
        record: Option<Box<Record>>,
    },
    /// The job failed for good.
    Failed {
        /// Why.
        reason: Option<String>,
    },
    /// It is no longer there, and nobody said why.
    Gone,
    /// Waited long enough.
    TimedOut {
        /// How long that was.
        after: Duration,
        /// Where the job is.
        whereabouts: String,
    },
}

impl End {
    /// The exit code; the error says the rest.
    pub(super) fn exit(self, queue: &str, id: &str) -> Result<ExitCode, CliError> {
        let place = format!("{queue}/{}", shown(id));
        match self {
            Self::Completed { .. } => Ok(ExitCode::SUCCESS),
            Self::Failed { reason } => Err(CliError::new(Exit::Failed, "the job failed").at(place).found(
                reason.as_deref().and_then(|reason| reason.lines().next()).unwrap_or("without a message"),
            )),
            Self::Gone => Err(CliError::new(Exit::NotFound, "the job is gone")
                .at(place)
                .hint("it was removed, or ended with removeOnComplete or removeOnFail")),
            Self::TimedOut { after, whereabouts } => {
                Err(CliError::new(Exit::TimedOut, "the job has not ended")
                    .at(place)
                    .found(whereabouts)
                    .expected(format!("its end within {}", duration(after.as_millis() as i64))))
            }
        }
    }
}

/// Watches.
pub(super) async fn run(target: &Target, args: &Watch) -> Result<ExitCode, CliError> {
    let queue = target.known_queue(&args.queue).await?;
    let mut news = queue.changes(Some(&args.id)).await?;
    if queue.record(&args.id).await?.is_none() {
        return Err(no_job(&args.queue, &args.id));
    }
    let mut view = if target.out.is_live() { View::bar() } else { View::lines() };
    let end =
        follow(target, &queue, &args.id, &mut news, args.timeout, |record| view.show(target, record)).await;
    view.clear();
    let end = end?;
    if let End::Completed { result, record } = &end {
        view.completed(target, &args.id, result, record.as_deref())?;
    }
    end.exit(&args.queue, &args.id)
}

/// Follows a job to its end. `changed` is called with every look that may show something new.
pub(super) async fn follow(
    target: &Target,
    queue: &QueueAt<'_>,
    id: &str,
    news: &mut Changes,
    timeout: Option<Duration>,
    mut changed: impl FnMut(&Record) -> Result<(), CliError>,
) -> Result<End, CliError> {
    let mut look = interval(LOOK_AGAIN);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = tokio::time::Instant::now();
    let (mut last, mut answered): (Option<Record>, Instant) = (None, Instant::now());
    loop {
        let said = tokio::select! {
            event = news.next() => Some(event?),
            _ = look.tick() => None,
            () = sleep_until(begun + timeout.unwrap_or_default()), if timeout.is_some() => {
                let whereabouts = last.as_ref().map_or_else(|| "unknown".to_owned(), Record::whereabouts);
                return Ok(End::TimedOut { after: timeout.unwrap_or_default(), whereabouts });
            }
        };
        if said.as_ref().is_some_and(|event| event.id() != id) {
            continue;
        }
        if let (Some(JobEvent::Progress { progress, .. }), Some(record)) = (&said, &mut last) {
            record.view.progress = progress.clone();
            changed(record)?;
            continue;
        }
        match queue.record(id).await {
            Ok(Some(record)) => {
                answered = Instant::now();
                changed(&record)?;
                if let Some(end) = end_of(&record) {
                    return Ok(end);
                }
                last = Some(record);
            }
            Ok(None) => return Ok(how_it_went(said, id, news).await),
            Err(error) if error.exit() == Exit::Unreachable && answered.elapsed() < AWAY_MAX => {
                target.out.detail(&format!("{error}; trying again"));
            }
            Err(error) => return Err(error),
        }
    }
}

fn end_of(record: &Record) -> Option<End> {
    match record.state {
        Some(State::Completed) => Some(End::Completed {
            result: record.view.returnvalue.clone(),
            record: Some(Box::new(record.clone())),
        }),
        Some(State::Failed) => Some(End::Failed { reason: record.view.failed_reason.clone() }),
        _ => None,
    }
}

/// The job is gone: only an event can tell how it ended.
async fn how_it_went(said: Option<JobEvent>, id: &str, news: &mut Changes) -> End {
    let until = tokio::time::Instant::now() + LATE_EVENT;
    let mut event = said;
    loop {
        match event {
            Some(JobEvent::Completed { id: of, result }) if of == id => {
                return End::Completed { result, record: None };
            }
            Some(JobEvent::Failed { id: of, reason }) if of == id => return End::Failed { reason },
            _ => {}
        }
        match tokio::time::timeout_at(until, news.next()).await {
            Ok(Ok(next)) => event = Some(next),
            _ => return End::Gone,
        }
    }
}
