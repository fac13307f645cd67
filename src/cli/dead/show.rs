//! `bullock dead show`: one dead letter on one page: why, what happened before, where it comes from, what it was given.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Part, Tone};
use crate::cli::target::{Beside, QueueAt, Target};
use crate::cli::time::{age, duration, local, now_ms};
use crate::job::signature::signature;
use crate::store::dead::DeadLetter;

/// Lines of data or stack trace on the page; `-o wide` shows all.
const BLOCK_LINES: usize = 20;

/// Arguments of `bullock dead show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Name of the queue
    queue: String,
    /// Id of the job
    id: String,
}

/// What happened, oldest first: failed attempts, and deaths of workers.
fn history(record: &Beside) -> Vec<Value> {
    let event = |(kind, number, mut event): (&str, u64, Value)| {
        event["kind"] = kind.into();
        event["number"] = number.into();
        event
    };
    let mut all: Vec<Value> = record.noted().map(event).collect();
    all.sort_by_key(|event| event["at"].as_i64().unwrap_or(0));
    all
}

/// Shows.
pub(super) async fn run(target: &Target, args: &Show) -> Result<(), CliError> {
    let (queue, id) = (&args.queue, &args.id);
    let at = target.known_queue(queue).await?;
    let Some(dead) = at.dead_letter(id).await? else {
        return Err(not_dead(&at, args).await);
    };
    let view = at.record(id).await?.map(|record| record.view);
    let record = at.beside(id).await?;
    let from = match record.json("from") {
        Value::Null => view.as_ref().map_or(Value::Null, |view| view.opts["deadLetter"].clone()),
        from => from,
    };
    let history = history(&record);
    let kind = signature(&dead.error);
    let mut json = json!(view);
    if !json.is_object() {
        json = json!({"id": id});
    }
    for (name, value) in [
        ("queue", json!(queue)),
        ("class", json!(dead.class)),
        ("signature", json!({"hash": kind.hash, "text": kind.text})),
        ("failedOn", json!(dead.failed_ms)),
        ("history", json!(history)),
        ("from", from.clone()),
        ("copy", json!(record.text("copy"))),
        ("replayed", record.json("replayed")),
        ("rawData", json!(record.text("raw:data"))),
        ("rawOpts", json!(record.text("raw:opts"))),
    ] {
        json[name] = value;
    }
    let mut parts = head(queue, &dead, &from, &record);
    let block = |title: &'static str, text: &str| Part::Block(title, cut(text, target.out.is_wide()));
    parts.push(block("error", &dead.error));
    if !history.is_empty() {
        parts.push(Part::Block("history", history.iter().map(line).collect()));
    }
    match (&dead.data, record.text("raw:data")) {
        (Some(data), _) => parts.push(block("data", data)),
        (None, Some(raw)) => parts.push(block("data, as it came", raw)),
        (None, None) => {}
    }
    if let Some(trace) = view.as_ref().and_then(|view| view.stacktrace.last()) {
        parts.push(block("stack trace of the last failure", trace));
    }
    Ok(target.out.page(&parts, &json)?)
}

fn head(queue: &str, dead: &DeadLetter, from: &Value, record: &Beside) -> Vec<Part> {
    let kind = signature(&dead.error);
    let mut parts = vec![
        Part::field("job", &dead.id),
        Part::field("queue", queue),
        Part::field("name", &dead.name),
        Part::Field("class", dead.class.clone(), Tone::Bad),
        Part::field("failed", format!("{} ({} ago)", local(dead.failed_ms), age(dead.failed_ms, now_ms()))),
        Part::field("attempts", dead.attempts_made),
        Part::field("signature", format!("{}  {}", kind.hash, kind.text)),
    ];
    if let Some(crashes) = record.text("crashes") {
        let own = record.text("own_crashes").unwrap_or("0");
        parts.push(Part::field("crashes", format!("{crashes}, {own} of its own")));
    }
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or("").to_owned();
    if from.is_object() {
        let (queue, id, reason) = (text(from, "queue"), text(from, "id"), text(from, "reason"));
        parts.push(Part::field(
            "comes from",
            format!("{queue} {id} ({reason}: {})", text(from, "failedReason")),
        ));
    }
    if let Some(copy) = record.text("copy") {
        parts.push(Part::field("copied as", copy));
    }
    let replayed = record.json("replayed");
    if let Some(at) = replayed["at"].as_i64() {
        let (by, why) = (text(&replayed, "by"), text(&replayed, "why"));
        parts.push(Part::field("replayed before", format!("{} by {by}: {why}", local(at))));
    }
    parts
}

/// One event of its history.
fn line(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or("");
    let at = event["at"].as_i64().map(local).unwrap_or_default();
    let worker = event["worker"].as_str().map_or_else(String::new, |worker| format!(" on {worker}"));
    if event["kind"] == "crash" {
        let whose = if event["own"] == true { "its own" } else { "one of several that ran there" };
        return format!("{at}  its worker died{worker} ({whose})");
    }
    let ran = event["ran_ms"].as_i64().map_or_else(String::new, |ms| format!(" after {}", duration(ms)));
    let message = text("message").lines().next().unwrap_or("");
    format!("{at}  attempt {}: {}{ran}{worker}: {message}", event["number"], text("class"))
}

/// Text as lines; the first ones unless all are wanted.
fn cut(text: &str, all: bool) -> Vec<String> {
    let mut lines: Vec<String> =
        text.lines().take(if all { usize::MAX } else { BLOCK_LINES }).map(str::to_owned).collect();
    let left = text.lines().count() - lines.len();
    if left > 0 {
        lines.push(format!("… {left} more lines: -o wide"));
    }
    lines
}

/// It is somewhere else, or nowhere.
async fn not_dead(queue: &QueueAt<'_>, args: &Show) -> CliError {
    match queue.record(&args.id).await {
        Err(error) => error,
        Ok(None) => CliError::new(Exit::NotFound, "no such job").at(&args.queue).found(&args.id),
        Ok(Some(record)) => CliError::new(Exit::Conflict, "this job is no dead letter")
            .at(&args.queue)
            .found(format!("job {} is {}", args.id, record.state_word()))
            .hint("bullock job show tells about any job"),
    }
}
