//! The Grafana board and the alert rules use names that `/metrics` has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::read;
use super::support::bullock::{Bullock, cli};
use super::support::redis::Redis;
use super::support::wait;

const CONFIG: &str = r#"
[redis]
url = "${REDIS_URL}"
[queues.mail.handlers."*"]
http = "http://127.0.0.1:9/jobs"
"#;

/// Names in a text that look like ours, or the process' own.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("bullock_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

/// All expressions of the board: of its panels and of its variables.
fn expressions(board: &Value, found: &mut Vec<String>) {
    match board {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "expr" || name == "definition" => found.push(text.clone()),
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_board_and_the_rules_name_only_what_is_exported_and_every_name_of_ours_is_on_the_page() {
    let redis = Redis::start();
    let url = redis.url();
    let bullock = Bullock::run_with(CONFIG, &[("REDIS_URL", &url)]).await;
    let added = cli(&["job", "add", "mail", "x", "-r", &url], &[]).await;
    assert_eq!(added.code, 0, "{added:?}");
    let text = wait::value("the handler's figures", async || {
        let (_, text) = bullock.get("/metrics").await.ok()?;
        text.contains("bullock_handler_requests_total{").then_some(text)
    })
    .await;
    let mut exported: BTreeSet<String> = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        exported.extend(endings.iter().map(|ending| format!("{name}{ending}")));
    }
    let board: Value = serde_json::from_str(&read("config/grafana-dashboard.json")).unwrap();
    let mut found = Vec::new();
    expressions(&board, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for (file, text) in [
        ("board", found.join("\n")),
        ("alerts", read("config/alerts.yml")),
        ("tests", read("config/alerts.test.yml")),
    ] {
        for name in names(&text) {
            assert!(exported.contains(&name), "{file}: nothing exports {name}: {exported:#?}");
        }
    }
}
