//! One shell in which the commands of a page are typed, one after the other.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::blocks::{self, Block, alike};
use crate::support::bullock::BINARY;
use crate::support::process::free_port;
use crate::support::redis::Redis;

/// A safety net for all commands of a page together.
const LIMIT: Duration = Duration::from_mins(1);
/// Separates the output of two commands.
const MARK: &str = "\u{1}";

/// Held for reading by whoever runs the binary, for writing while `cargo build` may put another in its place.
pub(crate) static BINARY_IS_IN_USE: RwLock<()> = RwLock::const_new(());

/// A directory of a reader who follows a page: its files, and a Redis, ports of a shop, a backend and the admin server
/// of their own in place of those that the page names.
pub(crate) struct Reader {
    redis: Redis,
    dir: TempDir,
    ports: [(&'static str, u16); 5],
    _in_use: RwLockReadGuard<'static, ()>,
}

impl Reader {
    /// An empty directory and an empty Redis.
    pub(crate) async fn new() -> Reader {
        let in_use = BINARY_IS_IN_USE.read().await;
        let redis = Redis::start();
        let dir = tempfile::tempdir().unwrap();
        let modules = blocks::root().join("tests/node/node_modules");
        assert!(modules.join("bullmq").is_dir(), "npm packages are not installed. Run: script/setup");
        std::os::unix::fs::symlink(modules, dir.path().join("node_modules")).unwrap();
        let free = ["4318", "4010", "3000", "7979"].map(|shown| (shown, free_port()));
        let [collector, shop, backend, admin] = free;
        let ports = [("6379", redis.port()), collector, shop, backend, admin];
        Reader { redis, dir, ports, _in_use: in_use }
    }

    /// The reader's Redis.
    pub(crate) fn redis(&self) -> &Redis {
        &self.redis
    }

    /// The text of a page with this reader's ports.
    pub(crate) fn own(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (shown, port)| text.replace(shown, &port.to_string()))
    }

    /// Saves a block under the name in its first line.
    pub(crate) fn save(&self, block: &Block) -> PathBuf {
        let name = block.file_name().unwrap_or_else(|| {
            panic!("line {}: the first line of a {} block names its file", block.line, block.language)
        });
        let file = self.dir.path().join(name);
        std::fs::write(&file, self.own(&block.text)).unwrap();
        file
    }

    /// Copies the files of a directory of the repository.
    pub(crate) fn take(&self, directory: &str) {
        for entry in std::fs::read_dir(blocks::root().join(directory)).unwrap().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            std::fs::write(self.dir.path().join(entry.file_name()), self.own(&text)).unwrap();
        }
    }

    /// Types the commands of console blocks into one shell, and compares what they print with what the page shows: each
    /// line shown must have been printed. A command that ends in `&` runs on, until all are done.
    pub(crate) async fn type_in(&self, page: &str, consoles: &[Block]) {
        let commands: Vec<(String, Vec<String>)> = consoles.iter().flat_map(Block::commands).collect();
        let script = self.script(&commands);
        let (code, output) = self.run(&script).await;
        let printed: Vec<&str> = output.split(MARK).skip(1).collect();
        let logs = || self.logs();
        assert_eq!(printed.len(), commands.len(), "{page}: the shell stopped ({code})\n{output}\n{}", logs());
        for ((command, shown), printed) in commands.iter().zip(printed) {
            let (status, printed) = printed.split_once('\n').unwrap_or((printed, ""));
            let expected = if shown.iter().any(|line| line.starts_with("error:")) { "failed" } else { "0" };
            let ended = if status == "0" { "0" } else { "failed" };
            assert_eq!(ended, expected, "{page}: `{command}` ended with {status}\n{printed}\n{}", logs());
            for line in shown.iter().map(|line| self.own(line)).filter(|line| line.trim() != "…") {
                assert!(
                    line.trim().is_empty() || printed.lines().any(|printed| alike(&line, printed)),
                    "{page}: `{command}` did not print\n  {line}\nbut\n{printed}\n{}",
                    logs()
                );
            }
        }
    }

    /// The commands as a script. Each writes its output to a file, so that its exit status can be told before it.
    fn script(&self, commands: &[(String, Vec<String>)]) -> String {
        // Everything in the shell's process group ends with the test: when its standard input closes.
        let mut script =
            "exec 3<&0 </dev/null\n{ cat <&3 >/dev/null; kill -9 0; } >/dev/null 2>&1 &\n".to_owned();
        // People see tables.
        script += "bullock() { case $1 in queue|job|dead|check|move|zombies|doctor|init|audit|schedule|worker|flow|sync) command bullock -o table \"$@\" ;; *) command bullock \"$@\" ;; esac; }\n";
        let [.., (_, backend), (_, admin)] = self.ports;
        for (number, (shown, _)) in commands.iter().enumerate() {
            let mut command = self.own(shown);
            if command.starts_with("bullock init") {
                // What is written has the ports that everybody has.
                for (usual, own) in self.ports {
                    let _ = write!(
                        command,
                        " && find . -maxdepth 1 \\( -name '*.toml' -o -name '*.mjs' \\) -exec sed -i 's/{usual}/{own}/' {{}} +"
                    );
                }
            }
            if let Some(lasting) = command.strip_suffix('&') {
                let _ = writeln!(script, "{lasting} >{number}.log 2>&1 &");
                if lasting.contains("--follow") {
                    let _ = writeln!(script, "printf '{MARK}0\\n'");
                    continue;
                }
                // A person takes longer than this to type the next line.
                let named = self.ports.iter().find(|(port, _)| shown.contains(&format!("--port {port}")));
                let otherwise = if command.starts_with("bullock") { admin } else { backend };
                let port = named.map_or(otherwise, |(_, own)| *own);
                let _ = writeln!(
                    script,
                    "until (: <>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.02; done"
                );
                let _ = writeln!(script, "printf '{MARK}0\\n'");
            } else {
                let _ =
                    writeln!(script, "{{ {command}\n}} >out.txt 2>&1; printf '{MARK}%s\\n' $?; cat out.txt");
            }
        }
        script
    }

    async fn run(&self, script: &str) -> (String, String) {
        let binaries = Path::new(BINARY).parent().unwrap().display();
        let path = format!("{binaries}:{}", std::env::var("PATH").unwrap_or_default());
        let [.., (_, admin)] = self.ports;
        let mut command = std::process::Command::new("bash");
        command.args(["--norc", "-c", script]).current_dir(self.dir.path()).process_group(0);
        command.env("PATH", path).env("REDIS_URL", self.redis.url()).env("NO_COLOR", "1").env("TZ", "UTC");
        command.env("BULLOCK_ADMIN__LISTEN", format!("127.0.0.1:{admin}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut shell = tokio::process::Command::from(command).spawn().expect("bash starts");
        let stdin = shell.stdin.take();
        let mut stdout = shell.stdout.take().expect("piped");
        let mut output = String::new();
        let done = tokio::time::timeout(LIMIT, stdout.read_to_string(&mut output)).await;
        drop(stdin);
        let status = shell.wait().await.unwrap();
        let Ok(read) = done else {
            panic!("the commands did not end in {LIMIT:?}:\n{output}\n{}", self.logs());
        };
        read.unwrap();
        (status.to_string(), output)
    }

    fn logs(&self) -> String {
        let mut logs = String::new();
        for entry in std::fs::read_dir(self.dir.path()).unwrap().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let _ = write!(logs, "--- {}\n{text}", entry.file_name().display());
            }
        }
        logs
    }
}
