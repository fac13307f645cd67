//! A real Express backend that checks signatures with npm `standardwebhooks`.

use std::process::Stdio;

use bullock::handler::http::HttpOptions;
use bullock::handler::{Handler as _, idempotency};
use bullock::http::sign::{Secret, signature};
use bullock::job::outcome::{Outcome, ReasonClass};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::support::{DEADLINE, failure, finish, http, job, result, run};

const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Longer than 24 bytes and not base64.
const RAW: &str = "raw secret of the shop, not base64";

/// The backend; its process ends with the value.
struct Express {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Express {
    async fn start(secret: &str) -> Self {
        let node = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/handler/node");
        assert!(
            std::path::Path::new(node).join("node_modules/express").is_dir(),
            "tests/handler/node/node_modules is missing: run `npm ci` in tests/handler/node"
        );
        let mut child = Command::new("node")
            .arg("backend.mjs")
            .current_dir(node)
            .env("SECRET", secret)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node is needed for this test");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut express = Self { _child: child, lines, port: 0 };
        let line = express.line().await;
        express.port = line.strip_prefix("port ").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        express
    }

    /// The next thing that it says.
    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(DEADLINE, self.lines.next_line()).await;
        line.expect("the backend said nothing").unwrap().expect("the backend ended")
    }

    fn options(&self, route: &str, secrets: &[&str]) -> HttpOptions {
        HttpOptions {
            secrets: secrets.iter().map(|text| Secret::parse(text).unwrap()).collect(),
            ..HttpOptions::new(format!("http://127.0.0.1:{}{route}", self.port))
        }
    }
}

#[tokio::test]
async fn a_signed_job_is_accepted_and_its_body_is_whole() {
    let backend = Express::start(NEW).await;
    let run = run();
    let told = result(finish(&http(backend.options("/signed", &[NEW])), job(), &run).await);
    assert_eq!(told["id"], idempotency::key(&run.ctx.run, &job()));
    assert_eq!(told["body"], job().data.as_str());
}

#[tokio::test]
async fn while_secrets_are_rotated_both_sides_may_change_in_any_order() {
    let backend = Express::start(OLD).await;
    let both = http(backend.options("/signed", &[NEW, OLD]));
    result(finish(&both, job(), &run()).await);
    let only_new = failure(finish(&http(backend.options("/signed", &[NEW])), job(), &run()).await);
    assert!(only_new.message.contains("No matching signature found"), "{}", only_new.message);
}

#[tokio::test]
async fn a_secret_that_is_not_base64_signs_as_it_is() {
    let backend = Express::start(RAW).await;
    result(finish(&http(backend.options("/signed", &[RAW])), job(), &run()).await);
}

#[tokio::test]
async fn an_unsigned_job_is_refused_by_such_a_backend_and_the_handler_shown_as_refused() {
    let backend = Express::start(NEW).await;
    let handler = http(backend.options("/signed", &[]));
    let told = failure(finish(&handler, job(), &run()).await);
    assert!(told.retryable && told.message.contains("Missing required headers"), "{}", told.message);
    assert!(told.stack.unwrap().contains("(HTTP 401)"));
    assert_eq!(handler.health().refusals(), 1);
}

#[test]
fn the_signature_covers_id_time_and_body() {
    let secrets = [Secret::parse(OLD).unwrap()];
    // The example of the specification's libraries.
    let signed =
        signature(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    for (id, time, body) in [("b", 1, "c"), ("a", 2, "c"), ("a", 1, "d")] {
        let tampered = signature(&secrets, id, time, body.as_bytes());
        assert_ne!(tampered, signature(&secrets, "a", 1, b"c"));
    }
    let two = [Secret::parse(NEW).unwrap(), Secret::parse(OLD).unwrap()];
    let both = signature(&two, "a", 1, b"c");
    assert_eq!(both.split(' ').count(), 2);
    assert!(both.ends_with(&signature(&secrets, "a", 1, b"c")));
}

#[tokio::test]
async fn an_error_that_express_renders_itself_is_a_retryable_failure() {
    let backend = Express::start(NEW).await;
    let told = failure(finish(&http(backend.options("/throws", &[])), job(), &run()).await);
    assert!(told.retryable && told.message.contains("shop is closed"), "{}", told.message);
}

#[tokio::test]
async fn a_route_streams_progress_and_its_result() {
    let backend = Express::start(NEW).await;
    let run = run();
    let told = result(finish(&http(backend.options("/streams", &[])), job(), &run).await);
    assert_eq!(told, json!({ "pages": 3 }));
    assert_eq!(run.record.writes().len(), 3);
    assert_eq!(run.record.logs(), [""; 0]);
}

#[tokio::test]
async fn a_cancelled_job_is_seen_by_express_as_a_closed_response() {
    let mut backend = Express::start(NEW).await;
    let run = run();
    let handler = http(backend.options("/hangs", &[]));
    let running = tokio::spawn(handler.run(job().into(), run.ctx.clone()));
    assert_eq!(backend.line().await, "working on 20");
    run.cancel.cancel();
    assert_eq!(backend.line().await, "closed 20");
    match running.await.unwrap() {
        Outcome::Failed(failure) => assert_eq!(failure.class, ReasonClass::Cancelled),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn many_jobs_in_a_row_are_served_by_express() {
    let backend = Express::start(NEW).await;
    let handler = http(backend.options("/ok", &[]));
    for _ in 0..200 {
        assert_eq!(result(finish(&handler, job(), &run()).await), "ok");
    }
}
