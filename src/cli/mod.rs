//! The commands.
//!
//! Owns: arguments, what is printed, exit codes. Must never know: Redis commands (`store`), key names (`wire`). One
//! file for each command; [`session`] is where those that speak to Redis begin, [`error`] how all of them end.

pub mod actor;
pub mod api;
pub mod audit;
pub mod bench;
pub mod board;
pub mod check;
pub mod completions;
pub mod config;
pub mod dead;
pub mod demo;
pub mod dev;
pub mod doctor;
pub mod error;
pub mod events;
pub mod flow;
pub mod history;
pub mod init;
pub mod job;
pub mod man;
pub mod moving;
pub mod output;
pub mod queue;
pub mod redis_url;
pub mod run;
pub mod schedule;
pub mod session;
pub mod sync;
pub mod target;
pub mod time;
pub mod top;
pub mod worker;
pub mod zombies;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::{CliError, Exit};
use session::{Session, Shared};
use target::Target;

/// Commands that go over the admin API as well as to Redis. All others say so when an API is named.
pub const OVER_API: &[&str] = &[
    "queue ls",
    "queue show",
    "queue stats",
    "queue pause",
    "queue resume",
    "queue drain",
    "queue obliterate",
    "job add",
    "job ls",
    "job show",
    "job watch",
    "job logs",
    "job retry",
    "job cancel",
    "job kill",
    "job promote",
    "job force-done",
    "job rm",
    "sync start",
    "sync show",
    "sync pause",
    "sync resume",
    "sync retry-items",
    "sync force-done",
    "flow show",
    "schedule ls",
    "schedule add",
    "schedule rm",
    "schedule run",
    "worker ls",
    "worker quiet",
    "worker resume",
    "dead ls",
    "dead show",
    "zombies ls",
    "zombies requeue",
    "zombies fail",
    "zombies force-done",
    "events",
    "top",
    "history",
    "audit",
];

/// Commands that ask neither Redis nor an API, whatever the environment names.
pub const ALONE: &[&str] = &["init", "config show", "config schema", "config env", "completions", "man"];

/// The Rust worker for Bull queues
#[derive(Debug, Parser)]
#[command(
    name = "bullock",
    version,
    about = "The Rust worker for Bull queues",
    after_help = "Exit codes:\n  0 done  1 failed  2 wrong usage  3 not found  4 not authorised  \
    5 conflict  6 cannot reach Redis or the API\n  7 timed out  8 unsafe Redis  78 no redis-server  130 interrupted",
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::doc_markdown, reason = "these comments are help texts")]
enum Command {
    /// Write a config and a handler to begin with
    Init(init::Init),
    /// Work the queues of the config until told to stop
    Run(run::Run),
    /// Start a private Redis and a worker for development
    Dev(dev::Dev),
    /// Show made-up jobs at work, on a private Redis
    Demo(demo::Demo),
    /// Show the queues of any Redis, without working them
    Board(board::Board),
    /// Check the config, Redis and the handlers
    Check(check::Check),
    /// Show the config in force, its schema, its variables
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// List, look at, pause and empty queues
    #[command(subcommand)]
    Queue(queue::Queue),
    /// Add, list, watch, retry and remove jobs
    #[command(subcommand)]
    Job(job::Job),
    /// Start, watch over and steer syncs
    #[command(subcommand)]
    Sync(sync::Sync),
    /// Show a job with the jobs that it waits for
    #[command(subcommand)]
    Flow(flow::Flow),
    /// List, add, remove and run what comes again
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// List the workers of the queues, quiet and resume them
    #[command(subcommand)]
    Worker(worker::Worker),
    /// List, show, replay and purge jobs that failed for good
    #[command(subcommand)]
    Dead(dead::Dead),
    /// List and mend jobs that look alive and are not
    #[command(subcommand)]
    Zombies(zombies::Zombies),
    /// Look over queues that anyone filled, and mend what is wrong
    Doctor(doctor::Doctor),
    /// Print what happens in the queues as it happens
    Events(events::Events),
    /// Watch the queues in a live table
    Top(top::Top),
    /// Show what ran per hour or day
    History(history::History),
    /// Show what people did to queues and jobs
    Audit(audit::Audit),
    /// Move a Bull 4 queue to BullMQ while both are in use
    Move(moving::Move),
    /// Measure this worker with this Redis, on a queue of its own
    Bench(bench::Bench),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Print the manual page, or write one for each command
    Man(man::Man),
}

