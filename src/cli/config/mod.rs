//! `bullock config`: the config in force, the schema of the file, the variables.

mod env;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::error::{CliError, Exit};
use crate::cli::run::load;
use crate::cli::session::Shared;
use crate::config::{Need, schema};

/// `bullock config …`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the config in force, secrets hidden, each value with where it came from
    Show(Show),
    /// Print the JSON Schema of the config file
    Schema,
    /// List the environment variables that set options
    Env,
}

/// Arguments of `bullock config show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The config file; ./bullock.toml unless given
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Prints it.
pub fn run(shared: &Shared, command: &ConfigCommand) -> Result<ExitCode, CliError> {
    let out = shared.output();
    match command {
        ConfigCommand::Schema => out.line(&format!("{:#}", schema()))?,
        ConfigCommand::Env => env::run(&out)?,
        ConfigCommand::Show(args) => {
            let config = match load(shared, args.config.as_deref(), Vec::new(), Need::Connection) {
                Ok(config) => config,
                Err(problems) => {
                    eprintln!("{problems}");
                    return Ok(Exit::Usage.into());
                }
            };
            if out.is_json() {
                // Comments, and with them the origins, are TOML's alone.
                let value: serde_json::Value = toml::from_str(config.to_toml_redacted())
                    .map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
                out.line(&format!("{value:#}"))?;
            } else {
                out.line(config.to_toml_redacted().trim_end())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
