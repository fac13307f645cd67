//! A job as the API shows it: one form for all lists, one with everything for the job's own page.
//!
//! Owns: status, what may be done, what is cut out of lists. Must never know: how jobs are read.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::prune::{cut_text, pruned};
use crate::job::state::{self, Event, Facts, State};
use crate::store::job::{Attempt, JobDetail};
use crate::store::look::Mark;
use crate::store::search::Listed;
use crate::wire::Dialect;
use crate::wire::hash::JobView;
use crate::wire::redact::Redaction;

/// About so many bytes of a body are shown in a list.
const LIST_BODY_BYTES: usize = 4 * 1024;
/// So much of the text of a failure is shown in a list, bytes.
const LIST_ERROR_BYTES: usize = 1024;
/// A job whose worker has died so often needs somebody's attention.
const CRASHES_NOTED: u64 = 2;
/// The word for a job whose hash is there, but which no list of the queue names.
pub(super) const STUCK: &str = "stuck";

/// A job.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct JobItem {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The queue's own word for where it is.
    #[schema(example = "active")]
    pub state: String,
    /// Our word for how it does: queued, scheduled, running, retrying, completed, partial, failed, cancelled, stalled or stuck.
    #[schema(example = "running")]
    pub status: String,
    /// Somebody should look at it: its attempts are spent, or its workers keep dying.
    pub needs_attention: bool,
    /// What may be done to it in this state.
    pub allowed_actions: Vec<String>,
    /// Its data; text where that is no JSON.
    pub data: Value,
    /// Its options, by their public names.
    pub opts: Value,
    /// Its last progress; 0 = none.
    pub progress: Value,
    /// Added at, ms.
    pub timestamp: Option<i64>,
    /// The delay of the last add, ms.
    pub delay: Option<i64>,
    /// 1 is first, larger numbers come later, 0 is none.
    pub priority: i64,
    /// Attempts that came to an end.
    pub attempts_made: i64,
    /// Tries in all that its producer allows.
    pub attempts: u64,
    /// Last start, ms.
    pub processed_on: Option<i64>,
    /// End, ms.
    pub finished_on: Option<i64>,
    /// The last retry by a person, ms.
    pub retried_on: Option<i64>,
    /// When a delayed job is due, ms.
    pub due_on: Option<i64>,
    /// Its result.
    pub returnvalue: Value,
    /// The text of its last failure.
    pub failed_reason: Option<String>,
    /// The worker that holds it; null for one that gives no name.
    pub worker: Option<String>,
    /// How long its lease still runs, ms; null = nobody holds it.
    pub lease_ms: Option<u64>,
    /// Why it is a dead letter.
    pub reason: Option<String>,
    /// How often the worker that ran it died.
    pub crashes: u64,
    /// Key of its parent.
    pub parent_key: Option<String>,
    /// The scheduler that made it.
    pub scheduler_id: Option<String>,
    /// What stands for it in deduplication.
    pub deduplication_id: Option<String>,
    /// Bodies that are not shown whole.
    pub truncated: Vec<String>,
}

/// A job with everything.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct JobPage {
    /// As in lists, with whole bodies.
    #[serde(flatten)]
    pub job: JobItem,
    /// Stack traces, oldest first.
    pub stacktrace: Vec<String>,
    /// Attempts that were begun (`BullMQ`).
    pub attempts_started: Option<i64>,
    /// How often its worker died, as the library counts.
    pub stalled_counter: Option<i64>,
    /// Name of the worker that took it last (`BullMQ`).
    pub processed_by: Option<String>,
    /// It fails with this text when it is taken next.
    pub deferred_failure: Option<String>,
    /// Its parent, and what its end means there.
    pub parent: Option<Value>,
    /// Its data as it came, where that could not be read.
    pub raw_data: Option<String>,
    /// For If-Match.
    pub etag: String,
    /// Redis' time when this was read, ms.
    pub server_time: i64,
    /// What to type to see the same without us.
    pub keys: Vec<String>,
    /// The end of its log, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<super::one::LogTail>,
    /// Its failed attempts, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_history: Option<Vec<AttemptItem>>,
    /// Our own record of it, each field as it is stored, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<BTreeMap<String, String>>,
    /// Its children, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<super::one::ChildList>,
    /// What people did to it, newest first, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Vec<crate::admin::routes::audit::AuditEntry>>,
}

