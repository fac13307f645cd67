//! The commands that the README types at the root of the repository.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::blocks::{self, alike};
use crate::is_of_the_repository;
use crate::support::bullock::BINARY;
use crate::support::process::{Output, Process};

/// The demo's own limit for a job that does not end is 30 s; building comes on top.
const LIMIT: Duration = Duration::from_mins(5);

#[tokio::test]
async fn the_readmes_own_two_commands_work() {
    let blocks = blocks::of(&blocks::page("README.md"));
    let consoles = blocks.iter().filter(|block| block.language == "console" && is_of_the_repository(block));
    let commands: Vec<_> = consoles.flat_map(|block| block.commands()).collect();
    for (command, shown) in &commands {
        let mut words = command.split(' ');
        let script = blocks::root().join(words.next().unwrap());
        let mut process = if command == "script/test" {
            // It runs this very test: that it can be run is what is left to see.
            assert!(shown.is_empty());
            let mut process = Command::new("sh");
            process.arg("-n").arg(script);
            process
        } else {
            let mut process = Command::new(script);
            process.args(words);
            process
        };
        process.current_dir(blocks::root()).env("BULLOCK_BIN", BINARY).env("NO_COLOR", "1");
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut process).unwrap_or_else(|error| panic!("{command}: {error}"));
        let output = Output::default();
        output.follow_stdout(process.child().stdout.take().unwrap());
        output.follow_stderr(process.child().stderr.take().unwrap());
        let status = process.wait(LIMIT).await;
        let printed = output.text();
        assert!(status.success(), "{command}: {status}\n{printed}");
        for line in shown.iter().filter(|line| !matches!(line.trim(), "" | "…")) {
            let there = printed.lines().any(|printed| alike(line, printed));
            assert!(there, "{command} did not print\n{line}\nbut\n{printed}");
        }
    }
    assert_eq!(commands.len(), 2, "{commands:?}");
}
