//! Jobs as HTTP requests to a backend that exists already.
//!
//! Owns: one attempt, from the request to what the response means. Must never know: Redis, leases, what becomes
//! of the job afterwards. Called by `worker::executor` through [`Handler`].
//!
//! | file | what it owns |
//! |---|---|
//! | `options` | what can be configured, and what is refused |
//! | `target`, `template` | where a request goes: a fixed URL, or one with `{{variables}}` |
//! | `request` | headers, body, signature |
//! | `response` | status and body ⇒ outcome |
//! | `failure` | the text of a failure |
//! | `retry_after` | `Retry-After` |
//! | `streaming`, `detached` | jobs that go on after the head of the response: NDJSON, 202 |

mod detached;
mod failure;
mod options;
mod request;
mod response;
mod retry_after;
mod streaming;
mod target;
mod template;

use std::sync::Arc;
use std::time::Duration;

pub use options::{BodyMode, FORBIDDEN_HEADERS, HttpOptions};
pub use retry_after::parse as parse_retry_after;

use self::options::Ready;
use super::{BoxFuture, Context, Handler, OptionError, room};
use crate::http::client::TransportErrorKind;
use crate::http::health::Health;
use crate::http::{Clients, Method, Response, StatusCode, TransportError};
use crate::job::outcome::{Failure, Outcome, ReasonClass};
use crate::job::{Data, Job};

/// How long the note to `cancel_url` may take. Nobody waits for it.
const CANCEL_NOTE_MAX: Duration = Duration::from_secs(5);

/// Sends each job to a backend.
///
/// # Examples
///
/// ```
/// use bullock::handler::http::{HttpHandler, HttpOptions};
/// use bullock::http::Clients;
/// use bullock::handler::Handler;
///
/// let clients = Clients::default();
/// let handler = HttpHandler::new(HttpOptions::new("http://127.0.0.1:3000/api/sync"), &clients).unwrap();
/// assert_eq!(handler.label(), "http 127.0.0.1:3000");
/// assert!(HttpHandler::new(HttpOptions::new("ftp://127.0.0.1/"), &clients).is_err());
/// ```
#[derive(Clone)]
pub struct HttpHandler(Arc<Ready>);

impl HttpHandler {
    /// Checks the options.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub fn new(options: HttpOptions, clients: &Clients) -> Result<Self, Vec<OptionError>> {
        options::check(options, clients).map(|ready| Self(Arc::new(ready)))
    }

    /// Whether the backend was reached lately and knew us.
    pub fn health(&self) -> &Health {
        &self.0.health
    }
}

impl Handler for HttpHandler {
    fn run(&self, job: Arc<Job<Data>>, ctx: Context) -> BoxFuture<'static, Outcome> {
        let ready = Arc::clone(&self.0);
        Box::pin(async move {
            let cancelled = ctx.cancelled.clone();
            tokio::select! {
                biased;
                // Leaving this block drops the request: the backend sees its connection closed.
                () = cancelled.cancelled() => {
                    note_cancel(&ready, &job, &ctx);
                    Outcome::Failed(Failure::new(ReasonClass::Cancelled, "cancelled"))
                }
                outcome = attempt(&ready, &job, &ctx) => outcome,
            }
        })
    }

    fn label(&self) -> &str {
        &self.0.label
    }

    fn is_healthy(&self) -> bool {
        !self.0.health.is_unhealthy()
    }
}

/// What was sent and where to, for the texts of failures.
struct Sent<'a> {
    ready: &'a Ready,
    /// `127.0.0.1:3000`, or the path of a socket.
    host: String,
    /// Without the query, which may hold a key.
    path: String,
}

