//! The options of a job that we add ourselves, checked before anything is written. Bull takes any of the values refused
//! here, and loses the job or the queue over some of them. Jobs of other producers are taken as they are.

use serde_json::{Map, Value};

use crate::cli::error::{CliError, shown};
use crate::job::JobId;
use crate::job::cron::Zone;
use crate::job::repeat;
use crate::wire::Dialect;

/// Longest delay: ten years. Far beyond, a due time is no exact number any more.
pub(super) const DELAY_MAX_MS: u64 = 10 * 365 * 86_400 * 1000;
/// Largest priority number, which is the lowest priority.
pub(super) const PRIORITY_MAX: u64 = 2_097_151;
/// Most attempts.
pub(super) const ATTEMPTS_MAX: u64 = 1_000_000;
/// Longest name of a job, bytes.
pub(in crate::cli) const NAME_BYTES_MAX: usize = 256;

/// Members that both dialects know.
const KNOWN: &[&str] = &[
    "attempts",
    "backoff",
    "delay",
    "jobId",
    "lifo",
    "priority",
    "removeOnComplete",
    "removeOnFail",
    "stackTraceLimit",
    "timestamp",
];
/// Members that only Bull knows.
const KNOWN_TO_BULL: &[&str] = &["debounce", "preventParsingData", "repeat", "timeout"];
/// Members that only `BullMQ` knows (docs/wire/bullmq.md 2.1).
const KNOWN_TO_BULLMQ: &[&str] = &[
    "continueParentOnFailure",
    "deduplication",
    "failParentOnFailure",
    "ignoreDependencyOnFailure",
    "keepLogs",
    "parent",
    "removeDependencyOnFailure",
    "sizeLimit",
    "telemetry",
];

/// Checks all members. Answers remarks for the person who adds the job.
pub(in crate::cli) fn check(opts: &Map<String, Value>, dialect: Dialect) -> Result<Vec<String>, CliError> {
    let mut remarks = Vec::new();
    let own = match dialect {
        Dialect::Bull => KNOWN_TO_BULL,
        Dialect::BullMq => KNOWN_TO_BULLMQ,
    };
    for (name, value) in opts {
        let checked = if KNOWN.contains(&name.as_str()) || own.contains(&name.as_str()) {
            check_one(name, value, &mut remarks)
        } else if name == "repeat" {
            Err("no such option: BullMQ has job schedulers for that".into())
        } else {
            remarks.push(unknown(name, dialect, KNOWN.iter().chain(own)));
            Ok(())
        };
        checked.map_err(|expected| {
            CliError::usage("wrong option").at(shown(name)).found(value.to_string()).expected(expected)
        })?;
    }
    match dialect {
        Dialect::Bull if opts.contains_key("repeat") => check_schedule(opts)?,
        Dialect::BullMq if opts.contains_key("parent") && opts.contains_key("deduplication") => {
            return Err(CliError::usage("a job with a parent cannot be deduplicated").at("deduplication"));
        }
        Dialect::Bull | Dialect::BullMq => {}
    }
    Ok(remarks)
}

fn unknown<'a>(name: &str, dialect: Dialect, mut known: impl Iterator<Item = &'a &'a str>) -> String {
    let (of, name_shown) = (dialect.owner(), shown(name));
    match known.find(|known| strsim::damerau_levenshtein(known, name) <= 2) {
        Some(near) => format!("note: option \"{name_shown}\" is none of {of}'s; did you mean \"{near}\"?"),
        None => format!("note: option \"{name_shown}\" is none of {of}'s; it is stored as it is"),
    }
}

