//! What can be configured about a command, and what is refused.
//!
//! Owns: the options, their defaults, their checks, and the command made of them. Must never know: what the
//! process says. Called by `ExecHandler`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::program;
use crate::handler::{Context, OptionError, idempotency};
use crate::job::Job;
use crate::job::outcome::{Failure, ReasonClass};

/// Time between SIGTERM and SIGKILL.
const KILL_GRACE_DEFAULT: Duration = Duration::from_secs(5);
/// Largest result, in bytes of JSON.
const RESULT_BYTES_MAX_DEFAULT: usize = 1024 * 1024;
/// Longest wait that a `retryAfterMs` may ask for.
const RETRY_AFTER_MAX_DEFAULT: Duration = Duration::from_hours(1);
/// Variables of ours that a process sees unless configured.
const ENV_DEFAULT: &[&str] = &["PATH", "HOME"];
/// What may stand for a part of the job in the arguments.
const VARIABLES: &[&str] = &["{{queue}}", "{{id}}", "{{name}}"];

/// What to run. Start from [`ExecOptions::new`], which holds the defaults.
#[derive(Debug, Clone)]
pub struct ExecOptions {
    /// Program and arguments; no shell reads them. After an argument `--`, one that is exactly `{{id}}`,
    /// `{{name}}` or `{{queue}}` stands for that part of the job.
    pub argv: Vec<String>,
    /// Names of the variables of our own environment that the process sees. `JOB_ID`, `JOB_QUEUE`, `JOB_NAME`,
    /// `JOB_ATTEMPT` and `IDEMPOTENCY_KEY` are added; there is nothing else in its environment.
    pub env: Vec<String>,
    /// Where it runs; relative programs are found from here. `None`: where we run.
    pub cwd: Option<PathBuf>,
    /// Time between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// Longest silence on stdout and stderr; `None`: none.
    pub heartbeat: Option<Duration>,
    /// Largest result in bytes; a marker is stored in place of a larger one.
    pub result_max: usize,
    /// Longest wait that the process may ask for by `retryAfterMs`.
    pub retry_after_max: Duration,
}

impl ExecOptions {
    /// The defaults.
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: ENV_DEFAULT.iter().map(|&name| name.to_owned()).collect(),
            cwd: None,
            kill_grace: KILL_GRACE_DEFAULT,
            heartbeat: None,
            result_max: RESULT_BYTES_MAX_DEFAULT,
            retry_after_max: RETRY_AFTER_MAX_DEFAULT,
        }
    }
}

/// Options that were checked.
pub(super) struct Ready {
    pub(super) options: ExecOptions,
    pub(super) label: String,
}

pub(super) fn check(options: ExecOptions) -> Result<Ready, Vec<OptionError>> {
    let mut problems = Vec::new();
    let mut keep = |option, problem: String| problems.push(OptionError { option, problem });
    for argument in options.argv.iter().filter(|argument| argument.contains('\0')) {
        keep("exec", format!("\"{}\" has a NUL character", argument.escape_debug()));
    }
    let separator = options.argv.iter().position(|argument| argument == "--").unwrap_or(usize::MAX);
    for (place, argument) in options.argv.iter().enumerate().filter(|(_, argument)| argument.contains("{{")) {
        let shown = argument.escape_debug();
        if !VARIABLES.contains(&argument.as_str()) {
            let known = VARIABLES.join(", ");
            keep(
                "exec",
                format!("\"{shown}\": a variable is a whole argument, one of {known}; data comes on stdin"),
            );
        } else if place < separator {
            // Otherwise a job with the id "--help" would choose an option of the program.
            keep("exec", format!("\"{shown}\" must stand after an argument \"--\""));
        }
    }
    for name in options.env.iter().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
        let hint = "write names of variables, not values";
        keep("env", format!("\"{}\" is no name of a variable: {hint}", name.escape_debug()));
    }
    if let Some(cwd) = options.cwd.as_deref().filter(|cwd| !cwd.is_dir()) {
        keep("cwd", format!("{} is not a directory", cwd.display()));
    }
    match options.argv.first() {
        None => keep("exec", "is empty; write an array: [\"node\", \"report.js\"]".into()),
        Some(name) => {
            if let Err(problem) = program::find(name, options.cwd.as_deref()) {
                keep("exec", problem);
            }
        }
    }
    for (option, value) in [("kill_grace", Some(options.kill_grace)), ("heartbeat", options.heartbeat)] {
        if value.is_some_and(|value| value.is_zero()) {
            keep(option, "must be more than 0".into());
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let name = Path::new(&options.argv[0]).file_name().unwrap_or_default().to_string_lossy();
    Ok(Ready { label: format!("exec {name}"), options })
}

/// The command for a job. The program is looked for anew each time, since a deploy may have moved it.
pub(super) fn command<T>(ready: &Ready, job: &Job<T>, ctx: &Context) -> Result<Command, Failure> {
    let options = &ready.options;
    let program = program::find(&options.argv[0], options.cwd.as_deref()).map_err(|problem| {
        Failure::new(ReasonClass::Error, format!("cannot start the handler: {problem}"))
    })?;
    let mut command = Command::new(program);
    command.arg0(&options.argv[0]);
    for argument in &options.argv[1..] {
        command.arg(filled(argument, job)?);
    }
    command.env_clear();
    for name in &options.env {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // A NUL cannot stand in a variable; it is shown as a header would show it.
    let plain = |text: &str| text.replace('\0', "%00");
    command.env("JOB_ID", plain(job.id.as_str()));
    command.env("JOB_QUEUE", plain(&job.queue));
    command.env("JOB_NAME", plain(&job.name));
    command.env("JOB_ATTEMPT", job.attempt().to_string());
    command.env("IDEMPOTENCY_KEY", idempotency::key(&ctx.run, job));
    if let Some(trace) = &ctx.run.trace {
        command.env("TRACEPARENT", trace.traceparent());
        if let Some(state) = &trace.state {
            command.env("TRACESTATE", &**state);
        }
    }
    if let Some(cwd) = &options.cwd {
        command.current_dir(cwd);
    }
    Ok(command)
}

fn filled<'a, T>(argument: &'a str, job: &'a Job<T>) -> Result<&'a str, Failure> {
    let value = match argument {
        "{{queue}}" => &*job.queue,
        "{{id}}" => job.id.as_str(),
        "{{name}}" => &*job.name,
        _ => return Ok(argument),
    };
    if value.is_empty() || value.chars().any(char::is_control) {
        let text =
            format!("{argument} of this job is empty or has control characters: it cannot be an argument");
        return Err(Failure::new(ReasonClass::Undecodable, text).permanent());
    }
    Ok(value)
}
