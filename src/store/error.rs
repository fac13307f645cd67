//! What can go wrong between us and Redis, by what it means for the caller.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// An error of the store. Each variant says what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Redis cannot be reached, is loading, is a replica, or failed half-way: back off and send the same again.
    #[error("redis is unavailable ({}): {_0}", reason(_0))]
    Unavailable(String),
    /// Memory is out (`maxmemory`, noeviction): claims stop, leases and ends still work; back off.
    #[error("redis is out of memory (oom): {0}")]
    OutOfMemory(String),
    /// The credentials or their rights are wrong: a person must act; retry slowly.
    #[error("redis refused ({}): {_0}", reason(_0))]
    Refused(String),
    /// The job was added, and too few replicas had it in time: a failover may lose it. Adding it again under this id asks
    /// again, and adds none twice.
    #[error(
        "job {id} is written, and {replicas} of {wanted} replicas have confirmed it: a failover may lose it"
    )]
    Unconfirmed {
        /// The job.
        id: crate::job::JobId,
        /// So many replicas have it.
        replicas: u32,
        /// So many were to.
        wanted: u32,
    },
    /// The caller's own input was refused before anything was sent.
    #[error("{0}")]
    Invalid(String),
    /// A key of the queue has the wrong type: this queue halts, the others go on. Nothing was written.
    #[error("{0}")]
    WrongKey(String),
    /// The call is about something that exists on `BullMQ` queues only. Nothing was sent.
    #[error("a Bull 4 queue has no {0}: that exists on BullMQ queues only")]
    NotInDialect(&'static str),
    /// The reply is not what the script promises: a defect. Nothing sensible can be done but to say so.
    #[error("unexpected reply from redis: {0}")]
    Protocol(String),
}

impl StoreError {
    /// May the same request succeed later without anybody changing anything?
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::OutOfMemory(_))
    }

    /// The same, or after a person has mended it: what is held in memory is worth keeping.
    pub fn may_pass(&self) -> bool {
        self.is_transient() || matches!(self, Self::Refused(_))
    }

    /// What is wrong, in one word for probes and metrics.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::store::StoreError;
    /// assert_eq!(StoreError::Unavailable("LOADING Redis is loading".into()).reason(), "loading");
    /// assert_eq!(StoreError::Unavailable("Connection refused".into()).reason(), "unreachable");
    /// ```
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unavailable(text) | Self::Refused(text) => reason(text),
            Self::OutOfMemory(_) => "oom",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::Invalid(_) | Self::NotInDialect(_) => "invalid",
            Self::WrongKey(_) => "wrong_key",
            Self::Protocol(_) => "protocol",
        }
    }
}

/// Parts of what a server or a system says, and the word for it. The first that fits.
const REASONS: &[(&str, &str)] = &[
    ("LOADING", "loading"),
    ("READONLY", "read_only"),
    ("MASTERDOWN", "master_down"),
    ("MISCONF", "disk"),
    ("NOREPLICAS", "no_replicas"),
    ("CLUSTERDOWN", "cluster_down"),
    ("TRYAGAIN", "slot_moving"),
    ("ASK ", "slot_moving"),
    ("MOVED", "slot_moving"),
    ("BUSY", "busy_script"),
    ("UNKILLABLE", "busy_script"),
    ("max number of clients", "max_clients"),
    ("peer is not TLS", "not_tls"),
    ("sentinel", "sentinels"),
    ("NOAUTH", "password"),
    ("WRONGPASS", "password"),
    ("NOPERM", "rights"),
    ("permission", "rights"),
    ("uthenticat", "password"),
    ("fell silent", "silent"),
    ("timed out", "silent"),
    ("no connection", "silent"),
    ("no answer", "silent"),
];

fn reason(text: &str) -> &'static str {
    REASONS.iter().find(|(part, _)| text.contains(part)).map_or("unreachable", |(_, word)| word)
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        let text = describe(&error);
        match (error.kind(), code_of(&error)) {
            (_, Some("WRONGKEY")) => Self::WrongKey(error.detail().unwrap_or_default().to_owned()),
            // A command of ours outside of scripts, or a key that no script expects to be anything else.
            (_, Some("WRONGTYPE")) => Self::WrongKey(text),
            (_, Some("OOM")) => Self::OutOfMemory(text),
            (ErrorKind::Server(ServerErrorKind::CrossSlot), _) => Self::Invalid(format!(
                "the keys of this call are in different slots of the cluster ({text}); expected one hash tag in all of them. \
                 hint: a prefix such as \"{{bull}}\" keeps all its queues in one slot"
            )),
            (ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm), _)
            | (_, Some("NOAUTH" | "WRONGPASS" | "NOPERM")) => Self::Refused(text),
            // A command that is too long for somebody who is not known yet.
            (_, _) if text.contains("Protocol error: unauthenticated") => Self::Refused(text),
            (ErrorKind::UnexpectedReturnType | ErrorKind::Parse, _) => Self::Protocol(text),
            (ErrorKind::Server(ServerErrorKind::ResponseError), code)
                if !is_passing(code) && !text.contains("max number of clients") =>
            {
                Self::Protocol(text)
            }
            _ => Self::Unavailable(text),
        }
    }
}

/// The code of an error. Redis 6.2 wraps what a script's command met into an error of its own: `ERR Error running script
/// (call to f_…): @user_script:7: WRONGTYPE …`, or `… @user_script: 7: -READONLY …`.
pub(super) fn code_of(error: &RedisError) -> Option<&str> {
    let wrapped = || {
        let (_, line) = error.detail()?.rsplit_once("@user_script:")?;
        let (_, text) = line.trim_start().split_once(": ")?;
        let code = text.trim_start_matches('-').split(' ').next()?;
        (code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(code)
    };
    wrapped().or_else(|| error.code())
}

/// Error codes of a server that will recover by itself.
fn is_passing(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("MISCONF" | "BUSY" | "NOREPLICAS" | "LOADING" | "READONLY" | "MASTERDOWN" | "UNKILLABLE")
    )
}

/// The error without the parts that could hold data of a job.
fn describe(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn met(text: &str) -> StoreError {
        let reply = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        reply.extract_error().unwrap_err().into()
    }

    #[test]
    fn an_error_that_redis_6_wraps_because_a_script_met_it_is_the_error_that_redis_7_gives() {
        type Is = fn(&StoreError) -> bool;
        let cases: [(&str, Is); 5] = [
            ("WRONGTYPE Operation against a key", |error| matches!(error, StoreError::WrongKey(_))),
            ("OOM command not allowed", |error| matches!(error, StoreError::OutOfMemory(_))),
            ("READONLY You can't write", |error| error.reason() == "read_only"),
            ("NOREPLICAS Not enough good replicas", |error| error.reason() == "no_replicas"),
            ("MISCONF Redis is configured to save", |error| error.reason() == "disk"),
        ];
        for (plain, is) in cases {
            let wrapped = "ERR Error running script (call to f_177bead370f0): @user_script";
            for text in
                [plain.to_owned(), format!("{wrapped}:692: {plain}"), format!("{wrapped}: 7: -{plain}")]
            {
                let error = met(&text);
                assert!(is(&error), "{text}: {error:?}");
            }
        }
        let own = met("ERR Error running script (call to f_1): @user_script:7: attempt to index a nil value");
        assert!(matches!(own, StoreError::Protocol(_)), "{own:?}");
    }
}
