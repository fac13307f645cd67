//! `bullock job show`: everything about one job on one page.

use serde_json::{Value, json};

use super::record::{Progress, Record, due};
use super::{One, no_job};
use crate::cli::error::CliError;
use crate::cli::output::{Part, Tone};
use crate::cli::target::{Beside, Target};
use crate::cli::time::{age, duration, local, now_ms};
use crate::job::state::State;
use crate::store::cancel::CancelMark;

/// Log lines on the page.
const LOG_TAIL: usize = 10;
/// Lines of data, result or stack trace on the page; `-o wide` shows all.
const BLOCK_LINES: usize = 20;
/// Most characters of one such line.
const LINE_CHARS: usize = 200;

/// Shows.
pub(super) async fn run(target: &Target, args: &One) -> Result<(), CliError> {
    let queue = target.known_queue(&args.queue).await?;
    let Some(record) = queue.record(&args.id).await? else {
        return Err(no_job(&args.queue, &args.id));
    };
    let beside = queue.beside(&args.id).await?;
    let attempts = attempts(&beside);
    let (_, logged) = queue.logs(&args.id, 0, 1).await?;
    let from = (logged as usize).saturating_sub(LOG_TAIL);
    let (log, _) = queue.logs(&args.id, from, LOG_TAIL).await?;

    let mut json = record.json();
    json["queue"] = args.queue.clone().into();
    json["attempts"] = Value::Array(attempts.iter().map(Attempt::json).collect());
    json["logs"] = json!({"count": logged, "tail": log});
    json["keys"] = json!(beside.keys);

    let now = now_ms();
    let mut parts = head(target, args, &record, now);
    parts.extend(timeline(&record, now));
    let block = |title: &'static str, text: String| Part::Block(title, lines(&text, target.out.is_wide()));
    if let Some(mark) = beside.text("cancel").filter(|_| record.state == Some(State::Active)) {
        parts.push(Part::Field("told to stop", CancelMark::read(mark).text(), Tone::Bad));
    }
    if let Some(crashes) = beside.text("crashes") {
        parts.push(Part::Field("crashes", crashes.to_owned(), Tone::Bad));
    }
    if let Some(reason) = &record.view.failed_reason {
        parts.push(block("error", reason.clone()));
    }
    if !attempts.is_empty() {
        parts.push(Part::Block("failed attempts", attempts.iter().map(Attempt::line).collect()));
    }
    match beside.text("raw:data") {
        Some(raw) if record.view.data.is_null() => parts.push(block("data, as it came", raw.to_owned())),
        _ => parts.push(block("data", pretty(&record.view.data))),
    }
    parts.push(block("options", record.view.opts.to_string()));
    if !record.view.returnvalue.is_null() {
        parts.push(block("result", pretty(&record.view.returnvalue)));
    }
    if let Some(trace) = record.view.stacktrace.last() {
        parts.push(block("stack trace of the last failure", trace.clone()));
    }
    if !log.is_empty() {
        if (log.len() as u64) < logged {
            let more = format!("… {} lines before: bullock job logs {} {}", from, args.queue, args.id);
            parts.push(Part::Block("log", std::iter::once(more).chain(log).collect()));
        } else {
            parts.push(Part::Block("log", log));
        }
    }
    parts.push(Part::Block("in Redis", beside.keys));
    Ok(target.out.page(&parts, &json)?)
}

