//! A real redis-server of the test's own.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::process::{Process, free_port};

const START_LIMIT: Duration = Duration::from_secs(20);
const PORT_TRIES: usize = 10;

/// A redis-server on a free loopback port, without persistence, gone when dropped. Starting one takes about 10 ms, so
/// every test has its own.
pub struct Redis {
    process: Process,
    port: u16,
    dir: TempDir,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts one and waits until it answers.
    pub fn start() -> Redis {
        Redis::start_with(&[])
    }

    /// [`Redis::start`] with further arguments, such as `["--maxmemory", "20mb"]`.
    pub fn start_with(arguments: &[&str]) -> Redis {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for _ in 0..PORT_TRIES {
            let port = free_port();
            if let Some(process) = spawn(&dir, port, arguments) {
                let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
                return Redis { process, port, dir, arguments };
            }
        }
        panic!("redis-server did not start in {PORT_TRIES} tries; its log:\n{}", log(&dir));
    }

    /// `redis://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A connection for the test's own commands. Blocking commands up to 30 s work on it.
    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
        redis::Client::open(self.url())
            .expect("a valid address")
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .expect("our own redis-server takes connections")
    }

    /// Every key with its whole content, apart from what tells nothing of jobs: the records of answered requests and the
    /// guard of Bull's stalled check.
    pub async fn dump(&self) -> BTreeMap<String, String> {
        let mut db = self.connection().await;
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut db).await.unwrap();
        let mut dump = BTreeMap::new();
        for key in keys {
            if key.contains("::reply:") || key.ends_with(":stalled-check") {
                continue;
            }
            let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut db).await.unwrap();
            let (command, arguments): (&str, &[&str]) = match kind.as_str() {
                "string" => ("GET", &[]),
                "list" => ("LRANGE", &["0", "-1"]),
                "set" => ("SORT", &["ALPHA"]),
                "zset" => ("ZRANGE", &["0", "-1", "WITHSCORES"]),
                "hash" => ("HGETALL", &[]),
                // It expired between the two looks.
                _ => continue,
            };
            let mut command = redis::cmd(command);
            command.arg(&key).arg(arguments);
            let content = if kind == "hash" {
                let fields: BTreeMap<String, String> = command.query_async(&mut db).await.unwrap();
                format!("{fields:?}")
            } else {
                let value: redis::Value = command.query_async(&mut db).await.unwrap();
                format!("{value:?}")
            };
            dump.insert(key, format!("{kind} {content}"));
        }
        dump
    }

    /// Stops the server's process in its tracks: sockets stay open, nothing answers.
    pub fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Kills the server and starts it again on the same port: empty, unless its arguments made it keep things.
    pub fn crash_and_restart(&mut self) {
        self.crash();
        self.restart();
    }

    /// Kills the server.
    pub fn crash(&mut self) {
        self.process.signal(Signal::SIGKILL);
        let limit = Instant::now() + START_LIMIT;
        while self.process.ended().is_none() && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Starts the killed server again on its port, with other arguments than before.
    pub fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.restart();
    }

    /// Starts the killed server again on its port.
    pub fn restart(&mut self) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.process = spawn(&self.dir, self.port, &arguments)
            .unwrap_or_else(|| panic!("port {} was taken meanwhile:\n{}", self.port, log(&self.dir)));
    }
}

/// `None` when the server ended at once, which it does when the port is taken.
fn spawn(dir: &TempDir, port: u16, arguments: &[&str]) -> Option<Process> {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--maxmemory-policy", "noeviction", "--daemonize", "no"])
        .args(["--logfile", "redis.log", "--dir"])
        .arg(dir.path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut process = match Process::spawn(&mut command) {
        Ok(process) => process,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("redis-server is not on PATH. Run: script/setup")
        }
        Err(error) => panic!("redis-server: {error}"),
    };
    let limit = Instant::now() + START_LIMIT;
    while process.ended().is_none() {
        if answers_as(port, process.pid()) {
            return Some(process);
        }
        assert!(Instant::now() < limit, "redis-server did not answer in {START_LIMIT:?}:\n{}", log(dir));
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// Whether the server on `port` answers, and is the process `pid` and not a stranger who was faster with the port.
fn answers_as(port: u16, pid: u32) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\nINFO server\r\nQUIT\r\n")?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        let reply = String::from_utf8_lossy(&reply);
        let own_line = format!("process_id:{pid}");
        // With `requirepass` among the arguments INFO is refused, and so is PING: that too is an answer.
        Ok(reply.starts_with("-NOAUTH")
            || (reply.starts_with("+PONG") && reply.lines().any(|line| line == own_line)))
    };
    ask().unwrap_or(false)
}

fn log(dir: &TempDir) -> String {
    std::fs::read_to_string(dir.path().join("redis.log")).unwrap_or_else(|error| format!("(no log: {error})"))
}
