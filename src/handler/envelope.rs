//! A whole job as one JSON object.
//!
//! Owns: the envelope's members. Must never know: who gets it. Called by the HTTP handler (body `envelope`) and
//! by the subprocess handler (the line on stdin).

use serde::Serialize;
use serde_json::value::RawValue;

use crate::job::{Data, Job};

/// Data as it goes into JSON: untouched, or as text.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum DataJson<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<'a> From<&'a Data> for DataJson<'a> {
    fn from(data: &'a Data) -> Self {
        match data {
            Data::Json(raw) => Self::Json(raw),
            Data::Text(text) => Self::Text(text),
        }
    }
}

/// The whole job in one object: the body `envelope`, and the line that a subprocess reads.
#[derive(Serialize)]
pub(super) struct Envelope<'a> {
    queue: &'a str,
    id: &'a str,
    name: &'a str,
    attempt: u32,
    data: DataJson<'a>,
    opts: Option<&'a RawValue>,
    progress: Option<&'a RawValue>,
    checkpoint: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    pub(super) fn of(job: &'a Job<Data>) -> Self {
        Self {
            queue: &job.queue,
            id: job.id.as_str(),
            name: &job.name,
            attempt: job.attempt(),
            data: (&job.data).into(),
            opts: serde_json::from_str(&job.opts_text).ok(),
            progress: job.progress.as_deref(),
            checkpoint: job.checkpoint.as_deref(),
        }
    }
}
