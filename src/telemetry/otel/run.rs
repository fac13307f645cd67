//! One run as a span, and what it adds to the figures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::names;

/// Buckets in seconds: those of the conventions, and on to what a long job takes.
const DURATION_BOUNDS: [f64; 20] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 300.0,
    900.0, 3600.0, 7200.0,
];
/// Characters of a failure's text that a span carries.
const DESCRIPTION_CHARS_MAX: usize = 1000;

/// A point of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span.
    pub span_id: [u8; 8],
    /// Bit 0: recorded.
    pub flags: u8,
    /// `tracestate`, if there is one.
    pub state: Option<String>,
}

/// What is known of a run at its beginning.
#[derive(Debug)]
#[allow(missing_docs)] // as the attributes of the span
pub struct Begun<'a> {
    pub queue: &'a str,
    pub job_id: &'a str,
    pub job_name: &'a str,
    pub attempts_made: u32,
    pub worker: &'a str,
    /// Where the producer was; `None` = a trace begins here.
    pub parent: Option<Point>,
}

/// What is known of it at its end.
#[derive(Debug)]
pub struct Ended<'a> {
    /// As in `bullock_jobs_finished_total`; `None` = somebody else ended it, nobody told how.
    pub outcome: Option<&'static str>,
    /// A class of errors, and the text; `None` = it did not fail.
    pub error: Option<(&'static str, &'a str)>,
    /// How long it ran.
    pub ran: Duration,
}

/// A run that is under way. Dropped before its end, its span ends there.
#[derive(Debug)]
pub struct RunSpan {
    span: Mutex<Option<Span>>,
    instruments: Option<Arc<Instruments>>,
    queue: String,
}

impl RunSpan {
    pub(super) fn begin(
        tracer: Option<&SdkTracer>,
        instruments: Option<Arc<Instruments>>,
        begun: &Begun<'_>,
    ) -> Self {
        let run = Self {
            span: Mutex::new(tracer.map(|tracer| span(tracer, begun))),
            instruments,
            queue: begun.queue.to_owned(),
        };
        if let Some(instruments) = &run.instruments {
            instruments.consumed.add(1, &run.attributes(None));
        }
        run
    }

    /// Where the run is; `None` = spans are not sent.
    pub fn point(&self) -> Option<Point> {
        let span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        let context = span.as_ref()?.span_context();
        Some(Point {
            trace_id: context.trace_id().to_bytes(),
            span_id: context.span_id().to_bytes(),
            flags: context.trace_flags().to_u8(),
            state: Some(context.trace_state().header()).filter(|state| !state.is_empty()),
        })
    }

    /// It has ended. Only the first call counts.
    pub fn end(&self, ended: &Ended<'_>) {
        let class = ended.error.map(|(class, _)| class);
        if let Some(mut span) = self.span.lock().unwrap_or_else(PoisonError::into_inner).take() {
            if let Some(outcome) = ended.outcome {
                span.set_attribute(KeyValue::new(names::OUTCOME, outcome));
            }
            if let Some((class, text)) = ended.error {
                span.set_attribute(KeyValue::new(names::ERROR_TYPE, class));
                let text: String = text.chars().take(DESCRIPTION_CHARS_MAX).collect();
                span.set_status(Status::error(text));
            }
            span.end();
        }
        let Some(instruments) = &self.instruments else { return };
        instruments.duration.record(ended.ran.as_secs_f64(), &self.attributes(class));
        let counter = match ended.outcome {
            Some("completed") => &instruments.completed,
            Some("failed" | "cancelled") => &instruments.failed,
            Some("retried") => &instruments.retried,
            _ => return,
        };
        counter.add(1, &[KeyValue::new(names::QUEUE_NAME, self.queue.clone())]);
    }

    fn attributes(&self, class: Option<&'static str>) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new(names::SYSTEM, names::SYSTEM_BULLMQ),
            KeyValue::new(names::DESTINATION, self.queue.clone()),
            KeyValue::new(names::OPERATION_NAME, names::PROCESS),
        ];
        attributes.extend(class.map(|class| KeyValue::new(names::ERROR_TYPE, class)));
        attributes
    }
}

fn span(tracer: &SdkTracer, begun: &Begun<'_>) -> Span {
    let parent = begun.parent.as_ref().map_or_else(Context::new, |parent| {
        let state =
            parent.state.as_deref().and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
        Context::new().with_remote_span_context(SpanContext::new(
            TraceId::from_bytes(parent.trace_id),
            SpanId::from_bytes(parent.span_id),
            TraceFlags::new(parent.flags),
            true,
            state,
        ))
    });
    let text = |name: &'static str, value: &str| KeyValue::new(name, value.to_owned());
    tracer
        .span_builder(format!("{} {}", names::PROCESS, begun.queue))
        .with_kind(SpanKind::Consumer)
        .with_attributes([
            KeyValue::new(names::SYSTEM, names::SYSTEM_BULLMQ),
            text(names::DESTINATION, begun.queue),
            KeyValue::new(names::OPERATION_NAME, names::PROCESS),
            KeyValue::new(names::OPERATION_TYPE, names::PROCESS),
            text(names::MESSAGE_ID, begun.job_id),
            text(names::QUEUE_NAME, begun.queue),
            text(names::JOB_ID, begun.job_id),
            text(names::JOB_NAME, begun.job_name),
            KeyValue::new(names::ATTEMPTS_MADE, i64::from(begun.attempts_made)),
            text(names::WORKER_NAME, begun.worker),
        ])
        .start_with_context(tracer, &parent)
}

/// The figures. No name of a job is in their attributes: producers choose those.
#[derive(Debug)]
pub(super) struct Instruments {
    duration: Histogram<f64>,
    consumed: Counter<u64>,
    completed: Counter<u64>,
    failed: Counter<u64>,
    retried: Counter<u64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, unit: &'static str, about: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(about).build()
        };
        Self {
            duration: meter
                .f64_histogram(names::PROCESS_DURATION)
                .with_unit("s")
                .with_description("Time that runs took")
                .with_boundaries(DURATION_BOUNDS.to_vec())
                .build(),
            consumed: counter(names::CONSUMED_MESSAGES, "{message}", "Runs that began"),
            completed: counter(names::JOBS_COMPLETED, "{job}", "Jobs that completed"),
            failed: counter(names::JOBS_FAILED, "{job}", "Jobs that failed for good"),
            retried: counter(names::JOBS_RETRIED, "{job}", "Attempts that failed, with another to come"),
        }
    }
}
