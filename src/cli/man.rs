//! `bullock man`: manual pages, made from the help texts.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use super::error::{CliError, Exit};
use super::session::Shared;

/// Arguments of `bullock man`.
#[derive(Debug, Args)]
#[command(
    after_help = "To read one: bullock man | man -l -    To install all: bullock man /usr/local/share/man/man1"
)]
pub struct Man {
    /// Write a page for every command into this directory, instead of the first one to standard output
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// Prints or writes.
pub fn run(shared: &Shared, args: &Man) -> Result<(), CliError> {
    let command = super::Cli::command();
    let Some(directory) = &args.directory else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        std::io::Write::write_all(&mut std::io::stdout().lock(), &page)?;
        return Ok(());
    };
    let failed = |error: std::io::Error| {
        CliError::new(Exit::Failed, "cannot write the pages")
            .at(directory.display().to_string())
            .found(error.to_string())
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(command, directory).map_err(failed)?;
    shared.output().note(&format!("bullock.1 and a page for each command are in {}", directory.display()));
    Ok(())
}
