//! A repeatable job of Bull 4 that goes on as a job scheduler of `BullMQ` (docs/wire/bull-4.md 11, docs/wire/bullmq.md 8.1).

use serde_json::{Map, Value};

use super::members::{Members, to_text, truthy};
use super::{date, key};
use crate::job::cron::Zone;

/// A series as its scheduler has it. The occurrence keeps its id: the hash in it becomes the scheduler's id.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// Member of Bull's `repeat` set.
    pub key: String,
    /// Id of the scheduler.
    pub scheduler: String,
    /// When the occurrence is due, ms since the epoch, as its id spells it.
    pub due: String,
    /// What `BullMQ` stores as `repeat` in the options of an iteration.
    pub repeat: Map<String, Value>,
    /// Fields of the scheduler's record, without those of its template.
    pub record: Vec<(&'static str, String)>,
}

/// Reads an occurrence by its id and its options; `None` = it is none.
///
/// # Errors
///
/// Says why `BullMQ` cannot go on with it.
///
/// # Examples
///
/// ```
/// use bullock::job::{cron::Zone, repeat::carried};
/// let opts = serde_json::json!({"repeat": {"count": 3, "cron": "0 3 * * *", "utc": true}});
/// let id = "repeat:9cf4c381138e791a10df2db4851f9d67:1700013600000";
/// let carried = carried("rep", id, opts.as_object().unwrap(), Zone::Utc).unwrap().unwrap();
/// assert_eq!(carried.scheduler, "9cf4c381138e791a10df2db4851f9d67");
/// assert_eq!(carried.key, "rep::::0 3 * * *");
/// assert_eq!(carried.repeat["pattern"], "0 3 * * *");
/// assert_eq!(carried.repeat["tz"], "UTC");
/// ```
pub fn carried(
    name: &str,
    id: &str,
    opts: &Map<String, Value>,
    zone_of_process: Zone,
) -> Result<Option<Carried>, String> {
    let Some(stored) = opts.get("repeat").filter(|repeat| repeat.is_object()) else { return Ok(None) };
    // One that was added in bulk runs once, under an id of its own, and is in no series.
    let Some((scheduler, due)) = id.strip_prefix("repeat:").and_then(|rest| rest.rsplit_once(':')) else {
        return Ok(None);
    };
    if scheduler.len() != 32 || !scheduler.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    if due.is_empty() || !due.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("it is due at {due}, and BullMQ counts whole milliseconds"));
    }
    let text = stored.to_string();
    let Some(members) = Members::parse(&text) else { return Ok(None) };
    let (computed, prefix) = key::of(name, &members, zone_of_process);
    let is_same = prefix == format!("repeat:{scheduler}:");
    let stated = members.value("key").as_str().map(str::to_owned).filter(|_| !is_same);
    let repeat = schedule(&members, zone_of_process)?;
    let mut record: Vec<(&'static str, String)> = vec![("name", name.to_owned())];
    for member in ["tz", "limit", "pattern", "startDate", "endDate", "every", "offset"] {
        record.extend(repeat.get(member).map(|value| (member, to_text(value))));
    }
    if !repeat.contains_key("offset") {
        record.push(("offset", "0".into()));
    }
    record.push(("ic", to_text(&repeat["count"])));
    Ok(Some(Carried {
        key: stated.unwrap_or(computed),
        scheduler: scheduler.to_owned(),
        due: due.to_owned(),
        repeat,
        record,
    }))
}

/// `repeat` by `BullMQ`'s names.
fn schedule(members: &Members, zone_of_process: Zone) -> Result<Map<String, Value>, String> {
    let count = members.value("count").as_f64().unwrap_or(1.0).max(1.0);
    let mut repeat = Map::from_iter([("count".to_owned(), Value::from(count as i64))]);
    let (cron, every) = (members.value("cron"), members.value("every"));
    let is_pattern = truthy(&cron);
    if is_pattern {
        repeat.insert("pattern".into(), cron);
        let tz = if truthy(&members.value("utc")) { "UTC".into() } else { members.value("tz") };
        if !tz.is_null() {
            repeat.insert("tz".into(), tz);
        }
    } else {
        let ms = every.as_f64().filter(|ms| *ms >= 1.0 && ms.fract() == 0.0);
        let ms =
            ms.ok_or_else(|| format!("it comes every {every} ms, and BullMQ counts whole milliseconds"))?;
        repeat.insert("every".into(), Value::from(ms as i64));
    }
    // `null` stops a series of Bull's at once (docs/wire/bull-4.md 11.2): this occurrence is its last one.
    let is_last =
        ["limit", "endDate"].iter().any(|name| members.get(name).is_some_and(|text| text == "null"));
    let limit = if is_last { Some(count) } else { members.value("limit").as_f64() };
    if let Some(limit) = limit {
        repeat.insert("limit".into(), Value::from(limit as i64));
    }
    for name in ["startDate", "endDate"] {
        // Bull takes no notice of the beginning of what comes every so many ms.
        let value = members.value(name);
        if !truthy(&value) || (name == "startDate" && !is_pattern) {
            continue;
        }
        let ms = date::instant(&value, zone_of_process).in_bull;
        let ms = ms.ok_or_else(|| format!("its {name} {value} is no date"))?;
        repeat.insert(name.into(), Value::from(ms));
    }
    Ok(repeat)
}
