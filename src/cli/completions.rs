//! `bullock completions`: scripts that complete commands and flags in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::error::CliError;

/// Arguments of `bullock completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Completions) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "bullock", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(())
}
