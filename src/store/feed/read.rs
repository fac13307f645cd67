//! What was heard, read: entries of `BullMQ`'s streams, of our audit logs, and what Bull publishes.

use std::collections::HashMap;
use std::sync::Arc;

use redis::streams::StreamId;
use serde_json::value::RawValue;

use super::{Act, Told, What};
use crate::wire::Dialect;

/// An entry of `BullMQ`'s stream (docs/wire/bullmq.md 10.1). Anybody may write into it: what is not understood is none.
pub(super) fn recorded(queue: &Arc<str>, entry: &StreamId) -> Option<Told> {
    let field = |name: &str| entry.get::<String>(name);
    let what = match field("event")?.as_str() {
        "added" => What::Added,
        "waiting" => What::Waiting { prev: field("prev") },
        "active" => What::Active,
        "progress" => What::Progress(field("data").unwrap_or_default()),
        "completed" => What::Completed(field("returnvalue")),
        "failed" => What::Failed(field("failedReason")),
        "delayed" => What::Delayed { due_ms: field("delay").and_then(|ms| ms.parse().ok()) },
        "waiting-children" => What::WaitingChildren,
        "stalled" => What::Stalled,
        "removed" => What::Removed { prev: field("prev") },
        "duplicated" => What::Duplicated,
        "paused" => What::Paused,
        "resumed" => What::Resumed,
        "drained" => What::Drained,
        "cleaned" => What::Cleaned { count: field("count").and_then(|n| n.parse().ok()).unwrap_or(0) },
        _ => return None,
    };
    let of_queue = matches!(what, What::Paused | What::Resumed | What::Drained | What::Cleaned { .. });
    let job = field("jobId").filter(|id| !id.is_empty());
    if job.is_none() && !of_queue {
        return None;
    }
    Some(Told { queue: Arc::clone(queue), at_ms: at_ms(entry), job, name: field("name"), what })
}

/// An entry of our audit log.
pub(super) fn acted(queue: &Arc<str>, dialect: Dialect, entry: &StreamId) -> Option<Told> {
    let field = |name: &str| entry.get::<String>(name).unwrap_or_default();
    let act = Act {
        dialect,
        what: Some(field("what")).filter(|what| !what.is_empty())?,
        was: field("was"),
        is: field("is"),
        by: field("by"),
        from: field("from"),
        why: field("why"),
    };
    let job = Some(field("job")).filter(|job| !job.is_empty());
    Some(Told {
        queue: Arc::clone(queue),
        at_ms: at_ms(entry),
        job,
        name: None,
        what: What::Act(Box::new(act)),
    })
}

fn at_ms(entry: &StreamId) -> Option<u64> {
    entry.id.split('-').next()?.parse().ok()
}

/// A message of Bull's (docs/wire/bull-4.md 10). `queues` = the known ones by the beginning of their keys.
pub(super) fn published(queues: &HashMap<String, Arc<str>>, channel: &str, payload: &[u8]) -> Option<Told> {
    // The last colon that leaves an event's name: both names of queues and tokens may hold colons and at-signs.
    let parts = channel.match_indices(':').map(|(at, _)| channel.split_at(at + 1));
    let (queue, event) = parts
        .filter_map(|(base, event)| Some((queues.get(base)?, event.split_once('@').map_or(event, |e| e.0))))
        .rfind(|(_, event)| EVENTS.contains(event))?;
    let told = |job: Option<String>, what| {
        Some(Told { queue: Arc::clone(queue), at_ms: None, job, name: None, what })
    };
    let id = || String::from_utf8(payload.to_vec()).ok().filter(|id| !id.is_empty());
    let of_job = |what| told(Some(id()?), what);
    match event {
        "waiting" => of_job(What::Waiting { prev: None }),
        "active" => of_job(What::Active),
        "stalled" => of_job(What::Stalled),
        "duplicated" => of_job(What::Duplicated),
        "paused" => told(None, What::Paused),
        "resumed" => told(None, What::Resumed),
        "drained" => told(None, What::Drained),
        _ => {
            let said: Said<'_> = serde_json::from_slice(payload).ok()?;
            let job = Some(plain(said.job)?);
            // What is given of a result is JSON in a JSON string, of an error the text itself.
            let val = said.val.and_then(|val| serde_json::from_str::<String>(val.get()).ok());
            let what = match event {
                "progress" => What::Progress(said.progress.map_or("null", RawValue::get).to_owned()),
                "completed" => What::Completed(val),
                _ => What::Failed(val),
            };
            told(job, what)
        }
    }
}

