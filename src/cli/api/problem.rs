//! What went wrong with a request, and what that means for who typed the command. The one place that maps statuses.

use serde::Deserialize;

use super::{Again, is_unseen};
use crate::cli::error::{CliError, Exit};
use crate::http::{StatusCode, TransportError};

/// No answer, or none that helps.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing came, or not all of it.
    Transport(TransportError),
    /// Nothing came in time.
    Silent,
    /// More came than is taken.
    TooLarge,
    /// The server says no.
    Answered(StatusCode, Box<Said>, Option<String>),
}

/// A problem as RFC 9457 has it; all empty where something else answered.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Said {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    detail: Option<String>,
    queue: Option<String>,
    job_id: Option<String>,
    allowed_actions: Vec<String>,
    request_id: Option<String>,
}

impl From<TransportError> for Trouble {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl Trouble {
    pub(super) fn answered(status: StatusCode, text: &[u8], location: Option<String>) -> Self {
        let said: Said = serde_json::from_slice(text).unwrap_or_default();
        Self::Answered(status, Box::new(said), location)
    }

    /// Is it likely to go well the next time, and harmless?
    pub(super) fn is_worth_another_try(&self, again: Again) -> bool {
        match self {
            Self::Transport(error) => again == Again::Always || is_unseen(error.kind),
            // A server, or a proxy before it, that is being started anew.
            Self::Answered(status, said, _) => {
                matches!(*status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE)
                    && said.word() != "timeout"
                    && again == Again::Always
            }
            Self::Silent | Self::TooLarge => false,
        }
    }

    /// The same as the command's error; `place` is the server.
    pub(super) fn into_error(self, place: &str) -> CliError {
        match self {
            Self::Transport(error) => {
                let hint = if error.cause.contains("ertificate") {
                    "its certificate must be one that this machine trusts (SSL_CERT_FILE adds one), name the host and be in force"
                } else {
                    "is bullock run, or bullock board, there? Its address is admin.listen; name another with --api"
                };
                CliError::new(Exit::Unreachable, "cannot reach the admin API")
                    .at(place)
                    .found(error.to_string())
                    .hint(hint)
            }
            Self::Silent => CliError::new(Exit::TimedOut, "no answer from the admin API")
                .at(place)
                .expected("one within 35 s")
                .hint("what was asked for may still be done: look before you ask again"),
            Self::TooLarge => CliError::new(Exit::Failed, "the answer is too large")
                .at(place)
                .hint("ask with a smaller --limit"),
            Self::Answered(status, said, location) => said.error(status, place, location),
        }
    }
}

impl Said {
    /// `state-conflict` of `urn:bullock:error:state-conflict`.
    fn word(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }

    fn error(self, status: StatusCode, place: &str, location: Option<String>) -> CliError {
        if self.kind.is_empty() {
            return foreign(status, place, location);
        }
        let (exit, hint) = meaning(status, self.word());
        let place = match (&self.queue, &self.job_id) {
            (Some(queue), Some(id)) => format!("{queue}/{id}"),
            (Some(queue), None) => queue.clone(),
            _ => place.to_owned(),
        };
        let mut error = CliError::new(exit, lower(&self.title)).at(place);
        if let Some(detail) = &self.detail {
            error = error.found(detail);
        }
        if !self.allowed_actions.is_empty() {
            return error.hint(format!("it allows {}", self.allowed_actions.join(", ")));
        }
        match (exit, self.request_id) {
            (Exit::Failed, Some(id)) => error.hint(format!("the server's log has more under {id}")),
            _ => hint.map_or(error.clone(), |hint| error.hint(hint)),
        }
    }
}

/// The exit code, and what to do.
fn meaning(status: StatusCode, word: &str) -> (Exit, Option<&'static str>) {
    match (status.as_u16(), word) {
        (401, _) => {
            (Exit::NotAuthorised, Some("give a token of admin.tokens with --token @FILE or BULLOCK_TOKEN"))
        }
        (403, _) => (
            Exit::NotAuthorised,
            Some("use a token with the role, the queues and the organisations that it needs"),
        ),
        (429, _) => (Exit::NotAuthorised, None),
        (404, _) => {
            (Exit::NotFound, Some("bullock queue ls and bullock job ls show what is there for this token"))
        }
        (409 | 410 | 412, _) => (Exit::Conflict, None),
        (503, "redis-unavailable") => {
            (Exit::Unreachable, Some("the server cannot reach its Redis: its log says why"))
        }
        (_, "timeout") => {
            (Exit::TimedOut, Some("what was asked for may still be done: look before you ask again"))
        }
        (503, _) => (Exit::Unreachable, None),
        (500.., _) => (Exit::Failed, None),
        _ => (Exit::Usage, None),
    }
}

/// Something that is no admin API answered, such as a proxy before it.
fn foreign(status: StatusCode, place: &str, location: Option<String>) -> CliError {
    let (exit, hint) = match status.as_u16() {
        300..=399 => (Exit::Usage, "name the place that it sends to with --api"),
        401 | 403 => {
            (Exit::NotAuthorised, "a proxy before the server refuses: it may want more than a token")
        }
        502 | 503 => (Exit::Unreachable, "a proxy answers, and the server behind it does not"),
        504 => (Exit::TimedOut, "a proxy gave up waiting: look before you ask again"),
        _ => (Exit::Usage, "does --api name a Bullock server, with its base path?"),
    };
    let found = location.map_or_else(|| status.to_string(), |place| format!("{status}, to {place}"));
    CliError::new(exit, "what answers there is not the admin API").at(place).found(found).hint(hint)
}

fn lower(title: &str) -> String {
    let mut chars = title.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
