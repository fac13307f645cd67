//! `bullock queue stats`: how a queue does, from its newest jobs that have ended.

use clap::Args;
use serde_json::json;

use crate::admin::routes::stats::Percentiles;
use crate::cli::error::CliError;
use crate::cli::output::{Part, Tone};
use crate::cli::target::Target;
use crate::cli::time::duration;

/// Below this share of jobs that ended well, something is the matter.
const RATE_BAD: f64 = 0.95;

/// Arguments of `bullock queue stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// Name of the queue
    queue: String,
}

/// Prints the figures.
pub(super) async fn run(session: &Target, args: &Stats) -> Result<(), CliError> {
    let queue = session.known_queue(&args.queue).await?;
    let ((counts, _), stats) = (queue.counts().await?, queue.stats().await?);
    let mut parts = vec![
        Part::field("queue", &args.queue),
        Part::field("completed", counts.completed),
        Part::field("failed", counts.failed),
        Part::field("sampled", format!("the newest {} that have ended", stats.sampled)),
    ];
    if let Some(rate) = stats.success_rate {
        let tone = if rate < RATE_BAD { Tone::Bad } else { Tone::Good };
        parts.push(Part::Field("ended well", format!("{:.1} %", rate * 100.0), tone));
    }
    let times = [("waited", stats.wait_ms), ("ran", stats.run_ms)];
    parts.extend(times.into_iter().filter_map(|(name, times)| Some(Part::field(name, text(&times?)))));
    if !stats.names.is_empty() {
        let lines = stats.names.iter().map(|name| {
            let ran = name.run_ms.as_ref().map_or_else(String::new, |run| format!(", ran {}", text(run)));
            format!("{}: {} jobs, {} failed{ran}", name.name, name.sampled, name.failed)
        });
        parts.push(Part::Block("by name", lines.collect()));
    }
    if !stats.slowest.is_empty() {
        let line = |job: &_| slow(job);
        parts.push(Part::Block("ran longest", stats.slowest.iter().map(line).collect()));
    }
    Ok(session.out.page(&parts, &json!(stats))?)
}

fn slow(job: &crate::admin::routes::stats::SlowJob) -> String {
    format!("{} ({}): {}", job.id, job.name, duration(job.run_ms.cast_signed()))
}

fn text(times: &Percentiles) -> String {
    let ms = |ms: u64| duration(ms.cast_signed());
    format!("half {} or less, 95 of 100 {}, 99 of 100 {}", ms(times.p50), ms(times.p95), ms(times.p99))
}
