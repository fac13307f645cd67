//! `[redis]`: the URL by its parts, so that a slip is named instead of failing as "connection refused" later.
//!
//! Must never know: how a connection is made; the URL goes to the store as text.

use super::limits::PREFIX_DEFAULT;
use super::names::{PREFIX, prefix_fault};
use super::problem::Problems;
use super::raw::Value;
use super::read::Section;
use super::secret::Secret;
use super::shown_url;

const EXPECTED: &str = "redis://[user:password@]host[:port][/db], rediss://…, redis+unix:///path, unix:///path, \
     redis+sentinel://…host,host/master[/db] or redis+cluster://…host,host";

/// The validated `[redis]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// `None`: a private redis-server child.
    pub url: Option<RedisUrl>,
    /// Prefix of all keys whose queue has none of its own.
    pub prefix: String,
    /// Refuse a Redis that may evict jobs.
    pub eviction_check: bool,
    /// Adds and ends of runs wait until so many replicas have them; 0 = they do not wait.
    pub wait_replicas: u32,
}

impl Default for Redis {
    fn default() -> Self {
        Self { url: None, prefix: PREFIX_DEFAULT.to_owned(), eviction_check: true, wait_replicas: 0 }
    }
}

/// A Redis URL. Shows itself without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(Secret);

impl RedisUrl {
    /// The URL as it was given, for the code that connects.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Is it that of a cluster?
    pub fn is_cluster(&self) -> bool {
        self.expose().split("://").next().is_some_and(|scheme| scheme.ends_with("+cluster"))
    }

    /// Wraps a URL that is known to be good, such as that of our own child.
    pub fn trusted(url: impl Into<String>) -> Self {
        Self(Secret::new(url))
    }
}

impl std::fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shown_url(self.expose()))
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

pub(super) fn read(section: &Section<'_>, problems: &mut Problems) -> Redis {
    let prefix = section.text("prefix");
    if let Some(fault) = prefix_fault(&prefix) {
        problems.push(section.problem("prefix", fault, PREFIX, "left out, it is \"bull\", as in Bull"));
    }
    let url = match section.node("url").map(|node| &node.value) {
        Some(Value::Text(url)) => match url_fault(url) {
            None => Some(RedisUrl(Secret::new(url.clone()))),
            Some((fault, hint)) => {
                problems.push(section.problem("url", &fault, EXPECTED, hint));
                None
            }
        },
        _ => None,
    };
    let url = with_certificates(url, &section.section("tls"), problems);
    let wait_replicas = section.int("wait_replicas") as u32;
    Redis { url, prefix, eviction_check: section.truth("eviction_check"), wait_replicas }
}

/// The files of `redis.tls` as parameters of the URL, which is what connects.
fn with_certificates(
    url: Option<RedisUrl>,
    section: &Section<'_>,
    problems: &mut Problems,
) -> Option<RedisUrl> {
    let files = ["ca", "cert", "key"].map(|name| (name, section.maybe_text(name)));
    if section.has("cert") != section.has("key") {
        let missing = if section.has("cert") { "key" } else { "cert" };
        let there = if section.has("cert") { "cert" } else { "key" };
        let expected = format!("redis.tls.{missing} beside it");
        problems.push(section.problem(
            there,
            "stands alone",
            expected,
            "a certificate and its key go together",
        ));
    }
    let url = url?;
    let named: Vec<String> = files
        .into_iter()
        .filter_map(|(name, path)| Some(format!("tls_{name}={}", percent_encoded(&path?))))
        .collect();
    if named.is_empty() {
        return Some(url);
    }
    let joint = if url.expose().contains('?') { '&' } else { '?' };
    Some(RedisUrl::trusted(format!("{}{joint}{}", url.expose(), named.join("&"))))
}

/// A path in a URL: all but plain characters as `%XX`.
fn percent_encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(one).collect()
}

type Fault = (String, String);

#[allow(clippy::unnecessary_wraps, reason = "it ends every branch of functions that return an Option")]
fn fault(what: impl Into<String>, hint: impl Into<String>) -> Option<Fault> {
    Some((what.into(), hint.into()))
}

/// Why a text is no URL that we can reach, and what to do. Never contains a part of the URL that may be secret.
fn url_fault(url: &str) -> Option<Fault> {
    if url.is_empty() {
        return fault("is empty", "leave it out for a private redis-server");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return fault("has no scheme", "begin it with redis://");
    };
    match scheme {
        "redis" | "rediss" => network_fault(url, rest, single_fault),
        "redis+sentinel" | "rediss+sentinel" => network_fault(url, rest, sentinel_fault),
        "redis+cluster" | "rediss+cluster" => network_fault(url, rest, cluster_fault),
        "redis+unix" | "unix" => socket_fault(rest),
        _ => fault(
            format!("has the scheme {}://", super::problem::shown(scheme)),
            "the scheme of a Redis server is redis://, with TLS rediss://",
        ),
    }
}

