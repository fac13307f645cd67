//! The end of a sync, beside its result: the line in the history, the watermark, and the jobs that come after it.
//!
//! Owns: what is written then. Must never know: how it is stored; that each takes effect once is the script's doing. Called by
//! the loop.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::options::SyncOptions;
use super::outcome::{state, summary};
use super::plan::Plan;
use crate::handler::commit::{End, FollowUp};
use crate::job::{Data, Job};

/// Member of the data of a job that comes after a sync: what that sync did.
const MEMBER: &str = "after";
/// Options that a job which comes after has from the sync itself.
const INHERITED: [&str; 4] = ["attempts", "backoff", "removeOnComplete", "removeOnFail"];

/// What the last commit writes besides.
pub(super) fn end(plan: &Plan, options: &SyncOptions, job: &Job<Data>) -> End {
    let mut summary = summary(plan, options.on_exhausted);
    let how = state(plan, options.on_exhausted);
    let watermark = options
        .watermark
        .as_ref()
        .filter(|mark| how == "completed" || (how == "partial" && mark.on_partial))
        .map(|mark| (mark.kind.clone(), watermark(plan)));
    let text = summary.to_string();
    let mut after = Vec::new();
    if how == "completed" && !options.after.is_empty() {
        tell_run(&mut summary, plan, job, watermark.as_ref().map(|(_, value)| value));
        let (data, opts) = (data(job, &summary), opts(job));
        let follow_up =
            |name: &String| FollowUp { name: name.clone(), data: data.clone(), opts: opts.clone() };
        after = options.after.iter().map(follow_up).collect();
    }
    End { summary: text, started_ms: plan.started_at, watermark, after }
}

/// Where the next run goes on: where the source says, or where this one began. What changed while it ran comes again then,
/// and is not missed.
fn watermark(plan: &Plan) -> String {
    if !plan.watermark.is_null() {
        return plan.watermark.to_string();
    }
    let began = DateTime::from_timestamp_millis(plan.started_at).unwrap_or_default();
    Value::from(began.to_rfc3339_opts(SecondsFormat::Millis, true)).to_string()
}

/// Which run it was.
fn tell_run(summary: &mut Value, plan: &Plan, job: &Job<Data>, watermark: Option<&String>) {
    summary["queue"] = json!(&*job.queue);
    summary["id"] = json!(job.id.as_str());
    summary["name"] = json!(&*job.name);
    summary["startedAt"] = json!(plan.started_at);
    if let Some(watermark) = watermark {
        summary["watermark"] = serde_json::from_str(watermark).unwrap_or_default();
    }
}

/// The sync's own data, byte for byte, but for items to sync and what it came after itself; and the summary.
fn data(job: &Job<Data>, summary: &Value) -> String {
    let own: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(job.data.as_str()).ok();
    let summary = serde_json::value::to_raw_value(summary).unwrap_or_else(|_| RawValue::NULL.to_owned());
    let mut members = own.unwrap_or_default();
    members.remove("items");
    members.insert(MEMBER.to_owned(), &summary);
    serde_json::to_string(&members).unwrap_or_else(|_| "{}".to_owned())
}

fn opts(job: &Job<Data>) -> Map<String, Value> {
    let all: Map<String, Value> = serde_json::from_str(&job.opts_text).unwrap_or_default();
    all.into_iter().filter(|(name, _)| INHERITED.contains(&&**name)).collect()
}
