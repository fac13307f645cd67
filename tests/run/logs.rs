//! The lines of JSON that every run leaves in the log of the real binary.

use serde_json::{Value, json};

use crate::backend::Backend;
use crate::program::Program;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

/// The lines about one job, in their order.
fn lines(output: &str, id: &str) -> Vec<Value> {
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["job_id"] == id).collect()
}

async fn both_lines(program: &Program, id: &str) -> (Value, Value) {
    wait::until("the line of its end", async || lines(&program.output(), id).len() >= 2).await;
    let lines = lines(&program.output(), id);
    assert_eq!(lines.len(), 2, "one at its start and one at its end: {lines:#?}");
    (lines[0].clone(), lines[1].clone())
}

#[tokio::test]
async fn a_run_has_a_line_at_its_start_and_one_at_its_end_with_all_that_is_known_of_it() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let text = format!(
        "[redis]\nurl = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[worker]\nname = \"w-1\"\n\
         [log]\nformat = \"json\"\ndata_keys = [\"data.store\", \"data.customer\"]\nredact = [\"data.customer.email\"]\n\
         [queues.mail.handlers.good]\nhttp = \"{}/ok\"\n[queues.mail.handlers.bad]\nexec = [\"/bin/false\"]\n",
        redis.url(),
        backend.url
    );
    let program = Program::start(&text, &["run"], &[]);
    let mut mail = BullQueue::open(&redis.url(), "mail").await;
    let data = json!({"store": "acme", "customer": {"id": 7, "email": "ada@example.com"}, "card": "4111"});
    let good = mail.add("good", data.clone(), json!({})).await;
    let (start, end) = both_lines(&program, &good).await;
    let handler = format!("http {}", backend.url.trim_start_matches("http://"));
    let shown = json!({"store": "acme", "customer": {"id": 7, "email": "[redacted]"}});
    for line in [&start, &end] {
        for (name, expected) in [
            ("level", json!("info")),
            ("queue", json!("mail")),
            ("job_id", json!(good)),
            ("job_name", json!("good")),
            ("attempt", json!(1)),
            ("worker_id", json!("w-1")),
            ("handler", json!(handler)),
            ("data", shown.clone()),
        ] {
            assert_eq!(line[name], expected, "{name}: {line}");
        }
        assert!(
            line["ts"].is_string() && line["target"].as_str().unwrap().starts_with("bullock::"),
            "{line}"
        );
        for absent in ["error", "trace_id", "span_id"] {
            assert_eq!(line.get(absent), None, "{absent}: {line}");
        }
    }
    assert_eq!((&start["msg"], &end["msg"]), (&json!("started"), &json!("ended")));
    assert_eq!((&end["outcome"], &end["status"]), (&json!("completed"), &json!(200)), "{end}");
    assert!(end["duration_s"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{end}");
    assert!(
        start.get("outcome").is_none() && start.get("status").is_none() && start.get("duration_s").is_none()
    );

    let bad = mail.add("bad", data, json!({})).await;
    let (_, end) = both_lines(&program, &bad).await;
    assert_eq!(
        (&end["level"], &end["outcome"], &end["handler"]),
        (&json!("warn"), &json!("failed"), &json!("exec false"))
    );
    assert!(end["error"].as_str().is_some_and(|text| text.contains("exit")), "{end}");
    assert!(end.get("status").is_none(), "no HTTP, no status: {end}");
    let output = program.output();
    assert!(!output.contains("4111") && !output.contains("ada@example.com"), "{output}");
    mail.close().await;
}
