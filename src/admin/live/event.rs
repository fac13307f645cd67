//! The envelope: one shape for whatever happens, on both transports and in `bullock events`.

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::store::feed::{Act, Loss, Told, What};
use crate::wire::Dialect;
use crate::wire::redact::Redaction;

/// All types of events.
pub const TYPES: [&str; 23] = [
    "job.added",
    "job.waiting",
    "job.active",
    "job.progress",
    "job.completed",
    "job.failed",
    "job.retrying",
    "job.delayed",
    "job.waiting-children",
    "job.stalled",
    "job.removed",
    "job.cancelled",
    "job.forced",
    "job.duplicated",
    "queue.paused",
    "queue.resumed",
    "queue.drained",
    "queue.cleaned",
    "queue.counts",
    "worker.up",
    "worker.down",
    "audit",
    RESYNC,
];
/// Something may have been missed.
pub const RESYNC: &str = "resync";
/// Texts and values of a job above so many bytes are left out.
pub const VALUE_BYTES_MAX: usize = 4096;

/// Something that happened, with its number.
#[derive(Debug, Serialize)]
pub struct Event {
    /// Grows with every event of a process, also over its restarts.
    pub seq: u64,
    /// When, in UTC.
    pub ts: String,
    /// One of [`TYPES`].
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The queue, unless it is about all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Arc<str>>,
    /// The job.
    #[serde(rename = "jobId", skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Its name, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// What belongs to the type.
    pub data: Map<String, Value>,
    #[serde(skip)]
    text: OnceLock<Bytes>,
}

impl Event {
    /// As JSON, written once for all who are sent it.
    pub fn json(&self) -> &Bytes {
        self.text.get_or_init(|| serde_json::to_vec(self).unwrap_or_default().into())
    }

    /// About how many bytes its own texts take.
    pub(super) fn size(&self) -> usize {
        let value: usize = self.data.values().map(bytes_of).sum();
        value + self.job.as_ref().map_or(0, String::len)
    }
}

/// Something that happened, before it gets its number.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// One of [`TYPES`].
    pub kind: &'static str,
    /// The queue, unless it is about all.
    pub queue: Option<Arc<str>>,
    /// The job.
    pub job: Option<String>,
    /// Its name, where it is known.
    pub name: Option<Arc<str>>,
    /// When, ms; `None` = now.
    pub at_ms: Option<u64>,
    /// What belongs to the type.
    pub data: Map<String, Value>,
}

impl News {
    /// About a queue.
    pub fn of_queue(kind: &'static str, queue: &Arc<str>, data: Value) -> Self {
        Self { kind, queue: Some(Arc::clone(queue)), job: None, name: None, at_ms: None, data: members(data) }
    }

    /// Something may have been missed, on all queues.
    pub fn resync(reason: &'static str) -> Self {
        let data = members(json!({"reason": reason}));
        Self { kind: RESYNC, queue: None, job: None, name: None, at_ms: None, data }
    }

    /// What the feed lost.
    pub fn lost(loss: Loss) -> Self {
        Self::resync(match loss {
            Loss::Reconnected => "reconnected",
            Loss::Flood => "flood",
        })
    }

    /// What the feed told: one piece of news, or two for a person's act on a job.
    pub fn read(told: Told, redaction: &Redaction) -> Vec<Self> {
        let Told { queue, at_ms, job, name, what } = told;
        let name = name.map(Arc::from);
        if let What::Act(act) = what {
            return acts(&act)
                .into_iter()
                .map(|(kind, data)| Self { at_ms, job: job.clone(), ..Self::of_queue(kind, &queue, data) })
                .collect();
        }
        let (kind, data) = describe(what, redaction);
        vec![Self { job, name, at_ms, ..Self::of_queue(kind, &queue, data) }]
    }

    /// With its number.
    pub fn numbered(self, seq: u64) -> Event {
        let Self { kind, queue, job, name, at_ms, data } = self;
        let at_ms = at_ms.unwrap_or_else(now_ms);
        let ts = DateTime::from_timestamp_millis(at_ms.cast_signed())
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Millis, true);
        Event { seq, ts, kind, queue, job, name, data, text: OnceLock::new() }
    }
}

/// The time by this machine's clock, ms since the epoch.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// About how many bytes a value takes.
fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => 32 + items.iter().map(bytes_of).sum::<usize>(),
        Value::Object(members) => {
            32 + members.iter().map(|(name, value)| name.len() + 64 + bytes_of(value)).sum::<usize>()
        }
        _ => 16,
    }
}

fn members(data: Value) -> Map<String, Value> {
    if let Value::Object(members) = data { members } else { Map::new() }
}

