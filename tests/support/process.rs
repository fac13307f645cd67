//! A child process that cannot outlive the test, whichever way the test ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait;

/// A running child. Dropping it kills and reaps it.
///
/// A test process that is itself killed runs no destructors; for that case a second child, a shell, waits for the end of
/// its standard input (which comes with our death) and then kills the first.
pub struct Process {
    child: Child,
    watcher: Child,
    /// Its end was told, and its number given back.
    is_reaped: bool,
}

impl Process {
    /// Starts `command`.
    pub fn spawn(command: &mut Command) -> std::io::Result<Process> {
        let child = command.spawn()?;
        let watcher = Command::new("sh")
            .args(["-c", r#"read -r _; kill -9 "$1""#, "watcher", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Process { child, watcher, is_reaped: false })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, output and error, where they were piped. Each can be taken once.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal. Not after its end was told: the number may be somebody else's then.
    pub fn signal(&self, signal: Signal) {
        assert!(!self.is_reaped, "process {} has ended", self.pid());
        let pid = i32::try_from(self.pid()).expect("a pid fits");
        kill(Pid::from_raw(pid), signal).expect("our own child can be signalled");
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("our own child can be asked")?;
        // Its number is free from here on. A watcher that knew it would kill whoever gets it next.
        self.dismiss_watcher();
        self.is_reaped = true;
        Some(status)
    }

    fn dismiss_watcher(&mut self) {
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
    }

    /// Waits for its end.
    pub async fn wait(&mut self, limit: Duration) -> ExitStatus {
        let pid = self.pid();
        wait::value_within(limit, &format!("process {pid} to end"), || {
            let ended = self.ended();
            async move { ended }
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watcher goes first: while the child is unreaped its pid cannot be given to a stranger.
        let _ = self.child.kill();
        self.dismiss_watcher();
        let _ = self.child.wait();
    }
}

/// What a child writes, gathered by a thread while it runs.
#[derive(Clone, Default)]
pub struct Output(Arc<Gathered>);

#[derive(Default)]
struct Gathered {
    text: Mutex<String>,
    /// Pipes that may still say something.
    open: AtomicUsize,
}

impl Output {
    /// Everything so far.
    pub fn text(&self) -> String {
        self.0.text.lock().unwrap().clone()
    }

    /// Whether nothing more can come: the other ends are closed, and all was read.
    pub fn is_complete(&self) -> bool {
        self.0.open.load(Ordering::SeqCst) == 0
    }

    /// Gathers standard error.
    pub fn follow_stderr(&self, stderr: ChildStderr) {
        self.follow(stderr);
    }

    /// Gathers standard output.
    pub fn follow_stdout(&self, stdout: ChildStdout) {
        self.follow(stdout);
    }

    fn follow(&self, from: impl Read + Send + 'static) {
        let into = Arc::clone(&self.0);
        into.open.fetch_add(1, Ordering::SeqCst);
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                into.text.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
            into.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// A loopback port that was free a moment ago. Somebody else may take it before its user does: callers retry.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
    listener.local_addr().expect("a bound address").port()
}
