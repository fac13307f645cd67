//! `[queues.<name>.handlers.<job name>]`: what is done with a job.
//!
//! Must never know: how a request or a process is made; everything here goes there as plain values.

mod exec;
pub(super) mod http;
mod sync;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Base;
use super::limits as at;
use super::problem::{Problem, Problems, nearest};
use super::raw::Value;
use super::read::Section;

pub use exec::ExecHandler;
pub use http::{Body, HttpHandler};
pub use sync::{ItemBackoff, Side, SyncHandler};

/// A validated handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Handler {
    /// The job's name, or `*`.
    pub job_name: String,
    /// What it does.
    pub kind: HandlerKind,
    /// At most this many of the queue's slots.
    pub concurrency: Option<usize>,
    /// Silence allowed once it streams or is detached.
    pub heartbeat: Option<Duration>,
    /// How long it may go without progress.
    pub no_progress: Option<Duration>,
    /// How long a run may take in all.
    pub run_limit: Option<Duration>,
    /// A longer answer, in bytes, is refused.
    pub response_bytes_max: u64,
}

/// What a handler does.
#[derive(Debug, Clone, PartialEq)]
pub enum HandlerKind {
    /// Posts the job.
    Http(HttpHandler),
    /// Runs a subprocess.
    Exec(ExecHandler),
    /// Reads pages and pushes batches.
    Sync(Box<SyncHandler>),
}

const KINDS: [&str; 3] = ["http", "exec", "sync"];
/// Options that only one kind has.
pub(super) const HTTP_ONLY: &[&str] = &[
    "cancel_url",
    "secret",
    "headers",
    "body",
    "connect",
    "first_byte",
    "permanent",
    "retry_after_max",
    "max_deferrals",
    "allow_private",
];
/// The same for the other kind.
pub(super) const EXEC_ONLY: &[&str] = &["env", "cwd"];

pub(super) fn read_all(
    queue: &str,
    section: &Section<'_>,
    slots: Option<u64>,
    base: &Base<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, Handler> {
    let handlers = section.section("handlers");
    let named = handlers.named();
    if named.is_empty() && !section.is_bad("handlers") {
        let what = format!("queue {} has no handler", super::options::quoted(queue));
        let path = handlers.path.clone();
        let hint = format!(
            "add [{path}.\"*\"] with http = \"http://127.0.0.1:3000/jobs\" or exec = [\"node\", \"job.js\"]"
        );
        problems.push(Problem::new(what, &section.place, format!("a table [{path}.<job name>]"), hint));
    }
    let handler = |(name, section): &(&str, Section<'_>)| {
        if name.is_empty() || name.len() > at::JOB_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let expected = format!("1 to {} bytes without control characters", at::JOB_NAME_BYTES_MAX);
            let hint = "use the name that the producer passes to queue.add(name, …); \"*\" = any other, __default__ = none";
            problems.push(
                Problem::new("job name cannot be this", &section.place, expected, hint)
                    .with_value(&format!("{name:?}")),
            );
        }
        read(name, section, slots, base, problems).map(|handler| ((*name).to_owned(), handler))
    };
    named.iter().filter_map(handler).collect()
}

fn read(
    name: &str,
    section: &Section<'_>,
    slots: Option<u64>,
    base: &Base<'_>,
    problems: &mut Problems,
) -> Option<Handler> {
    // A table that is no table was reported by the check.
    if !section.exists() {
        return None;
    }
    check_limits(section, slots, problems);
    let kinds: Vec<&str> = KINDS.iter().copied().filter(|kind| section.has(kind)).collect();
    let kind = match kinds[..] {
        [] => {
            if !kind_was_meant(section) {
                let what = format!("{} has no http, no exec and no sync", section.path);
                let hint = "add http = \"http://127.0.0.1:3000/jobs\" or exec = [\"node\", \"job.js\"]";
                problems.push(Problem::new(what, &section.place, "http, exec or sync", hint));
            }
            None
        }
        ["http"] => {
            refuse_others(section, EXEC_ONLY, "exec", problems);
            http::read(section, problems).map(HandlerKind::Http)
        }
        ["exec"] => {
            refuse_others(section, HTTP_ONLY, "http", problems);
            exec::read(section, base, problems).map(HandlerKind::Exec)
        }
        ["sync"] => sync::read(section, base, problems).map(Box::new).map(HandlerKind::Sync),
        _ => {
            let what =
                format!("{} is several handlers for one job name: {}", section.path, kinds.join(" and "));
            problems.push(Problem::new(what, &section.place, "http, exec or sync", "delete all but one"));
            None
        }
    }?;
    Some(Handler {
        job_name: name.to_owned(),
        kind,
        concurrency: section.maybe_int("concurrency").map(|slots| slots as usize),
        heartbeat: section.maybe_duration("heartbeat"),
        no_progress: section.maybe_duration("no_progress"),
        run_limit: section.maybe_duration("run_limit"),
        response_bytes_max: section.bytes("response_max"),
    })
}

/// Whether a kind stands there that was refused already: `sync`, or a name that is nearly right.
fn kind_was_meant(section: &Section<'_>) -> bool {
    section.entries().any(|(key, node)| {
        matches!(node.value, Value::Bad) && nearest(key, ["http", "exec", "sync"]).is_some()
    })
}

fn refuse_others(section: &Section<'_>, keys: &[&str], kind: &str, problems: &mut Problems) {
    for key in keys.iter().filter(|key| section.has(key)) {
        let hint = "delete it; it would have no effect";
        problems.push(section.problem(
            key,
            &format!("belongs to {kind} handlers, and this is none"),
            "it left out",
            hint,
        ));
    }
}

/// Limits that contradict one another: the larger one could never be reached.
fn check_limits(section: &Section<'_>, slots: Option<u64>, problems: &mut Problems) {
    if let Some(run_limit) = section.maybe_duration("run_limit") {
        for key in ["connect", "first_byte", "heartbeat", "no_progress"] {
            let Some(limit) = section.maybe_duration(key).filter(|_| section.has(key)) else { continue };
            if limit > run_limit {
                let text = |limit: Duration| super::units::format_duration_ms(limit.as_millis() as u64);
                let what = format!("is {}, longer than run_limit, which is {}", text(limit), text(run_limit));
                let hint = "a run ends at run_limit whatever it does; raise run_limit or shorten this";
                problems.push(section.problem(key, &what, format!("at most {}", text(run_limit)), hint));
            }
        }
    }
    if let (Some(own), Some(slots)) = (section.maybe_int("concurrency"), slots)
        && own > slots
    {
        let expected = format!("at most {slots}, the queue's concurrency");
        problems.push(section.problem(
            "concurrency",
            "is more than the queue has",
            expected,
            "raise the queue's concurrency, or leave this out",
        ));
    }
}
