//! `bullock run`: the worker.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::session::Shared;
use crate::app::{self, Failure, Launch};
use crate::config::{Config, Flag, LogFormat, Need, Sources};
use crate::telemetry;

/// Arguments of `bullock run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The config file; ./bullock.toml unless given
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Work these queues only
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub queues: Vec<String>,
    /// Start no admin server
    #[arg(long)]
    pub no_admin: bool,
    /// Give up at once when Redis cannot be reached at the start
    #[arg(long)]
    pub fail_fast: bool,
}

/// Works until told to stop, and answers the exit code.
pub async fn run(shared: &Shared, args: Run) -> ExitCode {
    match work(shared, args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit.into()
        }
    }
}

/// Reads the config, starts the logs, and works.
async fn work(shared: &Shared, args: Run) -> Result<(), Failure> {
    let mut flags = Vec::new();
    if let Some(url) = &shared.redis_url {
        flags.push(Flag { name: "--redis-url".into(), key: "redis.url", value: url.clone() });
    }
    if args.no_admin {
        flags.push(Flag { name: "--no-admin".into(), key: "admin.listen", value: String::new() });
    }
    let sources = Sources {
        file: args.config.as_deref(),
        env: std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect(),
        flags,
        need: Need::Queues,
    };
    let config = Config::load_from(&sources).map_err(|problems| Failure::problems(&problems.to_string()))?;
    let _logs = start_logs(&config)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let launch = Launch { only_queues: args.queues, fail_fast: args.fail_fast, ..Launch::default() };
    app::run(config, launch).await
}

/// Starts the logs as the config says; keep the value to the end, it writes what is still waiting.
pub fn start_logs(config: &Config) -> Result<telemetry::Logs, Failure> {
    let format = config.log.format.map(|format| match format {
        LogFormat::Json => telemetry::Format::Json,
        LogFormat::Pretty => telemetry::Format::Pretty,
    });
    telemetry::init(format, config.log.level).map_err(|error| Failure::new(1, error.to_string()))
}
