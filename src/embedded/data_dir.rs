//! The directory that the private redis-server keeps its data in, and who holds it.
//!
//! Owns: the lock that lets one Bullock in, and the record of the server that was last started there. Must never know:
//! how a server is started or ended. Called by `embedded::redis`.
//!
//! Two facts are kept apart on purpose. *Is a Bullock using this directory?* is answered by a lock of the operating
//! system on the file `lock`: it goes with its process, however that ends, and no reuse of a pid can fake it. *Which
//! redis-server was started here?* is answered by the file's text, which outlives a crash, so that the next start can find
//! a server left behind.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const LOCK_FILE: &str = "lock";

/// What the lock file says about the last start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// The Bullock process that wrote this.
    pub(super) bullock_pid: u32,
    /// Its redis-server, until that was seen to end.
    pub(super) redis_pid: Option<u32>,
    /// The server's port. Tried again by the next start, so that a URL pasted elsewhere stays good.
    pub(super) port: u16,
    /// The server's password, kept for the same reason.
    pub(super) password: String,
}

/// A directory held by this process.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    lock: File,
    remove_at_end: bool,
}

/// Why a directory could not be had.
#[derive(Debug)]
pub(super) enum OpenError {
    /// Another live Bullock holds it; its pid, if the file names it.
    Held(Option<u32>),
    /// It cannot be made, read or written.
    Io(std::io::Error),
}

impl From<std::io::Error> for OpenError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl DataDir {
    /// Takes the directory, made if it is absent, for the life of the value.
    pub(super) fn open(path: &Path) -> Result<(DataDir, Option<Record>), OpenError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let path = path.canonicalize()?;
        // 0600: the record holds a password.
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK_FILE))?;
        let taken = match lock.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(OpenError::Io(error)),
        };
        let mut text = String::new();
        // Half a record, from a crash in mid-write, is as good as none.
        let record =
            lock.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str::<Record>(&text).ok());
        if taken {
            return Err(OpenError::Held(record.map(|record| record.bullock_pid)));
        }
        Ok((DataDir { path, lock, remove_at_end: false }, record))
    }

    /// A new directory that is removed with the value.
    pub(super) fn temporary() -> Result<DataDir, OpenError> {
        let path = std::env::temp_dir().join(format!("bullock-{}", uuid::Uuid::new_v4().simple()));
        let (mut dir, _) = DataDir::open(&path)?;
        dir.remove_at_end = true;
        Ok(dir)
    }

    /// Where it is, absolute and without links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down the server of this start.
    pub(super) fn write(&mut self, record: &Record) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(record)?;
        self.lock.seek(SeekFrom::Start(0))?;
        self.lock.set_len(0)?;
        self.lock.write_all(&text)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.remove_at_end {
            // Nothing can be done about a failure here: it is a directory of the system's for temporary files.
            let _ = std::fs::remove_dir_all(&self.path);
        }
        // Closing is not enough: a program that is just being started has a copy of the descriptor for a moment.
        let _ = self.lock.unlock();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{DataDir, OpenError, Record};

    #[test]
    fn a_directory_is_held_by_one_and_names_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let (mut first, none) = DataDir::open(dir.path()).unwrap();
        assert!(none.is_none());
        first.write(&Record { bullock_pid: 4711, ..Record::default() }).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(OpenError::Held(Some(4711)))));
        drop(first);
        let (_second, record) = DataDir::open(dir.path()).unwrap();
        assert_eq!(record.unwrap().bullock_pid, 4711);
    }

    #[test]
    fn a_directory_is_free_at_once_although_a_child_has_inherited_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _) = DataDir::open(dir.path()).unwrap();
        let _inherited = first.lock.try_clone().unwrap();
        drop(first);
        assert!(DataDir::open(dir.path()).is_ok());
    }

    #[test]
    fn a_torn_record_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lock"), "{\"bullock_pid\": 47").unwrap();
        let (_held, record) = DataDir::open(dir.path()).unwrap();
        assert!(record.is_none());
    }

    #[test]
    fn a_temporary_directory_goes_with_its_value() {
        let dir = DataDir::temporary().unwrap();
        let path = dir.path().to_owned();
        assert!(path.is_dir());
        drop(dir);
        assert!(!path.exists());
    }
}
