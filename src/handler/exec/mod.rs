//! Jobs as subprocesses: one process for each attempt, the job on its stdin, NDJSON on its stdout.
//!
//! Owns: one attempt, from the command to what its end means. Must never know: Redis, leases. Called by
//! `worker::executor` through [`Handler`].
//!
//! | file | what it owns |
//! |---|---|
//! | `options` | what can be configured, and what is refused |
//! | `program` | finding the file to run |
//! | `group` | the process group: no process of a run outlives it |
//! | `stderr` | stderr as lines of the job's log |

mod group;
mod options;
mod program;
mod stderr;

use std::os::unix::process::ExitStatusExt as _;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::FusedFuture as _;
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout};

use self::group::Group;
pub use self::options::ExecOptions;
use self::options::Ready;
use self::stderr::Stderr;
use super::envelope::Envelope;
use super::stream::{Limits, Stop, Stream, Verdict};
use super::{BoxFuture, Context, Handler, OptionError, StopReason, room};
use crate::job::outcome::{Failure, Outcome, ReasonClass, ReturnValue};
use crate::job::{Data, Job};

/// `EX_DATAERR` of sysexits.h: the job itself is bad, no further attempt can help.
const EXIT_PERMANENT: i32 = 65;
/// How long output is awaited after the process has ended. Its own output is in the pipe already; only a
/// descendant that left the process group (`setsid`) can hold the pipe open.
const DRAIN_MAX: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 16 * 1024;

/// Runs each job in a process of its own.
#[derive(Clone)]
pub struct ExecHandler(Arc<Ready>);

impl ExecHandler {
    /// Checks the options and that the program is there.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub fn new(options: ExecOptions) -> Result<Self, Vec<OptionError>> {
        options::check(options).map(|ready| Self(Arc::new(ready)))
    }
}

impl Handler for ExecHandler {
    fn run(&self, job: Arc<Job<Data>>, ctx: Context) -> BoxFuture<'static, Outcome> {
        let ready = Arc::clone(&self.0);
        Box::pin(async move { attempt(&ready, &job, &ctx).await })
    }

    fn label(&self) -> &str {
        &self.0.label
    }
}

/// Why a process is stopped before it ended by itself.
enum Halt {
    Cancelled,
    Silent(Duration),
    Stream(Stop),
}

impl Halt {
    fn outcome(self) -> Outcome {
        match self {
            Self::Cancelled => Outcome::Failed(Failure::new(ReasonClass::Cancelled, "cancelled")),
            Self::Silent(limit) => {
                let text = format!("no heartbeat for {} s", limit.as_secs_f64());
                Outcome::Failed(Failure::new(ReasonClass::NoProgress, text))
            }
            Self::Stream(stop) => stop.outcome("stdout"),
        }
    }
}

async fn attempt(ready: &Ready, job: &Job<Data>, ctx: &Context) -> Outcome {
    let mut command = match options::command(ready, job, ctx) {
        Ok(command) => command,
        Err(failure) => return Outcome::Failed(failure),
    };
    let (mut group, pipes) = loop {
        match Group::spawn(&mut command, ready.options.kill_grace) {
            Ok(started) => break started,
            Err(error) if room::is_out(&error) => room::wait(error).await,
            Err(error) => {
                let program = command.as_std().get_program().to_string_lossy();
                let text = format!("cannot start {program}: {error}");
                return Outcome::Failed(Failure::new(ReasonClass::Error, text));
            }
        }
    };
    ctx.pulse.beat();
    let limits =
        Limits { result_bytes: ready.options.result_max, retry_after_max: ready.options.retry_after_max };
    let mut stream = Stream::new(limits);
    let mut stderr = Stderr::default();
    let status = {
        let output = async {
            let all = async {
                tokio::try_join!(
                    feed(pipes.stdin, job),
                    read_stdout(pipes.stdout, &mut stream, ctx),
                    stderr.read(pipes.stderr, ctx)
                )
            };
            all.await.map(drop).map_err(Halt::Stream)
        };
        let mut output = std::pin::pin!(output.fuse());
        let ended = tokio::select! {
            biased;
            () = ctx.cancelled.cancelled() => Err(Halt::Cancelled),
            halt = silence(ready.options.heartbeat, ctx) => Err(halt),
            ended = follow(&mut group, output.as_mut()) => ended,
        };
        match ended {
            Ok(status) => status,
            Err(halt) => {
                // Read on meanwhile: a process that is told to end may still have a checkpoint to leave.
                let read_on = async {
                    output.as_mut().await.ok();
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    () = stop(&mut group, ctx) => {}
                    () = read_on => {}
                }
                if !output.is_terminated() {
                    tokio::time::timeout(DRAIN_MAX, output).await.ok();
                }
                return halt.outcome();
            }
        }
    };
    // A last line without a newline counts; half a line of a process that was killed does not.
    let last = stream.end(ctx).await;
    match (status, last) {
        (Ok(status), Err(stop)) if status.success() => stop.outcome("stdout"),
        (Ok(status), _) => outcome(status, stream.verdict(), &stderr),
        (Err(error), _) => Outcome::Failed(Failure::new(ReasonClass::Error, format!("cannot wait: {error}"))),
    }
}

