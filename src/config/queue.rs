//! `[queues.<name>]`: what is worked, how fast, and what is kept.
//!
//! Must never know: Redis' keys, how a handler runs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Base;
use super::handler::{self, Handler};
use super::limits::{KEY_LIMITS_MAX, KEY_PATH_MAX, QUEUES_MAX};
use super::names::{PREFIX, QUEUE_NAME, prefix_fault, queue_name_fault};
use super::problem::{Problem, Problems};
use super::read::Section;
use super::schedule::{self, Schedule};
use super::{Redis, RedisUrl};

/// A validated `[queues.<name>]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// The name that the producer uses.
    pub name: String,
    /// How its keys are written.
    pub dialect: Dialect,
    /// Its own prefix, or that of `[redis]`.
    pub prefix: String,
    /// Jobs that this process runs at a time.
    pub concurrency: usize,
    /// Bull's limiter.
    pub rate: Option<Rate>,
    /// Where jobs carry their organisation: a path inside the data.
    pub org: Option<Vec<String>>,
    /// Organisations take turns.
    pub fair: bool,
    /// Limits by key.
    pub limits: Vec<KeyLimit>,
    /// What is kept of jobs that do not say so themselves.
    pub retention: Retention,
    /// Bull's `maxDataPoints`; `None` = no metrics lists.
    pub metrics_points_max: Option<u64>,
    /// A job with more data than this many bytes fails unread.
    pub payload_bytes_max: u64,
    /// The queue that gets copies of jobs that fail for good.
    pub dead_letter: Option<String>,
    /// Jobs that come again.
    pub schedules: Vec<Schedule>,
    /// By job name; `*` = any other. Never empty.
    pub handlers: BTreeMap<String, Handler>,
}

/// How a queue's keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Told from the keys that exist.
    Auto,
    /// Bull 4.
    Bull,
    /// `BullMQ` 5 and 6.
    BullMq,
}

/// Bull's limiter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// Jobs in each window.
    pub max: u64,
    /// The window.
    pub per: Duration,
    /// A field of the data that gets a window of its own, as a dotted path without `data.`: Bull's `groupKey`.
    pub group: Option<String>,
}

/// A limit that each value of a key has for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLimit {
    /// A path inside the data.
    pub path: Vec<String>,
    /// Jobs that run at once.
    pub running: Option<u64>,
    /// Jobs that begin …, in any time of this length.
    pub rate: Option<(u64, Duration)>,
}

/// What is kept of ended jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Completed jobs; `None` = all.
    pub completed: Option<Keep>,
    /// Failed jobs; `None` = all.
    pub failed: Option<Keep>,
    /// Figures, and syncs that came to their end; zero = no history is written.
    pub history: Duration,
}

/// How much is kept: what is older or more goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// This long.
    pub age: Option<Duration>,
    /// This many.
    pub count: Option<u64>,
}

