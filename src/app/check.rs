//! `bullock check`: everything that a start would find out, and some more, without touching a job.

use std::time::Duration;

use serde::Serialize;

use super::failure::{EXIT_CONFIG, EXIT_NO_SERVER, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_UNSAFE_REDIS};
use super::{build, opening, server};
use crate::config::{Config, ExecHandler, HandlerKind, HttpHandler, Queue, Side, Target};
use crate::store::connection::RESPONSE_TIMEOUT;
use crate::store::server::{ServerFacts, VERSION_MIN};
use crate::store::{Connection, Opened, Store, StoreError};
use crate::wire::Keys;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Fine.
    Ok,
    /// Works, but should be known.
    Warn,
    /// A start would fail, or jobs would.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was found, and what to do.
    pub detail: String,
    /// The exit code that an error of this kind ends with.
    #[serde(skip)]
    pub exit: u8,
}

/// Everything that was looked at, in order.
#[derive(Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    fn add(&mut self, check: impl Into<String>, verdict: Verdict, exit: u8, detail: impl Into<String>) {
        self.0.push(Finding { check: check.into(), verdict, detail: detail.into(), exit });
    }

    fn ok(&mut self, check: impl Into<String>, detail: impl Into<String>) {
        self.add(check, Verdict::Ok, 0, detail);
    }

    fn warn(&mut self, check: impl Into<String>, detail: impl Into<String>) {
        self.add(check, Verdict::Warn, EXIT_CONFIG, detail);
    }

    fn error(&mut self, check: impl Into<String>, exit: u8, detail: impl Into<String>) {
        self.add(check, Verdict::Error, exit, detail);
    }
}

/// Looks at everything that a checked config names. `explain` says what an error of the store means.
pub async fn check(config: &Config, explain: impl Fn(StoreError) -> (u8, String)) -> Findings {
    let mut findings = Findings::default();
    for warning in &config.warnings {
        findings.warn("config", warning.to_string());
    }
    let handlers: usize = config.queues.values().map(|queue| queue.handlers.len()).sum();
    findings.ok("config", format!("queues: {}, handlers: {handlers}", config.queues.len()));
    match &config.redis.url {
        None if is_on_path("redis-server") => {
            findings.ok("redis", "a private redis-server is started with the worker (no redis.url)");
        }
        None => findings.error(
            "redis",
            EXIT_NO_SERVER,
            "no redis.url, and no redis-server on PATH to start a private one. hint: install it, or set redis.url",
        ),
        Some(url) => match Connection::new(url.expose(), None, RESPONSE_TIMEOUT) {
            Ok(connection) => redis(&mut findings, config, &connection, &explain).await,
            Err(error) => {
                let (exit, detail) = explain(error);
                findings.error("redis", exit, detail);
            }
        },
    }
    for queue in config.queues.values() {
        handlers_of(&mut findings, queue).await;
    }
    findings
}

async fn redis(
    findings: &mut Findings,
    config: &Config,
    connection: &Connection,
    explain: &impl Fn(StoreError) -> (u8, String),
) {
    let facts = match ServerFacts::read(connection).await {
        Ok(facts) => facts,
        Err(error) => {
            let (exit, detail) = explain(error);
            return findings.error("redis", exit, detail);
        }
    };
    server_facts(findings, &facts, config.redis.eviction_check);
    for (name, queue) in &config.queues {
        let keys = Keys::new(&queue.prefix, name);
        let store = Store::of(connection.clone(), keys, build::dialect(queue.dialect));
        let dead_letters = queue.dead_letter.as_deref().map(|name| Keys::new(&queue.prefix, name));
        let store = store.with_dead_letters(dead_letters);
        if let Err(error) = queue_in_redis(findings, queue, &store).await {
            let (exit, detail) = explain(error);
            findings.error(format!("queue {name}"), exit, detail);
        }
    }
}

fn server_facts(findings: &mut Findings, facts: &ServerFacts, eviction_check: bool) {
    let (major, minor) = VERSION_MIN;
    match &facts.version {
        None => findings.warn("redis version", "unknown: this user may not ask (INFO)"),
        Some(version) if facts.is_too_old() => findings.error(
            "redis version",
            EXIT_UNSAFE_REDIS,
            format!("{version}; expected {major}.{minor} or newer. hint: upgrade the server"),
        ),
        Some(version) => findings.ok("redis version", version.as_str()),
    }
    match facts.role.as_deref() {
        None => findings.warn("redis role", "unknown: this user may not ask (INFO)"),
        Some("slave") => findings.error(
            "redis role",
            EXIT_UNREACHABLE,
            "a read-only replica; expected a primary. hint: point redis.url at the primary",
        ),
        Some(_) => findings.ok("redis role", "primary"),
    }
    match facts.eviction.as_deref() {
        None => findings.warn("redis eviction", "unknown: this user may not ask (INFO)"),
        Some("noeviction") => findings.ok("redis eviction", "noeviction"),
        Some(policy) if eviction_check => {
            findings.error("redis eviction", EXIT_UNSAFE_REDIS, server::evicts(policy));
        }
        Some(policy) => {
            findings.warn(
                "redis eviction",
                format!("{policy}: jobs may be deleted (redis.eviction_check is off)"),
            );
        }
    }
    match facts.persistence {
        None => findings.warn("redis durability", "unknown: this user may not ask (INFO, CONFIG GET)"),
        Some("none") => findings.warn(
            "redis durability",
            "durability: NONE. A restart of Redis loses all jobs. hint: CONFIG SET appendonly yes",
        ),
        Some("rdb") => findings.warn(
            "redis durability",
            "snapshots only: a crash of Redis loses the jobs since the last one. hint: CONFIG SET appendonly yes",
        ),
        Some(_) => findings.ok("redis durability", "append-only file"),
    }
}