/// Ends the process and its group. Of a job that somebody cancelled the worker says when its grace is over.
async fn stop(group: &mut Group, ctx: &Context) {
    if matches!(ctx.stopping.reason(), Some(StopReason::Cancelled { .. })) {
        group.stop_within(ctx.stopping.grace_ended()).await;
    } else {
        group.stop().await;
    }
}

/// Waits for the end of the process and of its output. What the process left behind in its group is killed: when
/// a run has ended, nothing of it runs on.
async fn follow(
    group: &mut Group,
    mut output: Pin<&mut impl Future<Output = Result<(), Halt>>>,
) -> Result<std::io::Result<ExitStatus>, Halt> {
    let (status, all_read) = tokio::select! {
        biased;
        status = group.wait() => (status, false),
        read = output.as_mut() => {
            read?;
            (group.wait().await, true)
        }
    };
    group.kill_rest();
    if !all_read && let Ok(read) = tokio::time::timeout(DRAIN_MAX, output).await {
        read?;
    }
    Ok(status)
}

/// Writes the job as one line and closes stdin. A process that does not care to read is no error.
async fn feed(mut stdin: ChildStdin, job: &Job<Data>) -> Result<(), Stop> {
    let mut line = serde_json::to_vec(&Envelope::of(job)).unwrap_or_default();
    // A producer may have written its JSON over several lines. Within strings line breaks are escaped, so these
    // are only space.
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line.push(b'\n');
    if let Err(error) = stdin.write_all(&line).await {
        tracing::debug!(%error, "the process did not read its job");
    }
    Ok(())
}

async fn read_stdout(mut stdout: ChildStdout, stream: &mut Stream, ctx: &Context) -> Result<(), Stop> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match stdout.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(n) => {
                stream.feed(&buffer[..n], ctx).await?;
            }
            Err(error) => return Err(Stop::Bad(format!("cannot read: {error}"))),
        }
    }
}

/// Ends when nothing was heard from the process for `limit`; without one, never.
async fn silence(limit: Option<Duration>, ctx: &Context) -> Halt {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        let idle = ctx.pulse.read().beat.elapsed();
        match limit.checked_sub(idle) {
            Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
            _ => return Halt::Silent(limit),
        }
    }
}

fn outcome(status: ExitStatus, verdict: Option<Verdict>, stderr: &Stderr) -> Outcome {
    let line = match (status.success(), verdict) {
        (true, Some(Verdict::Result(value))) => return Outcome::Completed(Some(value)),
        (true, Some(Verdict::WaitForChildren)) => return Outcome::WaitForChildren,
        (true, None) => return Outcome::Completed(ReturnValue::of(&()).ok()),
        (_, Some(Verdict::Error(line))) => line,
        // A result counts for nothing when the process failed afterwards.
        (false, _) => super::stream::ErrorLine::default(),
    };
    let ended = ended(status);
    let mut failure = line.failure(|| match stderr.last_words() {
        Some(words) => format!("{ended}: {words}"),
        None => ended.clone(),
    });
    failure.retryable &= status.code() != Some(EXIT_PERMANENT);
    if failure.stack.is_none() {
        failure.stack =
            Some(format!("Error: {}\n    at {ended}\n{}", failure.message, stderr.tail()).trim_end().into());
    }
    Outcome::Failed(failure)
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("killed by {}", signal.as_str()),
            Err(_) => format!("killed by signal {number}"),
        },
        (None, None) => "ended without a status".into(),
    }
}
