//! Runs over OTLP: one trace from the producer over the queue to the backend, and the figures of all runs.

use std::fmt::Write as _;

use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde_json::{Value, json};

use crate::backend::{Asked, Backend, call_back};
use crate::collector::{Collector, attributes};
use crate::program::Program;
use crate::support::bullock::Ended;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::{process, wait};

/// Sends soon, so that nobody waits for it; the retry of the SDK is its own affair.
const SOON: [(&str, &str); 2] = [("OTEL_BSP_SCHEDULE_DELAY", "100"), ("OTEL_METRIC_EXPORT_INTERVAL", "200")];

async fn stopped(mut program: Program) -> Ended {
    program.signal(Signal::SIGTERM);
    program.end().await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The four parts of the `traceparent` that a backend was sent.
fn traceparent(asked: &Asked) -> Vec<String> {
    let parts: Vec<String> = asked.header("traceparent").split('-').map(str::to_owned).collect();
    assert_eq!((parts.len(), parts[0].as_str()), (4, "00"), "{parts:?}");
    parts
}

fn config(redis: &Redis, queues: &str) -> String {
    format!("[redis]\nurl = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n{queues}", redis.url())
}

fn to(queue: &str, url: &str) -> String {
    format!("[queues.{queue}]\ndialect = \"bullmq\"\n[queues.{queue}.handlers.\"*\"]\nhttp = \"{url}\"\n")
}

fn status(span: &Span) -> (i32, &str) {
    span.status.as_ref().map_or((0, ""), |status| (status.code, &status.message))
}

/// A real producer's job, from the span that added it to the backend that is asked to do it.
async fn a_trace_goes_on(major: u8) {
    let (redis, mut backend, collector) = (Redis::start(), Backend::start().await, Collector::start().await);
    let table = format!("[otel]\nendpoint = \"{}\"\nservice_name = \"shop-worker\"\n", collector.url);
    let headers = "headers = { x-collector-key = \"k3y\" }\n";
    let queues = to("mail", &format!("{}/ok", backend.url));
    let config = config(&redis, &format!("{table}{headers}[worker]\nname = \"w-1\"\n{queues}"));
    let program = Program::start(&config, &["run"], &SOON);
    let mut mail = BullQueue::open_mq(major, &redis.url(), "mail", &json!({"telemetry": true})).await;
    let id = mail.add("welcome", json!({"to": "ada"}), json!({})).await;

    let asked = backend.asked().await;
    let (resource, span) = collector.span(&id, 0).await;
    let spans = mail.spans().await;
    let producer = spans.as_array().unwrap().iter().find(|span| span["name"] == "add mail.welcome").unwrap();
    assert_eq!(hex(&span.trace_id), producer["traceId"], "{span:?}");
    assert_eq!(hex(&span.parent_span_id), producer["spanId"], "{span:?}");
    let parent = traceparent(&asked);
    assert_eq!(
        (&parent[1], &parent[2]),
        (&hex(&span.trace_id), &hex(&span.span_id)),
        "our span is its parent"
    );
    assert_eq!(parent[3], "01");

    assert_eq!((span.name.as_str(), span.kind()), ("process mail", SpanKind::Consumer));
    let told = attributes(&span.attributes);
    for (name, expected) in [
        ("messaging.system", "bullmq"),
        ("messaging.destination.name", "mail"),
        ("messaging.operation.name", "process"),
        ("messaging.operation.type", "process"),
        ("messaging.message.id", &id),
        ("bullmq.queue.name", "mail"),
        ("bullmq.job.id", &id),
        ("bullmq.job.name", "welcome"),
        ("bullmq.job.attempts.made", "0"),
        ("bullmq.worker.name", "w-1"),
        ("bullock.outcome", "completed"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(expected), "{name}: {told:?}");
    }
    assert!(!told.contains_key("error.type"), "{told:?}");
    assert_eq!(status(&span).0, StatusCode::Unset as i32);
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    assert_eq!(
        (resource["service.name"].as_str(), resource["service.instance.id"].as_str()),
        ("shop-worker", "w-1")
    );
    assert!(collector.requests().iter().all(|headers| headers["x-collector-key"] == "k3y"));
    mail.close().await;
    drop(program);
}

#[tokio::test]
async fn a_run_continues_the_trace_of_bullmq_5s_producer_and_its_backend_continues_the_run() {
    a_trace_goes_on(5).await;
}

#[tokio::test]
async fn a_run_continues_the_trace_of_bullmq_6s_producer_and_its_backend_continues_the_run() {
    a_trace_goes_on(6).await;
}

#[tokio::test]
async fn who_asks_not_to_be_followed_and_who_knows_no_traces_gets_one_that_begins_with_the_run() {
    let (redis, mut backend, collector) = (Redis::start(), Backend::start().await, Collector::start().await);
    let ok = format!("{}/ok", backend.url);
    let bull = to("old", &ok).replace("\"bullmq\"", "\"bull\"");
    let config = config(&redis, &format!("{}{bull}", to("mail", &ok)));
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), SOON[0], SOON[1]];
    let program = Program::start(&config, &["run"], &variables);
    let mut old = BullQueue::open(&redis.url(), "old").await;
    let of_bull = old.add("welcome", json!({}), json!({})).await;
    let asked = backend.asked().await;
    let (resource, span) = collector.span(&of_bull, 0).await;
    assert_eq!((span.name.as_str(), hex(&span.parent_span_id).as_str()), ("process old", ""));
    assert_eq!(traceparent(&asked)[1], hex(&span.trace_id));
    assert_eq!(resource["service.name"], "bullock");

    let carrier = |text: &str| json!({"telemetry": {"metadata": text}});
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let omitted =
        json!({"telemetry": {"metadata": json!({"traceparent": good}).to_string(), "omitContext": true}});
    let mut mail = BullQueue::open_mq(6, &redis.url(), "mail", &json!({})).await;
    for opts in [omitted, carrier("no JSON"), carrier(r#"{"traceparent":"00-0-0-01"}"#)] {
        let id = mail.add("welcome", json!({}), opts.clone()).await;
        backend.asked().await;
        let is_it = |span: &&Span| {
            attributes(&span.attributes)["messaging.message.id"] == id && span.name == "process mail"
        };
        let span = wait::value("the span", async || collector.spans().iter().find(is_it).cloned()).await;
        assert!(span.parent_span_id.is_empty() && hex(&span.trace_id) != good[3..35], "{opts}: {span:?}");
    }
    // What a tracing system carries along is carried on; what the producer does not record, nobody records.
    let unsampled = good.replace("-01", "-00");
    let unsampled = carrier(&json!({"traceparent": unsampled, "tracestate": "vendor=1"}).to_string());
    mail.add("welcome", json!({}), unsampled).await;
    let asked = backend.asked().await;
    let parent = traceparent(&asked);
    assert_eq!((parent[1].as_str(), parent[3].as_str()), (&good[3..35], "00"));
    assert_eq!(asked.header("tracestate"), "vendor=1");
    for queue in [old, mail] {
        queue.close().await;
    }
    let ended = stopped(program).await;
    assert!(!collector.spans().iter().any(|span| hex(&span.trace_id) == good[3..35]), "{}", ended.output);
}

