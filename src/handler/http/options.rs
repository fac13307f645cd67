//! What can be configured about a backend, and what is refused.
//!
//! Owns: the options, their defaults, their checks. Must never know: a job. Called by `HttpHandler::new`.

use std::time::Duration;

use super::target::Target;
use crate::handler::OptionError;
use crate::http::client::CONNECT_DEFAULT;
use crate::http::header::CONTENT_TYPE;
use crate::http::health::Health;
use crate::http::sign::Secret;
use crate::http::{Client, ClientOptions, Clients, HeaderMap, HeaderName, HeaderValue, Url};

/// A streaming or detached job that shows no sign of life for so long has failed.
const HEARTBEAT_DEFAULT: Duration = Duration::from_mins(1);
/// Longest wait that a backend may ask for.
const RETRY_AFTER_MAX_DEFAULT: Duration = Duration::from_hours(1);
/// Largest result.
const RESPONSE_BYTES_MAX_DEFAULT: usize = 1024 * 1024;
/// Statuses that say: this job will never work.
const PERMANENT_DEFAULT: &[u16] = &[400, 410, 422];

/// Headers that no configuration may set: the connection's own, and those that say which job this is.
pub const FORBIDDEN_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// The same for whole families.
const FORBIDDEN_PREFIXES: &[&str] = &["job-", "webhook-"];

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyMode {
    /// The job's data, untouched: a route that works with curl is a handler.
    #[default]
    Data,
    /// `{queue,id,name,attempt,data,opts,progress,checkpoint}`.
    Envelope,
    /// `{job, token}`, for backends written for bullmq-proxy.
    BullmqProxy,
}

/// How to call a backend. Start from [`HttpOptions::new`], which holds the defaults.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// `http://…`, `https://…`, or `unix:///run/app.sock/route`. May hold `{{queue}}`, `{{id}}`, `{{name}}` and
    /// `{{data.member}}` in its path and query; in its host only together with `allow_hosts`.
    pub url: String,
    /// Signs each request with each of these; empty: requests are not signed.
    pub secrets: Vec<Secret>,
    /// Sent with each request.
    pub headers: Vec<(String, String)>,
    /// What the body is.
    pub body: BodyMode,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for the head of the response; `None`: as long as the run may take.
    pub first_byte: Option<Duration>,
    /// Longest silence within a response, and of a job that went on elsewhere (202).
    pub heartbeat: Duration,
    /// Statuses that end the job for good.
    pub permanent: Vec<u16>,
    /// Longest wait that a backend may ask for by `Retry-After`.
    pub retry_after_max: Duration,
    /// Largest result in bytes; a marker is stored in place of a larger one.
    pub response_max: usize,
    /// Hosts that a variable in the URL's host may name: `api.example.com`, `*.example.com`.
    pub allow_hosts: Vec<String>,
    /// Lets a variable host be an internal address, and a written-out one the metadata service.
    pub allow_private: bool,
    /// Told once when a running job is cancelled.
    pub cancel_url: Option<String>,
}

impl HttpOptions {
    /// The defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secrets: Vec::new(),
            headers: Vec::new(),
            body: BodyMode::Data,
            connect: CONNECT_DEFAULT,
            first_byte: None,
            heartbeat: HEARTBEAT_DEFAULT,
            permanent: PERMANENT_DEFAULT.to_vec(),
            retry_after_max: RETRY_AFTER_MAX_DEFAULT,
            response_max: RESPONSE_BYTES_MAX_DEFAULT,
            allow_hosts: Vec::new(),
            allow_private: false,
            cancel_url: None,
        }
    }
}

/// Options that were checked, with what was made of them.
pub(super) struct Ready {
    pub(super) options: HttpOptions,
    pub(super) target: Target,
    /// The configured headers, parsed.
    pub(super) headers: HeaderMap,
    pub(super) client: Client,
    pub(super) cancel_url: Option<Url>,
    pub(super) cancel_client: Client,
    pub(super) health: Health,
    pub(super) label: String,
}

/// Checks everything and builds what is needed, or says all that is wrong.
pub(super) fn check(options: HttpOptions, clients: &Clients) -> Result<Ready, Vec<OptionError>> {
    let mut problems = Vec::new();
    let mut keep = |problem: OptionError| problems.push(problem);
    let headers = headers(&options.headers, &mut keep);
    for status in options.permanent.iter().filter(|status| !(300..=599).contains(*status)) {
        keep(OptionError::new("permanent", format!("{status} is no status of a failure (300 to 599)")));
    }
    for (option, value) in [("connect", options.connect), ("heartbeat", options.heartbeat)] {
        if value.is_zero() {
            keep(OptionError::new(option, "must be more than 0"));
        }
    }
    if options.first_byte.is_some_and(|limit| limit.is_zero()) {
        keep(OptionError::new("first_byte", "must be more than 0; leave it out for no limit"));
    }
    if options.response_max == 0 {
        keep(OptionError::new("response_max", "must be more than 0"));
    }
    let target = Target::parse(&options.url, &options.allow_hosts, options.allow_private)
        .map_err(|problem| keep(OptionError::new("http", problem)))
        .ok();
    let cancel = options.cancel_url.as_deref().map(|url| Target::parse(url, &[], options.allow_private));
    let cancel = match cancel {
        None => None,
        Some(Ok(target)) if target.fixed().is_some() => Some(target),
        Some(Ok(_)) => {
            keep(OptionError::new("cancel_url", "takes no variables; the job is named in the headers"));
            None
        }
        Some(Err(problem)) => {
            keep(OptionError::new("cancel_url", problem));
            None
        }
    };
    let mut client = |target: &Target, option| {
        let made = clients.client(&ClientOptions { connect: options.connect, ..target.client_options() });
        made.map_err(|error| keep(OptionError::new(option, error.to_string()))).ok()
    };
    let main_client = target.as_ref().and_then(|target| client(target, "http"));
    let cancel_client = cancel.as_ref().and_then(|target| client(target, "cancel_url"));
    match (target, main_client) {
        (Some(target), Some(client)) if problems.is_empty() => Ok(Ready {
            label: format!("http {}", target.label()),
            cancel_url: cancel.and_then(|target| target.fixed().cloned()),
            cancel_client: cancel_client.unwrap_or_else(|| client.clone()),
            health: Health::default(),
            headers,
            client,
            target,
            options,
        }),
        _ => Err(problems),
    }
}

fn headers(configured: &[(String, String)], keep: &mut impl FnMut(OptionError)) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in configured {
        let shown = name.escape_debug();
        let lower = name.to_ascii_lowercase();
        if FORBIDDEN_HEADERS.contains(&lower.as_str())
            || FORBIDDEN_PREFIXES.iter().any(|p| lower.starts_with(p))
        {
            keep(OptionError::new(
                "headers",
                format!("\"{shown}\" is set by bullock and cannot be configured"),
            ));
            continue;
        }
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(mut value)) => {
                // Configured headers carry credentials more often than not; only the content type surely does not.
                value.set_sensitive(name != CONTENT_TYPE);
                headers.append(name, value);
            }
            (Err(_), _) => {
                keep(OptionError::new(
                    "headers",
                    format!("\"{shown}\" is no name of a header: letters, digits and -"),
                ));
            }
            (_, Err(_)) => {
                let problem =
                    format!("the value of \"{shown}\" has a line break or another control character");
                keep(OptionError::new("headers", problem));
            }
        }
    }
    headers
}