fn head(target: &Target, args: &One, record: &Record, now: i64) -> Vec<Part> {
    let view = &record.view;
    let mut parts = vec![
        Part::field("job", &view.id),
        Part::field("queue", &args.queue),
        Part::field("name", &view.name),
        Part::Field("status", record.status_word(), record.tone()),
    ];
    let state = match (record.state, record.mark.due_ms, record.lease()) {
        (Some(State::Delayed), Some(at), _) => format!("delayed, {}", due(at, now)),
        (Some(State::Active), _, None) => "active, but nobody holds a lease: its worker is gone".to_owned(),
        (None, ..) => "stuck: its hash is there, but no list of the queue names it".to_owned(),
        _ => record.whereabouts(),
    };
    parts.push(Part::field("state", state));
    if let Some(reason) = &record.mark.reason {
        parts.push(Part::field("reason", reason));
    }
    if let Some(text) = &view.deferred_failure {
        parts.push(Part::Field("will fail", text.clone(), Tone::Bad));
    }
    let related = [
        ("parent", &view.parent_key),
        ("scheduler", &view.repeat_job_key),
        ("deduplication", &view.deduplication_id),
        ("taken by", &view.processed_by),
    ];
    for (name, value) in related {
        if let Some(value) = value {
            parts.push(Part::field(name, value));
        }
    }
    if let Some(progress) = Progress::read(&view.progress) {
        let failed =
            if progress.failed > 0 { format!(", {} failed", progress.failed) } else { String::new() };
        let percent =
            if progress.percent { String::new() } else { format!(" ({:.0}%)", progress.share() * 100.0) };
        parts.push(Part::field(
            "progress",
            format!("{} {}{percent}{failed}", progress.bar(), progress.text()),
        ));
    } else if !matches!(view.progress, Value::Null | Value::Number(_)) && target.out.is_for_people() {
        parts.push(Part::field("progress", &view.progress));
    }
    parts.push(Part::field("attempts", format!("{} ({} failed)", record.attempts(), record.failures())));
    parts
}

/// When what happened, and how long it took.
fn timeline(record: &Record, now: i64) -> Vec<Part> {
    let view = &record.view;
    let mut parts = Vec::new();
    let ago = |at: i64| format!("{} ({} ago)", local(at), age(at, now));
    if let Some(added) = view.timestamp {
        parts.push(Part::field("added", ago(added)));
    }
    if let Some(delay) = view.delay.filter(|delay| *delay > 0) {
        parts.push(Part::field("delay", duration(delay)));
    }
    if let Some(retried) = view.retried_on {
        parts.push(Part::field("retried", ago(retried)));
    }
    if let Some(started) = view.processed_on {
        let due = view.timestamp.map(|added| added + view.delay.unwrap_or(0));
        // The wait before a second start holds the first run: only a first one tells how long a job stood in line.
        let waited = match due {
            Some(due) if record.failures() == 0 && view.retried_on.is_none() && started >= due => {
                format!(", {} in line", duration(started - due))
            }
            _ => String::new(),
        };
        parts.push(Part::field("started", format!("{}{waited}", ago(started))));
    }
    if let Some(ran) = record.ran_ms(now) {
        let tone = if record.state == Some(State::Active) { Tone::Busy } else { Tone::Plain };
        parts.push(Part::Field("ran", duration(ran), tone));
    }
    if let Some(finished) = view.finished_on {
        parts.push(Part::field("finished", ago(finished)));
    }
    parts
}

/// One failed attempt, from our record of the job.
struct Attempt {
    number: u64,
    record: Value,
}

impl Attempt {
    fn json(&self) -> Value {
        let mut json = self.record.clone();
        json["attempt"] = self.number.into();
        json
    }

    fn line(&self) -> String {
        let text = |name: &str| self.record.get(name).and_then(Value::as_str).unwrap_or("");
        let number = |name: &str| self.record.get(name).and_then(Value::as_i64);
        let at = number("at").map(local).unwrap_or_default();
        let ran = number("ran_ms").map_or_else(String::new, |ms| format!(" after {}", duration(ms)));
        let message = text("message").lines().next().unwrap_or("").to_owned();
        format!("{}  {at}  {}{ran} on {}: {message}", self.number, text("class"), text("worker"))
    }
}

fn attempts(beside: &Beside) -> Vec<Attempt> {
    let attempt = |(kind, number, record)| (kind == "attempt").then_some(Attempt { number, record });
    let mut attempts: Vec<Attempt> = beside.noted().filter_map(attempt).collect();
    attempts.sort_by_key(|attempt| attempt.number);
    attempts
}

fn pretty(value: &Value) -> String {
    let short = value.to_string();
    if short.len() <= 100 { short } else { serde_json::to_string_pretty(value).unwrap_or(short) }
}

/// Text as lines; cut unless all of it is wanted.
fn lines(text: &str, all: bool) -> Vec<String> {
    if all {
        return text.lines().map(str::to_owned).collect();
    }
    let cut = |line: &str| match line.char_indices().nth(LINE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    };
    let mut lines: Vec<String> = text.lines().take(BLOCK_LINES).map(cut).collect();
    let left = text.lines().count().saturating_sub(BLOCK_LINES);
    if left > 0 {
        lines.push(format!("… {left} more lines: -o wide"));
    }
    lines
}
