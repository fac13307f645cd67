//! `bullock job logs`: the lines that a job's handler wrote.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::no_job;
use super::record::Record;
use crate::cli::error::CliError;
use crate::cli::target::Target;
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
pub(super) async fn run(target: &Target, args: &Logs) -> Result<(), CliError> {
    let queue = target.known_queue(&args.queue).await?;
    if queue.record(&args.id).await?.is_none() {
        return Err(no_job(&args.queue, &args.id));
    }
    let (_, total) = queue.logs(&args.id, 0, 1).await?;
    let mut at = args.limit.map_or(0, |last| (total as usize).saturating_sub(last));
    if total == 0 && !args.follow {
        target.out.note("no log lines");
    }
    loop {
        // Asked before the lines: what is written before the end is then printed for sure.
        let over = !args.follow || is_over(queue.record(&args.id).await?.as_ref());
        loop {
            let (lines, total) = queue.logs(&args.id, at, PAGE).await?;
            for line in &lines {
                if target.out.is_json() {
                    target.out.json_line(&json!({"line": at, "text": line}))?;
                } else {
                    target.out.line(line)?;
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
