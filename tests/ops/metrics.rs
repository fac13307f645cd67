//! The Grafana board and the alert rules use names that `/metrics` has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::read;
use super::support::metrics::{endings, families, of_everything};

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
async fn the_board_and_the_rules_name_only_what_is_exported() {
    let text = of_everything().await;
    let mut exported: BTreeSet<String> = BTreeSet::new();
    for (name, kind, _) in families(&text) {
        exported.extend(endings(kind).iter().map(|ending| format!("{name}{ending}")));
    }
    let board: Value = serde_json::from_str(&read("config/grafana-dashboard.json")).unwrap();
    let mut found = Vec::new();
    expressions(&board, &mut found);
    assert!(found.len() > 20, "{found:?}");
    let rules =
        [("alerts.yml", read("config/alerts.yml")), ("alerts.test.yml", read("config/alerts.test.yml"))];
    for (file, text) in rules.into_iter().chain([("grafana-dashboard.json", found.join("\n"))]) {
        assert!(!names(&text).is_empty(), "{file}");
        for name in names(&text) {
            assert!(exported.contains(&name), "config/{file}: nothing exports {name}: {exported:#?}");
        }
    }
}
