//! `[worker]`, `[backoff.<type>]` and `[log]`.
//!
//! Must never know: what keeps a lease or writes a log.

use std::time::Duration;

use super::limits as at;
use super::names::{WORKER_NAME, worker_name_fault};
use super::problem::Problems;
use super::read::Section;
use super::units::format_duration_ms;
use crate::job::backoff::{Strategies, Strategy};

/// The validated `[worker]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The name; where none was given, host and pid.
    pub name: String,
    /// How long a job is held without renewal.
    pub lease: Duration,
    /// How often leases are renewed.
    pub renew: Duration,
    /// How often expired leases are looked for.
    pub sweep: Duration,
    /// How long running handlers may finish after a stop signal.
    pub shutdown_grace: Duration,
    /// How long a handler whose job was cancelled may take to end by itself.
    pub cancel_grace: Duration,
    /// Bull's `maxStalledCount`.
    pub max_stalled: u32,
    /// Crashes of its own after which a job is a dead letter.
    pub crash_limit: u32,
    /// `BullMQ`'s `maxStartedAttempts`; `None` = no limit.
    pub max_started: Option<u32>,
    /// Time zone of cron entries without `tz`.
    pub cron_zone: CronZone,
}

/// A time zone for cron entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CronZone {
    /// That of this machine, as Node does.
    Local,
    /// A named one.
    Named(chrono_tz::Tz),
}

/// The validated `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How lines look; `None` = pretty on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// The least level written: `error`, `warn`, `info`, `debug`, `trace`, `off`.
    pub level: tracing::level_filters::LevelFilter,
    /// Fields of a job's data that are logged.
    pub data_keys: Vec<String>,
    /// Names (at any depth) and paths (`data.token`) whose values are never shown.
    pub redact: Vec<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

pub(super) fn read(section: &Section<'_>, problems: &mut Problems) -> Worker {
    let name = match section.maybe_text("name") {
        Some(name) => {
            if let Some(fault) = worker_name_fault(&name) {
                problems.push(section.problem("name", fault, WORKER_NAME, "left out, it is host and pid"));
            }
            name
        }
        None => host_and_pid(),
    };
    let cron_zone = match section.text("cron_zone").as_str() {
        "local" => CronZone::Local,
        zone => zone.parse().map_or_else(
            |_| {
                let hint = "zones are named as in the IANA database";
                problems.push(section.problem(
                    "cron_zone",
                    "is no time zone",
                    "\"local\" or e.g. \"Europe/Rome\"",
                    hint,
                ));
                CronZone::Local
            },
            CronZone::Named,
        ),
    };
    check_times(section, problems);
    Worker {
        name,
        lease: section.duration("lease"),
        renew: section.duration("renew"),
        sweep: section.duration("sweep"),
        shutdown_grace: section.duration("shutdown_grace"),
        cancel_grace: section.duration("cancel_grace"),
        max_stalled: section.int("max_stalled") as u32,
        crash_limit: section.int("crash_limit") as u32,
        max_started: section.maybe_int("max_started").map(|most| most as u32),
        cron_zone,
    }
}

/// The ratio that makes a lease survive lost renewals.
fn check_times(section: &Section<'_>, problems: &mut Problems) {
    let (lease, renew) =
        (section.duration("lease").as_millis() as u64, section.duration("renew").as_millis() as u64);
    if renew * at::RENEWALS_PER_LEASE > lease && !section.is_bad("lease") && !section.is_bad("renew") {
        let key = if section.has("renew") { "renew" } else { "lease" };
        let what = format!(
            "breaks the rule that a lease outlives {} renewals: renew is {}, lease is {}",
            at::RENEWALS_PER_LEASE,
            format_duration_ms(renew),
            format_duration_ms(lease)
        );
        let expected = format!("renew × {} ≤ lease", at::RENEWALS_PER_LEASE);
        let hint =
            format!("set renew to \"{}\"", format_duration_ms((lease / at::RENEWALS_PER_LEASE).max(1)));
        problems.push(section.problem(key, &what, expected, hint));
    }
}

/// `<host>-<pid>`, with what a name cannot hold replaced.
fn host_and_pid() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' };
    let host: String = host.chars().take(64).map(plain).collect();
    let host = if host.is_empty() { "localhost" } else { &host };
    format!("{host}-{}", std::process::id())
}

pub(super) fn read_backoff(section: &Section<'_>, problems: &mut Problems) -> Strategies {
    let mut strategies = Strategies::new();
    for (name, kind) in section.named() {
        let steps = kind.durations("steps");
        if steps.len() > at::BACKOFF_STEPS_MAX {
            let expected = format!("at most {}", at::BACKOFF_STEPS_MAX);
            problems.push(kind.problem(
                "steps",
                "has too many entries",
                expected,
                "the last step repeats by itself",
            ));
        }
        strategies.insert(name.to_owned(), Strategy { steps, jitter: kind.number("jitter") });
    }
    strategies
}

/// The validated `[audit]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// `level = "all"`: every transition of every job, too.
    pub transitions: bool,
    /// Entries of each queue that are kept, about.
    pub keep_count: u64,
    /// How long they are kept, about; `None` = however old.
    pub keep_age: Option<Duration>,
}

pub(super) fn read_audit(section: &Section<'_>) -> Audit {
    let keep = section.section("keep");
    Audit {
        transitions: section.text("level") == "all",
        keep_count: keep.int("count"),
        keep_age: keep.maybe_duration("age"),
    }
}

pub(super) fn read_log(section: &Section<'_>, problems: &mut Problems) -> Log {
    for key in ["data_keys", "redact"] {
        if section.texts(key).iter().any(|path| path.is_empty() || path.split('.').any(str::is_empty)) {
            let hint = "parts are joined by single dots";
            problems.push(section.problem(
                key,
                "holds an empty name",
                "names such as \"token\" or \"data.token\"",
                hint,
            ));
        }
    }
    let format = match section.text("format").as_str() {
        "json" => Some(LogFormat::Json),
        "pretty" => Some(LogFormat::Pretty),
        _ => None,
    };
    Log {
        format,
        level: section.text("level").parse().unwrap_or(tracing::level_filters::LevelFilter::INFO),
        data_keys: section.texts("data_keys"),
        redact: section.texts("redact"),
    }
}
