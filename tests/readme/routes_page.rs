//! docs/reference/routes.md agrees with the server: it is made from its `OpenAPI` document.
//!
//! After a change of the routes: `UPDATE_DOCS=1 cargo test --test readme routes_page`

use std::fmt::Write as _;

use serde_json::Value;

use crate::blocks;
use crate::support::bullock::Bullock;
use crate::support::redis::Redis;

const PAGE: &str = "docs/reference/routes.md";
const HEAD: &str = "\
<!-- Made from the OpenAPI document: UPDATE_DOCS=1 cargo test --test readme routes_page -->

# Routes

All routes of the HTTP API, which are below `/api/v1`. `GET /api/v1/openapi.json` has their parameters, bodies and answers; [the page on the API](../api.md) says what holds for all of them.
";
const CONFIG: &str = r#"
[redis]
url = "${REDIS_URL}"
[queues.mail.handlers]
"*" = { exec = ["true"] }
"#;
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The routes by tag, as the document names them.
fn tables(document: &Value) -> String {
    let mut page = String::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut sections: Vec<(String, String)> = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in METHODS.iter().filter(|method| operations.get(**method).is_some()) {
            let operation = &operations[*method];
            let tag = text(&operation["tags"][0]);
            let what = text(&operation["summary"]).replace('|', "\\|");
            let who = text(&operation["description"]);
            let who = who
                .trim_start_matches("With the ")
                .trim_end_matches(" or a higher one.")
                .trim_end_matches('.');
            let who = who.trim_start_matches("role ").to_owned();
            let row = format!("| `{} {path}` | {who} | {what} |\n", method.to_uppercase());
            match sections.iter_mut().find(|(of, _)| *of == tag) {
                Some((_, rows)) => rows.push_str(&row),
                None => sections.push((tag, row)),
            }
        }
    }
    sections.sort();
    for (tag, rows) in sections {
        let _ = write!(page, "\n## {tag}\n\n| Route | Who | What it does |\n|---|---|---|\n{rows}");
    }
    page
}

#[tokio::test]
async fn the_page_on_routes_is_made_from_the_document_of_the_server() {
    let redis = Redis::start();
    let bullock = Bullock::run_with(CONFIG, &[("REDIS_URL", &redis.url())]).await;
    let (status, text) = bullock.get("/api/v1/openapi.json").await.unwrap();
    assert_eq!(status, 200, "{text}");
    let made = HEAD.to_owned() + &tables(&serde_json::from_str(&text).unwrap());
    assert!(made.contains("| `GET /queues` | viewer |"), "{made}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(blocks::root().join(PAGE), made).unwrap();
        return;
    }
    assert!(
        blocks::page(PAGE) == made,
        "{PAGE} is not up to date. Run: UPDATE_DOCS=1 cargo test --test readme routes_page"
    );
}
