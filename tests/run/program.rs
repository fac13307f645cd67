//! The binary with any command, its private redis-server included in the clean-up.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::bullock::{BINARY, Ended};
use crate::support::process::{Output, Process};
use crate::support::wait::{self, DEADLINE};

/// A running command in a directory of its own, which is also where its temporary files go.
pub(crate) struct Program {
    process: Process,
    output: Output,
    dir: TempDir,
}

impl Program {
    /// Starts `bullock <arguments>` beside a `bullock.toml` with this text; an empty text = no file.
    pub(crate) fn start(config: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Program {
        let dir = tempfile::tempdir().unwrap();
        if !config.is_empty() {
            std::fs::write(dir.path().join("bullock.toml"), config).unwrap();
        }
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(dir.path());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("BULLOCK_")
                || name.starts_with("OTEL_")
                || name == "REDIS_URL"
                || name == "RUST_LOG"
            {
                command.env_remove(name);
            }
        }
        command.env("NO_COLOR", "1").env("TMPDIR", dir.path()).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap();
        let output = Output::default();
        output.follow_stdout(process.child().stdout.take().unwrap());
        output.follow_stderr(process.child().stderr.take().unwrap());
        Program { process, output, dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Everything printed so far.
    pub(crate) fn output(&self) -> String {
        self.output.text()
    }

    /// Waits until it has printed this.
    pub(crate) async fn says(&self, text: &str) {
        let shown = || self.output().contains(text);
        let limit = tokio::time::timeout(DEADLINE, async {
            while !shown() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        });
        assert!(limit.await.is_ok(), "waited for {text:?} in:\n{}", self.output());
    }

    /// The word after this text, such as the URL after `REDIS_URL=`.
    pub(crate) async fn word_after(&self, text: &str) -> String {
        wait::value(text, || {
            let output = self.output();
            let word = output
                .split_once(text)
                .and_then(|(_, rest)| rest.split_once(|c: char| c.is_whitespace() || c == '"'));
            let word = word.map(|(word, _)| word.to_owned());
            async move { word }
        })
        .await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub(crate) async fn end(&mut self) -> Ended {
        let status = self.process.wait(3 * DEADLINE).await;
        // The reading threads may be a moment behind.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        Ended { code: status.code(), output: self.output() }
    }

    /// The pid of its private redis-server, as its data directory records it.
    pub(crate) fn private_redis(&self) -> Option<i32> {
        let directories = std::fs::read_dir(self.dir.path()).ok()?;
        directories.flatten().find_map(|entry| {
            let text = std::fs::read_to_string(entry.path().join("lock")).ok()?;
            let record: serde_json::Value = serde_json::from_str(&text).ok()?;
            i32::try_from(record["redis_pid"].as_i64()?).ok()
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A killed bullock leaves its server to the next start. There is none here.
        if let Some(pid) = self.private_redis() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Runs a command to its end.
pub(crate) async fn run(config: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    Program::start(config, arguments, environment).end().await
}

/// One queue whose jobs go to a URL.
pub(crate) fn config(redis_url: &str, queue: &str, to: &str) -> String {
    format!(
        "[redis]\nurl = \"{redis_url}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[queues.{queue}]\n\
         [queues.{queue}.handlers.\"*\"]\nhttp = \"{to}\"\n"
    )
}
