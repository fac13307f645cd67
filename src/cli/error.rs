//! The form of every error a command ends with, and the one place that maps errors to exit codes.

use std::fmt;
use std::process::ExitCode;

use super::redis_url::RedisUrl;
use crate::store::StoreError;
use crate::worker::BuildError;

/// Most characters of a foreign text in a message.
const SHOWN_MAX: usize = 160;

/// What an exit code says. 0 is "done"; an empty list is done too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It failed; for `job watch` and `job add --wait`: the job failed.
    Failed = 1,
    /// Wrong usage or config.
    Usage = 2,
    /// There is no such job or queue.
    NotFound = 3,
    /// Credentials or rights are missing.
    NotAuthorised = 4,
    /// The state does not allow it, or somebody else holds it.
    Conflict = 5,
    /// Redis cannot be reached.
    Unreachable = 6,
    /// Waited in vain.
    TimedOut = 7,
    /// The settings of this Redis endanger jobs.
    UnsafeRedis = 8,
    /// There is no redis-server to start.
    NoRedisServer = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// One line: `error: <what> (<where>): <value>; expected <x>. hint: <next step>`, of which only the first is a must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    exit: Exit,
    what: String,
    place: Option<String>,
    value: Option<String>,
    expected: Option<String>,
    hint: Option<String>,
    /// Nobody reads our output any more, as after `| head`: the command ends without a word.
    unread: bool,
}

