//! The redis-server that a killed Bullock left behind.
//!
//! Owns: recognising it, and ending it. Must never know: why it is in the way. Called by `embedded::redis` before a start.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::aio::MultiplexedConnection;
use tokio::time::sleep;

use super::client::connect;
use super::data_dir::Record;
use super::error::StartError;
use super::redis::{LOOK_AGAIN, STOP_STEP};

/// Ends the server that an earlier Bullock left behind in `dir`, if there is one, and gives its pid.
///
/// Only a server that takes the password of the record, says the pid of the record and works in this very directory is
/// ours: a pid alone may long be somebody else's.
pub(super) async fn end(record: &Record, dir: &Path) -> Result<Option<u32>, StartError> {
    let Some(pid) = record.redis_pid.filter(|pid| is_alive(*pid)) else { return Ok(None) };
    let mut connection = match connect(record).await {
        Ok(connection) => connection,
        // Accepted but not answered: it may well be ours, and two servers on one data file would ruin it.
        Err(error) if error.is_timeout() => {
            return Err(StartError::LeftBehind { directory: dir.to_owned(), pid });
        }
        Err(_not_ours) => return Ok(None),
    };
    if !is_ours(&mut connection, pid, dir).await.unwrap_or(false) {
        return Ok(None);
    }
    let _: Result<(), _> = redis::cmd("SHUTDOWN").query_async(&mut connection).await;
    for harder in [Signal::SIGTERM, Signal::SIGKILL] {
        if is_gone_within(STOP_STEP, pid).await {
            return Ok(Some(pid));
        }
        send(pid, harder);
    }
    if is_gone_within(STOP_STEP, pid).await {
        return Ok(Some(pid));
    }
    Err(StartError::LeftBehind { directory: dir.to_owned(), pid })
}

async fn is_ours(connection: &mut MultiplexedConnection, pid: u32, dir: &Path) -> redis::RedisResult<bool> {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await?;
    let (_, works_in): (String, Vec<u8>) =
        redis::cmd("CONFIG").arg("GET").arg("dir").query_async(connection).await?;
    let says = format!("process_id:{pid}");
    Ok(info.lines().any(|line| line == says) && works_in == dir.as_os_str().as_bytes())
}

async fn is_gone_within(limit: Duration, pid: u32) -> bool {
    let started = Instant::now();
    while is_alive(pid) {
        if started.elapsed() > limit {
            return false;
        }
        sleep(LOOK_AGAIN).await;
    }
    true
}

fn is_alive(pid: u32) -> bool {
    // Signal 0 is only the question. EPERM means alive, and not ours.
    kill(Pid::from_raw(pid.cast_signed()), None) != Err(nix::errno::Errno::ESRCH)
}

/// Sends a signal to a process that is known to be ours.
pub(super) fn send(pid: u32, signal: Signal) {
    // Gone in the meantime is as good as ended by us; the caller looks.
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}
