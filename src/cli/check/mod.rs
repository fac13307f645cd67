//! `bullock check`: would a start succeed, and what should be known? Touches no job.

mod live;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::app::check::{Finding, Verdict, check};
use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Cell, Column, Row};
use crate::cli::redis_url::RedisUrl;
use crate::cli::run::load;
use crate::cli::session::Shared;
use crate::config::Need;
use crate::store::StoreError;

/// Arguments of `bullock check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The config file; ./bullock.toml unless given
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Only ask the worker of this config whether it lives: for health checks of containers
    #[arg(long, conflicts_with = "strict")]
    pub live: bool,
}

/// Looks at everything and answers the exit code of the first error.
pub async fn run(shared: &Shared, args: &Check) -> Result<ExitCode, CliError> {
    let out = shared.output();
    let config = match load(shared, args.config.as_deref(), Vec::new(), Need::Queues) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(Exit::Usage.into());
        }
    };
    if args.live {
        return live::ask(&out, &config).await.map(|()| ExitCode::SUCCESS);
    }
    let url = config.redis.url.as_ref().and_then(|url| RedisUrl::resolve(Some(url.expose())).ok());
    let explain = |error: StoreError| match &url {
        Some(url) => {
            let error = CliError::store(error, url);
            let line = error.to_string();
            (error.exit() as u8, line.trim_start_matches("error: ").to_owned())
        }
        None => (Exit::Failed as u8, error.to_string()),
    };
    let findings = check(&config, explain).await.0;
    if out.is_for_people() {
        // Nothing is cut here: the end of a line is the next step.
        let width = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or(0);
        for finding in &findings {
            out.line(&sentence(finding, width, out.has_colour()))?;
        }
    } else {
        let rows: Vec<Row> = findings.iter().map(row).collect();
        out.list(&[Column::text("RESULT"), Column::text("CHECK"), Column::text("DETAIL")], &rows)?;
    }
    let lowest = if args.strict { Verdict::Warn } else { Verdict::Error };
    let of = |wanted: Verdict| findings.iter().find(move |finding| finding.verdict == wanted);
    let worst = of(Verdict::Error).or_else(|| of(lowest));
    Ok(worst.map_or(ExitCode::SUCCESS, |finding| finding.exit.into()))
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Error => "error",
    }
}

fn sentence(finding: &Finding, width: usize, colour: bool) -> String {
    let code = match finding.verdict {
        Verdict::Ok => 32,
        Verdict::Warn => 33,
        Verdict::Error => 31,
    };
    let word = format!("{:<5}", word(finding.verdict));
    let word = if colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word };
    format!("{word}  {:<width$}  {}", finding.check, finding.detail)
}

fn row(finding: &Finding) -> Row {
    let cells = [word(finding.verdict), &finding.check, &finding.detail];
    Row { cells: cells.map(Cell::new).to_vec(), json: serde_json::json!(finding) }
}
