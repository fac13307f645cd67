//! The real `bullock` binary as a process of the test's own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::http;
use super::process::{Output, Process, free_port};
use super::wait::DEADLINE;

const PORT_TRIES: usize = 10;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_bullock");

/// A running `bullock run`, killed when dropped.
pub struct Bullock {
    process: Process,
    admin: SocketAddr,
    output: Output,
    dir: TempDir,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// All that it printed, both streams.
    pub output: String,
}

impl Bullock {
    /// Writes `config` (TOML) to a file, runs `bullock run -c <file>` and waits until `/readyz` answers 200.
    ///
    /// The admin server gets a free port through `BULLOCK_ADMIN__LISTEN`; leave `[admin] listen` out of the text.
    pub async fn run(config: &str) -> Bullock {
        Bullock::run_with(config, &[]).await
    }

    /// [`Bullock::run`] with further environment variables.
    pub async fn run_with(config: &str, environment: &[(&str, &str)]) -> Bullock {
        let mut last = String::new();
        for _ in 0..PORT_TRIES {
            let mut bullock = Bullock::spawn(config, environment);
            match bullock.become_ready().await {
                Ok(()) => return bullock,
                Err(output) if output.contains("in use") => last = output,
                Err(output) => panic!("bullock ended before it was ready:\n{output}"),
            }
        }
        panic!("bullock found no free admin port in {PORT_TRIES} tries:\n{last}");
    }

    /// Starts it without waiting for anything.
    pub fn spawn(config: &str, environment: &[(&str, &str)]) -> Bullock {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("bullock.toml");
        std::fs::write(&file, config).expect("the config can be written");
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = clean_command(dir.path());
        command.arg("run").arg("-c").arg(&file).env("BULLOCK_ADMIN__LISTEN", admin.to_string());
        command.envs(environment.iter().copied());
        let (process, output) = start(&mut command);
        Bullock { process, admin, output, dir }
    }

    /// `http://127.0.0.1:<port>` of the admin server.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// GET on the admin server: status and body.
    pub async fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        http::get(&self.admin_url(), path).await
    }

    /// Everything that it has printed so far.
    pub fn logs(&self) -> String {
        self.output.text()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The directory that holds its config file, also its working directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// SIGTERM, then waits for the end.
    pub async fn stop(mut self) -> Ended {
        self.process.signal(Signal::SIGTERM);
        self.wait(3 * DEADLINE).await
    }

    /// Waits for the end without asking for it.
    pub async fn wait(&mut self, limit: Duration) -> Ended {
        let status: ExitStatus = self.process.wait(limit).await;
        Ended { code: status.code(), output: self.output.text() }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn crash(mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait(DEADLINE).await;
    }

    /// SIGSTOP: the process stands still, its sockets stay open.
    pub fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Waits for 200 on `/readyz`. `Err` is what the process printed before it ended.
    pub async fn become_ready(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if self.process.ended().is_some() {
                // The reading threads may be a moment behind the end of the process.
                tokio::time::sleep(Duration::from_millis(50)).await;
                return Err(self.output.text());
            }
            let answer = self.get("/readyz").await;
            if matches!(answer, Ok((200, _))) {
                return Ok(());
            }
            let said = || self.output.text();
            assert!(started.elapsed() < DEADLINE, "not ready after {DEADLINE:?}: {answer:?}\n{}", said());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What a command of the CLI answered.
#[derive(Debug)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs `bullock <arguments>` to its end, without a terminal and without the caller's environment settings.
pub async fn cli(arguments: &[&str], environment: &[(&str, &str)]) -> Answer {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = clean_command(dir.path());
    command.args(arguments).envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command).expect("the binary starts");
    let stdout = read_all(process.child().stdout.take().expect("piped"));
    let stderr = read_all(process.child().stderr.take().expect("piped"));
    let status = process.wait(3 * DEADLINE).await;
    let stdout = stdout.await.expect("the reader does not panic");
    let stderr = stderr.await.expect("the reader does not panic");
    let code = status.code().unwrap_or_else(|| panic!("ended by a signal: {status}\n{stderr}"));
    Answer { code, stdout, stderr }
}

fn read_all(mut from: impl std::io::Read + Send + 'static) -> tokio::task::JoinHandle<String> {
    tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The binary in a directory of its own, deaf to the settings of whoever runs the tests.
fn clean_command(dir: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(dir).env("NO_COLOR", "1").env_remove("REDIS_URL").env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os() {
        if ["BULLOCK_", "OTEL_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            command.env_remove(name);
        }
    }
    command
}

fn start(command: &mut Command) -> (Process, Output) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(command).expect("the binary starts");
    let output = Output::default();
    output.follow_stdout(process.child().stdout.take().expect("piped"));
    output.follow_stderr(process.child().stderr.take().expect("piped"));
    (process, output)
}
