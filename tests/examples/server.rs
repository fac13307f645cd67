//! The servers of examples/store as processes of the test's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::process::{Output, Process};
use crate::support::wait::{self, DEADLINE};

/// What Bullock signs its calls with.
pub const SECRET: &str = "whsec_c2hvcEFuZE9mZmljZU9mVGhlVGVzdHM0Mg==";

/// A Node server of examples/store. It says where it listens.
pub struct Server {
    program: &'static str,
    arguments: Vec<String>,
    process: Process,
    output: Output,
    url: String,
}

impl Server {
    /// Starts it on any free port.
    pub async fn start(program: &'static str, arguments: &[&str]) -> Server {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let (process, output, url) = spawn(program, &arguments, "0").await;
        Server { program, arguments, process, output, url }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All that it printed.
    pub fn logs(&self) -> String {
        self.output.text()
    }

    /// `kill -9`, and starts it again on its port.
    pub async fn crash_and_restart(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait(DEADLINE).await;
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        (self.process, self.output, _) = spawn(self.program, &self.arguments, &port).await;
    }
}

/// Where they are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/store")
}

async fn spawn(program: &str, arguments: &[String], port: &str) -> (Process, Output, String) {
    let mut command = Command::new("node");
    command.arg(program).args(["--port", port]).args(arguments).current_dir(directory());
    command.env("WEBHOOK_SECRET", SECRET);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command).expect("node starts");
    let output = Output::default();
    output.follow_stdout(process.child().stdout.take().expect("piped"));
    output.follow_stderr(process.child().stderr.take().expect("piped"));
    let url = wait::value(program, async || {
        let text = output.text();
        text.lines().next().and_then(|line| line.split_once(": ")).map(|(_, url)| url.to_owned())
    })
    .await;
    assert!(url.starts_with("http://127.0.0.1:"), "{program}:\n{}", output.text());
    (process, output, url)
}