async fn queue_in_redis(findings: &mut Findings, queue: &Queue, store: &Store) -> Result<(), StoreError> {
    let name = queue.name.as_str();
    let what = format!("queue {name}");
    let lacks = |missing: &Option<Vec<String>>| missing.as_ref().is_some_and(|missing| !missing.is_empty());
    let mut missing = store.missing_rights(false).await?;
    let looked = if lacks(&missing) { None } else { Some(store.admit().await?) };
    if looked.is_some() {
        missing = store.missing_rights(true).await?;
    }
    match missing {
        None => findings.warn(format!("{what}: rights"), "unknown: this user may not ask (MULTI)"),
        Some(missing) if missing.is_empty() => {
            findings.ok(format!("{what}: rights"), "every command of the worker is allowed");
        }
        Some(missing) => {
            findings.error(format!("{what}: rights"), EXIT_REFUSED, server::lacks(name, &missing));
            // What follows would only be refused.
            return Ok(());
        }
    }
    let Some(looked) = looked else { return Ok(()) };
    if let Some(why) = looked.refusal() {
        findings.error(&what, EXIT_CONFIG, why.to_string());
        return Ok(());
    }
    match looked {
        Opened::Ready(dialect, layout) if layout.is_doubtful() => {
            let detail = format!("{}; worked as {}, as configured", layout.describe(), dialect.family());
            findings.warn(&what, detail);
        }
        Opened::Ready(_, layout) if layout.exists => findings.ok(&what, layout.describe()),
        Opened::Ready(dialect, _) => {
            findings.ok(&what, format!("empty so far; {}, as configured", dialect.family()));
        }
        _ => findings.ok(&what, "empty so far: its first key will tell Bull 4 from BullMQ"),
    }
    if let Some(problem) = opening::unknown_here(store, queue) {
        findings.error(&what, EXIT_CONFIG, problem);
    }
    if let Some(problem) = store.dead_letters_misfit().await? {
        findings.error(&what, EXIT_CONFIG, problem);
    }
    for wrong in store.wrong_keys().await? {
        findings.error(
            &what,
            EXIT_CONFIG,
            format!(
                "{} is a {}; expected a {}. hint: is the prefix or the queue another program's?",
                wrong.key.escape_debug(),
                wrong.found,
                wrong.expected
            ),
        );
    }
    Ok(())
}

async fn handlers_of(findings: &mut Findings, queue: &Queue) {
    for (job_name, handler) in &queue.handlers {
        let what = format!("handler {} / {job_name}", queue.name);
        match &handler.kind {
            HandlerKind::Exec(exec) => program(findings, what, exec),
            HandlerKind::Http(http) => backend(findings, what, http).await,
            HandlerKind::Sync(sync) => {
                for (name, side) in [("source", &sync.source), ("sink", &sync.sink)] {
                    let what = format!("{what} {name}");
                    match side {
                        Some(Side::Exec(exec)) => program(findings, what, exec),
                        Some(Side::Http(http)) => backend(findings, what, http).await,
                        None => {}
                    }
                }
            }
        }
    }
}

/// That it is there and may be run is the config's own rule.
fn program(findings: &mut Findings, what: String, exec: &ExecHandler) {
    findings.ok(what, format!("{}", exec.program.display()));
}

async fn backend(findings: &mut Findings, what: String, http: &HttpHandler) {
    match reach(&http.target, http.connect).await {
        Ok(place) => findings.ok(what, format!("{place} answers")),
        Err(problem) => findings.warn(
            what,
            format!("{problem}. hint: start the backend; until then its jobs are tried again or put off"),
        ),
    }
}

/// Opens a connection to a handler, and sends nothing.
async fn reach(target: &Target, limit: Duration) -> Result<String, String> {
    let (place, connecting): (String, crate::handler::BoxFuture<'_, std::io::Result<()>>) = match target {
        Target::Unix { socket, .. } => {
            let connecting = async move { tokio::net::UnixStream::connect(socket).await.map(drop) };
            (socket.display().to_string(), Box::pin(connecting))
        }
        Target::Tcp { url } => {
            // Templates stand in path and query only.
            let authority = url.split_once("://").map_or("", |(_, rest)| rest);
            let authority = authority.split(['/', '?']).next().unwrap_or_default();
            let scheme = url.split("://").next().unwrap_or_default();
            let base =
                url::Url::parse(&format!("{scheme}://{authority}/")).map_err(|error| error.to_string())?;
            let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let port = base.port_or_known_default().unwrap_or(80);
            let connecting =
                async move { tokio::net::TcpStream::connect((host.as_str(), port)).await.map(drop) };
            (authority.to_owned(), Box::pin(connecting))
        }
    };
    match tokio::time::timeout(limit, connecting).await {
        Ok(Ok(())) => Ok(place),
        Ok(Err(error)) => Err(format!("{place} cannot be reached: {error}")),
        Err(_) => Err(format!("{place} did not answer within {} s", limit.as_secs_f64())),
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
