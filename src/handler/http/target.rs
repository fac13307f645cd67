//! Where a request goes: a URL that the operator wrote out, or one with variables.
//!
//! Owns: schemes, variables, and the line between the operator's word (any host) and a job's word (only what is
//! allowed, only public addresses). Must never know: how requests are sent. Called by `options` and `attempt`.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::http::{ClientOptions, Url, address};
use crate::job::outcome::{Failure, ReasonClass};
use crate::job::{Data, Job};

/// The variables, as they are listed in messages.
const VARIABLES: &str = "{{queue}}, {{id}}, {{name}} and {{data.<member>}}";
/// How the file part of a unix URL ends when no colon says where it does.
const SOCKET_ENDS: &[&str] = &[".sock", ".socket"];

/// A checked target.
#[derive(Debug, Clone)]
pub(super) struct Target {
    socket: Option<Arc<Path>>,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Fixed(Url),
    Template(Template),
}

#[derive(Debug, Clone)]
struct Template {
    parts: Vec<Part>,
    /// Patterns for the host, present when a variable stands in it.
    hosts: Option<Vec<String>>,
    allow_private: bool,
    label: String,
    tls: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Variable { variable: Variable, in_host: bool },
}

#[derive(Debug, Clone, PartialEq)]
enum Variable {
    Queue,
    Id,
    Name,
    Data(Vec<String>),
}

impl Target {
    /// Reads an option. The error is one line without the option's name.
    pub(super) fn parse(text: &str, allow_hosts: &[String], allow_private: bool) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("unix:") {
            let (socket, route) = split_socket(rest)?;
            let target = Self::parse(&format!("http://localhost{route}"), &[], true)?;
            return Ok(Self { socket: Some(Path::new(socket).into()), ..target });
        }
        if !(text.starts_with("http://") || text.starts_with("https://")) {
            let hint = "write http://, https:// or unix:// with a host or socket";
            return Err(match text.split_once("://") {
                Some((scheme, _)) => {
                    format!("the scheme \"{}\" is not supported: {hint}", scheme.escape_debug())
                }
                None => format!("this is no complete URL: {hint}"),
            });
        }
        let parts = split(text)?;
        let has_variables = parts.iter().any(|part| matches!(part, Part::Variable { .. }));
        let in_host = parts.iter().any(|part| matches!(part, Part::Variable { in_host: true, .. }));
        if in_host && allow_hosts.is_empty() {
            return Err("a variable stands in the host: list the hosts it may name in allow_hosts".into());
        }
        // With a word in place of each variable the rest can be checked once, before any job comes.
        let sample: String = parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Variable { .. } => "x",
            })
            .collect();
        let url = Url::parse(&sample).map_err(|error| format!("this is no URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials do not belong in a URL: send them in headers, as authorization".into());
        }
        if url.fragment().is_some() {
            return Err("what follows # is never sent to a server: leave it out".into());
        }
        if !allow_private && !in_host && address::literal(&url).is_some_and(address::is_metadata) {
            return Err(
                "the host is the metadata service of a cloud; if you mean it, set allow_private = true"
                    .into(),
            );
        }
        if !has_variables {
            return Ok(Self { socket: None, form: Form::Fixed(url) });
        }
        let label = if in_host { allow_hosts.join(",") } else { authority(&url) };
        let hosts = in_host.then(|| allow_hosts.iter().map(|host| host.to_ascii_lowercase()).collect());
        let tls = url.scheme() == "https";
        Ok(Self { socket: None, form: Form::Template(Template { parts, hosts, allow_private, label, tls }) })
    }

    /// The URL for a job. What a job says never makes another host, path or query than the template has places
    /// for; a job that tries fails for good.
    pub(super) fn url(&self, job: &Job<Data>) -> Result<Url, Box<Failure>> {
        match &self.form {
            Form::Fixed(url) => Ok(url.clone()),
            Form::Template(template) => template.fill(job).map_err(|problem| {
                let text = format!("the URL of the handler cannot be made from this job: {problem}");
                Box::new(Failure::new(ReasonClass::Undecodable, text).permanent())
            }),
        }
    }

    /// The URL, if it is the same for all jobs.
    pub(super) fn fixed(&self) -> Option<&Url> {
        match &self.form {
            Form::Fixed(url) => Some(url),
            Form::Template(_) => None,
        }
    }

    /// What the client must be able to do. `connect` is for the caller to set.
    pub(super) fn client_options(&self) -> ClientOptions {
        let (public_only, tls) = match &self.form {
            Form::Fixed(url) => (false, url.scheme() == "https"),
            Form::Template(template) => (template.hosts.is_some() && !template.allow_private, template.tls),
        };
        let connect = crate::http::client::CONNECT_DEFAULT;
        ClientOptions { connect, unix_socket: self.socket.clone(), public_only, tls }
    }

    /// For messages about one request: `127.0.0.1:3000`, or the path of the socket.
    pub(super) fn host(&self, url: &Url) -> String {
        self.socket.as_ref().map_or_else(|| authority(url), |path| path.display().to_string())
    }

    /// For logs and metrics; has no part that comes from jobs.
    pub(super) fn label(&self) -> String {
        match (&self.socket, &self.form) {
            (Some(path), _) => path.display().to_string(),
            (None, Form::Fixed(url)) => authority(url),
            (None, Form::Template(template)) => template.label.clone(),
        }
    }
}

