//! An OpenTelemetry collector: takes spans and figures over OTLP and keeps them, decoded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::support::wait;

/// Attributes as text, by name.
pub(crate) type Attributes = BTreeMap<String, String>;

/// A point of a figure: a sum, or the count of a histogram.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) value: u64,
    pub(crate) attributes: Attributes,
}

#[derive(Default)]
struct Taken {
    spans: Vec<(Attributes, Span)>,
    /// Those of the last export.
    figures: Vec<Figure>,
    requests: Vec<HeaderMap>,
}

type Shared = Arc<Mutex<Taken>>;

/// Takes what comes to `/v1/traces` and `/v1/metrics`.
pub(crate) struct Collector {
    pub(crate) url: String,
    taken: Shared,
    server: tokio::task::JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Collector {
        Collector::on(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn on(listener: tokio::net::TcpListener) -> Collector {
        let taken = Shared::default();
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .with_state(Arc::clone(&taken));
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Collector { url, taken, server }
    }

    /// The span of the run of this job that has so many failed attempts behind it, and what its resource says.
    pub(crate) async fn span(&self, job: &str, attempts_made: u32) -> (Attributes, Span) {
        let made = attempts_made.to_string();
        let is_it = |span: &Span| {
            let attributes = attributes(&span.attributes);
            attributes["bullmq.job.id"] == job && attributes["bullmq.job.attempts.made"] == made
        };
        wait::value(&format!("the span of job {job}"), async || {
            let taken = self.taken.lock().unwrap();
            taken.spans.iter().find(|(_, span)| is_it(span)).cloned()
        })
        .await
    }

    /// All spans that have come.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.taken.lock().unwrap().spans.iter().map(|(_, span)| span.clone()).collect()
    }

    /// The figures of the last export.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        self.taken.lock().unwrap().figures.clone()
    }

    /// Headers of every request.
    pub(crate) fn requests(&self) -> Vec<HeaderMap> {
        self.taken.lock().unwrap().requests.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The attributes of a span or a resource.
pub(crate) fn attributes(pairs: &[KeyValue]) -> Attributes {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(int)) => int.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

async fn traces(State(taken): State<Shared>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut taken = taken.lock().unwrap();
    taken.requests.push(headers);
    for of_resource in request.resource_spans {
        let resource = attributes(&of_resource.resource.unwrap_or_default().attributes);
        let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        taken.spans.extend(spans.map(|span| (resource.clone(), span)));
    }
    (StatusCode::OK, [("content-type", "application/x-protobuf")])
}

async fn metrics(State(taken): State<Shared>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    let all =
        request.resource_metrics.into_iter().flat_map(|one| one.scope_metrics).flat_map(|one| one.metrics);
    let figures = all.flat_map(|figure| {
        let points: Vec<(u64, Attributes)> = match figure.data {
            Some(metric::Data::Sum(sum)) => {
                let value = |value| match value {
                    Some(number_data_point::Value::AsInt(int)) => int.cast_unsigned(),
                    other => panic!("a count is whole: {other:?}"),
                };
                sum.data_points
                    .iter()
                    .map(|point| (value(point.value), attributes(&point.attributes)))
                    .collect()
            }
            Some(metric::Data::Histogram(histogram)) => histogram
                .data_points
                .iter()
                .map(|point| (point.count, attributes(&point.attributes)))
                .collect(),
            other => panic!("{other:?}"),
        };
        let (name, unit) = (figure.name, figure.unit);
        points.into_iter().map(move |(value, attributes)| Figure {
            name: name.clone(),
            unit: unit.clone(),
            value,
            attributes,
        })
    });
    let figures = figures.collect();
    let mut taken = taken.lock().unwrap();
    taken.requests.push(headers);
    taken.figures = figures;
    (StatusCode::OK, [("content-type", "application/x-protobuf")])
}