/// A failed attempt.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct AttemptItem {
    /// 1 = the first.
    pub attempt: u64,
    /// When it ended, ms.
    pub at: Option<i64>,
    /// Where it ran.
    pub worker: Option<String>,
    /// Its reason class.
    pub class: Option<String>,
    /// How long it ran, ms.
    pub ran_ms: Option<i64>,
    /// What it said.
    pub message: Option<String>,
}

impl AttemptItem {
    pub(super) fn of(attempt: &Attempt) -> Self {
        let text = |name: &str| attempt.record.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| attempt.record.get(name).and_then(Value::as_i64);
        Self {
            attempt: attempt.number,
            at: number("at"),
            worker: text("worker"),
            class: text("class"),
            ran_ms: number("ran_ms"),
            message: text("message"),
        }
    }
}

/// What a job is judged by.
struct Judged<'a> {
    queue: &'a str,
    dialect: Dialect,
    /// Nothing may be done at all.
    read_only: bool,
    state: Option<State>,
    mark: &'a Mark,
    priority: i64,
    crashes: u64,
    left_out: &'a [String],
}

/// How jobs of one queue are shown.
pub(in crate::admin::routes) struct Viewer<'a> {
    pub(in crate::admin::routes) queue: &'a str,
    pub(in crate::admin::routes) dialect: Dialect,
    pub(in crate::admin::routes) read_only: bool,
    pub(in crate::admin::routes) redaction: &'a Redaction,
}

impl Viewer<'_> {
    /// A job of a list: long bodies are cut.
    pub(in crate::admin::routes) fn item(&self, found: Listed) -> JobItem {
        let Listed { view, state, mark, priority, crashes, left_out } = found;
        let judged = self.judged(Some(state), &mark, priority, crashes, &left_out);
        let mut item = item(&judged, view);
        self.redact(&mut item);
        let JobItem { data, opts, progress, returnvalue, truncated, .. } = &mut item;
        for (name, body) in
            [("data", data), ("opts", opts), ("progress", progress), ("returnvalue", returnvalue)]
        {
            if left_out.iter().any(|left| left == name) {
                *body = Value::Null;
                truncated.push(name.to_owned());
            } else if pruned(body, LIST_BODY_BYTES) {
                truncated.push(name.to_owned());
            }
        }
        if let Some(text) = &mut item.failed_reason {
            cut_text(text, LIST_ERROR_BYTES);
        }
        item
    }

    /// A job with everything.
    pub(in crate::admin::routes) fn page(&self, detail: &JobDetail, keys: Vec<String>) -> JobPage {
        let view = detail.view.clone();
        let judged = self.judged(detail.state, &detail.mark, detail.priority, detail.crashes, &[]);
        let mut job = item(&judged, view);
        self.redact(&mut job);
        let raw_data = detail.recorded("raw:data").filter(|_| job.data.is_null()).map(str::to_owned);
        JobPage {
            job,
            stacktrace: detail.view.stacktrace.clone(),
            attempts_started: detail.view.attempts_started,
            stalled_counter: detail.view.stalled_counter,
            processed_by: detail.view.processed_by.clone(),
            deferred_failure: detail.view.deferred_failure.clone(),
            parent: detail.view.parent.clone(),
            raw_data,
            etag: format!("\"{}\"", detail.etag),
            server_time: detail.now_ms,
            keys,
            logs: None,
            attempt_history: None,
            record: None,
            children: None,
            audit: None,
        }
    }

    fn redact(&self, item: &mut JobItem) {
        self.redaction.apply("data", &mut item.data);
        self.redaction.apply("opts", &mut item.opts);
        self.redaction.apply("progress", &mut item.progress);
        self.redaction.apply("returnvalue", &mut item.returnvalue);
    }

    fn judged<'a>(
        &'a self,
        state: Option<State>,
        mark: &'a Mark,
        priority: i64,
        crashes: u64,
        left_out: &'a [String],
    ) -> Judged<'a> {
        let Self { queue, dialect, read_only, .. } = *self;
        Judged { queue, dialect, read_only, state, mark, priority, crashes, left_out }
    }
}

