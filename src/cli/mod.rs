//! The commands.

pub mod bench;
pub mod run;

use clap::{Parser, Subcommand};

/// The Rust worker for Bull queues.
#[derive(Debug, Parser)]
#[command(name = "bullock", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Work the queues of the config until told to stop
    Run(run::Run),
    /// Measure this worker on a queue that anyone filled
    Bench(bench::Bench),
}

/// Runs the command line and answers its exit code.
pub fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let result = match cli.command {
        Command::Run(args) => {
            return match runtime.block_on(run::run(args)) {
                Ok(()) => std::process::ExitCode::SUCCESS,
                Err(failure) => {
                    eprintln!("error: {failure}");
                    std::process::ExitCode::from(failure.exit)
                }
            };
        }
        Command::Bench(args) => runtime.block_on(async move { bench::run(&args).await }),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
