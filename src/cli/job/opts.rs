//! The options of a job that `job add` adds, checked before anything is written, with the command line's words.

use serde_json::{Map, Value};

use crate::cli::error::{CliError, shown};
pub(in crate::cli) use crate::wire::new_job::check::{ATTEMPTS_MAX, NAME_BYTES_MAX, PRIORITY_MAX};
use crate::wire::{Dialect, check_options};

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
