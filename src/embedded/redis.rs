//! One redis-server child of our own.
//!
//! Owns: its start, its settings, its end. Must never know: what is kept in it. Called by `app` and `cli`.
//!
//! The server listens on the loopback address only, asks for a random password, appends every write to a file that is
//! synced each second, and never evicts a key. It leads a process group of its own, so that Ctrl-C on a terminal reaches
//! Bullock alone, which then drains and ends the server last. A server left behind by a Bullock that was killed is found
//! by the next start in the same directory, recognised by its password, its pid and its directory, and ended.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::client::{connect, ping, url};
use super::data_dir::{DataDir, OpenError, Record};
use super::error::StartError;
use super::settings::{self, LOG_FILE};
use super::{install, orphan};

/// A server that has not answered by then is given up. Reading a big data file does not count: that answers, "loading".
const START_LIMIT: Duration = Duration::from_secs(10);
/// Reading the data file may take this long.
const LOADING_LIMIT: Duration = Duration::from_mins(10);
/// How long each of SHUTDOWN and SIGTERM may take before the next, harder means.
pub(super) const STOP_STEP: Duration = Duration::from_secs(5);
/// Between two looks at a server that starts or ends.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Free ports tried, should others be faster than we are.
const PORT_TRIES: usize = 10;

/// Where the data goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In this directory, made if absent, kept.
    Directory(PathBuf),
    /// In a temporary directory that goes with the server.
    Ephemeral,
}

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the data goes.
    pub storage: Storage,
    /// The port on 127.0.0.1. `None`: the one that this directory had last time if it is free, or else any free one.
    pub port: Option<u16>,
    /// The program: a path, or a name to be found on `PATH`.
    pub program: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            storage: Storage::Directory(PathBuf::from("bullock-data")),
            port: None,
            program: PathBuf::from("redis-server"),
        }
    }
}

/// How a server was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// By SHUTDOWN or SIGTERM: every write is on disk.
    Cleanly,
    /// It had to be killed, or was gone already: the writes of its last second may be lost.
    Killed,
}

/// A running server. [`Redis::stop`] ends it properly; dropping the value kills it.
#[derive(Debug)]
pub struct Redis {
    // Declared before the directory: the child must be gone before the directory is.
    child: Child,
    record: Record,
    dir: DataDir,
    ended_orphan: Option<u32>,
}

impl Redis {
    /// Starts a server and waits until it answers. Takes tens of milliseconds on an empty directory.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), bullock::embedded::StartError> {
    /// use bullock::embedded::{Options, Redis, Storage};
    ///
    /// let redis = Redis::start(Options { storage: Storage::Ephemeral, ..Options::default() }).await?;
    /// println!("REDIS_URL={}", redis.url());
    /// redis.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start(options: Options) -> Result<Redis, StartError> {
        let (dir, earlier) = open(&options.storage)?;
        let ended_orphan = match &earlier {
            Some(record) => orphan::end(record, dir.path()).await?,
            None => None,
        };
        let password = earlier
            .as_ref()
            .map(|record| record.password.clone())
            .filter(|password| !password.is_empty())
            .unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        let mut redis = launch(dir, earlier.map(|record| record.port), &options, password).await?;
        redis.ended_orphan = ended_orphan;
        Ok(redis)
    }

    /// `redis://:<password>@127.0.0.1:<port>`, which npm `bull`, `ioredis` and `redis-cli -u` take as it is.
    pub fn url(&self) -> String {
        url(&self.record)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.record.port
    }

    /// The pid of the server.
    pub fn pid(&self) -> Option<u32> {
        self.record.redis_pid
    }

    /// Where the data is.
    pub fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// The server that an earlier Bullock had left behind in this directory and that was ended to make room.
    pub fn ended_orphan(&self) -> Option<u32> {
        self.ended_orphan
    }

    /// Returns when the server ends without having been asked to: its exit status and last words.
    /// May be dropped and called again.
    pub async fn died(&mut self) -> String {
        let status = self.child.wait().await;
        let what = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        format!("redis-server ended ({what}): {}", last_words(self.dir.path()))
    }

    /// Ends the server: SHUTDOWN, then SIGTERM, then SIGKILL, each when the one before did not do. To be called after the
    /// last write. A temporary directory is gone afterwards.
    pub async fn stop(mut self) -> Stopped {
        let stopped = self.end_child().await;
        self.record.redis_pid = None;
        if let Err(error) = self.dir.write(&self.record) {
            // The next start looks for a server under this pid, finds none that knows our password, and goes on.
            tracing::warn!(%error, "the lock file of the private redis-server could not be updated");
        }
        stopped
    }

    async fn end_child(&mut self) -> Stopped {
        if let Ok(Some(_)) = self.child.try_wait() {
            return Stopped::Killed;
        }
        if let Ok(mut connection) = connect(&self.record).await {
            // An answer comes only when it refuses: on success the connection closes.
            let _: Result<(), _> = redis::cmd("SHUTDOWN").query_async(&mut connection).await;
            if timeout(STOP_STEP, self.child.wait()).await.is_ok() {
                return Stopped::Cleanly;
            }
        }
        if let Some(pid) = self.child.id() {
            orphan::send(pid, Signal::SIGTERM);
            if timeout(STOP_STEP, self.child.wait()).await.is_ok() {
                return Stopped::Cleanly;
            }
        }
        let _ = self.child.kill().await;
        Stopped::Killed
    }
}