pub(super) fn read_all(
    section: &Section<'_>,
    redis: &Redis,
    base: &Base<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, Queue> {
    let named = section.named();
    if named.len() > QUEUES_MAX {
        let expected = format!("at most {QUEUES_MAX}");
        let hint = "start a second process with the others; each queue has a connection of its own";
        problems.push(Problem::new("too many queues", &section.place, expected, hint));
    }
    let queues = named
        .iter()
        .map(|(name, queue)| ((*name).to_owned(), read(name, queue, redis, base, problems)))
        .collect();
    for (name, section) in named {
        if let Some(circle) = circle_of(&queues, name) {
            let hint = "a job that fails everywhere would go round for ever: let one of them end it";
            let what = format!("leads back to this queue: {circle}");
            problems.push(section.problem(
                "dead_letter",
                &what,
                "a queue whose own dead letters stay there",
                hint,
            ));
        }
    }
    queues
}

/// `a → b → a`, if the copies of this queue's dead letters come back to it.
fn circle_of(queues: &BTreeMap<String, Queue>, first: &str) -> Option<String> {
    let (mut path, mut at) = (vec![first], first);
    while let Some(next) = queues.get(at).and_then(|queue| queue.dead_letter.as_deref()) {
        path.push(next);
        if next == first {
            return (path.len() > 2).then(|| path.join(" → "));
        }
        if path.len() > queues.len() + 1 {
            return None;
        }
        at = next;
    }
    None
}

fn read(name: &str, section: &Section<'_>, redis: &Redis, base: &Base<'_>, problems: &mut Problems) -> Queue {
    if let Some((fault, hint)) = queue_name_fault(name) {
        problems.push(
            Problem::new(format!("queue {fault}"), &section.place, QUEUE_NAME, hint)
                .with_value(&format!("{name:?}")),
        );
    }
    let own_prefix = section.maybe_text("prefix");
    if let Some(fault) = own_prefix.as_deref().and_then(prefix_fault) {
        problems.push(section.problem("prefix", fault, PREFIX, "left out, it is redis.prefix"));
    }
    let dead_letter = section.maybe_text("dead_letter");
    if let Some(target) = &dead_letter {
        let hint = "name a queue of its own for them";
        if target == name {
            problems.push(section.problem("dead_letter", "is the queue itself", "another queue", hint));
        } else if let Some((fault, hint)) = queue_name_fault(target) {
            problems.push(section.problem("dead_letter", fault, QUEUE_NAME, hint));
        }
    }
    let prefix = own_prefix.unwrap_or_else(|| redis.prefix.clone());
    if redis.url.as_ref().is_some_and(RedisUrl::is_cluster) && !has_tag(&format!("{prefix}:{name}")) {
        let expected = "one in its prefix or its name, the same as its Node programs use";
        let hint = format!(
            "redis.prefix = \"{{{prefix}}}\" keeps all queues on one node, queues named \"{{{name}}}\" spread"
        );
        let what = format!("queue \"{name}\" has no hash tag, and redis.url is a cluster's");
        problems.push(Problem::new(what, &section.place, expected, hint));
    }
    let concurrency = section.int("concurrency");
    let handlers = if section.exists() {
        // A concurrency that was refused says nothing about the handlers' share of it.
        let slots = (!section.is_bad("concurrency")).then_some(concurrency);
        handler::read_all(name, section, slots, base, problems)
    } else {
        BTreeMap::new()
    };
    Queue {
        name: name.to_owned(),
        dialect: match section.text("dialect").as_str() {
            "bull" => Dialect::Bull,
            "bullmq" => Dialect::BullMq,
            _ => Dialect::Auto,
        },
        prefix,
        concurrency: concurrency as usize,
        rate: rate(&section.section("rate"), problems),
        org: section.maybe_text("org").and_then(|_| path(section, "org", problems)),
        fair: section.truth("fair"),
        limits: limits(section, problems),
        retention: retention(&section.section("retention"), problems),
        metrics_points_max: section.section("metrics").maybe_int("max_points"),
        payload_bytes_max: section.bytes("payload_max"),
        dead_letter,
        schedules: schedule::read_all(&section.section("schedules"), problems),
        handlers,
    }
}

/// Do its keys have a part in `{ }` that a cluster places them by?
fn has_tag(keys: &str) -> bool {
    keys.split_once('{').and_then(|(_, rest)| rest.split_once('}')).is_some_and(|(tag, _)| !tag.is_empty())
}

fn rate(section: &Section<'_>, problems: &mut Problems) -> Option<Rate> {
    if !section.exists() {
        return None;
    }
    let group = section.maybe_text("group");
    if group.as_ref().is_some_and(|group| group.split('.').any(str::is_empty) || group == "data") {
        let hint = "name the field that tells the groups apart";
        problems.push(section.problem("group", "names no field", "e.g. \"data.store\"", hint));
    }
    // Bull's groupKey is a path inside the data; ours says so, as everywhere in the config.
    let group = group.map(|group| group.strip_prefix("data.").unwrap_or(&group).to_owned());
    Some(Rate { max: section.int("max"), per: section.duration("per"), group })
}

/// A path such as `data.org`, without its first part.
fn path(section: &Section<'_>, key: &str, problems: &mut Problems) -> Option<Vec<String>> {
    let text = section.text(key);
    let names: Option<Vec<String>> =
        text.strip_prefix("data.").map(|rest| rest.split('.').map(str::to_owned).collect());
    match names {
        Some(names) if names.len() <= KEY_PATH_MAX && names.iter().all(|name| !name.is_empty()) => {
            Some(names)
        }
        _ => {
            let hint = "name the field that tells the organisations apart";
            problems.push(section.problem(key, "is no path into the data", "e.g. \"data.org\"", hint));
            None
        }
    }
}

fn limits(section: &Section<'_>, problems: &mut Problems) -> Vec<KeyLimit> {
    let items = section.items("limits");
    if items.len() > KEY_LIMITS_MAX {
        let expected = format!("at most {KEY_LIMITS_MAX}");
        problems.push(section.problem(
            "limits",
            "has too many entries",
            expected,
            "put what belongs together into one",
        ));
    }
    let mut found = Vec::<KeyLimit>::new();
    for item in items {
        let Some(path) = path(&item, "key", problems) else { continue };
        let rate = item.section("rate");
        let limit = KeyLimit {
            path,
            running: item.maybe_int("running"),
            rate: rate.exists().then(|| (rate.int("max"), rate.duration("per"))),
        };
        if limit.running.is_none() && limit.rate.is_none() {
            let hint = "add running = 1, or rate = { max = 10, per = \"1s\" }";
            problems.push(item.problem("key", "is limited by nothing", "running, rate or both", hint));
        }
        if found.iter().any(|other| other.path == limit.path) {
            problems.push(item.problem("key", "is there twice", "each key once", "merge the two entries"));
        }
        found.push(limit);
    }
    found
}

fn retention(section: &Section<'_>, problems: &mut Problems) -> Retention {
    let mut keep = |key: &str| {
        let section = section.section(key);
        if !section.exists() {
            return None;
        }
        let keep = Keep { age: section.maybe_duration("age"), count: section.maybe_int("count") };
        if !section.has("age") && !section.has("count") {
            let hint = "write { age = \"30d\", count = 10000 }, or leave the table out to keep all";
            problems.push(Problem::new(
                format!("{} is empty", section.path),
                &section.place,
                "age, count or both",
                hint,
            ));
        }
        Some(keep)
    };
    let history = section.maybe_duration("history").unwrap_or_default();
    Retention { completed: keep("completed"), failed: keep("failed"), history }
}
