//! The options of a job that `job add` adds, checked before anything is written, with the command line's words.

use clap::Args;
use serde_json::{Map, Value, json};

use super::add::read_json;

use crate::cli::error::{CliError, shown};
pub(in crate::cli) use crate::wire::new_job::check::{ATTEMPTS_MAX, NAME_BYTES_MAX, PRIORITY_MAX};
use crate::wire::{Dialect, check_options};

/// What a job is given, as every command that adds one takes it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Body {
    /// Data: JSON, @FILE, or - for standard input [default: {}]
    #[arg(short, long, value_name = "JSON", allow_hyphen_values = true)]
    data: Option<String>,
    /// Options of npm bull or bullmq, as JSON or @FILE; other flags win over them
    #[arg(long, value_name = "JSON")]
    opts: Option<String>,
}

impl Body {
    /// The data and the options.
    pub(in crate::cli) fn read(&self) -> Result<(Value, Map<String, Value>), CliError> {
        read_body(self.data.as_deref(), self.opts.as_deref())
    }
}

/// The data and the options of `--data` and `--opts`.
pub(in crate::cli) fn read_body(
    data: Option<&str>,
    opts: Option<&str>,
) -> Result<(Value, Map<String, Value>), CliError> {
    let data = data.map_or_else(|| Ok(json!({})), |text| read_json("--data", text))?;
    match opts.map(|text| read_json("--opts", text)).transpose()? {
        None => Ok((data, Map::new())),
        Some(Value::Object(opts)) => Ok((data, opts)),
        Some(other) => Err(CliError::usage("the options are no object")
            .at("--opts")
            .found(other.to_string())
            .expected("an object such as {\"attempts\": 3}")),
    }
}

/// Checks all members. Answers remarks for the person who adds the job.
pub(in crate::cli) fn check(opts: &Map<String, Value>, dialect: Dialect) -> Result<Vec<String>, CliError> {
    check_options(opts, dialect).map_err(|wrong| {
        let at = if wrong.name == "repeat" && wrong.found.is_none() {
            "--opts repeat".into()
        } else {
            shown(&wrong.name)
        };
        let error = CliError::usage(wrong.what).at(at);
        let error = match wrong.found {
            Some(found) => error.found(found),
            None => error,
        };
        match wrong.expected {
            Some(expected) => error.expected(expected),
            None => error,
        }
    })
}
