//! Repeatable jobs of Bull 4: which occurrence comes next, what it is called, and the options it is stored with
//! (docs/wire/bull-4.md 11).
//!
//! Owns: repeat keys, occurrence ids, due times, stop conditions. Must never know: Redis, the present time (it is
//! an argument), who adds the job. Called by the producer's side for the first occurrence and by a worker that
//! claimed one for its successor.
//!
//! ```
//! use bullock::job::{cron::Zone, repeat};
//! let opts = serde_json::json!({ "repeat": { "every": 60_000 } });
//! let first = repeat::first("__default__", None, &opts, 1_700_000_000_000, Zone::Utc).unwrap().unwrap();
//! assert_eq!(first.id, "repeat:81f4b91a20baeebcad3503743cded6d3:1700000040000");
//! let next = repeat::successor("__default__", &first.opts_text, first.due_ms + 7, Zone::Utc).unwrap().unwrap();
//! assert_eq!((next.due_ms, next.delay_ms), (1_700_000_100_000, 59_993));
//! ```

mod carried;
mod date;
mod key;
mod members;
pub mod scheduler;

use serde_json::{Number, Value};

pub use carried::{Carried, carried};
pub use key::{Listed, Schedule, key_and_prefix, occurrence_prefix, parse_key};

use self::date::Instant;
use self::members::{Members, json, truthy};
use super::cron::{Cron, CronError, UnknownZone, Zone};

/// The latest instant that JavaScript can say, ms since the epoch.
const INSTANT_MAX_MS: f64 = 8.64e15;

/// The largest `tz` given as minutes east of UTC, two days.
const ZONE_MINUTES_MAX: f64 = 2880.0;

/// One occurrence of a repeatable job, ready to be added.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence {
    /// Member of the queue's `repeat` set; its score is [`Self::due_text`].
    pub key: String,
    /// The job's id; adding it twice is harmless.
    pub id: String,
    /// When it is due, ms since the epoch, rounded down (a fractional `every` gives fractional times).
    pub due_ms: i64,
    /// Complete `opts`, as JSON text.
    pub opts_text: String,
    /// The field `delay`, ms; 0 when already due.
    pub delay_ms: i64,
    /// The field `timestamp`: the `now_ms` it was computed with.
    pub timestamp_ms: i64,
    /// `repeat.count` of this occurrence.
    pub count: f64,
}

impl Occurrence {
    /// The due time exactly as the id and the score of the `repeat` set spell it.
    pub fn due_text(&self) -> &str {
        self.id.rsplit(':').next().unwrap_or_default()
    }
}