/// The events of Bull that say something of a job or a queue. `debounced` and `delayed` do not say of which job.
const EVENTS: [&str; 10] = [
    "waiting",
    "active",
    "stalled",
    "duplicated",
    "paused",
    "resumed",
    "drained",
    "progress",
    "completed",
    "failed",
];

/// A JSON payload.
#[derive(serde::Deserialize)]
struct Said<'a> {
    #[serde(rename = "jobId", borrow)]
    job: &'a RawValue,
    #[serde(borrow)]
    val: Option<&'a RawValue>,
    #[serde(borrow)]
    progress: Option<&'a RawValue>,
}

/// An id: a JSON string, or a number as older ones publish it.
fn plain(id: &RawValue) -> Option<String> {
    let text = id.get();
    if text.starts_with('"') {
        return serde_json::from_str(text).ok();
    }
    text.starts_with(|c: char| c.is_ascii_digit()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(channel: &str, payload: &str) -> Option<(String, Option<String>, What)> {
        let queues = ["bull:a:", "bull:a:b:", "bull:c@d:", "bull:a:waiting:"];
        let queues = queues.map(|base| (base.to_owned(), base["bull:".len()..base.len() - 1].into()));
        let told = published(&HashMap::from(queues), channel, payload.as_bytes())?;
        Some((told.queue.to_string(), told.job, told.what))
    }

    #[test]
    fn a_message_belongs_to_the_queue_whose_name_is_all_that_stands_before_the_event() {
        let job = |queue: &str, id: &str, what| Some((queue.to_owned(), Some(id.to_owned()), what));
        assert_eq!(hear("bull:a:waiting@x:1", "7"), job("a", "7", What::Waiting { prev: None }));
        assert_eq!(hear("bull:a:b:active@w-1:0f", "7"), job("a:b", "7", What::Active));
        assert_eq!(hear("bull:c@d:stalled@", "7"), job("c@d", "7", What::Stalled));
        assert_eq!(hear("bull:a:waiting:active@t", "7"), job("a:waiting", "7", What::Active));
        assert_eq!(hear("bull:a:paused", "paused"), Some(("a".to_owned(), None, What::Paused)));
        for (channel, payload) in [
            ("bull:other:paused", ""),
            ("bull:a:delayed", "1795"),
            ("bull:a:waiting@t", ""),
            ("bull:a:", "x"),
            ("paused", ""),
        ] {
            assert_eq!(hear(channel, payload), None, "{channel}");
        }
    }

    #[test]
    fn results_are_json_in_a_string_errors_text_and_progress_anything() {
        let job = |what| Some(("a".to_owned(), Some("7".to_owned()), what));
        let completed = |result: Option<&str>| job(What::Completed(result.map(str::to_owned)));
        assert_eq!(
            hear("bull:a:completed", r#"{"jobId":"7","val":"{\"ok\":true}"}"#),
            completed(Some(r#"{"ok":true}"#))
        );
        assert_eq!(hear("bull:a:completed", r#"{"jobId":7}"#), completed(None));
        assert_eq!(
            hear("bull:a:failed", r#"{"jobId":"7","val":"no"}"#),
            job(What::Failed(Some("no".into())))
        );
        let progress = job(What::Progress(r#"{"n": 1}"#.into()));
        assert_eq!(hear("bull:a:progress", r#"{"jobId":"7","progress":{"n": 1}}"#), progress);
        for payload in ["", "{", r#"{"val":"x"}"#, r#"{"jobId":null}"#, r#"{"jobId":{}}"#] {
            assert_eq!(hear("bull:a:completed", payload), None, "{payload}");
        }
    }
}