impl Template {
    fn fill(&self, job: &Job<Data>) -> Result<Url, String> {
        let mut text = String::new();
        let mut data = None;
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable { variable, in_host } => {
                    let value = variable.value(job, &mut data)?;
                    if *in_host { push_host(&mut text, &value)? } else { push_encoded(&mut text, &value)? }
                }
            }
        }
        let url = Url::parse(&text).map_err(|error| error.to_string())?;
        // The parser tidies "." and ".." away: with them a job could choose another route.
        let route = text.splitn(4, '/').nth(3).unwrap_or_default();
        let path =
            route.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err("a value would change the route".into());
        }
        if let Some(hosts) = &self.hosts {
            let host = url.host_str().unwrap_or_default();
            if !hosts.iter().any(|pattern| host_matches(pattern, host)) {
                return Err(format!("the host {host} is not in allow_hosts"));
            }
            if !self.allow_private {
                address::check_literal(&url)?;
            }
        }
        Ok(url)
    }
}

impl Variable {
    fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "queue" => Self::Queue,
            "id" => Self::Id,
            "name" => Self::Name,
            _ => match name.strip_prefix("data.") {
                Some(path) if path.split('.').all(|member| !member.is_empty()) => {
                    Self::Data(path.split('.').map(str::to_owned).collect())
                }
                _ => {
                    return Err(format!(
                        "{{{{{}}}}} is not known; there are {VARIABLES}",
                        name.escape_debug()
                    ));
                }
            },
        })
    }

    fn value(&self, job: &Job<Data>, data: &mut Option<Value>) -> Result<String, String> {
        let path = match self {
            Self::Queue => return Ok(job.queue.to_string()),
            Self::Id => return Ok(job.id.to_string()),
            Self::Name => return Ok(job.name.to_string()),
            Self::Data(path) => path,
        };
        if data.is_none() {
            let read = match &job.data {
                Data::Json(raw) => serde_json::from_str(raw.get()).map_err(|error| error.to_string())?,
                Data::Text(_) => Value::Null,
            };
            *data = Some(read);
        }
        let found =
            data.as_ref().and_then(|data| path.iter().try_fold(data, |value, member| value.get(member)));
        match found {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
            Some(_) => Err(format!("data.{} is not text or a number", path.join("."))),
            None => Err(format!("data.{} is missing", path.join("."))),
        }
    }
}

/// Cuts a template into text and variables. The host ends at the first `/`, `?` or `#` after the scheme.
fn split(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut seen = String::new();
    while let Some(start) = rest.find("{{") {
        let (before, from) = rest.split_at(start);
        let Some(end) = from.find("}}") else {
            return Err("a {{ has no }}".into());
        };
        seen.push_str(before);
        let after_scheme = seen.split_once("://").map_or("", |(_, after)| after);
        let in_host = !after_scheme.contains(['/', '?', '#']);
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Variable { variable: Variable::parse(from[2..end].trim())?, in_host });
        rest = &from[end + 2..];
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

/// `///run/app.sock/route` or `/run/app:/route`, into file and route.
fn split_socket(rest: &str) -> Result<(&str, &str), String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("the path of a socket is absolute: unix:///run/app.sock/route".into());
    }
    if let Some(split) = path.split_once(":/").map(|(file, _)| path.split_at(file.len())) {
        return Ok((split.0, &split.1[1..]));
    }
    let mut end = 0;
    for segment in path.split_inclusive('/') {
        end += segment.len();
        let name = segment.trim_end_matches('/');
        if SOCKET_ENDS.iter().any(|suffix| name.ends_with(suffix)) {
            let file = end - (segment.len() - name.len());
            let route = &path[file..];
            return Ok((&path[..file], if route.is_empty() { "/" } else { route }));
        }
    }
    Err("where does the socket end? Write unix:///run/app.sock/route or unix:/run/app:/route".into())
}

fn push_host(text: &mut String, value: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if value.is_empty() || !value.chars().all(allowed) {
        return Err(format!(
            "\"{}\" is no host name",
            value.chars().take(64).collect::<String>().escape_debug()
        ));
    }
    text.push_str(value);
    Ok(())
}

fn push_encoded(text: &mut String, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("a value is empty".into());
    }
    text.push_str(&super::request::percent_encoded(value));
    Ok(())
}

fn host_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.')),
        None => pattern == host,
    }
}

/// Host and port, without user or password.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
