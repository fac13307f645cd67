//! Names of repeatable jobs: the member of the queue's `repeat` set and the ids of occurrences.

use std::fmt::Write;

use md5::{Digest, Md5};
use serde_json::Value;

use super::date;
use super::members::{Members, to_text, truthy};
use crate::job::cron::Zone;

/// A member of the `repeat` set, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The job's name.
    pub name: String,
    /// The custom id; empty = none.
    pub id: String,
    /// ms since the epoch; `None` = without end (or `NaN`, an unreadable date).
    pub end_ms: Option<i64>,
    /// How it repeats.
    pub schedule: Schedule,
}

/// How a job repeats, as far as its key tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// So many milliseconds, as text.
    Every(String),
    /// A pattern.
    Cron {
        /// The pattern.
        pattern: String,
        /// The zone; `None` = that of the Node process.
        tz: Option<String>,
    },
}

/// The key of a repeatable job and the beginning of its occurrence ids (`repeat:<md5>:`, the due time follows),
/// for removal: ask the score of the key, append it to the prefix, and delete that job if it is still delayed.
///
/// `repeat_opts` has the members that the job was added with, `jobId` among them; `zone_of_process` is that of
/// an `endDate` without offset.
///
/// # Examples
///
/// ```
/// use bullock::job::{cron::Zone, repeat::key_and_prefix};
/// let (key, prefix) = key_and_prefix("__default__", &serde_json::json!({ "every": 60_000 }), Zone::Utc);
/// assert_eq!(key, "__default__:::60000");
/// assert_eq!(prefix, "repeat:81f4b91a20baeebcad3503743cded6d3:");
/// ```
pub fn key_and_prefix(name: &str, repeat_opts: &Value, zone_of_process: Zone) -> (String, String) {
    let text = repeat_opts.to_string();
    let members = Members::parse(&text).or_else(|| Members::parse("{}"));
    members.map_or_else(Default::default, |members| of(name, &members, zone_of_process))
}

pub(super) fn of(name: &str, repeat: &Members, zone_of_process: Zone) -> (String, String) {
    let text_of = |member: &str| {
        let value = repeat.value(member);
        if truthy(&value) { to_text(&value) } else { String::new() }
    };
    let job_id = text_of("jobId");
    let end = repeat.value("endDate");
    let end = if truthy(&end) {
        date::instant(&end, zone_of_process).in_bull.map_or_else(|| "NaN".into(), |ms| ms.to_string())
    } else {
        String::new()
    };
    let schedule = if truthy(&repeat.value("cron")) {
        format!("{}:{}", text_of("tz"), text_of("cron"))
    } else if repeat.has("every") {
        to_text(&repeat.value("every"))
    } else {
        "undefined".into()
    };
    let key = format!("{name}:{job_id}:{end}:{schedule}");
    let prefix = prefix_of(name, &job_id, &key);
    (key, prefix)
}

fn prefix_of(name: &str, job_id: &str, key: &str) -> String {
    format!("repeat:{}:", md5_hex(&format!("{name}{job_id}:{}", md5_hex(key))))
}

/// The beginning of the occurrence ids of a member of the `repeat` set; `None` when that has too few parts.
///
/// # Examples
///
/// ```
/// use bullock::job::repeat::occurrence_prefix;
/// let prefix = occurrence_prefix("__default__:::60000");
/// assert_eq!(prefix.as_deref(), Some("repeat:81f4b91a20baeebcad3503743cded6d3:"));
/// ```
pub fn occurrence_prefix(key: &str) -> Option<String> {
    let listed = parse_key(key)?;
    Some(prefix_of(&listed.name, &listed.id, key))
}

/// Takes a key apart; `None` when it has too few parts. Read from its end, so that names with colons survive
/// (Bull mixes those up); an id with a colon is still taken for a part of the name.
///
/// # Examples
///
/// ```
/// use bullock::job::repeat::parse_key;
/// let listed = parse_key("rep:nightly:1893456000000:Europe/Rome:0 3 * * *").unwrap();
/// assert_eq!((listed.name.as_str(), listed.id.as_str(), listed.end_ms), ("rep", "nightly", Some(1_893_456_000_000)));
/// ```
pub fn parse_key(key: &str) -> Option<Listed> {
    let parts: Vec<&str> = key.split(':').collect();
    let last = *parts.last()?;
    // Four parts: the fourth is `every`. With more there is a zone, or a colon in the name; a number alone is
    // hardly a pattern.
    let every = parts.len() == 4 || last.parse::<f64>().is_ok();
    let (schedule, rest) = if every {
        (Schedule::Every(last.to_owned()), &parts[..parts.len() - 1])
    } else {
        let (rest, tz) = zone_part(&parts[..parts.len() - 1])?;
        (Schedule::Cron { pattern: last.to_owned(), tz: Some(tz).filter(|tz| !tz.is_empty()) }, rest)
    };
    let [name @ .., id, end] = rest else { return None };
    if name.is_empty() {
        return None;
    }
    Some(Listed { name: name.join(":"), id: (*id).to_owned(), end_ms: end.parse().ok(), schedule })
}

/// The zone at the end of the parts; one like `UTC+05:30` spans two.
fn zone_part<'a, 'b>(parts: &'a [&'b str]) -> Option<(&'a [&'b str], String)> {
    let (last, rest) = parts.split_last()?;
    if let Some((before, rest)) = rest.split_last()
        && Zone::parse(last).is_err()
        && Zone::parse(&format!("{before}:{last}")).is_ok()
    {
        return Some((rest, format!("{before}:{last}")));
    }
    Some((rest, (*last).to_owned()))
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart_from_their_end() {
        let every = |ms: &str| Schedule::Every(ms.into());
        let cron = |pattern: &str, tz: Option<&str>| Schedule::Cron {
            pattern: pattern.into(),
            tz: tz.map(Into::into),
        };
        for (key, name, id, end_ms, schedule) in [
            ("__default__:::60000", "__default__", "", None, every("60000")),
            ("x::1700000000500:1000", "x", "", Some(1_700_000_000_500), every("1000")),
            ("x::NaN:1000", "x", "", None, every("1000")),
            ("org:sync:::2500.5", "org:sync", "", None, every("2500.5")),
            ("x::::*/5 * * * *", "x", "", None, cron("*/5 * * * *", None)),
            ("a:b:id::Asia/Tokyo:@daily", "a:b", "id", None, cron("@daily", Some("Asia/Tokyo"))),
            ("x:id:5:UTC+05:30:0 12 * * *", "x", "id", Some(5), cron("0 12 * * *", Some("UTC+05:30"))),
            (":::1", "", "", None, every("1")),
        ] {
            let listed = Listed { name: name.into(), id: id.into(), end_ms, schedule };
            assert_eq!(parse_key(key), Some(listed), "{key}");
        }
        for key in ["", "x", "x:1", "x::1"] {
            assert_eq!(parse_key(key), None, "{key}");
        }
    }
}