impl Command {
    /// Does it speak to Redis itself, or start what does? Then no API can stand for that.
    fn needs_redis(&self) -> bool {
        match self {
            Self::Run(_)
            | Self::Dev(_)
            | Self::Demo(_)
            | Self::Board(_)
            | Self::Check(_)
            | Self::Doctor(_)
            | Self::Move(_)
            | Self::Bench(_) => true,
            Self::Init(args) => args.asks_redis(),
            _ => false,
        }
    }
}

/// Runs the command line and answers its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) if error.is_unread() => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "{error}");
            error.exit().into()
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, CliError> {
    let Cli { shared, command } = cli;
    if command.needs_redis() {
        shared.not_over_api()?;
    }
    match command {
        Command::Init(args) => done(init::run(&shared, args)),
        Command::Run(args) => on_runtime(async { Ok(run::run(&shared, args).await) }),
        Command::Dev(args) => on_runtime(dev::run(&shared, args)),
        Command::Demo(args) => on_runtime(demo::run(&shared, args)),
        Command::Board(args) => on_runtime(board::run(&shared, args)),
        Command::Check(args) => on_runtime(check::run(&shared, &args)),
        Command::Config(command) => config::run(&shared, &command),
        Command::Completions(args) => completions::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Man(args) => man::run(&shared, &args).map(|()| ExitCode::SUCCESS),
        Command::Queue(command) => on_runtime(async {
            queue::run(&Target::new(&shared)?, command).await.map(|()| ExitCode::SUCCESS)
        }),
        Command::Job(command) => on_runtime(async { job::run(&Target::new(&shared)?, command).await }),
        Command::Sync(command) => on_runtime(async { sync::run(&Target::new(&shared)?, command).await }),
        Command::Dead(command) => on_runtime(async { dead::run(&Target::new(&shared)?, command).await }),
        Command::Zombies(command) => {
            on_runtime(async { zombies::run(&Target::new(&shared)?, command).await })
        }
        Command::Doctor(args) => on_runtime(async { doctor::run(&Session::new(&shared)?, &args).await }),
        Command::Events(args) => on_runtime(async { events::run(&Target::new(&shared)?, args).await }),
        Command::Top(args) => done(async { top::run(&Target::new(&shared)?, args).await }),
        Command::Audit(args) => done(async { audit::run(&Target::new(&shared)?, &args).await }),
        Command::History(args) => done(async { history::run(&Target::new(&shared)?, &args).await }),
        Command::Flow(command) => done(async { flow::run(&Target::new(&shared)?, command).await }),
        Command::Schedule(command) => done(async { schedule::run(&Target::new(&shared)?, command).await }),
        Command::Worker(command) => done(async { worker::run(&Target::new(&shared)?, command).await }),
        Command::Move(args) => on_runtime(async {
            moving::run(&Session::new(&shared)?, &args).await.map(|()| ExitCode::SUCCESS)
        }),
        Command::Bench(args) => on_runtime(async { bench::run(&Session::new(&shared)?, &args).await }),
    }
}

/// Runs an async command that has no exit code of its own.
fn done(command: impl Future<Output = Result<(), CliError>>) -> Result<ExitCode, CliError> {
    on_runtime(command).map(|()| ExitCode::SUCCESS)
}

/// Runs an async command to its end.
fn on_runtime<T>(command: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Exit::Failed, "cannot start").found(error.to_string()))?;
    runtime.block_on(command)
}
