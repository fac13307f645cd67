//! `bullock check`: would a start succeed, and what should be known? Touches no job.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::error::{CliError, Exit};
use super::output::{Cell, Column, Row, Tone};
use super::redis_url::RedisUrl;
use super::run::load;
use super::session::Shared;
use crate::app::check::{Finding, Verdict, check};
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
    let rows: Vec<Row> = findings.iter().map(row).collect();
    let columns = [Column::text("RESULT"), Column::text("CHECK"), Column::text("DETAIL")];
    out.list(&columns, &rows)?;
    let lowest = if args.strict { Verdict::Warn } else { Verdict::Error };
    let of = |wanted: Verdict| findings.iter().find(move |finding| finding.verdict == wanted);
    let worst = of(Verdict::Error).or_else(|| of(lowest));
    Ok(worst.map_or(ExitCode::SUCCESS, |finding| finding.exit.into()))
}

fn row(finding: &Finding) -> Row {
    let (word, tone) = match finding.verdict {
        Verdict::Ok => ("ok", Tone::Good),
        Verdict::Warn => ("warn", Tone::Busy),
        Verdict::Error => ("error", Tone::Bad),
    };
    Row {
        cells: vec![Cell::new(word).tone(tone), Cell::new(&finding.check), Cell::new(&finding.detail)],
        json: serde_json::json!(finding),
    }
}
