//! `bullock board`: the dashboard and the API on any Redis with Bull or `BullMQ` queues, without a worker.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::error::CliError;
use super::run::{end, load, start_logs};
use super::session::Shared;
use crate::app::Failure;
use crate::app::board::{self, BoardLaunch};
use crate::config::{Flag, Need};

/// Arguments of `bullock board`.
#[derive(Debug, Args)]
pub struct Board {
    /// Nothing can be changed
    #[arg(long)]
    pub read_only: bool,
    /// Port to listen on, of the loopback address [default: 7979]
    #[arg(long)]
    pub port: Option<u16>,
    /// The config file; ./bullock.toml unless given, if it is there
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Give up at once when Redis cannot be reached at the start
    #[arg(long)]
    pub fail_fast: bool,
}

/// Serves until told to stop, and answers the exit code.
pub async fn run(shared: &Shared, args: Board) -> Result<ExitCode, CliError> {
    // Checked here so that a wrong URL is told in the words of all other commands.
    let redis = shared.redis()?;
    let mut flags = Vec::new();
    if let Some(port) = args.port {
        flags.push(Flag { name: "--port".into(), key: "admin.listen", value: format!("127.0.0.1:{port}") });
    }
    let mut named = shared.clone();
    named.redis_url = Some(redis.as_str().to_owned());
    let config = match load(&named, args.config.as_deref(), flags, Need::Connection) {
        Ok(config) => config,
        Err(problems) => return Ok(end(Err(Failure::problems(&problems.to_string())), None)),
    };
    let logs = match start_logs(&config) {
        Ok(logs) => logs,
        Err(failure) => return Ok(end(Err(failure), None)),
    };
    let prefix = if shared.prefix == "bull" { config.redis.prefix.clone() } else { shared.prefix.clone() };
    let (shown, read_only) = (redis.shown().to_owned(), args.read_only);
    let launch = BoardLaunch {
        read_only,
        fail_fast: args.fail_fast,
        prefix,
        on_start: Box::new(move |address| {
            eprintln!("  redis      {shown}");
            eprintln!("  board      http://{address}{}", if read_only { " (read-only)" } else { "" });
            eprintln!("  api        http://{address}/api/v1/queues, described at /api/v1/openapi.json");
            eprintln!("  Ctrl-C stops it.\n");
        }),
    };
    let outcome = board::run(config, launch).await;
    drop(logs);
    Ok(end(outcome, Some(redis.as_str())))
}
