//! `[otel]` and the variables of OpenTelemetry: what is sent where, and when nothing is.

use bullock::config::Otel;

use crate::{HANDLER, errors, errors_with, load_with};

const TABLE: &str = "[otel]\nendpoint = \"http://collector:4318/\"\n";
const COMMON: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://o.example:4318/otlp");

fn otel(text: &str, vars: &[(&str, &str)]) -> Option<Otel> {
    load_with(&format!("{text}\n{HANDLER}"), vars).unwrap().otel
}

fn urls(text: &str, vars: &[(&str, &str)]) -> Option<(Option<String>, Option<String>)> {
    let shown = |url: Option<bullock::config::Secret>| url.map(|url| url.expose().to_owned());
    otel(text, vars).map(|otel| (shown(otel.traces), shown(otel.metrics)))
}

fn both(base: &str) -> (Option<String>, Option<String>) {
    (Some(format!("{base}/v1/traces")), Some(format!("{base}/v1/metrics")))
}

#[test]
fn nothing_is_sent_unless_somebody_says_where() {
    assert_eq!(urls("", &[]), None);
    assert_eq!(urls("[otel]\nservice_name = \"x\"", &[("OTEL_SERVICE_NAME", "y")]), None);
    assert_eq!(urls("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), None, "an empty variable is unset");
    for text in ["", TABLE] {
        assert_eq!(urls(text, &[COMMON, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        let neither = [COMMON, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")];
        assert_eq!(urls(text, &neither), None);
    }
}

#[test]
fn the_table_wins_over_a_signals_own_variable_and_that_over_the_common_one() {
    assert_eq!(urls("", &[COMMON]), Some(both("https://o.example:4318/otlp")));
    assert_eq!(urls(TABLE, &[COMMON]), Some(both("http://collector:4318")));
    assert_eq!(urls(TABLE, &[("BULLOCK_OTEL__ENDPOINT", "http://other:1")]), Some(both("http://other:1")));
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/in");
    let (traces, metrics) = urls("", &[own, COMMON]).unwrap();
    assert_eq!(traces.as_deref(), Some("http://traces/in"), "as it is");
    assert_eq!(metrics.as_deref(), Some("https://o.example:4318/otlp/v1/metrics"));
    assert_eq!(urls("", &[own]), Some((Some("http://traces/in".into()), None)));
    assert_eq!(urls("", &[COMMON, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().0, None);
}

#[test]
fn the_service_has_the_name_that_is_said_and_ours_otherwise() {
    let name =
        |text: &str, vars: &[(&str, &str)]| otel(text, &[&[COMMON], vars].concat()).unwrap().service_name;
    let said = ("OTEL_SERVICE_NAME", "shop");
    assert_eq!(name("", &[]).as_deref(), Some("bullock"));
    assert_eq!(name("", &[said]).as_deref(), Some("shop"));
    assert_eq!(name("[otel]\nservice_name = \"mail\"", &[said]).as_deref(), Some("mail"));
    assert_eq!(name("", &[("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=c")]), None, "the SDK reads them");
}

#[test]
fn an_endpoint_that_cannot_be_is_said_once_and_a_header_shows_nothing() {
    let said = errors(&format!("[otel]\nendpoint = \"ftp://x\"\n{HANDLER}"));
    assert!(
        said.contains("otel.endpoint is neither http:// nor https://") && said.lines().count() == 1,
        "{said}"
    );
    let said = errors_with(HANDLER, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")]);
    assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && said.lines().count() == 1, "{said}");
    let said = errors(&format!("{TABLE}headers = {{ traceparent = \"k3y\" }}\n{HANDLER}"));
    assert!(said.contains("is a header that bullock sets itself") && !said.contains("k3y"), "{said}");
    let config = load_with(&format!("{TABLE}headers = {{ x-key = \"k3y\" }}\n{HANDLER}"), &[]).unwrap();
    assert!(!config.to_toml_redacted().contains("k3y") && !format!("{config:?}").contains("k3y"));
    assert_eq!(config.otel.unwrap().headers[0].1.expose(), "k3y");
}

#[test]
fn another_protocol_than_the_spoken_one_is_warned_of() {
    let vars = [COMMON, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let config = load_with(HANDLER, &vars).unwrap();
    assert!(config.otel.is_some());
    let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert!(warning.to_string().contains("expected http/protobuf"), "{warning}");
    assert!(load_with(HANDLER, &[vars[1]]).unwrap().warnings.is_empty(), "nothing is sent, nothing is wrong");
}
