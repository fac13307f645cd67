//! The worker's runs, told to OpenTelemetry. None of the three rooms knows the others: worker, telemetry, http.

mod sender;

use std::sync::Arc;
use std::time::Duration;

use sender::Sender;

use crate::app::failure::{EXIT_CONFIG, Failure};
use crate::config::{self, Config};
use crate::http::Clients;
use crate::job::Job;
use crate::job::trace::TraceContext;
use crate::telemetry::otel::{self, Begun, FLUSH_MS_MAX, Point, RunSpan, Settings, Signal};
use crate::worker::{Follower, RunEnd};

/// Follows runs, or nothing where no collector is configured.
#[derive(Clone, Default)]
pub(super) struct Otel(Option<Arc<otel::Otel>>);

impl Otel {
    /// Starts what sends. A collector that is not there is no reason not to start.
    pub(super) fn start(config: &Config, clients: &Clients) -> Result<Self, Failure> {
        let Some(asked) = &config.otel else { return Ok(Self::default()) };
        let unfit = |why: &dyn std::fmt::Display| {
            Failure::new(EXIT_CONFIG, format!("OpenTelemetry cannot be set up (otel): {why}"))
        };
        let signal = |url: &Option<config::Secret>| -> Result<Option<Signal>, Failure> {
            let Some(url) = url else { return Ok(None) };
            let client = Sender::new(asked, url.expose(), clients).map_err(|why| unfit(&why))?;
            Ok(Some(Signal { url: url.expose().to_owned(), client: Arc::new(client) }))
        };
        let settings = Settings {
            traces: signal(&asked.traces)?,
            metrics: signal(&asked.metrics)?,
            service_name: asked.service_name.clone(),
            instance: config.worker.name.clone(),
        };
        let started = otel::Otel::start(&settings).map_err(|error| unfit(&error))?;
        Ok(Self(Some(Arc::new(started))))
    }

    /// Follows a run from here on.
    pub(super) fn follow(&self, job: &Job, worker: &str) -> Option<Box<dyn Follower>> {
        let otel = self.0.as_ref()?;
        let parent = job.opts.trace.as_deref().and_then(TraceContext::of_carrier);
        let span = otel.begin(&Begun {
            queue: &job.queue,
            job_id: job.id.as_str(),
            job_name: &job.name,
            attempts_made: job.attempts_made,
            worker,
            parent: parent.map(point),
        });
        let context = span.point().map(|point| Arc::new(context(point)));
        Some(Box::new(Followed { span, context }))
    }

    /// Sends what waits, while the process still can.
    pub(super) async fn shut_down(self) {
        let Some(otel) = self.0 else { return };
        let (done, wait) = tokio::sync::oneshot::channel();
        // A thread of its own: the runtime's end would wait for one of the runtime's.
        let begun = std::thread::Builder::new().name("otel-flush".to_owned()).spawn(move || {
            otel.shut_down();
            let _ = done.send(());
        });
        if begun.is_ok() {
            let _ = tokio::time::timeout(Duration::from_millis(FLUSH_MS_MAX), wait).await;
        }
    }
}

struct Followed {
    span: RunSpan,
    context: Option<Arc<TraceContext>>,
}

impl Follower for Followed {
    fn context(&self) -> Option<&Arc<TraceContext>> {
        self.context.as_ref()
    }

    fn ended(&self, end: &RunEnd<'_>) {
        self.span.end(&otel::Ended {
            outcome: end.ended.map(crate::worker::Ended::as_str),
            error: end.error,
            ran: end.ran,
        });
    }
}

fn point(context: TraceContext) -> Point {
    let TraceContext { trace_id, span_id, flags, state } = context;
    Point { trace_id, span_id, flags, state: state.map(String::from) }
}

fn context(point: Point) -> TraceContext {
    let Point { trace_id, span_id, flags, state } = point;
    TraceContext { trace_id, span_id, flags, state: state.map(String::into_boxed_str) }
}