/// Would this schedule ever be due? Asked of this machine's clock; Redis' own decides when the job is added.
fn check_schedule(opts: &Map<String, Value>) -> Result<(), CliError> {
    let wrong = |problem: String| CliError::usage(problem).at("--opts repeat");
    let now_ms = chrono::Utc::now().timestamp_millis();
    match repeat::first("", None, &Value::Object(opts.clone()), now_ms, Zone::Local) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(wrong("its limit or endDate leaves no occurrence".into())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn check_one(name: &str, value: &Value, remarks: &mut Vec<String>) -> Result<(), String> {
    match name {
        "attempts" => integer(value, 1, ATTEMPTS_MAX),
        "delay" => integer(value, 0, DELAY_MAX_MS).map_err(|_| "milliseconds from 0 to ten years".to_owned()),
        "priority" => integer(value, 0, PRIORITY_MAX),
        "stackTraceLimit" => integer(value, 0, 10_000),
        "timestamp" => integer(value, 0, 8_640_000_000_000_000),
        "timeout" => integer(value, 1, DELAY_MAX_MS).map_err(|_| "milliseconds of at least 1".to_owned()),
        "backoff" => backoff(value, remarks),
        "removeOnComplete" | "removeOnFail" => keep(value),
        "jobId" => match value.as_str() {
            Some(id) => JobId::checked(id).map(|_| ()).map_err(|problem| reason_of(&problem)),
            None => Err("text: a number would collide with the ids that the queue counts out itself".into()),
        },
        "debounce" | "deduplication" => debounce(value),
        "keepLogs" | "sizeLimit" => integer(value, 0, u64::from(u32::MAX)),
        "lifo"
        | "preventParsingData"
        | "continueParentOnFailure"
        | "failParentOnFailure"
        | "ignoreDependencyOnFailure"
        | "removeDependencyOnFailure" => {
            if value.is_boolean() {
                Ok(())
            } else {
                Err("true or false".into())
            }
        }
        "parent" => {
            let text = |name: &str| value.get(name).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
            if text("id") && text("queue") {
                Ok(())
            } else {
                Err("{\"id\": of the parent, \"queue\": its prefix and queue, such as \"bull:orders\"}"
                    .into())
            }
        }
        _ => Ok(()),
    }
}

/// The part of an id's refusal after the id itself, which the message names anyway.
fn reason_of(problem: &str) -> String {
    let reason = problem.rsplit_once("\": ").map_or(problem, |(_, reason)| reason);
    format!("another id ({reason})")
}

fn integer(value: &Value, min: u64, max: u64) -> Result<(), String> {
    match value.as_u64() {
        Some(n) if (min..=max).contains(&n) => Ok(()),
        _ => Err(format!("a whole number from {min} to {max}")),
    }
}

fn backoff(value: &Value, remarks: &mut Vec<String>) -> Result<(), String> {
    let delay = |value: &Value| {
        integer(value, 0, DELAY_MAX_MS).map_err(|_| "a delay in milliseconds from 0 to ten years".to_owned())
    };
    if value.is_number() {
        return delay(value);
    }
    let Some(kind) = value.get("type").and_then(Value::as_str).filter(|kind| !kind.is_empty()) else {
        return Err(
            "milliseconds, or {\"type\": \"fixed\" or \"exponential\" or your own, \"delay\": ms}".into()
        );
    };
    if let Some(ms) = value.get("delay") {
        delay(ms)?;
    } else if matches!(kind, "fixed" | "exponential") {
        remarks.push(format!("note: backoff \"{kind}\" without a delay retries at once"));
    }
    if !matches!(kind, "fixed" | "exponential") {
        remarks.push(format!(
            "note: backoff type \"{}\" is none of fixed, exponential: every worker of the queue must know it",
            shown(kind)
        ));
    }
    Ok(())
}

fn keep(value: &Value) -> Result<(), String> {
    let count = |value: &Value| value.as_u64().is_some();
    let ok = match value {
        Value::Bool(_) => true,
        Value::Number(_) => count(value),
        Value::Object(members) => {
            !members.is_empty()
                && members.iter().all(|(name, value)| match name.as_str() {
                    "age" => value.as_f64().is_some_and(|age| age >= 0.0),
                    "count" | "limit" => count(value),
                    _ => false,
                })
        }
        _ => false,
    };
    if ok { Ok(()) } else { Err("true, false, a count, or {\"age\": seconds, \"count\": jobs}".into()) }
}

fn debounce(value: &Value) -> Result<(), String> {
    let id = value.get("id").and_then(Value::as_str).is_some_and(|id| !id.is_empty());
    let ttl = value.get("ttl").is_none_or(|ttl| ttl.as_u64().is_some_and(|ttl| ttl > 0));
    if id && ttl { Ok(()) } else { Err("{\"id\": text, \"ttl\": milliseconds}".into()) }
}
