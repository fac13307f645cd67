//! The lines of the log that every run has: one at its start, one at its end.
//!
//! Owns: their words and fields, and which data of a job may be in them. Must never know: how a line looks. Called by
//! `executor` and `finisher`.

use serde_json::{Map, Value};

use super::finisher::{End, Finished};
use super::{Ended, Queue};
use crate::job::trace::TraceContext;
use crate::job::{Data, Job};
use crate::wire::redact::Redaction;

/// Longer JSON of one field of a job's data is not logged.
const DATA_BYTES_MAX: usize = 1024;

/// Fields of jobs' data that are logged: none unless somebody names them.
#[derive(Debug, Clone, Default)]
pub struct DataKeys {
    /// As typed without `data.`, and its parts.
    paths: Vec<(String, Vec<String>)>,
    redaction: Redaction,
}

impl DataKeys {
    /// `keys`: paths such as `data.store`. What `redact` hides (see [`Redaction`]) is hidden here as well.
    pub fn new(keys: &[String], redact: &[String]) -> Self {
        let path = |key: &String| {
            let path = key.strip_prefix("data.").unwrap_or(key);
            (path.to_owned(), path.split('.').map(str::to_owned).collect())
        };
        Self { paths: keys.iter().map(path).collect(), redaction: Redaction::new(redact) }
    }

    /// The fields of this job, as a JSON object; `None` = no field is asked for.
    fn of(&self, data: &Data) -> Option<String> {
        if self.paths.is_empty() {
            return None;
        }
        let mut value = serde_json::from_str(data.as_str()).unwrap_or(Value::Null);
        self.redaction.apply("data", &mut value);
        let mut shown = Map::new();
        for (name, path) in &self.paths {
            let found = path.iter().try_fold(&value, |value, part| value.get(part));
            let Some(found) = found else { continue };
            let size = found.to_string().len();
            let found = if size > DATA_BYTES_MAX { format!("[{size} bytes]").into() } else { found.clone() };
            shown.insert(name.clone(), found);
        }
        Some(Value::Object(shown).to_string())
    }
}

/// Says that a run begins.
pub(super) fn started(queue: &Queue, job: &Job, trace: Option<&TraceContext>) {
    tracing::info!(
        queue = &*job.queue,
        job_id = %job.id,
        job_name = &*job.name,
        attempt = job.attempt(),
        worker_id = queue.options.name,
        handler = queue.handler(&job.name).map(|(spec, _)| spec.handler.label()),
        trace_id = trace.map(TraceContext::trace_id_text),
        span_id = trace.map(TraceContext::span_id_text),
        data_json = queue.options.data_keys.of(&job.data),
        "started"
    );
}

/// Says how a run ended.
pub(super) fn ended(queue: &Queue, finished: &Finished, ended: Ended, ran: std::time::Duration) {
    let job = &finished.job;
    let trace = finished.follower.as_ref().and_then(|follower| follower.context());
    /// All but the last arguments are the same at each level.
    macro_rules! line {
        ($level:ident, $($rest:tt)+) => {
            tracing::$level!(
                queue = &*job.queue,
                job_id = %job.id,
                job_name = &*job.name,
                attempt = job.attempt(),
                worker_id = queue.options.name,
                handler = queue.handler(&job.name).map(|(spec, _)| spec.handler.label()),
                duration_s = ran.as_secs_f64(),
                outcome = ended.as_str(),
                status = finished.status,
                trace_id = trace.map(|trace| trace.trace_id_text()),
                span_id = trace.map(|trace| trace.span_id_text()),
                data_json = queue.options.data_keys.of(&job.data),
                $($rest)+
            )
        };
    }
    match (&finished.end, ended) {
        (End::Failed { failure, .. }, Ended::Failed | Ended::Cancelled | Ended::Retried) => {
            line!(warn, error = %failure.message, "ended");
        }
        (_, Ended::LeaseLost) => line!(warn, "ended: nothing of this run was written"),
        _ => line!(info, "ended"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{DATA_BYTES_MAX, DataKeys};
    use crate::job::Data;

    fn shown(keys: &[&str], data: &str) -> Option<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let data = Data::Json(RawValue::from_string(data.to_owned()).unwrap().into());
        DataKeys::new(&owned(keys), &owned(&["token", "data.customer.email"])).of(&data)
    }

    #[test]
    fn only_named_fields_are_shown_and_redacted_ones_never() {
        let data = r#"{"store":"acme","token":"s3cret","customer":{"id":7,"email":"a@b.c"},"big":0}"#;
        assert_eq!(shown(&[], data), None);
        assert_eq!(shown(&["data.store", "data.none"], data).unwrap(), r#"{"store":"acme"}"#);
        let all = shown(&["data.token", "data.customer", "customer.id"], data).unwrap();
        assert_eq!(all, r#"{"token":"[redacted]","customer":{"id":7,"email":"[redacted]"},"customer.id":7}"#);
        let big = format!(r#"{{"store":"{}"}}"#, "x".repeat(DATA_BYTES_MAX));
        assert_eq!(shown(&["data.store"], &big).unwrap(), r#"{"store":"[1026 bytes]"}"#);
        assert_eq!(shown(&["data.store"], "[1]").unwrap(), "{}");
    }
}