impl CliError {
    /// An error that ends the command with `exit`.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        let what = what.into();
        Self(Box::new(Parts {
            exit,
            what,
            place: None,
            value: None,
            expected: None,
            hint: None,
            unread: false,
        }))
    }

    /// Wrong usage.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Where: a flag, a variable, a queue or a job.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place = Some(place.into());
        self
    }

    /// What was found there; cut and escaped.
    #[must_use]
    pub fn found(mut self, value: impl AsRef<str>) -> Self {
        self.0.value = Some(shown(value.as_ref()));
        self
    }

    /// What would have been right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.0.expected = Some(expected.into());
        self
    }

    /// What to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The output's reader has gone: end quietly, and well.
    pub fn is_unread(&self) -> bool {
        self.0.unread
    }

    /// The code to end with.
    pub fn exit(&self) -> Exit {
        self.0.exit
    }

    /// What the store's error means for someone at a terminal.
    pub fn store(error: StoreError, redis: &RedisUrl) -> Self {
        let place = redis.shown().to_owned();
        match error {
            StoreError::Invalid(problem) => Self::usage(problem),
            StoreError::NotInDialect(_) => Self::usage(error.to_string()),
            StoreError::Unconfirmed { .. } => Self::new(Exit::Failed, error.to_string()).at(place).hint(
                "add it again under this id (--id): that asks the replicas again, and adds no second one",
            ),
            StoreError::Unavailable(text) if text.starts_with("READONLY") => {
                Self::new(Exit::Unreachable, "connected to a read-only replica")
                    .at(place)
                    .expected("the primary")
                    .hint("name the primary with --redis-url")
            }
            StoreError::Unavailable(text) | StoreError::Protocol(text) if text.contains("WRONGTYPE") => {
                Self::new(Exit::Conflict, "a key has another type than a Bull queue's").at(place).hint(
                    "is the prefix or the queue another program's? See redis-cli TYPE; nothing was changed",
                )
            }
            StoreError::Protocol(text) if text.contains("Parse error") => {
                Self::new(Exit::Unreachable, "what answers there is not Redis")
                    .at(place)
                    .hint("check host and port; a server that speaks TLS only is reached with rediss://")
            }
            StoreError::Unavailable(text) | StoreError::Protocol(text) if text.contains("DB index") => {
                Self::usage("this server has no such database").at(place).found(text)
            }
            StoreError::Unavailable(text) if is_server_code(&text) => {
                Self::new(Exit::Unreachable, "Redis does not serve at the moment").at(place).found(text)
            }
            StoreError::Unavailable(text) if redis.is_tls() => {
                Self::new(Exit::Unreachable, "cannot reach Redis over TLS")
                    .at(place)
                    .found(plain_cause(&text))
                    .hint(tls_hint(&text))
            }
            StoreError::Unavailable(text) => Self::new(Exit::Unreachable, "cannot reach Redis")
                .at(place)
                .found(plain_cause(&text))
                .hint("is redis-server running there? Name another with --redis-url or BULLOCK_REDIS_URL"),
            StoreError::OutOfMemory(_) => Self::new(Exit::Failed, "Redis is out of memory")
                .at(place)
                .hint("raise maxmemory, or remove finished jobs"),
            StoreError::Refused(text) => Self::refused(&text, redis),
            StoreError::WrongKey(text) => Self::new(Exit::Conflict, "a key of the queue has the wrong type")
                .found(text)
                .hint("see what stands there with redis-cli TYPE; nothing was changed"),
            StoreError::Protocol(text) => {
                Self::new(Exit::Failed, "unexpected reply from Redis").at(place).found(text)
            }
        }
    }

    /// What the error of a command that starts a worker means.
    pub fn worker(error: anyhow::Error, redis: &RedisUrl) -> Self {
        match error.downcast::<BuildError>() {
            Ok(BuildError::Invalid(problem)) => Self::usage(problem),
            Ok(BuildError::Store(error)) => Self::store(error, redis),
            Ok(error @ (BuildError::WrongDialect(..) | BuildError::NewerLayout(..))) => {
                Self::new(Exit::Conflict, error.to_string())
            }
            Err(error) => match error.downcast::<StoreError>() {
                Ok(error) => Self::store(error, redis),
                Err(error) => Self::new(Exit::Failed, error.to_string()),
            },
        }
    }

    /// Credentials and rights.
    fn refused(text: &str, redis: &RedisUrl) -> Self {
        let (place, user) = (redis.shown(), redis.user());
        match text {
            text if text.contains("NOAUTH") => {
                Self::new(Exit::NotAuthorised, "Redis asks for a password (NOAUTH)").at(place).hint(
                    "put it into the URL: redis://:PASSWORD@host:port, or redis://USER:PASSWORD@host:port",
                )
            }
            text if text.contains("NOPERM") || text.contains("permission") => {
                Self::new(Exit::NotAuthorised, format!("Redis user \"{user}\" lacks a right (NOPERM)"))
                    .at(place)
                    .found(text.trim_start_matches("NOPERM "))
                    .hint(format!(
                        "an administrator grants it with ACL SETUSER {user} {}",
                        missing_right(text)
                    ))
            }
            _ => Self::new(
                Exit::NotAuthorised,
                format!("wrong password for Redis user \"{user}\" (WRONGPASS)"),
            )
            .at(place)
            .hint(
                "check user and password in the URL (a server without a password takes none); special \
                         characters must be percent-encoded",
            ),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.0;
        write!(f, "error: {}", parts.what)?;
        if let Some(place) = &parts.place {
            write!(f, " ({place})")?;
        }
        if let Some(value) = &parts.value {
            write!(f, ": {value}")?;
        }
        if let Some(expected) = &parts.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(hint) = &parts.hint {
            write!(f, ". hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CliError {}

/// A write to standard output failed.
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        let mut ours = Self::new(Exit::Failed, "cannot write the output").found(error.to_string());
        ours.0.unread = error.kind() == std::io::ErrorKind::BrokenPipe;
        ours
    }
}

/// A foreign text on one line: no control characters, and not too long.
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_MAX {
            out.push('…');
            break;
        }
        if is_unprintable(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that would move the cursor, colour the terminal or turn the reading direction.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The rule that would lift a refusal.
fn missing_right(text: &str) -> String {
    let command = text.split('\'').nth(1).filter(|_| text.contains("command"));
    match command {
        Some(command) => format!("+{command}"),
        None if text.contains("channel") => "'&<prefix>:*'".to_owned(),
        None => "'~<prefix>:*'".to_owned(),
    }
}

/// Does the text begin with an error code of the server's, such as `LOADING`? Then it was reached.
fn is_server_code(text: &str) -> bool {
    let code = text.split(' ').next().unwrap_or("");
    code.len() > 3 && code.bytes().all(|b| b.is_ascii_uppercase())
}

/// What to do about a handshake that failed.
fn tls_hint(text: &str) -> &'static str {
    if text.contains("CertificateRequired") {
        "the server wants a certificate of ours: redis.tls.cert and redis.tls.key, or tls_cert= and tls_key= in the URL"
    } else if ["UnknownIssuer", "BadSignature"].iter().any(|fault| text.contains(fault)) {
        "a CA of your own must be among those that the machine trusts, in the file that SSL_CERT_FILE names, or in redis.tls.ca"
    } else if text.contains("received fatal alert") {
        "the server does not take our certificate: is it in force, and of a CA that the server trusts?"
    } else if text.contains("certificate") {
        "the server's certificate must name the host of the URL and be in force"
    } else {
        "a server without TLS is reached with redis://"
    }
}

/// The cause without the operating system's numbers.
fn plain_cause(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    let text = text.rsplit_once(" - Io: ").map_or(text, |(_, cause)| cause);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if chars.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
