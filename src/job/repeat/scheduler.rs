//! Job schedulers of `BullMQ`: what one is told, when a pattern is due next, and the options of its iterations
//! (docs/wire/bullmq.md 8).
//!
//! Owns: validation, stop conditions, due times of patterns, options. The slots of `every` are worked out by the
//! scripts, which know what the record says. Called by the producer's side for an upsert and by a worker that claimed an
//! iteration for the next one.

use serde_json::{Map, Value};

use super::members::{Members, json, to_number, to_text, truthy};
use super::{RepeatError, date, next_match, normalise, number, stopped};
use crate::job::cron::{Cron, Zone};

/// A scheduler to create or change, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Upsert {
    /// Milliseconds between iterations; `None` = a pattern says when.
    pub every_ms: Option<i64>,
    /// When the first one is due if a pattern says so, ms since the epoch.
    pub due_ms: Option<i64>,
    /// Not before then, ms since the epoch.
    pub start_ms: Option<i64>,
    /// Phase of `every`, ms.
    pub offset_ms: Option<i64>,
    /// Fields of the record that say all this, without those of the template.
    pub record: Vec<(&'static str, String)>,
    /// Options of the first iteration, as JSON text up to the time in its id.
    pub opts_head: String,
}

/// The iteration after one that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// The scheduler.
    pub scheduler: String,
    /// When it is due if a pattern says so; `None` = the script works it out.
    pub due_ms: Option<i64>,
    /// What the claimed job says of `every`, in case that the record does not; empty = nothing.
    pub every: String,
    /// Its options, as JSON text up to the time in its id.
    pub opts_head: String,
    /// Priority as text.
    pub priority: String,
    /// Next to run.
    pub lifo: bool,
}

/// Reads what a scheduler is told. `repeat` has `pattern` or `every`, and may have `tz`, `limit`, `startDate`, `endDate`,
/// `offset`, `immediately`; `template` are the options of its jobs as they are stored.
///
/// # Errors
///
/// Says what is missing, contradictory or unreadable; a pattern without a match before `endDate` is one as well.
///
/// # Examples
///
/// ```
/// use bullock::job::{cron::Zone, repeat::scheduler};
/// let repeat = serde_json::json!({"pattern": "0 3 * * *", "tz": "Europe/Rome"});
/// let upsert = scheduler::upsert("nightly", &repeat, &Default::default(), 1_700_000_000_000, Zone::Utc).unwrap();
/// assert_eq!(upsert.due_ms, Some(1_700_013_600_000));
/// assert!(scheduler::upsert("x", &serde_json::json!({}), &Default::default(), 0, Zone::Utc).is_err());
/// ```
pub fn upsert(
    id: &str,
    repeat: &Value,
    template: &Map<String, Value>,
    now_ms: i64,
    zone_of_process: Zone,
) -> Result<Upsert, RepeatError> {
    let text = repeat.to_string();
    let members = Members::parse(&text).ok_or(RepeatError::NotAnObject("the options are no object"))?;
    let every_ms = check(id, &members)?;
    let start = instant(&members, "startDate", zone_of_process)?;
    let end = instant(&members, "endDate", zone_of_process)?;
    if end.is_some_and(|end| end <= now_ms) {
        return Err(RepeatError::Scheduler("endDate is not in the future".into()));
    }
    let offset_ms = every_ms.and_then(|_| positive(&members, "offset"));
    let due_ms = match every_ms {
        Some(_) => None,
        None if truthy(&members.value("immediately")) => Some(now_ms),
        None => {
            let cron = Cron::parse(&to_text(&members.value("pattern")))?;
            let due = next_match(&members, &cron, now_ms as f64, zone_of_process)?
                .ok_or_else(|| RepeatError::Scheduler("its pattern matches no time before endDate".into()))?;
            Some(due as i64)
        }
    };
    let mut record = Vec::new();
    for name in ["tz", "limit", "pattern", "every"] {
        let value = members.value(name);
        if truthy(&value) {
            record.push((name, to_text(&value)));
        }
    }
    record.extend(start.map(|ms| ("startDate", ms.to_string())));
    record.extend(end.map(|ms| ("endDate", ms.to_string())));

    let mut repeat = Map::from_iter([("count".to_owned(), Value::from(1))]);
    for name in ["pattern", "every", "tz", "limit", "offset"] {
        let value = members.value(name);
        if truthy(&value) {
            repeat.insert(name.into(), value);
        }
    }
    for (name, ms) in [("startDate", start), ("endDate", end)] {
        repeat.extend(ms.map(|ms| (name.to_owned(), Value::from(ms))));
    }
    let mut opts = template.clone();
    for ours in OURS {
        opts.remove(ours);
    }
    opts.insert("repeat".into(), Value::Object(repeat));
    opts.insert("repeatJobKey".into(), id.into());
    Ok(Upsert { every_ms, due_ms, start_ms: start, offset_ms, record, opts_head: head(opts_text(&opts), id) })
}

