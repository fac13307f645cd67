//! Whether an error is about what this machine grants to the process, and not about the other side.

use std::io;

use nix::errno::Errno;

/// Are files or memory for sockets used up? Not among them: ports, whose error (`EADDRNOTAVAIL`) an address without a
/// network gives as well, and that one stays.
pub fn is_out(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM))
}