async fn attempt(ready: &Ready, job: &Arc<Job<Data>>, ctx: &Context) -> Outcome {
    let url = match ready.target.url(job) {
        Ok(url) => url,
        Err(failure) => return Outcome::Failed(*failure),
    };
    let sent = Sent { ready, host: ready.target.host(&url), path: url.path().to_owned() };
    // Signed anew for each try: a signature tells its time.
    let answer = loop {
        let (headers, body) = match request::build(ready, job, ctx) {
            Ok(built) => built,
            Err(failure) => return Outcome::Failed(*failure),
        };
        let exchange = ready.client.send(Method::POST, url.clone(), headers, body);
        match within(ready.options.first_byte, exchange).await {
            Some(Err(error)) if error.kind == TransportErrorKind::NoRoom => room::wait(error.cause).await,
            answer => break answer,
        }
    };
    let response = match answer {
        Some(Ok(response)) => response,
        Some(Err(error)) => return Outcome::Failed(sent.broken(&error)),
        None => {
            let limit = shown(ready.options.first_byte.unwrap_or_default());
            let text = format!("no answer from {} within {limit} (first_byte)", sent.host);
            return Outcome::Failed(sent.failed(ReasonClass::Timeout, text));
        }
    };
    ctx.pulse.beat();
    answered(&sent, response, ctx).await
}

async fn answered(sent: &Sent<'_>, response: Response, ctx: &Context) -> Outcome {
    let status = response.status();
    ctx.pulse.answered(status.as_u16());
    if response::is_refusal(status, &sent.ready.options.permanent) {
        sent.ready.health.refused();
    } else {
        sent.ready.health.answered();
    }
    if status == StatusCode::ACCEPTED {
        // The body of a 202 means nothing; dropping it may cost the connection, reading it might never end.
        drop(response);
        return detached::wait(sent.ready.options.heartbeat, ctx).await;
    }
    if !status.is_success() {
        return response::unsuccessful(sent, response, ctx).await;
    }
    if response::is_ndjson(response.headers()) {
        return streaming::read(sent, response, ctx).await;
    }
    response::completed(sent, response, ctx).await
}

impl Sent<'_> {
    /// No response, or not all of one.
    fn broken(&self, error: &TransportError) -> Failure {
        let connect = matches!(error.kind, TransportErrorKind::Connect | TransportErrorKind::ConnectTimeout);
        if connect {
            self.ready.health.refused();
        }
        let text = if error.kind == TransportErrorKind::ConnectTimeout {
            format!("{}: no connection within {} (connect)", self.host, shown(self.ready.options.connect))
        } else {
            format!("{}: {error}", self.host)
        };
        self.failed(ReasonClass::Error, text)
    }

    /// A failure that we found ourselves.
    fn failed(&self, class: ReasonClass, message: String) -> Failure {
        let stack = format!("Error: {message}\n{}", self.stack_line(None));
        Failure { stack: Some(stack), ..Failure::new(class, message) }
    }

    /// Where it happened, in the form of a line of a JavaScript stack.
    fn stack_line(&self, status: Option<StatusCode>) -> String {
        let status = status.map(|status| format!(" (HTTP {})", status.as_u16())).unwrap_or_default();
        format!("    at POST {}{}{status}", self.host, self.path)
    }
}

/// Tells the backend once that a run is to stop, and why, if it has an address for that. The job itself is not
/// kept waiting for it.
fn note_cancel(ready: &Arc<Ready>, job: &Arc<Job<Data>>, ctx: &Context) {
    let Some(url) = ready.cancel_url.clone() else { return };
    let Ok((headers, body)) = request::cancel_note(ready, job, ctx) else { return };
    let ready = Arc::clone(ready);
    tokio::spawn(async move {
        let note = ready.cancel_client.send(Method::POST, url, headers, body);
        let problem = match tokio::time::timeout(CANCEL_NOTE_MAX, note).await {
            Ok(Ok(response)) if response.status().is_success() => return,
            Ok(Ok(response)) => format!("HTTP {}", response.status().as_u16()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {}", shown(CANCEL_NOTE_MAX)),
        };
        tracing::warn!(%problem, "cancel_url did not take the note");
    });
}

/// Waits for `future`, for at most `limit` if there is one; `None` when it went by.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

/// A duration as people write it: `60 s`, `1.5 s`, `250 ms`.
fn shown(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{} s", duration.as_millis() as f64 / 1000.0)
    }
}