/// A schedule that cannot be computed. The occurrence that was claimed runs all the same; only its successor is
/// missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepeatError {
    /// The options are no JSON object, or have no object `repeat`.
    #[error("repeat: {0}, expected an object with cron or every")]
    NotAnObject(&'static str),
    /// Bull's own words.
    #[error("Both .cron and .every options are defined for this repeatable job")]
    CronAndEvery,
    /// Neither `cron` nor `every`.
    #[error("repeat has neither cron nor every: one of them is needed (every: 0 counts as none)")]
    NoSchedule,
    /// `every` is no usable number.
    #[error("repeat.every is {0}, expected a number of milliseconds, at least 1")]
    BadEvery(String),
    /// The pattern.
    #[error("repeat.{0}")]
    Cron(#[from] CronError),
    /// What `BullMQ`'s producer refuses of a scheduler.
    #[error("scheduler: {0}")]
    Scheduler(String),
    /// The zone.
    #[error("repeat.tz: {0}")]
    Zone(#[from] UnknownZone),
    /// `startDate` or `endDate`.
    #[error("repeat.{member} is {found}, expected ISO 8601 with an offset or ms since the epoch")]
    BadDate {
        /// `startDate` or `endDate`.
        member: &'static str,
        /// What it is, as JSON.
        found: String,
    },
}

/// The first occurrence of a repeatable job that somebody adds; `None` when a stop condition holds.
///
/// `opts` is what the producer passed, with `repeat`, defaults of the queue merged in; `job_id` is used when
/// `opts` has no `jobId`. `zone_of_process` is the zone of patterns without `tz`.
pub fn first(
    name: &str,
    job_id: Option<&str>,
    opts: &Value,
    now_ms: i64,
    zone_of_process: Zone,
) -> Result<Option<Occurrence>, RepeatError> {
    let text = opts.to_string();
    let mut members = Members::parse(&text).ok_or(RepeatError::NotAnObject("the options are no object"))?;
    if let Some(id) = job_id
        && !members.has("jobId")
    {
        members.set("jobId", json(&Value::from(id)));
    }
    occurrence(name, members, now_ms, zone_of_process)
}

/// The occurrence after one that a worker claimed; `None` when a stop condition holds. Add it only if its key
/// still is in the queue's `repeat` set.
///
/// `debounce` is not handed on: the claimed occurrence would debounce its successor and end the chain
/// (quirk Q14). Everything else is copied byte for byte.
pub fn successor(
    name: &str,
    stored_opts_text: &str,
    now_ms: i64,
    zone_of_process: Zone,
) -> Result<Option<Occurrence>, RepeatError> {
    let mut members = Members::parse(stored_opts_text)
        .ok_or(RepeatError::NotAnObject("the stored options are no JSON object"))?;
    members.remove("debounce");
    occurrence(name, members, now_ms, zone_of_process)
}

fn occurrence(
    name: &str,
    mut opts: Members,
    now_ms: i64,
    zone_of_process: Zone,
) -> Result<Option<Occurrence>, RepeatError> {
    let repeat_text = opts.take("repeat").ok_or(RepeatError::NotAnObject("it is missing"))?;
    let mut repeat = Members::parse(&repeat_text).ok_or(RepeatError::NotAnObject("it is not an object"))?;
    let previous =
        Some(members::to_number(&opts.value("prevMillis"))).filter(|ms| !ms.is_nan()).unwrap_or(0.0);
    let job_id = opts.value("jobId");
    if previous == 0.0 && truthy(&job_id) {
        repeat.set("jobId", json(&job_id));
    }
    let count = repeat.value("count").as_f64().unwrap_or(0.0) + 1.0;
    let end = repeat.get("endDate").map(|_| date::instant(&repeat.value("endDate"), zone_of_process));
    if stopped(&repeat, count, end, now_ms) {
        return Ok(None);
    }
    let base = previous.max(now_ms as f64);
    let Some(due) = next_due(&repeat, base, zone_of_process)? else { return Ok(None) };
    let (key, prefix) = key::of(name, &repeat, zone_of_process);
    let id = format!("{prefix}{due}");
    let delay = (due - now_ms as f64).max(0.0);

    repeat.remove("count");
    repeat.remove("key");
    repeat.prepend([("count", number(count)), ("key", json(&Value::from(key.as_str())))]);
    for replaced in ["jobId", "delay", "timestamp", "prevMillis"] {
        opts.remove(replaced);
    }
    normalise(&mut opts);
    opts.prepend([
        ("repeat", repeat.to_string()),
        ("jobId", json(&Value::from(id.as_str()))),
        ("delay", number(delay)),
        ("timestamp", now_ms.to_string()),
        ("prevMillis", number(due)),
    ]);
    Ok(Some(Occurrence {
        key,
        id,
        due_ms: due as i64,
        opts_text: opts.to_string(),
        delay_ms: delay as i64,
        timestamp_ms: now_ms,
        count,
    }))
}

/// `limit` and `endDate`. `null` counts as 0 for both, so it stops at once; text that is no date never stops.
fn stopped(repeat: &Members, count: f64, end: Option<Instant>, now_ms: i64) -> bool {
    let beyond_limit = repeat.has("limit") && count > members::to_number(&repeat.value("limit"));
    beyond_limit || end.and_then(|end| end.in_bull).is_some_and(|end| now_ms > end)
}

/// The next due time after `base`, ms since the epoch.
fn next_due(repeat: &Members, base: f64, zone_of_process: Zone) -> Result<Option<f64>, RepeatError> {
    let (cron, every) = (repeat.value("cron"), repeat.value("every"));
    match (truthy(&cron), truthy(&every)) {
        (true, true) => Err(RepeatError::CronAndEvery),
        (false, true) => {
            let ms = every
                .as_f64()
                .filter(|ms| *ms >= 1.0)
                .ok_or_else(|| RepeatError::BadEvery(every.to_string()))?;
            let due = (base / ms).floor() * ms + ms;
            (due <= INSTANT_MAX_MS)
                .then_some(Some(due))
                .ok_or_else(|| RepeatError::BadEvery(every.to_string()))
        }
        // An empty pattern is one to Bull: every minute.
        (false, false) if !cron.is_string() => Err(RepeatError::NoSchedule),
        (..) => next_match(repeat, &Cron::parse(&members::to_text(&cron))?, base, zone_of_process),
    }
}

fn next_match(
    repeat: &Members,
    cron: &Cron,
    base: f64,
    zone_of_process: Zone,
) -> Result<Option<f64>, RepeatError> {
    let zone = zone_of(repeat, zone_of_process)?;
    let start = bound(repeat, "startDate", zone_of_process, zone)?;
    let end = bound(repeat, "endDate", zone_of_process, zone)?;
    let base = start.and_then(|start| start.in_bull).map_or(base, |start| base.max(start as f64));
    let not_after = end.and_then(|end| end.local_in(zone));
    Ok(cron.next_after(zone, base as i64, not_after).map(|due| due as f64))
}

/// `startDate` or `endDate` as the search sees it: absent when false to JavaScript, an error when unreadable.
fn bound(
    repeat: &Members,
    member: &'static str,
    zone_of_process: Zone,
    zone: Zone,
) -> Result<Option<Instant>, RepeatError> {
    let value = repeat.value(member);
    if !truthy(&value) {
        return Ok(None);
    }
    let instant = date::instant(&value, zone_of_process);
    if instant.local_in(zone).is_none() {
        return Err(RepeatError::BadDate { member, found: value.to_string() });
    }
    Ok(Some(instant))
}

/// `utc: true`, else `tz` (a name, or a number of minutes), else the zone of the process.
fn zone_of(repeat: &Members, zone_of_process: Zone) -> Result<Zone, RepeatError> {
    if truthy(&repeat.value("utc")) {
        return Ok(Zone::Utc);
    }
    match repeat.value("tz") {
        Value::Null => Ok(zone_of_process),
        Value::Number(minutes) => {
            let minutes = minutes.as_f64().filter(|minutes| minutes.abs() <= ZONE_MINUTES_MAX);
            minutes
                .map(|minutes| Zone::Fixed(minutes as i32 * 60))
                .ok_or_else(|| UnknownZone(members::to_text(&repeat.value("tz"))).into())
        }
        Value::String(name) => Ok(Zone::parse(&name)?),
        other => Err(UnknownZone(other.to_string()).into()),
    }
}

/// What Bull does to the options of every job it adds: `attempts` is an integer and always there, a bare number
/// as `backoff` means `fixed`.
fn normalise(opts: &mut Members) {
    let attempts = match opts.get("attempts") {
        None => Some(1),
        Some(_) => members::to_integer(&opts.value("attempts")),
    };
    opts.set("attempts", attempts.map_or_else(|| "null".into(), |n| n.to_string()));
    if let Value::Number(ms) = opts.value("backoff") {
        opts.set("backoff", format!("{{\"type\":\"fixed\",\"delay\":{ms}}}"));
    }
}

/// A number as JavaScript writes it into JSON: whole ones without a fraction.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() <= INSTANT_MAX_MS {
        return (value as i64).to_string();
    }
    Number::from_f64(value).map_or_else(|| "null".into(), |number| number.to_string())
}
