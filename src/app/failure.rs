//! Why a start failed, with the exit code that says so.

use crate::embedded::StartError;
use crate::store::StoreError;

/// Exit code for a wrong config.
pub(crate) const EXIT_CONFIG: u8 = 2;
/// Exit code when access is refused.
pub(crate) const EXIT_REFUSED: u8 = 4;
/// Exit code when somebody else holds what we need.
pub(crate) const EXIT_HELD: u8 = 5;
/// Exit code when Redis cannot be reached.
pub(crate) const EXIT_UNREACHABLE: u8 = 6;
/// Exit code for Redis settings that lose jobs.
pub(crate) const EXIT_UNSAFE_REDIS: u8 = 8;
/// Exit code when there is no redis-server to start.
pub(crate) const EXIT_NO_SERVER: u8 = 78;

/// One clear line, and the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{line}")]
pub struct Failure {
    /// The exit code.
    pub exit: u8,
    /// What, where, expected, hint; without `error: ` in front.
    pub line: String,
    /// What Redis answered, if it was Redis: the command line knows which URL was meant, and says it better.
    pub store: Option<StoreError>,
}

impl Failure {
    /// A failure of this text.
    pub fn new(exit: u8, line: impl Into<String>) -> Self {
        Self { exit, line: line.into(), store: None }
    }

    /// Several lines that bear their own `error: `.
    pub fn problems(lines: &str) -> Self {
        Self::new(EXIT_CONFIG, lines.trim_end().strip_prefix("error: ").unwrap_or(lines))
    }

    /// May the same start succeed later without anybody changing what it was told?
    pub(super) fn passes(&self) -> bool {
        // TLS on a port without it, or a database that is not there, will not come by waiting.
        self.store.as_ref().is_some_and(|error| {
            error.is_transient() && error.reason() != "not_tls" && !is_no_database(error)
        })
    }

    pub(super) fn redis(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::Refused(_) => EXIT_REFUSED,
            StoreError::Unavailable(_) if is_no_database(&error) => EXIT_CONFIG,
            StoreError::Unavailable(_) => EXIT_UNREACHABLE,
            StoreError::Invalid(_) | StoreError::NotInDialect(_) => EXIT_CONFIG,
            StoreError::OutOfMemory(_)
            | StoreError::Unconfirmed { .. }
            | StoreError::WrongKey(_)
            | StoreError::Protocol(_) => 1,
        };
        Self { exit, line: error.to_string(), store: Some(error) }
    }
}

fn is_no_database(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(text) if text.contains("DB index"))
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match error {
            StartError::NotInstalled { .. } => EXIT_NO_SERVER,
            StartError::DirectoryInUse { .. } | StartError::LeftBehind { .. } => EXIT_HELD,
            StartError::PortTaken { .. } => EXIT_CONFIG,
            StartError::Failed { .. } | StartError::Io { .. } => 1,
        };
        Self::new(exit, error.to_string())
    }
}
