//! Where a request goes: a URL that the operator wrote out, or one with variables.
//!
//! Owns: what URL is accepted, and the line between the operator's word (any host) and a job's word (only public
//! addresses). Must never know: how requests are sent. Called by `options` and `attempt`.

use std::path::Path;
use std::sync::Arc;

use super::template::{Part, Template, split};
use crate::http::{ClientOptions, Url, address};
use crate::job::outcome::{Failure, ReasonClass};
use crate::job::{Data, Job};

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

/// Host and port, without user or password.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