fn open(storage: &Storage) -> Result<(DataDir, Option<Record>), StartError> {
    let (opened, directory) = match storage {
        Storage::Directory(path) => (DataDir::open(path), path.clone()),
        Storage::Ephemeral => (DataDir::temporary().map(|dir| (dir, None)), std::env::temp_dir()),
    };
    opened.map_err(|error| match error {
        OpenError::Held(pid) => StartError::DirectoryInUse { directory, pid },
        OpenError::Io(source) => {
            StartError::Io { what: format!("use the data directory {}", directory.display()), source }
        }
    })
}

/// Starts the child on the port asked for, on last time's, or on a free one.
async fn launch(
    mut dir: DataDir,
    last_port: Option<u16>,
    options: &Options,
    password: String,
) -> Result<Redis, StartError> {
    let mut wished = options.port.or(last_port.filter(|port| *port != 0));
    for _ in 0..PORT_TRIES {
        let port = match wished.take() {
            Some(port) if is_free(port) => port,
            Some(port) if options.port == Some(port) => return Err(StartError::PortTaken { port }),
            _ => free_port()?,
        };
        let mut record =
            Record { bullock_pid: std::process::id(), redis_pid: None, port, password: password.clone() };
        let mut child = spawn(&options.program, dir.path(), &record).await?;
        record.redis_pid = child.id();
        // Written before the wait: were we killed now, the next start must find this child.
        dir.write(&record)
            .map_err(|source| StartError::Io { what: "write the lock file".to_owned(), source })?;
        match until_ready(&mut child, &record).await {
            Ok(()) => return Ok(Redis { child, record, dir, ended_orphan: None }),
            Err(what) => {
                let log = last_words(dir.path());
                let _ = child.kill().await;
                if !log.contains("Address already in use") {
                    return Err(StartError::Failed { what, directory: dir.path().to_owned(), log });
                }
                if options.port == Some(port) {
                    return Err(StartError::PortTaken { port });
                }
            }
        }
    }
    let what = format!("found no free port in {PORT_TRIES} tries");
    Err(StartError::Failed { what, log: last_words(dir.path()), directory: dir.path().to_owned() })
}

async fn spawn(program: &Path, dir: &Path, record: &Record) -> Result<Child, StartError> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => {
            StartError::NotInstalled { program: program.to_owned(), install: install::command() }
        }
        _ => StartError::Io { what: format!("start {}", program.display()), source },
    };
    // Until the settings are read the server complains to its standard error.
    let log = OpenOptions::new().append(true).create(true).open(dir.join(LOG_FILE));
    let log = log.map_err(|source| StartError::Io { what: "write the server's log".to_owned(), source })?;
    let mut child = Command::new(program)
        // The settings come by standard input: arguments, and with them the password, are for everybody to see.
        .arg("-")
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that dies before it has read everything is seen by `until_ready`, with its log.
        let _ = stdin.write_all(&settings::text(dir, record)).await;
    }
    Ok(child)
}

/// Waits for PONG. `Err` says what the child did instead.
async fn until_ready(child: &mut Child, record: &Record) -> Result<(), String> {
    let started = Instant::now();
    let mut limit = START_LIMIT;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("ended at once ({status})"));
        }
        match ping(record).await {
            Ok(()) => return Ok(()),
            Err(error) if error.code() == Some("LOADING") => limit = LOADING_LIMIT,
            Err(_not_yet) => {}
        }
        if started.elapsed() > limit {
            return Err(format!("did not answer within {} s", limit.as_secs()));
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> Result<u16, StartError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| StartError::Io { what: "find a free port on 127.0.0.1".to_owned(), source })
}

/// The last lines of the server's log, on one line.
fn last_words(dir: &Path) -> String {
    const LINES: usize = 3;
    let Ok(bytes) = std::fs::read(dir.join(LOG_FILE)) else { return "(no log)".to_owned() };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<&str> =
        text.lines().rev().filter(|line| !line.trim().is_empty()).take(LINES).collect();
    lines.reverse();
    lines.join(" | ")
}
