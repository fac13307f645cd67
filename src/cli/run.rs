//! `bullock run`: the worker.

use std::path::PathBuf;

use clap::Args;

use crate::app::{self, Failure, Launch};
use crate::config::{Config, Flag, LogFormat, Need, Sources};
use crate::telemetry;

/// Arguments of `bullock run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The config file; ./bullock.toml unless given
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Redis to use, over what the config says
    #[arg(short = 'r', long, value_name = "URL")]
    pub redis_url: Option<String>,
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

/// Reads the config, starts the logs, and works until told to stop.
pub async fn run(args: Run) -> Result<(), Failure> {
    let mut flags = Vec::new();
    if let Some(url) = args.redis_url {
        flags.push(Flag { name: "--redis-url".into(), key: "redis.url", value: url });
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
