//! No room on this machine for one more run: no file, no port, no process. That is nothing the job did, so it spends no
//! attempt: the run waits where it is, with its lease, until others have ended.

use std::fmt::Display;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::http::room;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two lines in the log, for all runs of the process together.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Does starting a program fail because there is no room for it? Too many processes is `EAGAIN`.
pub(super) fn is_out(error: &io::Error) -> bool {
    room::is_out(error) || error.raw_os_error() == Some(Errno::EAGAIN as i32)
}

/// Waits a moment for others to end, and says in the log now and then why.
pub(super) async fn wait(why: impl Display) {
    static SAID: Mutex<Option<Instant>> = Mutex::new(None);
    let is_news = {
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = said.is_none_or(|at| at.elapsed() >= SAID_EVERY);
        if is_news {
            *said = Some(Instant::now());
        }
        is_news
    };
    if is_news {
        tracing::warn!(
            %why,
            "no room on this machine for one more run: runs wait until others have ended; raise the limit (LimitNOFILE, \
             ulimit -n) or lower concurrency"
        );
    }
    tokio::time::sleep(PAUSE).await;
}
