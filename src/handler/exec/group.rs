//! The process group of one run: a process, and whatever it starts.
//!
//! Owns: start, signals, reaping. Must never know: jobs, what the process says. Called by `exec`.
//!
//! Invariant: when a [`Group`] is gone, so are its processes, at most its grace later. A descendant that makes
//! itself a session of its own (`setsid`) escapes; only a container or cgroup holds those.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

/// Time between two looks whether a group that was told to end has ended.
const LOOK: Duration = Duration::from_millis(20);

/// The three pipes of a process.
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

/// A process that leads a group of its own.
pub(super) struct Group {
    /// Taken when the group is handed to the task that ends it.
    child: Option<Child>,
    /// The leader's pid, which is the group's id.
    id: Pid,
    grace: Duration,
    /// When it was first told to end.
    told: Option<Instant>,
    /// Nothing is left to be signalled.
    over: bool,
}

impl Group {
    pub(super) fn spawn(command: &mut Command, grace: Duration) -> io::Result<(Self, Pipes)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let gone = || io::Error::other("the process has no pipes");
        let id = child.id().and_then(|id| i32::try_from(id).ok()).ok_or_else(gone)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let group = Self { child: Some(child), id: Pid::from_raw(id), grace, told: None, over: false };
        match (stdin, stdout, stderr) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok((group, Pipes { stdin, stdout, stderr })),
            _ => Err(gone()),
        }
    }

    /// Waits for the leader. May be dropped and called again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.child {
            Some(child) => child.wait().await,
            None => Err(io::Error::other("the process was given up")),
        }
    }

    /// Kills what the leader left behind. Called right after it ended: the group's number cannot belong to
    /// others as long as one member lives, and is not given out anew at once.
    pub(super) fn kill_rest(&mut self) {
        self.signal(Signal::SIGKILL);
        self.over = true;
    }

    /// SIGTERM to all, SIGKILL after the grace; returns when none is left. If it is dropped on the way, the rest
    /// happens in the background.
    pub(super) async fn stop(&mut self) {
        self.stop_within(tokio::time::sleep(self.grace)).await;
    }

    /// The same with a grace that ends when the caller says so.
    pub(super) async fn stop_within(&mut self, grace: impl Future<Output = ()>) {
        // Dropped on the way, the rest has what was left of the time at most.
        let begun = *self.told.get_or_insert_with(Instant::now);
        self.signal(Signal::SIGTERM);
        {
            let mut grace = std::pin::pin!(grace);
            loop {
                if self.is_empty() {
                    self.over = true;
                    return;
                }
                tokio::select! {
                    () = &mut grace => break,
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
        }
        tracing::debug!(group = self.id.as_raw(), after = ?begun.elapsed(), "SIGKILL");
        self.signal(Signal::SIGKILL);
        self.over = true;
        // SIGKILL is not refused; this only takes the leader's status so that no zombie stays.
        if let Err(error) = self.wait().await {
            tracing::debug!(%error, "a killed process could not be reaped");
        }
    }

    /// Reaps the leader if it has ended, and asks whether anybody is left.
    fn is_empty(&mut self) -> bool {
        let ended = match &mut self.child {
            Some(child) => child.try_wait().is_ok_and(|status| status.is_some()),
            None => true,
        };
        ended && killpg(self.id, None).is_err()
    }

    fn signal(&self, signal: Signal) {
        if !self.over
            && let Err(error) = killpg(self.id, signal)
        {
            // ESRCH: all have ended already.
            tracing::trace!(%error, group = self.id.as_raw(), "no process took the signal");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // The process as a whole is ending: there is no time for a grace.
            self.signal(Signal::SIGKILL);
            return;
        };
        self.signal(Signal::SIGTERM);
        let grace = self.told.map_or(self.grace, |told| self.grace.saturating_sub(told.elapsed()));
        let (child, id, told) = (self.child.take(), self.id, self.told);
        let mut rest = Remainder(Self { child, id, grace, told, over: false });
        self.over = true;
        runtime.spawn(async move { rest.0.stop().await });
    }
}

/// A group that is being ended in the background. If that task is dropped too, because the runtime stops, the
/// grace is over.
struct Remainder(Group);

impl Drop for Remainder {
    fn drop(&mut self) {
        self.0.signal(Signal::SIGKILL);
        self.0.over = true;
    }
}