/// The iteration after one that was claimed; `None` = the series ends here. The script adds it only if the claimed job is
/// the one that its scheduler has planned. `scheduler` is the claimed job's field `rjk`.
pub fn next(
    scheduler: &str,
    stored_opts_text: &str,
    now_ms: i64,
    zone_of_process: Zone,
) -> Result<Option<Next>, RepeatError> {
    let mut opts = Members::parse(stored_opts_text)
        .ok_or(RepeatError::NotAnObject("the stored options are no JSON object"))?;
    let Some(repeat_text) = opts.take("repeat") else { return Ok(None) };
    let Some(mut repeat) = Members::parse(&repeat_text) else { return Ok(None) };
    let count = repeat.value("count").as_f64().unwrap_or(0.0) + 1.0;
    let end = repeat.get("endDate").map(|_| date::instant(&repeat.value("endDate"), zone_of_process));
    if stopped(&repeat, count, end, now_ms) {
        return Ok(None);
    }
    let (pattern, every) = (repeat.value("pattern"), repeat.value("every"));
    let due_ms = if truthy(&pattern) {
        let previous = Some(to_number(&opts.value("prevMillis"))).filter(|ms| !ms.is_nan()).unwrap_or(0.0);
        let cron = Cron::parse(&to_text(&pattern))?;
        match next_match(&repeat, &cron, previous.max(now_ms as f64), zone_of_process)? {
            Some(due) => Some((due as i64).max(now_ms)),
            None => return Ok(None),
        }
    } else {
        None
    };
    repeat.set("count", number(count));
    for ours in OURS {
        opts.remove(ours);
    }
    if !opts.has("attempts") {
        opts.set("attempts", "0".into());
    }
    normalise(&mut opts);
    opts.set("repeat", repeat.to_string());
    opts.set("repeatJobKey", json(&Value::from(scheduler)));
    Ok(Some(Next {
        due_ms,
        every: if truthy(&every) { to_text(&every) } else { String::new() },
        opts_head: head(opts.to_string(), scheduler),
        priority: positive(&opts, "priority").unwrap_or(0).to_string(),
        lifo: truthy(&opts.value("lifo")),
        scheduler: scheduler.to_owned(),
    }))
}

/// Members that are made anew for each iteration.
const OURS: [&str; 4] = ["jobId", "delay", "timestamp", "prevMillis"];

/// What `BullMQ`'s producer refuses; answers `every`.
fn check(id: &str, members: &Members) -> Result<Option<i64>, RepeatError> {
    let refuse = |why: String| Err(RepeatError::Scheduler(why));
    if id.is_empty() {
        return refuse("its id is empty".into());
    }
    let (pattern, every) = (members.value("pattern"), members.value("every"));
    if truthy(&members.value("immediately")) && truthy(&members.value("startDate")) {
        return refuse("immediately and startDate: only one of them can be set".into());
    }
    match (truthy(&pattern), truthy(&every)) {
        (true, true) => refuse("pattern and every: only one of them can be set".into()),
        (false, false) => refuse("it has neither pattern nor every: one of them is needed".into()),
        (true, false) => Ok(None),
        (false, true) => match positive(members, "every") {
            Some(ms) => Ok(Some(ms)),
            None => Err(RepeatError::BadEvery(every.to_string())),
        },
    }
}

fn positive(members: &Members, name: &str) -> Option<i64> {
    members.value(name).as_f64().filter(|n| *n >= 1.0).map(|n| n as i64)
}

/// `startDate` or `endDate`, ms since the epoch.
fn instant(members: &Members, name: &'static str, zone_of_process: Zone) -> Result<Option<i64>, RepeatError> {
    let value = members.value(name);
    if !truthy(&value) {
        return Ok(None);
    }
    let ms = date::instant(&value, zone_of_process).in_bull;
    ms.map(Some).ok_or_else(|| RepeatError::BadDate { member: name, found: value.to_string() })
}

fn opts_text(opts: &Map<String, Value>) -> String {
    Value::Object(opts.clone()).to_string()
}

/// An object's text, open at the place of the time in `jobId`.
fn head(mut opts: String, scheduler: &str) -> String {
    let mut id = json(&Value::from(format!("repeat:{scheduler}:")));
    opts.pop();
    id.pop();
    format!("{opts},\"jobId\":{id}")
}
