//! The `BullMQ` dialect: reading claimed hashes (docs/wire/bullmq.md 2).

use std::sync::Arc;

use super::bull::{self, ClaimedFields, Undecodable};
use crate::job::{Job, JobId, Options};

/// A claimed hash as a job. `data` and `opts` may be absent (then they are `{}`); a number that is none counts as 0; data
/// or opts that are not JSON are an error.
pub fn decode(queue: &Arc<str>, id: JobId, fields: ClaimedFields) -> Result<Job, Undecodable> {
    let empty = || b"{}".to_vec();
    let opts_text = bull::text("opts", fields.opts.unwrap_or_else(empty))?;
    let opts = Options::parse_bullmq(&opts_text)
        .map_err(|problem| Undecodable::new("opts", problem, opts_text.as_bytes()))?;
    let data = bull::json_data(bull::text("data", fields.data.unwrap_or_else(empty))?)?;
    let count = |bytes: Option<&[u8]>| bull::integer(bytes).clamp(0, i64::from(u32::MAX)) as u32;
    let text = |bytes: Option<Vec<u8>>| {
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned().into_boxed_str())
    };
    Ok(Job {
        queue: Arc::clone(queue),
        id,
        name: fields.name.map_or_else(|| "__default__".into(), |name| String::from_utf8_lossy(&name).into()),
        data,
        opts,
        opts_text: opts_text.into(),
        timestamp: bull::integer(fields.timestamp.as_deref()),
        attempts_made: count(fields.attempts_made.as_deref()),
        stacktrace: fields.stacktrace.and_then(|s| String::from_utf8(s).ok()).map(String::into_boxed_str),
        progress: fields.progress.and_then(bull::json),
        checkpoint: fields.checkpoint.and_then(bull::json),
        attempts_started: fields.attempts_started.as_deref().map_or(1, |bytes| count(Some(bytes))),
        deferred: text(fields.deferred),
        scheduler: text(fields.scheduler),
        parent_key: text(fields.parent_key),
    })
}