/// What may follow user and password; `place` judges hosts, path and query.
fn network_fault(url: &str, rest: &str, place_fault: fn(&str, &str, &str) -> Option<Fault>) -> Option<Fault> {
    let start = url.chars().count() - rest.chars().count();
    let position = |byte: usize| start + rest[..byte].chars().count() + 1;
    let at = rest.rfind('@');
    // What stands before the last @ is user and password, where only unreserved characters may stand as they are.
    if let Some(at) = at {
        if let Some(raw) = rest[..at].find(['@', '#', '/', '?', ' ']) {
            let (c, code) = encoded(rest[raw..].chars().next().unwrap_or_default());
            return fault(
                format!("has a raw {c} in user or password at character {}", position(raw)),
                format!("percent-encode it: {c} is {code}"),
            );
        }
        if let Some(raw) = bad_percent(&rest[..at]) {
            let what =
                format!("has a % without two hex digits in user or password at character {}", position(raw));
            return fault(what, "percent-encode it: % is %25");
        }
    } else if let Some(raw) = rest.find('#') {
        let what = format!("has a raw # at character {}", position(raw));
        return fault(what, "percent-encode it: # is %23, and end user and password with @");
    }
    let place = &rest[at.map_or(0, |at| at + 1)..];
    if let Some(raw) = place.find('#') {
        return fault(
            format!("has a raw # at character {}", position(rest.len() - place.len() + raw)),
            "percent-encode it: # is %23",
        );
    }
    let (place, query) = place.split_once('?').unwrap_or((place, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    place_fault(authority, path, query)
}

fn single_fault(authority: &str, db: &str, query: &str) -> Option<Fault> {
    host_fault(authority).or_else(|| db_fault(db)).or_else(|| query_fault(query, &["protocol"]))
}

fn sentinel_fault(hosts: &str, path: &str, query: &str) -> Option<Fault> {
    let (master, db) = path.split_once('/').unwrap_or((path, ""));
    if let Some(found) = hosts.split(',').find_map(host_fault) {
        return Some(found);
    }
    if master.is_empty() {
        return fault(
            "names no master",
            "write its name after the sentinels, as in redis+sentinel://s1:26379,s2:26379/mymaster",
        );
    }
    let known = ["protocol", "tls", "sentinel_user", "sentinel_password"];
    db_fault(db).or_else(|| query_fault(query, &known))
}

fn cluster_fault(hosts: &str, db: &str, query: &str) -> Option<Fault> {
    if let Some(found) = hosts.split(',').find_map(host_fault) {
        return Some(found);
    }
    if !matches!(db, "" | "0") {
        return fault("names a database", "a cluster has one only, 0: leave it out");
    }
    query_fault(query, &["protocol", "tls"])
}

fn host_fault(authority: &str) -> Option<Fault> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return fault("has no host", "write the host after ://, as in redis://127.0.0.1:6379");
    }
    let bracketed = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let good = match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.chars().all(|c| c.is_alphanumeric() || "-._".contains(c)),
    };
    if !good {
        // It may be a password whose @ was forgotten, so it is not repeated.
        return fault(
            "has a host that cannot be one",
            "user and password end with @; IPv6 addresses stand in [ ]",
        );
    }
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => None,
        Some(_) if port.is_some_and(|port| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit())) => {
            fault(
                "has a port that is out of range",
                "ports are 1..=65535; Redis listens on 6379 unless told otherwise",
            )
        }
        Some(_) => {
            fault("has a port that is no number", "user and password end with @; the port follows the host")
        }
    }
}

fn db_fault(db: &str) -> Option<Fault> {
    if db.is_empty() || db.parse::<u16>().is_ok() {
        return None;
    }
    fault("has a database that is no number", "write /0, or nothing, after host and port")
}

fn socket_fault(rest: &str) -> Option<Fault> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.starts_with('/') {
        return fault("has no absolute path", "write three slashes, as in redis+unix:///run/redis.sock");
    }
    query_fault(query, &["db", "user", "pass", "protocol"])
}

fn query_fault(query: &str, known: &[&str]) -> Option<Fault> {
    let unknown = query.split('&').filter(|pair| !pair.is_empty()).any(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        !known.contains(&key)
            || (key == "protocol" && !matches!(value, "resp2" | "resp3"))
            || (key == "tls" && !matches!(value, "true" | "false"))
    });
    if unknown {
        return fault("has an unknown parameter", format!("after ? only {} may stand", known.join(", ")));
    }
    None
}

fn encoded(c: char) -> (String, String) {
    let name = if c == ' ' { "space".to_owned() } else { format!("\"{c}\"") };
    (name, format!("%{:02X}", u32::from(c)))
}

fn bad_percent(text: &str) -> Option<usize> {
    text.match_indices('%').map(|(at, _)| at).find(|at| {
        let hex = text.as_bytes().get(at + 1..at + 3);
        !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    })
}