fn describe(what: What, redaction: &Redaction) -> (&'static str, Value) {
    let none = || json!({});
    match what {
        What::Added => ("job.added", none()),
        What::Waiting { prev: Some(prev) } if prev == "failed" || prev == "completed" => {
            ("job.retrying", json!({"prev": prev}))
        }
        What::Waiting { prev: Some(prev) } => ("job.waiting", json!({"prev": short(prev)})),
        What::Waiting { prev: None } => ("job.waiting", none()),
        What::Active => ("job.active", none()),
        What::Progress(text) => ("job.progress", shown("progress", "progress", Some(&text), redaction)),
        What::Completed(text) => {
            ("job.completed", shown("result", "returnvalue", text.as_deref(), redaction))
        }
        What::Failed(None) => ("job.failed", json!({"reason": null})),
        What::Failed(Some(reason)) if reason.len() > VALUE_BYTES_MAX => {
            ("job.failed", json!({"reason": short(reason), "truncated": true}))
        }
        What::Failed(Some(reason)) => ("job.failed", json!({"reason": reason})),
        What::Delayed { due_ms } => ("job.delayed", json!({"dueOn": due_ms})),
        What::WaitingChildren => ("job.waiting-children", none()),
        What::Stalled => ("job.stalled", none()),
        What::Removed { prev } => ("job.removed", json!({"prev": prev.map(short)})),
        What::Duplicated => ("job.duplicated", none()),
        What::Paused => ("queue.paused", none()),
        What::Resumed => ("queue.resumed", none()),
        What::Drained => ("queue.drained", none()),
        What::Cleaned { count } => ("queue.cleaned", json!({"count": count})),
        // Read by `acts`.
        What::Act(_) => ("audit", none()),
    }
}

/// A value that somebody wrote as JSON: without what must not be shown, and only if it is short.
fn shown(name: &str, field: &str, text: Option<&str>, redaction: &Redaction) -> Value {
    let Some(text) = text else { return json!({name: null}) };
    if text.len() > VALUE_BYTES_MAX {
        return json!({"truncated": true});
    }
    // Text that is no JSON is shown as text.
    let mut value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    redaction.apply(field, &mut value);
    json!({name: value})
}

/// The beginning of a text.
fn short(mut text: String) -> String {
    if text.len() > VALUE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(VALUE_BYTES_MAX));
    }
    text
}

/// The entry of the audit log, and what it means for the job where the libraries' own events do not say it.
fn acts(act: &Act) -> Vec<(&'static str, Value)> {
    let said = |text: &String| (!text.is_empty()).then(|| short(text.clone()));
    let entry = json!({
        "what": short(act.what.clone()), "by": said(&act.by), "from": said(&act.from), "why": said(&act.why),
        "was": said(&act.was), "is": said(&act.is),
    });
    let kind = match act.what.as_str() {
        "cancel" | "kill" => Some("job.cancelled"),
        "force-done" => Some("job.forced"),
        "retry" if act.dialect == Dialect::Bull => Some("job.retrying"),
        "remove" if act.dialect == Dialect::Bull => Some("job.removed"),
        _ => None,
    };
    let by = json!({"by": said(&act.by), "reason": said(&act.why), "prev": said(&act.was)});
    kind.map(|kind| (kind, by)).into_iter().chain([("audit", entry)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(what: What) -> Told {
        Told { queue: "q".into(), at_ms: Some(1_795_393_438_118), job: Some("7".into()), name: None, what }
    }

    fn read(what: What) -> Vec<(&'static str, Value)> {
        let redaction = Redaction::new(&["token"]);
        let news = News::read(told(what), &redaction).into_iter();
        news.map(|news| (news.kind, Value::Object(news.data))).collect()
    }

    #[test]
    fn an_event_is_one_object_with_what_is_known() {
        let [news] = &News::read(told(What::Active), &Redaction::default())[..] else { panic!("one") };
        let event = news.clone().numbered(812);
        let expected = r#"{"seq":812,"ts":"2026-11-23T00:23:58.118Z","type":"job.active","queue":"q","jobId":"7","data":{}}"#;
        assert_eq!(event.json(), expected);
        let resync = News::resync("behind").numbered(1);
        let shown: Value = serde_json::from_slice(resync.json()).expect("JSON");
        assert_eq!((&shown["type"], shown.get("queue")), (&json!("resync"), None));
    }

    #[test]
    fn values_are_shown_without_secrets_and_only_if_short() {
        let progress = What::Progress(r#"{"n":1,"token":"t"}"#.into());
        let expected = json!({"progress": {"n": 1, "token": "[redacted]"}});
        assert_eq!(read(progress), [("job.progress", expected)]);
        assert_eq!(read(What::Completed(None)), [("job.completed", json!({"result": null}))]);
        assert_eq!(read(What::Completed(Some("no JSON".into())))[0].1, json!({"result": "no JSON"}));
        let long = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX));
        assert_eq!(read(What::Completed(Some(long)))[0].1, json!({"truncated": true}));
        let failed = read(What::Failed(Some("ü".repeat(VALUE_BYTES_MAX))));
        assert_eq!(failed[0].1["truncated"], true);
        assert_eq!(failed[0].1["reason"].as_str().map(str::len), Some(VALUE_BYTES_MAX));
    }

    #[test]
    fn an_act_of_a_person_is_an_audit_entry_and_an_event_of_the_job() {
        let kinds = |what: &str, dialect| {
            let act = Act {
                dialect,
                what: what.into(),
                was: String::new(),
                is: String::new(),
                by: "kim".into(),
                from: String::new(),
                why: String::new(),
            };
            read(What::Act(Box::new(act))).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds("cancel", Dialect::BullMq), ["job.cancelled", "audit"]);
        assert_eq!(kinds("force-done", Dialect::Bull), ["job.forced", "audit"]);
        assert_eq!(kinds("pause", Dialect::Bull), ["audit"]);
        assert_eq!(kinds("retry", Dialect::Bull), ["job.retrying", "audit"]);
        assert_eq!(kinds("retry", Dialect::BullMq), ["audit"], "BullMQ's own event tells of it");
        assert!(kinds("remove", Dialect::Bull).iter().all(|kind| TYPES.contains(kind)));
    }
}
