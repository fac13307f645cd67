//! `[queues.<name>.schedules.<schedule>]`: jobs that come again.
//!
//! Must never know: how occurrences are stored.

use std::time::Duration;

use serde_json::Value;

use super::problem::{Problem, Problems};
use super::read::Section;
use crate::job::cron::{Cron, Zone};

/// A schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The name of its jobs.
    pub job: String,
    /// When it is due.
    pub when: When,
    /// The data of its jobs.
    pub data: Value,
    /// Attempts of each.
    pub attempts: u32,
    /// What becomes of one that is due too soon.
    pub overlap: Overlap,
}

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// A cron pattern, in this zone; `None` = `worker.cron_zone`.
    Cron(String, Option<String>),
    /// Every so often.
    Every(Duration),
}

/// One is due before the one before it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// It is passed over.
    Skip,
    /// It runs after it.
    Queue,
    /// The old one is cancelled.
    Cancel,
}

pub(super) fn read_all(section: &Section<'_>, problems: &mut Problems) -> Vec<Schedule> {
    section.named().iter().filter_map(|(name, schedule)| read(name, schedule, problems)).collect()
}

fn read(name: &str, section: &Section<'_>, problems: &mut Problems) -> Option<Schedule> {
    if name.is_empty() || name.contains(':') {
        let hint = "its name is part of the ids of its jobs, whose parts colons divide";
        let what = format!("schedule {name:?} has no usable name");
        problems.push(Problem::new(what, &section.place, "a name without colons", hint));
    }
    let data = serde_json::from_str(&section.text("data")).unwrap_or_else(|error| {
        let what = format!("is no JSON ({error})");
        let hint = "quote it with \' and its texts with \"";
        problems.push(section.problem("data", &what, "e.g. '{\"shop\": \"acme\"}'", hint));
        Value::Null
    });
    let when = when(section, problems)?;
    Some(Schedule {
        name: name.to_owned(),
        job: section.maybe_text("name").unwrap_or_else(|| name.to_owned()),
        when,
        data,
        attempts: section.int("attempts") as u32,
        overlap: match section.text("overlap").as_str() {
            "queue" => Overlap::Queue,
            "cancel" => Overlap::Cancel,
            _ => Overlap::Skip,
        },
    })
}

fn when(section: &Section<'_>, problems: &mut Problems) -> Option<When> {
    let tz = section.maybe_text("tz");
    if tz.as_deref().is_some_and(|tz| Zone::parse(tz).is_err()) {
        let hint = "zones are named as in the IANA database";
        problems.push(section.problem("tz", "is no time zone", "e.g. \"Europe/Rome\"", hint));
    }
    match (section.maybe_text("cron"), section.maybe_duration("every")) {
        (Some(cron), None) => {
            if let Err(error) = Cron::parse(&cron) {
                let hint = "minute, hour, day of month, month, day of week; a sixth in front is seconds";
                let what = format!("cannot be read: {error}");
                problems.push(section.problem("cron", &what, "e.g. \"0 3 * * *\"", hint));
            }
            Some(When::Cron(cron, tz))
        }
        (None, Some(every)) => Some(When::Every(every)),
        (both, _) => {
            let what = if both.is_some() {
                "is two things at once: cron and every"
            } else {
                "has no cron and no every"
            };
            let hint = "write cron = \"0 3 * * *\" or every = \"15m\"";
            let what = format!("{} {what}", section.path);
            problems.push(Problem::new(what, &section.place, "one of the two", hint));
            None
        }
    }
}
