//! How many files this process may open: a run needs one for its connection, or three for its program.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// As many as anybody needs. Programs that handlers start inherit the limit, and some walk over all that they might have.
const FILES_MAX: u64 = 65_536;
/// What a worker needs beside its runs: Redis, the admin server's own, logs.
const BESIDE: u64 = 64;

/// Raises the limit as far as the system allows, as Node does, and says if that is less than so many runs may need.
pub(super) fn raise(slots: usize) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = hard.min(FILES_MAX).max(soft);
    let files = match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(_) => soft,
    };
    let needed = slots as u64 + BESIDE;
    if files < needed {
        tracing::warn!(
            files,
            needed,
            "this process may open fewer files than its slots may need: runs will wait for one another; raise the limit \
             (LimitNOFILE, ulimit -n) or lower concurrency"
        );
    }
}
