//! The settings of the private redis-server.
//!
//! Owns: every setting that matters, and how it is written. Must never know: processes. Called by `embedded::redis`.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::data_dir::Record;

/// The server's whole configuration. Nothing that matters is left to the defaults of its version.
pub(super) fn text(dir: &Path, record: &Record) -> Vec<u8> {
    let mut text = String::new();
    for line in [
        "bind 127.0.0.1",
        "protected-mode yes",
        "daemonize no",
        "maxmemory-policy noeviction",
        "appendonly yes",
        "appendfsync everysec",
        "save \"\"",
        "timeout 0",
    ] {
        text.push_str(line);
        text.push('\n');
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "port {}\nrequirepass {}", record.port, record.password);
    let _ = writeln!(text, "dir {}\nlogfile {}", quoted(dir), quoted(&dir.join(LOG_FILE)));
    text.into_bytes()
}

/// The log, within the data directory.
pub(super) const LOG_FILE: &str = "redis.log";

/// A path as redis.conf takes it: in quotes, with every byte but the plainest written as `\xNN`.
fn quoted(path: &Path) -> String {
    let mut text = String::from("\"");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.push('"');
    text
}