fn item(judged: &Judged<'_>, view: JobView) -> JobItem {
    let attempts = view.opts.get("attempts").and_then(Value::as_u64).unwrap_or(1).max(1);
    let holder = judged.mark.holder.as_ref();
    let lease = holder.map(|holder| holder.left.map_or(u64::MAX >> 11, |left| left.as_millis() as u64));
    let status = status_of(judged, &view);
    let stalls = view.stalled_counter.unwrap_or(0).max(0).cast_unsigned().max(judged.crashes);
    JobItem {
        queue: judged.queue.to_owned(),
        state: judged.state.map_or(STUCK, State::as_str).to_owned(),
        needs_attention: matches!(status.as_str(), "failed" | "stalled" | STUCK) || stalls >= CRASHES_NOTED,
        status,
        allowed_actions: allowed(judged, &view),
        timestamp: view.timestamp,
        delay: view.delay,
        priority: judged.priority,
        attempts_made: view.attempts_made,
        attempts,
        processed_on: view.processed_on,
        finished_on: view.finished_on,
        retried_on: view.retried_on,
        due_on: judged.mark.due_ms,
        worker: holder.and_then(|holder| holder.worker()).map(str::to_owned),
        lease_ms: lease,
        reason: judged.mark.reason.clone(),
        crashes: judged.crashes,
        parent_key: view.parent_key,
        scheduler_id: view.repeat_job_key,
        deduplication_id: view.deduplication_id,
        truncated: Vec::new(),
        id: view.id,
        name: view.name,
        data: view.data,
        opts: view.opts,
        progress: view.progress,
        returnvalue: view.returnvalue,
        failed_reason: view.failed_reason,
    }
}

fn status_of(judged: &Judged<'_>, view: &JobView) -> String {
    let Some(state) = judged.state else { return STUCK.to_owned() };
    let failed_items = |value: &Value| value.get("failed").and_then(Value::as_u64).unwrap_or(0);
    let status = state::status(&Facts {
        state,
        attempts_made: u32::try_from(view.attempts_made.max(0)).unwrap_or(u32::MAX),
        leased: judged.mark.holder.is_some(),
        cancelled: judged.mark.reason.as_deref() == Some("cancelled"),
        failed_items: failed_items(&view.progress).max(failed_items(&view.returnvalue)),
    });
    serde_json::to_value(status).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What may be done to a job, from the table of transitions and what the dialect knows.
fn allowed(judged: &Judged<'_>, view: &JobView) -> Vec<String> {
    if judged.read_only {
        return Vec::new();
    }
    let is_mq = judged.dialect == Dialect::BullMq;
    let held = judged.mark.holder.is_some();
    let has_data = !view.data.is_null() || judged.left_out.iter().any(|name| name == "data");
    let events: Vec<Event> = judged.state.map(|state| state.events().collect()).unwrap_or_default();
    let may = |event: Event| events.contains(&event);
    let waits =
        matches!(judged.state, Some(State::Waiting | State::Prioritized | State::Delayed | State::Paused));
    // The next run of what repeats: its chain would end with it. Bull 4 writes it into the id only.
    let repeats = view.repeat_job_key.is_some() || (!is_mq && view.id.starts_with("repeat:"));
    let is_planned = judged.state == Some(State::Delayed) && repeats;
    let edits = waits || matches!(judged.state, Some(State::WaitingChildren | State::Failed));
    [
        ("retry", (may(Event::Retry) || (is_mq && may(Event::Reprocess))) && !held && has_data),
        ("promote", judged.state == Some(State::Delayed) && may(Event::Promote)),
        ("cancel", may(Event::Cancel) && !is_planned),
        // Elsewhere it does nothing that cancel does not.
        ("kill", may(Event::Cancel) && judged.state == Some(State::Active)),
        ("force-done", may(Event::ForceDone)),
        ("duplicate", has_data),
        ("edit-data", edits),
        ("change-delay", is_mq && judged.state == Some(State::Delayed)),
        ("change-priority", is_mq && waits),
        ("remove", (may(Event::Remove) || judged.state.is_none()) && !held),
    ]
    .into_iter()
    .filter(|(_, is_allowed)| *is_allowed)
    .map(|(word, _)| word.to_owned())
    .collect()
}
