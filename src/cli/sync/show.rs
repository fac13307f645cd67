//! `bullock sync show`: one sync on one page.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::act::One;
use crate::cli::error::CliError;
use crate::cli::job::no_job;
use crate::cli::job::record::{Progress, Record};
use crate::cli::output::{Part, Tone};
use crate::cli::target::{SyncFacts, Target};
use crate::cli::time::{age, duration, local, now_ms};
use crate::sync::{Counts, Plan};

/// Items of one state on the page; `-o wide` shows all, and so does JSON.
const ITEMS_SHOWN: usize = 10;
/// Members of a commit's change that are worth a line.
const TOLD: [&str; 6] = ["batches", "retry_batches", "processed", "successful", "failed", "retrying"];

/// Items by state: id and note.
type Items = BTreeMap<String, Vec<(String, Value)>>;

/// Shows.
pub(super) async fn run(target: &Target, args: &One) -> Result<(), CliError> {
    let One { queue, id } = args;
    let found = target.known_queue(queue).await?.sync(id).await?;
    let Some(SyncFacts { record, plan, hold, items, acts }) = found else {
        return Err(no_job(queue, id));
    };

    let ended = record.state.is_some_and(crate::job::state::State::is_finished);
    let hold = hold.filter(|_| !ended);
    let mut json = record.json();
    json["queue"] = queue.clone().into();
    json["paused"] = hold.clone().into();
    json["plan"] = plan.as_ref().and_then(|plan| serde_json::to_value(plan).ok()).into();
    json["items"] = items_json(&items);
    json["audit"] = acts.clone().into();

    let now = now_ms();
    let mut parts =
        vec![Part::field("sync", id), Part::field("queue", queue), Part::field("name", &record.view.name)];
    parts.push(status(&record, hold.as_ref()));
    if let Some(hold) = &hold {
        parts.push(Part::field("paused by", hold_text(hold)));
    }
    match &plan {
        Some(plan) => parts.extend(numbers(&record, plan, ended, now)),
        None => parts.push(Part::field("progress", "nothing committed yet")),
    }
    if let Some(reason) = &record.view.failed_reason {
        parts.push(Part::Field("error", reason.lines().next().unwrap_or("").to_owned(), Tone::Bad));
    }
    for (state, list) in &items {
        let title = match state.as_str() {
            "failed" => "failed items",
            "retrying" => "items that are pushed again",
            _ => "items that were passed over",
        };
        parts.push(Part::Block(title, item_lines(list, target.out.is_wide(), queue, id)));
    }
    if !acts.is_empty() {
        parts.push(Part::Block("last acts and commits", acts.iter().map(act_line).collect()));
    }
    Ok(target.out.page(&parts, &json)?)
}

fn status(record: &Record, hold: Option<&Value>) -> Part {
    let where_it_is = record.whereabouts();
    match hold {
        Some(_) if record.mark.holder.is_some() => {
            Part::Field("status", format!("paused after the batch under way, {where_it_is}"), Tone::Busy)
        }
        Some(_) => Part::Field("status", "paused".to_owned(), Tone::Plain),
        None => Part::Field("status", format!("{}, {where_it_is}", record.status_word()), record.tone()),
    }
}

fn hold_text(hold: &Value) -> String {
    let text = |name: &str| hold.get(name).and_then(Value::as_str).unwrap_or("");
    let at = hold.get("at").and_then(Value::as_i64).map(local).unwrap_or_default();
    let why = if text("why").is_empty() { String::new() } else { format!(": {}", text("why")) };
    format!("{} ({}), {at}{why}", text("by"), text("from"))
}

/// Progress, counters and plan.
fn numbers(record: &Record, plan: &Plan, ended: bool, now: i64) -> Vec<Part> {
    let Counts { processed, successful, failed, skipped, retrying, duplicates } = plan.counts;
    let total = plan.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
    let bar = plan.total.map_or_else(String::new, |total| {
        let shape = json!({"total": total, "processed": processed});
        Progress::read(&shape).map_or_else(String::new, |progress| {
            format!("{} {:.0}%  ", progress.bar(), (progress.share() * 100.0).floor())
        })
    });
    let mut parts = vec![Part::field("progress", format!("{bar}{processed}/{total}"))];
    if !ended {
        let number = |name: &str| record.view.progress.get(name).and_then(Value::as_f64);
        let rate = number("rate").map(|rate| format!("{rate} items/s"));
        let eta = number("eta_s").map(|eta| format!("{} to go", duration(eta as i64 * 1000)));
        let text: Vec<String> = rate.into_iter().chain(eta).collect();
        if !text.is_empty() {
            parts.push(Part::field("rate", text.join(", ")));
        }
    }
    let tone = if failed > 0 { Tone::Bad } else { Tone::Plain };
    let counts = format!(
        "{successful} good, {failed} failed, {skipped} passed over, {retrying} to be pushed again, {duplicates} named twice"
    );
    parts.push(Part::Field("items", counts, tone));
    let batches = format!("{} and {} of items pushed again", plan.batches, plan.retry_batches);
    parts.push(Part::field("batches", batches));
    let at = if plan.exhausted { "the end of the source".to_owned() } else { plan.cursor.to_string() };
    parts.push(Part::field(
        "goes on at",
        format!("{at} (after {} pages, {} commits)", plan.pages, plan.commits),
    ));
    let began = plan.started_at;
    parts.push(Part::field("began", format!("{} ({} ago)", local(began), age(began, now))));
    parts
}

fn items_json(items: &Items) -> Value {
    let one = |(id, note): &(String, Value)| {
        let mut note = note.clone();
        note["id"] = id.clone().into();
        note
    };
    items.iter().map(|(state, list)| (state.clone(), list.iter().map(one).collect::<Value>())).collect()
}

fn item_lines(list: &[(String, Value)], all: bool, queue: &str, id: &str) -> Vec<String> {
    let shown = if all { list.len() } else { list.len().min(ITEMS_SHOWN) };
    let line = |(item, note): &(String, Value)| {
        let text = |name: &str| note.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let tries = note.get("tries").and_then(Value::as_u64).unwrap_or(0);
        format!("{item}  {tries} tries  {} {}", text("code"), text("message")).trim_end().to_owned()
    };
    let mut lines: Vec<String> = list[..shown].iter().map(line).collect();
    if shown < list.len() {
        lines.push(format!("… {} more: bullock sync show {queue} {id} -o wide", list.len() - shown));
    }
    lines
}

fn act_line(act: &Value) -> String {
    let text = |name: &str| act[name].as_str().unwrap_or_default();
    let mut line = format!("{}  {}", local(act["at"].as_i64().unwrap_or(0)), text("what"));
    if text("by").is_empty() {
        let told = TOLD.iter().filter_map(|name| Some((name, act["changed"].get("plan")?.get(name)?)));
        return told.fold(line, |line, (name, value)| format!("{line} {name}={value}"));
    }
    if !text("is").is_empty() {
        let was = if text("was").is_empty() { "nothing" } else { text("was") };
        line = format!("{line}  {was} to {}", text("is"));
    }
    let why = if text("why").is_empty() { String::new() } else { format!(": {}", text("why")) };
    format!("{line}  by {} ({}){why}", text("by"), text("from"))
}
