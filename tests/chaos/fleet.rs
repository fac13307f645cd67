//! The processes of a run: workers of ours, Node's beside them, each behind a proxy of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bullock::wire::Dialect;
use nix::sys::signal::Signal;

use crate::run::{Options, QUEUE};
use crate::support::bullock::BINARY;
use crate::support::process::Process;

/// How long a job is held without renewal. The shortest that is allowed without saying so is 1 s.
pub(crate) const LEASE_MS: u64 = 2_000;
/// Jobs of one worker at a time.
const CONCURRENCY: usize = 8;
/// Node buries a job that stalled more often: chaos is no reason to.
const MAX_STALLED: u32 = 1_000;

/// Whose worker.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Ours { binary: PathBuf },
    Node,
}

/// One worker that may die and come again.
pub(crate) struct Worker {
    kind: Kind,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    log: PathBuf,
    process: Option<Process>,
    /// Ended by itself, with this.
    pub ended: Vec<String>,
}

impl Worker {
    pub(crate) fn new(number: usize, kind: Kind, options: &Options, place: &Place, url: &str) -> Worker {
        let log = place.dir.join(format!("worker-{number}.log"));
        let command: Box<dyn Fn() -> Command + Send + Sync> = match &kind {
            Kind::Ours { binary } => {
                let file = place.dir.join(format!("worker-{number}.toml"));
                std::fs::write(&file, config(number, binary, options, place, url)).unwrap();
                let (binary, dir) = (binary.clone(), place.dir.clone());
                Box::new(move || {
                    let mut command = Command::new(&binary);
                    command.arg("run").arg("-c").arg(&file).current_dir(&dir);
                    command
                })
            }
            Kind::Node => {
                let package = match options.dialect {
                    Dialect::Bull => "bull",
                    Dialect::BullMq => "bullmq6",
                };
                let words = [package.to_owned(), url.to_owned(), QUEUE.to_owned(), LEASE_MS.to_string()];
                let (record, node) = (place.record.clone(), crate::node_directory());
                Box::new(move || {
                    let mut command = Command::new("node");
                    command.arg("chaos.mjs").args(&words).arg(&record).current_dir(&node);
                    command
                })
            }
        };
        Worker { kind, command, log, process: None, ended: Vec::new() }
    }

    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Ours { .. })
    }

    /// Starts it, or starts it again.
    pub(crate) fn start(&mut self) {
        let log = || std::fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = (self.command)();
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("BULLOCK_") || name == "REDIS_URL" || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(log()).stderr(log());
        self.process = Some(Process::spawn(&mut command).unwrap());
    }

    /// Notes it if the worker has ended by itself, which it never should, and starts it again.
    pub(crate) fn look_after(&mut self) {
        if let Some(process) = &mut self.process
            && let Some(status) = process.ended()
        {
            self.ended.push(format!("ended by itself: {status}; see {}", self.log.display()));
            self.start();
        }
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process
            && process.ended().is_none()
        {
            process.signal(signal);
        }
    }

    /// SIGKILL, and gone.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut process) = self.process.take() {
            process.wait(Duration::from_secs(20)).await;
        }
    }

    /// SIGTERM for ours, which must end with 0; Node's are killed.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::SIGCONT);
        if !self.is_ours() {
            return self.kill().await;
        }
        self.signal(Signal::SIGTERM);
        if let Some(mut process) = self.process.take() {
            let status = process.wait(Duration::from_mins(1)).await;
            if status.code() != Some(0) {
                self.ended.push(format!("asked to stop: {status}; see {}", self.log.display()));
            }
        }
    }
}

/// Where a run keeps its files.
#[derive(Clone)]
pub(crate) struct Place {
    pub dir: PathBuf,
    pub record: PathBuf,
    pub backend: String,
}

/// Which workers there are.
pub(crate) fn kinds(options: &Options) -> Vec<Kind> {
    let own = options.binary.clone().unwrap_or_else(|| PathBuf::from(BINARY));
    (0..options.workers)
        .map(|n| {
            let is_node = options.mixed && n % 2 == 1;
            match &options.other_binary {
                _ if is_node => Kind::Node,
                Some(other) if n >= options.workers / 2 => Kind::Ours { binary: other.clone() },
                _ => Kind::Ours { binary: own.clone() },
            }
        })
        .collect()
}

/// Whether this build has an option: a config that an older one does not know is refused.
fn knows(binary: &Path, option: &str) -> bool {
    let schema = Command::new(binary).args(["config", "schema"]).output().unwrap();
    String::from_utf8_lossy(&schema.stdout).contains(&format!("\"{option}\""))
}

fn config(number: usize, binary: &Path, options: &Options, place: &Place, url: &str) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chaos/program.sh");
    let dialect = match options.dialect {
        Dialect::Bull => "bull",
        Dialect::BullMq => "bullmq",
    };
    // A job that runs for long may well be alone in its process whenever chaos kills that: no fault of the job's.
    let is_lifted = !options.default_crash_limit && knows(binary, "crash_limit");
    let crash_limit = if is_lifted { "crash_limit = 1000\n" } else { "" };
    let replicas = match options.wait_replicas {
        0 => String::new(),
        replicas => format!("wait_replicas = {replicas}\n"),
    };
    let (renew, sweep) = (LEASE_MS * 3 / 10, LEASE_MS / 4);
    format!(
        r#"[redis]
url = "{url}"
{replicas}[admin]
listen = ""
[worker]
name = "w{number}"
lease = "{LEASE_MS}ms"
renew = "{renew}ms"
sweep = "{sweep}ms"
max_stalled = {MAX_STALLED}
{crash_limit}[log]
format = "json"
[queues.{QUEUE}]
dialect = "{dialect}"
concurrency = {CONCURRENCY}
[queues.{QUEUE}.handlers.plain]
http = "{backend}/plain"
[queues.{QUEUE}.handlers.stream]
http = "{backend}/stream"
[queues.{QUEUE}.handlers.program]
exec = ["/bin/sh", "{program}", "{record}"]
"#,
        backend = place.backend,
        program = program.display(),
        record = place.record.display(),
    )
}
