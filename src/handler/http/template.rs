//! A URL with variables: `{{queue}}`, `{{id}}`, `{{name}}`, `{{data.member}}`.
//!
//! Owns: the variables, and that a value never becomes more than the one part of a URL it stands for. Must never
//! know: which URLs are accepted. Called by `target`.

use serde_json::Value;

use super::request::percent_encoded;
use crate::http::{Url, address};
use crate::job::{Data, Job};

/// The variables, as they are listed in messages.
const VARIABLES: &str = "{{queue}}, {{id}}, {{name}} and {{data.<member>}}";
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) parts: Vec<Part>,
    /// Patterns for the host, present when a variable stands in it.
    pub(super) hosts: Option<Vec<String>>,
    pub(super) allow_private: bool,
    pub(super) label: String,
    pub(super) tls: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Text(String),
    Variable { variable: Variable, in_host: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Variable {
    Queue,
    Id,
    Name,
    Data(Vec<String>),
}

impl Template {
    /// The URL for a job, or why there is none.
    pub(super) fn fill(&self, job: &Job<Data>) -> Result<Url, String> {
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
pub(super) fn split(text: &str) -> Result<Vec<Part>, String> {
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
    text.push_str(&percent_encoded(value));
    Ok(())
}

fn host_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.')),
        None => pattern == host,
    }
}
