//! `[otel]` and the standard variables of OpenTelemetry: where spans and figures are sent.
//!
//! Must never know: how they are sent. What the SDK reads by itself (samplers, intervals, resource attributes) is not read
//! here.

use std::collections::BTreeMap;

use super::handler::http::headers;
use super::problem::{Place, Problem, Problems};
use super::read::Section;
use super::secret::Secret;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const SPOKEN: &str = "http/protobuf";
const NAME_DEFAULT: &str = "bullock";

/// What is sent where.
#[derive(Debug, Clone)]
pub struct Otel {
    /// Spans are posted to this URL; `None` = none are.
    pub traces: Option<Secret>,
    /// Figures are posted to this URL; `None` = none are.
    pub metrics: Option<Secret>,
    /// Further headers, for collectors that want a key.
    pub headers: Vec<(String, Secret)>,
    /// `service.name`; `None` = the resource attributes of the environment say it.
    pub service_name: Option<String>,
}

/// One signal, as the variables name it.
struct Signal {
    path: &'static str,
    endpoint: &'static str,
    exporter: &'static str,
    protocol: &'static str,
}

const TRACES: Signal = Signal {
    path: "v1/traces",
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    exporter: "OTEL_TRACES_EXPORTER",
    protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
};
const METRICS: Signal = Signal {
    path: "v1/metrics",
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    exporter: "OTEL_METRICS_EXPORTER",
    protocol: "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
};

/// The variables that say something: an empty one is unset, as the standard has it.
struct Variables<'a>(&'a BTreeMap<String, String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// Reads the table and the variables; `None` = nothing is sent.
pub(super) fn read(
    section: &Section<'_>,
    vars: &BTreeMap<String, String>,
    problems: &mut Problems,
    warnings: &mut Vec<Problem>,
) -> Option<Otel> {
    let vars = Variables(vars);
    let headers = headers(section, problems);
    if vars.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    let mut url = |signal: &Signal| endpoint(signal, section, &vars, problems);
    let (traces, metrics) = (url(&TRACES), url(&METRICS));
    if traces.is_none() && metrics.is_none() {
        return None;
    }
    for variable in ["OTEL_EXPORTER_OTLP_PROTOCOL", TRACES.protocol, METRICS.protocol] {
        if vars.get(variable).is_some_and(|protocol| protocol != SPOKEN) {
            let hint = "a collector takes it on port 4318 unless it is told otherwise; gRPC's is 4317";
            let place = Place::Env(variable.to_owned());
            warnings.push(Problem::new("is not what is spoken", &place, SPOKEN, hint));
        }
    }
    let said = || vars.get("OTEL_SERVICE_NAME").map(str::to_owned);
    let attributes = vars.get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let in_attributes = attributes.split(',').any(|pair| pair.trim_start().starts_with("service.name="));
    let fallback = || (!in_attributes).then(|| NAME_DEFAULT.to_owned());
    let service_name = section.maybe_text("service_name").or_else(said).or_else(fallback);
    Some(Otel { traces, metrics, headers, service_name })
}

/// Where a signal goes: the table first, then the signal's own variable, then the common one.
fn endpoint(
    signal: &Signal,
    section: &Section<'_>,
    vars: &Variables<'_>,
    problems: &mut Problems,
) -> Option<Secret> {
    if vars.get(signal.exporter) == Some("none") {
        return None;
    }
    let below = |base: &str| format!("{}/{}", base.trim_end_matches('/'), signal.path);
    let (url, place) = if section.has("endpoint") {
        let text = section.maybe_text("endpoint").filter(|_| !section.is_bad("endpoint"))?;
        (below(&text), section.place_of("endpoint"))
    } else if let Some(own) = vars.get(signal.endpoint) {
        (own.to_owned(), Place::Env(signal.endpoint.to_owned()))
    } else {
        (below(vars.get(ENDPOINT)?), Place::Env(ENDPOINT.to_owned()))
    };
    let fault = match url::Url::parse(&url) {
        Err(_) => Some("is no URL"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => Some("is neither http:// nor https://"),
        Ok(url) if url.host_str().is_none_or(str::is_empty) => Some("has no host"),
        Ok(_) => None,
    };
    let Some(fault) = fault else { return Some(Secret::new(url)) };
    // Both signals may come from one value: it is wrong once.
    if !problems.0.iter().any(|known| known.place == place) {
        let what = if section.has("endpoint") { format!("otel.endpoint {fault}") } else { fault.to_owned() };
        let hint = "spans go to its /v1/traces and figures to its /v1/metrics";
        problems.push(Problem::new(what, &place, "e.g. \"http://127.0.0.1:4318\"", hint));
    }
    None
}
