//! `bullock job logs`: the lines that a job's handler wrote.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::record::Record;
use super::{no_job, queue_of};
use crate::cli::error::CliError;
use crate::cli::session::Session;
use crate::job::state::State;

/// Lines of one read.
const PAGE: usize = 1000;
/// Time between two looks with `--follow`.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Arguments of `bullock job logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Name of the queue
    queue: String,
    /// Id of the job
    id: String,
    /// Go on until the job ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines [default: all]
    #[arg(long, value_name = "LINES")]
    limit: Option<usize>,
}

/// Prints.
pub(super) async fn run(session: &Session, args: &Logs) -> Result<(), CliError> {
    let store = queue_of(session, &args.queue, &args.id).await?;
    let failed = |error| session.error(error);
    if Record::read(&store, &args.id).await.map_err(failed)?.is_none() {
        return Err(no_job(&args.queue, &args.id));
    }
    let (_, total) = store.logs(&args.id, 0, 1).await.map_err(failed)?;
    let mut at = args.limit.map_or(0, |last| (total as usize).saturating_sub(last));
    if total == 0 && !args.follow {
        session.out.note("no log lines");
    }
    loop {
        // Asked before the lines: what is written before the end is then printed for sure.
        let over = !args.follow || is_over(Record::read(&store, &args.id).await.map_err(failed)?.as_ref());
        loop {
            let (lines, total) = store.logs(&args.id, at, PAGE).await.map_err(failed)?;
            for line in &lines {
                if session.out.is_json() {
                    session.out.json_line(&json!({"line": at, "text": line}))?;
                } else {
                    session.out.line(line)?;
                }
                at += 1;
            }
            // The log keeps its newest lines: when it was cut meanwhile, go on at its new end.
            at = at.min(total as usize);
            if lines.len() < PAGE {
                break;
            }
        }
        if over {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn is_over(record: Option<&Record>) -> bool {
    record.is_none_or(|record| record.state.is_some_and(State::is_finished))
}
