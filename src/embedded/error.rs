//! Why there is no private redis-server.
//!
//! Owns: the wording of each reason. Must never know: how a server is started. Made by `embedded::redis`.

use std::path::PathBuf;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such program. The CLI ends with exit code 78.
    #[error(
        "no Redis URL was given and {} is not installed here; install it with `{install}`, or set redis.url",
        program.display()
    )]
    NotInstalled {
        /// What was looked for.
        program: PathBuf,
        /// The command that installs it on this machine.
        install: &'static str,
    },
    /// Another Bullock works in the directory.
    #[error(
        "{} is in use by another bullock{}; end that one, or choose another directory",
        directory.display(),
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    DirectoryInUse {
        /// The directory.
        directory: PathBuf,
        /// Who holds it, if it says so.
        pid: Option<u32>,
    },
    /// A redis-server from an earlier run holds the directory's files and could not be ended.
    #[error("the redis-server of an earlier run (pid {pid}) still uses {} and does not answer; end it first", directory.display())]
    LeftBehind {
        /// The directory.
        directory: PathBuf,
        /// The server.
        pid: u32,
    },
    /// The port that was asked for is taken.
    #[error("port {port} on 127.0.0.1 is in use; choose another, or leave it out for a free one")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The server ended or never answered.
    #[error("redis-server {what}; its log in {} ends: {log}", directory.display())]
    Failed {
        /// What it did instead of answering.
        what: String,
        /// Where its data and its log are; gone if that was temporary.
        directory: PathBuf,
        /// Its last words.
        log: String,
    },
    /// A file or process operation failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
}
