//! Traces and figures for a collector, over OTLP.
//!
//! Owns: what a run looks like to OpenTelemetry, and the threads that send it. Must never know: jobs, who sends over which
//! connection (the [`HttpClient`] that it is given). Called by `app`.
//!
//! Nobody who works on jobs waits for a collector: a span goes into a bounded queue of the SDK, and what does not fit there
//! is dropped.

mod names;
mod run;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
pub use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use run::Instruments;
pub use run::{Begun, Ended, Point, RunSpan};

/// How long a process that ends waits for its last spans and figures to be taken.
pub const FLUSH_MS_MAX: u64 = 3_000;

/// One signal: where it goes, and over which connection.
#[derive(Debug, Clone)]
pub struct Signal {
    /// The whole URL, as in `http://127.0.0.1:4318/v1/traces`.
    pub url: String,
    /// Sends it.
    pub client: Arc<dyn HttpClient>,
}

/// What is sent, and in whose name.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Spans; `None` = none.
    pub traces: Option<Signal>,
    /// Figures; `None` = none.
    pub metrics: Option<Signal>,
    /// `service.name`; `None` = what the environment's resource attributes say.
    pub service_name: Option<String>,
    /// `service.instance.id`: the worker's name.
    pub instance: String,
}

/// The door for all runs of a process.
#[derive(Debug)]
pub struct Otel {
    tracer: Option<SdkTracer>,
    tracers: Option<SdkTracerProvider>,
    instruments: Option<Arc<Instruments>>,
    meters: Option<SdkMeterProvider>,
}

impl Otel {
    /// Starts the threads that send. Nothing is connected to before there is something to send.
    ///
    /// # Errors
    /// The environment asks for what this build cannot do, such as an unknown compression.
    pub fn start(settings: &Settings) -> anyhow::Result<Self> {
        let resource = resource(settings);
        let tracers = settings.traces.as_ref().map(|signal| tracers(signal, resource.clone())).transpose()?;
        let meters = settings.metrics.as_ref().map(|signal| meters(signal, resource)).transpose()?;
        Ok(Self {
            tracer: tracers.as_ref().map(|tracers| tracers.tracer(names::SCOPE)),
            tracers,
            instruments: meters
                .as_ref()
                .map(|meters| Arc::new(Instruments::new(&meters.meter(names::SCOPE)))),
            meters,
        })
    }

    /// A run begins.
    pub fn begin(&self, begun: &Begun<'_>) -> RunSpan {
        RunSpan::begin(self.tracer.as_ref(), self.instruments.clone(), begun)
    }

    /// Sends what waits, for at most [`FLUSH_MS_MAX`]. Blocks its thread: not for one that others need.
    pub fn shut_down(&self) {
        let limit = Duration::from_millis(FLUSH_MS_MAX);
        // What could not be sent has been told by whoever tried to send it.
        if let Some(tracers) = &self.tracers {
            let _ = tracers.shutdown_with_timeout(limit);
        }
        if let Some(meters) = &self.meters {
            let _ = meters.shutdown_with_timeout(limit);
        }
    }
}

fn tracers(signal: &Signal, resource: Resource) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&signal.url)
        .with_shared_http_client(Arc::clone(&signal.client))
        .build()?;
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

fn meters(signal: &Signal, resource: Resource) -> anyhow::Result<SdkMeterProvider> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&signal.url)
        .with_shared_http_client(Arc::clone(&signal.client))
        .build()?;
    Ok(SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(exporter).build())
}

fn resource(settings: &Settings) -> Resource {
    let builder = Resource::builder().with_attributes([
        KeyValue::new(names::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(names::SERVICE_INSTANCE_ID, settings.instance.clone()),
    ]);
    match &settings.service_name {
        Some(name) => builder.with_service_name(name.clone()).build(),
        None => builder.build(),
    }
}
