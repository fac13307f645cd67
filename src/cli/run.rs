//! `bullock run`: the worker. Also what the other commands that read the config share with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::error::CliError;
use super::redis_url::RedisUrl;
use super::session::Shared;
use crate::app::{self, Failure, Launch};
use crate::config::{Config, Flag, LogFormat, Need, Problems, Sources};
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
    /// Give up at once when Redis cannot be reached, or takes no writes, at the start
    #[arg(long)]
    pub fail_fast: bool,
}

/// Works until told to stop, and answers the exit code.
pub async fn run(shared: &Shared, args: Run) -> ExitCode {
    let mut flags = Vec::new();
    if args.no_admin {
        flags.push(Flag { name: "--no-admin".into(), key: "admin.listen", value: String::new() });
    }
    let config = match load(shared, args.config.as_deref(), flags, Need::Queues) {
        Ok(config) => config,
        Err(problems) => return end(Err(Failure::problems(&problems.to_string())), None),
    };
    let launch = Launch { only_queues: args.queues, fail_fast: args.fail_fast, ..Launch::default() };
    start(config, launch).await
}

/// Starts the logs, works, and answers the exit code.
pub(super) async fn start(config: Config, launch: Launch) -> ExitCode {
    let logs = match start_logs(&config) {
        Ok(logs) => logs,
        Err(failure) => return end(Err(failure), None),
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let url = config.redis.url.as_ref().map(|url| url.expose().to_owned());
    let outcome = app::run(config, launch).await;
    // The last lines of the log come before the last line of all.
    drop(logs);
    end(outcome, url.as_deref())
}

/// Prints why a start failed. `url` is the Redis that was named.
pub(super) fn end(outcome: Result<(), Failure>, url: Option<&str>) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    let url = url.and_then(|url| RedisUrl::resolve(Some(url)).ok());
    if let (Some(error), Some(url)) = (&failure.store, url) {
        let error = CliError::store(error.clone(), &url);
        eprintln!("{error}");
        return error.exit().into();
    }
    eprintln!("error: {failure}");
    failure.exit.into()
}

/// Reads the config as every command does: a flag wins over the environment, that over the file. Where none of them
/// names a Redis, the plain variable `REDIS_URL` does, as for all other commands.
pub(super) fn load(
    shared: &Shared,
    file: Option<&Path>,
    mut flags: Vec<Flag>,
    need: Need,
) -> Result<Config, Problems> {
    if let Some(url) = &shared.redis_url {
        flags.push(Flag { name: "--redis-url".into(), key: "redis.url", value: url.clone() });
    }
    let env = environment();
    let plain = env.get("REDIS_URL").filter(|url| !url.is_empty()).cloned();
    let config = Config::load_from(&Sources { file, env: env.clone(), flags: flags.clone(), need })?;
    match plain {
        Some(value) if config.redis.url.is_none() => {
            flags.push(Flag { name: "REDIS_URL".into(), key: "redis.url", value });
            Config::load_from(&Sources { file, env, flags, need })
        }
        _ => Ok(config),
    }
}

/// The variables that are text.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Starts the logs as the config says; keep the value to the end, it writes what is still waiting.
pub fn start_logs(config: &Config) -> Result<telemetry::Logs, Failure> {
    let format = config.log.format.map(|format| match format {
        LogFormat::Json => telemetry::Format::Json,
        LogFormat::Pretty => telemetry::Format::Pretty,
    });
    telemetry::init(format, config.log.level).map_err(|error| Failure::new(1, error.to_string()))
}
