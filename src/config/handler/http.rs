//! The options of handlers that post.
//!
//! Must never know: a HTTP client.

use std::time::Duration;

use base64::Engine;

use super::super::limits as at;
use super::super::problem::Problems;
use super::super::read::Section;
use super::super::secret::Secret;
use super::super::target::{self, Target};

/// An HTTP handler.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpHandler {
    /// Where to.
    pub target: Target,
    /// Told once when a run is stopped.
    pub cancel_url: Option<Target>,
    /// Signing secrets as written (`whsec_…` or text), the newest first; empty = unsigned.
    pub secrets: Vec<Secret>,
    /// Further headers; names in lower case.
    pub headers: Vec<(String, Secret)>,
    /// What is posted.
    pub body: Body,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long the answer may take to begin.
    pub first_byte: Option<Duration>,
    /// Statuses that end a job for good.
    pub permanent: Vec<u16>,
    /// A longer `Retry-After` is cut to this.
    pub retry_after_max: Duration,
    /// How often `Retry-After` may put a job off without spending an attempt.
    pub max_deferrals: u32,
    /// Lifts the rules against link-local and metadata addresses.
    pub allow_private: bool,
}

/// What an HTTP handler posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// The job's data, byte for byte.
    Data,
    /// The job with its queue, id, name, attempt, options and progress.
    Envelope,
    /// `{job, token}`.
    BullmqProxy,
}

/// Headers that the HTTP client or the contract with the handler owns.
const HEADERS_OURS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "content-type",
    "idempotency-key",
    "traceparent",
    "tracestate",
];
const HEADER_PREFIXES_OURS: &[&str] = &["job-", "webhook-"];

/// Secrets that stand in examples.
const EXAMPLE_SECRETS: &[&str] = &[
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "replace-me-with-a-secret-of-your-own",
    "an-example-secret-of-24-bytes",
];

pub(super) fn read(section: &Section<'_>, problems: &mut Problems) -> Option<HttpHandler> {
    read_to(section, section, problems)
}

/// The same for a URL that stands in a table of its own, `place`, below the one with the options.
pub(super) fn read_to(
    place: &Section<'_>,
    section: &Section<'_>,
    problems: &mut Problems,
) -> Option<HttpHandler> {
    let secrets = secrets(section, problems);
    let headers = headers(section, problems);
    if place.is_bad("http") {
        return None;
    }
    let allow_private = section.truth("allow_private");
    let target = match target::parse_target(&place.text("http"), allow_private) {
        Ok(target) => target,
        Err((fault, hint)) => {
            problems.push(place.problem(
                "http",
                &fault,
                "http://, https:// or unix:///run/app.sock/path",
                hint,
            ));
            return None;
        }
    };
    let cancel_url = cancel_url(section, allow_private, problems);
    Some(HttpHandler {
        target,
        cancel_url,
        secrets,
        headers,
        body: match section.text("body").as_str() {
            "envelope" => Body::Envelope,
            "bullmq-proxy" => Body::BullmqProxy,
            _ => Body::Data,
        },
        connect: section.duration("connect"),
        first_byte: section.maybe_duration("first_byte"),
        permanent: section.ints("permanent").into_iter().map(|status| status as u16).collect(),
        retry_after_max: section.duration("retry_after_max"),
        max_deferrals: section.int("max_deferrals") as u32,
        allow_private,
    })
}

fn cancel_url(section: &Section<'_>, allow_private: bool, problems: &mut Problems) -> Option<Target> {
    let text = section.maybe_text("cancel_url").filter(|_| !section.is_bad("cancel_url"))?;
    let expected = "http://, https:// or unix:///run/app.sock/path, without {{…}}";
    let parsed = match target::parse_target(&text, allow_private) {
        Ok(_) if text.contains("{{") => {
            Err(("has a variable".into(), "the headers name the job; delete the {{…}}".into()))
        }
        parsed => parsed,
    };
    parsed.map_err(|(fault, hint)| problems.push(section.problem("cancel_url", &fault, expected, hint))).ok()
}

/// The signing secrets of a table.
pub(in crate::config) fn secrets(section: &Section<'_>, problems: &mut Problems) -> Vec<Secret> {
    let secrets = section.texts("secret");
    let expected = format!("whsec_ and base64, or at least {} bytes", at::SECRET_BYTES_MIN);
    let hint = "echo whsec_$(openssl rand -base64 32) makes one";
    if section.has("secret")
        && !section.is_bad("secret")
        && (secrets.is_empty() || secrets.len() > at::SECRETS_MAX)
    {
        let expected = format!("1 to {} secrets", at::SECRETS_MAX);
        problems.push(section.problem(
            "secret",
            "has a bad number of secrets",
            expected,
            "leave it out to send unsigned requests",
        ));
    }
    for secret in &secrets {
        if let Some(fault) = secret_fault(secret) {
            problems.push(section.problem("secret", fault, expected.clone(), hint));
        }
    }
    secrets.into_iter().map(Secret::new).collect()
}

fn secret_fault(secret: &str) -> Option<&'static str> {
    if EXAMPLE_SECRETS.contains(&secret) {
        return Some("is that of an example");
    }
    let Some(encoded) = secret.strip_prefix("whsec_") else {
        return (secret.len() < at::SECRET_BYTES_MIN).then_some("is too short");
    };
    match base64::engine::general_purpose::STANDARD.decode(encoded) {
        Err(_) => Some("is not base64 after whsec_"),
        Ok(bytes) if bytes.len() < at::SECRET_BYTES_MIN => Some("is too short"),
        Ok(_) => None,
    }
}

pub(in crate::config) fn headers(section: &Section<'_>, problems: &mut Problems) -> Vec<(String, Secret)> {
    let headers = section.section("headers");
    let mut out: Vec<(String, Secret)> = Vec::new();
    for (name, _) in headers.entries().filter(|(name, _)| !headers.is_bad(name)) {
        let value = headers.text(name);
        let lower = name.to_ascii_lowercase();
        let ours = HEADERS_OURS.contains(&lower.as_str())
            || HEADER_PREFIXES_OURS.iter().any(|own| lower.starts_with(own));
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let (fault, expected, hint) = if name.is_empty() || !name.chars().all(token) {
            (
                "has a name that no header can have",
                "letters, digits and -",
                "write the name as in HTTP, without the colon",
            )
        } else if ours {
            ("is a header that bullock sets itself", "another header", "delete it")
        } else if out.iter().any(|(taken, _)| *taken == lower) {
            (
                "is written twice",
                "each header once",
                "header names are the same in upper and lower case; delete one",
            )
        } else if !value.chars().all(|c| c == '\t' || (' '..='~').contains(&c)) {
            (
                "has a value that no header can have",
                "visible ASCII in one line",
                "take out line breaks and other control characters",
            )
        } else {
            out.push((lower, Secret::new(value)));
            continue;
        };
        problems.push(headers.problem(name, fault, expected, hint));
    }
    if out.len() > at::HEADERS_MAX {
        let expected = format!("at most {}", at::HEADERS_MAX);
        problems.push(section.problem("headers", "has too many entries", expected, "put it in the body"));
    }
    out
}