#[tokio::test]
async fn a_failed_run_says_so_in_its_span_its_lines_and_the_figures_and_the_end_of_the_process_loses_none() {
    let (redis, collector) = (Redis::start(), Collector::start().await);
    let table = "[log]\nformat = \"json\"\n[queues.bad]\ndialect = \"bullmq\"\n[queues.bad.handlers.\"*\"]\nexec = [\"/bin/false\"]\n\
                 [queues.env]\ndialect = \"bullmq\"\n[queues.env.handlers.\"*\"]\n\
                 exec = [\"/bin/sh\", \"-c\", 'echo \"{\\\"result\\\":\\\"$TRACEPARENT\\\"}\"']\n";
    // No interval that comes round in the time of the test: what arrives was sent by the shutdown.
    let never = [("OTEL_BSP_SCHEDULE_DELAY", "600000"), ("OTEL_METRIC_EXPORT_INTERVAL", "600000")];
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), never[0], never[1]];
    let program = Program::start(&config(&redis, table), &["run"], &variables);
    let mut bad = BullQueue::open_mq(6, &redis.url(), "bad", &json!({})).await;
    let id = bad.add("x", json!({}), json!({"attempts": 2})).await;
    bad.finished(&id).await.unwrap_err();
    let mut env = BullQueue::open_mq(6, &redis.url(), "env", &json!({})).await;
    let told = env.add("x", json!({}), json!({})).await;
    let told = env.finished(&told).await.unwrap();
    bad.close().await;
    env.close().await;
    let ended = stopped(program).await;

    let runs: Vec<Span> = collector.spans().into_iter().filter(|span| span.name == "process bad").collect();
    let outcomes: Vec<_> =
        runs.iter().map(|span| attributes(&span.attributes)["bullock.outcome"].clone()).collect();
    assert_eq!(outcomes, ["retried", "failed"], "{}", ended.output);
    for run in &runs {
        assert_eq!(attributes(&run.attributes)["error.type"], "error");
        let (code, message) = status(run);
        assert_eq!(code, StatusCode::Error as i32);
        assert!(message.contains("exit"), "{message}");
    }
    let lines: Vec<Value> = ended.output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for run in &runs {
        let of_run =
            |line: &&Value| line["span_id"] == hex(&run.span_id) && line["trace_id"] == hex(&run.trace_id);
        let words: Vec<_> = lines.iter().filter(of_run).map(|line| line["msg"].as_str().unwrap()).collect();
        assert_eq!(words, ["started", "ended"], "{}", ended.output);
    }
    let span = collector.spans().into_iter().find(|span| span.name == "process env").unwrap();
    assert_eq!(told, format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id)));

    let figures = collector.figures();
    let sum = |name: &str, queue: &str, error: Option<&str>| -> u64 {
        let of_queue = figures.iter().filter(|figure| {
            let is_of = |key: &str| figure.attributes.get(key).is_some_and(|value| value == queue);
            figure.name == name && (is_of("messaging.destination.name") || is_of("bullmq.queue.name"))
        });
        let with_error =
            of_queue.filter(|figure| figure.attributes.get("error.type").map(String::as_str) == error);
        with_error.map(|figure| figure.value).sum()
    };
    for (name, queue, error, expected) in [
        ("messaging.process.duration", "bad", Some("error"), 2),
        ("messaging.process.duration", "env", None, 1),
        ("messaging.client.consumed.messages", "bad", None, 2),
        ("messaging.client.consumed.messages", "env", None, 1),
        ("bullmq.jobs.completed", "env", None, 1),
        ("bullmq.jobs.failed", "bad", None, 1),
        ("bullmq.jobs.retried", "bad", None, 1),
    ] {
        assert_eq!(sum(name, queue, error), expected, "{name} of {queue}: {figures:#?}");
    }
    let unit =
        |name: &str| figures.iter().find(|figure| figure.name == name).map(|figure| figure.unit.as_str());
    assert_eq!(unit("messaging.process.duration"), Some("s"));
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nobody_up_and_is_told_of_once() {
    let (redis, mut backend) = (Redis::start(), Backend::start().await);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], process::free_port()));
    let endpoint = format!("http://{address}");
    let config = config(&redis, &to("mail", &format!("{}/ok", backend.url)));
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), SOON[0], ("OTEL_METRICS_EXPORTER", "none")];
    let program = Program::start(&config, &["run"], &variables);
    let mut mail = BullQueue::open_mq(6, &redis.url(), "mail", &json!({})).await;
    let is_told = |output: &str| output.matches("collector does not take what is sent").count();
    for _ in 0..20 {
        let id = mail.add("welcome", json!({}), json!({})).await;
        mail.finished(&id).await.unwrap();
        backend.asked().await;
    }
    wait::until("the first batch that nobody takes", async || is_told(&program.output()) == 1).await;
    let id = mail.add("welcome", json!({}), json!({})).await;
    mail.finished(&id).await.unwrap();
    // Once it is there, what comes from then on is taken.
    let collector = Collector::on(tokio::net::TcpListener::bind(address).await.unwrap());
    let id = mail.add("welcome", json!({}), json!({})).await;
    mail.finished(&id).await.unwrap();
    collector.span(&id, 0).await;
    mail.close().await;
    let ended = stopped(program).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert_eq!(is_told(&ended.output), 1, "{}", ended.output);
    assert!(ended.output.contains("takes what is sent again"), "{}", ended.output);
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_keep_a_process_from_ending() {
    let (redis, mut backend) = (Redis::start(), Backend::start().await);
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let config = config(&redis, &to("mail", &format!("{}/ok", backend.url)));
    let program =
        Program::start(&config, &["run"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), SOON[0]]);
    let mut mail = BullQueue::open_mq(6, &redis.url(), "mail", &json!({})).await;
    let id = mail.add("welcome", json!({}), json!({})).await;
    mail.finished(&id).await.unwrap();
    backend.asked().await;
    mail.close().await;
    let ended = stopped(program).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
}

#[tokio::test]
async fn a_run_that_its_callback_ends_has_a_span_that_says_how() {
    let (redis, mut backend, collector) = (Redis::start(), Backend::start().await, Collector::start().await);
    let config = config(&redis, &to("mail", &format!("{}/detaches", backend.url)));
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), SOON[0], SOON[1]];
    let _program = Program::start(&config, &["run"], &variables);
    let mut mail = BullQueue::open_mq(6, &redis.url(), "mail", &json!({})).await;
    for (what, body, outcome) in [
        ("complete", json!({"minutes": 12}), "completed"),
        ("fail", json!({"message": "too long"}), "failed"),
    ] {
        let id = mail.add("video", json!({}), json!({})).await;
        let asked = backend.asked().await;
        let url = format!("{}/{what}", asked.header("job-callback"));
        assert_eq!(call_back(&url, asked.header("job-token"), &body.to_string()).await, 200);
        let (_, span) = collector.span(&id, 0).await;
        assert_eq!(attributes(&span.attributes)["bullock.outcome"], outcome);
        assert_eq!(status(&span).0 == StatusCode::Error as i32, outcome == "failed", "{span:?}");
    }
    mail.close().await;
}
