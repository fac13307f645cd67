//! The `OpenAPI` document against the running server: every operation answers what the document says, both ways.

use std::collections::BTreeMap;
use std::time::Duration;

use bullock::admin::hooks::{HookOptions, Signature};

use serde_json::{Value, json};

use crate::site::{Site, claim, fail_next, run_token};
use crate::support::http::Answer;

/// One request and the status that it must have.
struct Case {
    operation: String,
    token: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    status: u16,
}

fn case(operation: impl Into<String>, path: impl Into<String>, body: Option<Value>, status: u16) -> Case {
    Case { operation: operation.into(), token: "admin", path: path.into(), headers: Vec::new(), body, status }
}

/// Requests that are served, in an order in which they can be; then some that are not.
#[allow(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let job = "/queues/shop/jobs/{id}";
    let scheduler = "/queues/pdf/schedulers/nightly";
    let reason = || Some(json!({"reason": "because"}));
    vec![
        case("GET /openapi.json", "/openapi.json", None, 200),
        case("GET /openapi.json", "/openapi.json?x=1", None, 400),
        case("GET /queues", "/queues", None, 200),
        case("GET /queues", "/queues?page=1", None, 400),
        case("GET /queues/{queue}", "/queues/shop", None, 200),
        case("GET /queues/{queue}", "/queues/nowhere", None, 404),
        case("POST /queues/{queue}/pause", "/queues/shop/pause", reason(), 200),
        case("POST /queues/{queue}/pause", "/queues/nowhere/pause", None, 404),
        case("POST /queues/{queue}/resume", "/queues/shop/resume", None, 200),
        case("POST /queues/{queue}/resume", "/queues/shop/resume", Some(json!({"why": "x"})), 400),
        case(
            "POST /queues/{queue}/jobs",
            "/queues/shop/jobs",
            Some(json!({"name": "sync", "opts": {"jobId": "new"}})),
            201,
        ),
        case(
            "POST /queues/{queue}/jobs",
            "/queues/shop/jobs",
            Some(json!({"name": "sync", "opts": {"jobId": "new"}})),
            200,
        ),
        case(
            "POST /queues/{queue}/jobs",
            "/queues/pdf/jobs",
            Some(json!([{"name": "render"}, {"name": "render", "data": 5}])),
            201,
        ),
        case("POST /queues/{queue}/jobs", "/queues/shop/jobs", Some(json!({"data": 1})), 400),
        case(
            "GET /queues/{queue}/jobs",
            "/queues/shop/jobs?state=failed,waiting&where=data.shop=acme&limit=1",
            None,
            200,
        ),
        case("GET /queues/{queue}/jobs", "/queues/pdf/jobs", None, 200),
        case("GET /queues/{queue}/jobs", "/queues/shop/jobs?limit=0", None, 400),
        case(
            "GET /queues/{queue}/jobs/{id}",
            format!("{job}?include=logs,attempts,children,audit"),
            None,
            200,
        ),
        case("GET /queues/{queue}/jobs/{id}", "/queues/shop/jobs/gone", None, 404),
        case("GET /queues/{queue}/jobs/{id}/wait", format!("{job}/wait?timeout=100ms"), None, 200),
        case("GET /queues/{queue}/jobs/{id}/wait", "/queues/shop/jobs/new/wait?timeout=100ms", None, 202),
        case("GET /queues/{queue}/jobs/{id}/wait", format!("{job}/wait?timeout=31s"), None, 400),
        case("GET /queues/{queue}/jobs/{id}/logs", format!("{job}/logs"), None, 200),
        case("GET /queues/{queue}/jobs/{id}/logs", "/queues/shop/jobs/gone/logs", None, 404),
        case(
            "PATCH /queues/{queue}/jobs/{id}",
            "/queues/shop/jobs/new",
            Some(json!({"data": {"shop": "b"}})),
            200,
        ),
        case("PATCH /queues/{queue}/jobs/{id}", "/queues/shop/jobs/new", Some(json!({"delay": 5})), 409),
        case("PATCH /queues/{queue}/jobs/{id}", "/queues/pdf/jobs/first", Some(json!({"priority": 5})), 200),
        Case {
            headers: vec![("if-match", "\"0000\"".to_owned())],
            ..case("PATCH /queues/{queue}/jobs/{id}", "/queues/shop/jobs/new", Some(json!({"data": 1})), 412)
        },
        case(
            "POST /queues/{queue}/jobs/{id}/duplicate",
            format!("{job}/duplicate"),
            Some(json!({"data": {"n": 1}})),
            201,
        ),
        case("POST /queues/{queue}/jobs/{id}/duplicate", "/queues/shop/jobs/gone/duplicate", None, 404),
        case("POST /queues/{queue}/jobs/{id}/promote", "/queues/pdf/jobs/later/promote", None, 200),
        case("POST /queues/{queue}/jobs/{id}/promote", "/queues/pdf/jobs/later/promote", None, 409),
        case("POST /queues/{queue}/jobs/{id}/retry", format!("{job}/retry"), reason(), 200),
        case("POST /queues/{queue}/jobs/{id}/retry", format!("{job}/retry"), None, 409),
        case("POST /queues/{queue}/jobs/{id}/cancel", "/queues/pdf/jobs/held/cancel", reason(), 202),
        case("POST /queues/{queue}/jobs/{id}/cancel", format!("{job}/cancel"), None, 200),
        case("POST /queues/{queue}/jobs/{id}/cancel", "/queues/shop/jobs/gone/cancel", None, 404),
        case("POST /queues/{queue}/jobs/{id}/kill", "/queues/pdf/jobs/held/kill", reason(), 202),
        case("POST /queues/{queue}/jobs/{id}/kill", format!("{job}/kill"), None, 200),
        case("POST /queues/{queue}/jobs/{id}/kill", "/queues/shop/jobs/gone/kill", None, 404),
        case("POST /queues/{queue}/jobs/{id}/force-done", "/queues/pdf/jobs/held/force-done", reason(), 200),
        case("POST /queues/{queue}/jobs/{id}/force-done", "/queues/pdf/jobs/held/force-done", None, 400),
        case("POST /queues/{queue}/jobs/{id}/kill", "/queues/pdf/jobs/held/kill", None, 409),
        case("DELETE /queues/{queue}/jobs/{id}", "/queues/shop/jobs/new?children=false", reason(), 200),
        case("DELETE /queues/{queue}/jobs/{id}", "/queues/shop/jobs/new", None, 404),
        case(
            "POST /queues/{queue}/bulk",
            "/queues/shop/bulk",
            Some(json!({"action": "retry", "dryRun": true})),
            202,
        ),
        case("POST /queues/{queue}/bulk", "/queues/shop/bulk", Some(json!({"action": "remove"})), 400),
        case("GET /operations", "/operations", None, 200),
        case("GET /operations", "/operations?x=1", None, 400),
        case("GET /operations/{id}", "/operations/{operation}", None, 200),
        case("GET /operations/{id}", "/operations/gone", None, 404),
        case("POST /operations/{id}/stop", "/operations/{operation}/stop", None, 200),
        case("POST /operations/{id}/stop", "/operations/gone/stop", None, 404),
        case("GET /workers", "/workers", None, 200),
        case("GET /workers", "/workers?x=1", None, 400),
        case("POST /workers/{id}/quiet", "/workers/w-1/quiet", reason(), 200),
        case("POST /workers/{id}/quiet", "/workers/nobody/quiet", None, 404),
        case("POST /workers/{id}/resume", "/workers/w-1/resume", None, 200),
        case("POST /workers/{id}/resume", "/workers/nobody/resume", None, 404),
        case(
            "PUT /queues/{queue}/schedulers/{id}",
            scheduler,
            Some(json!({"every": 60_000, "name": "render", "data": {"n": 1}})),
            200,
        ),
        case("PUT /queues/{queue}/schedulers/{id}", scheduler, Some(json!({})), 400),
        case(
            "PUT /queues/{queue}/schedulers/{id}",
            "/queues/shop/schedulers/x",
            Some(json!({"every": 60_000})),
            409,
        ),
        case("GET /schedulers", "/schedulers", None, 200),
        case("GET /schedulers", "/schedulers?x=1", None, 400),
        case("GET /queues/{queue}/schedulers", "/queues/pdf/schedulers", None, 200),
        case("GET /queues/{queue}/schedulers", "/queues/nowhere/schedulers", None, 404),
        case("GET /queues/{queue}/schedulers/{id}", scheduler, None, 200),
        case("GET /queues/{queue}/schedulers/{id}", "/queues/pdf/schedulers/gone", None, 404),
        case("POST /queues/{queue}/schedulers/{id}/run", format!("{scheduler}/run"), None, 201),
        case("POST /queues/{queue}/schedulers/{id}/run", "/queues/pdf/schedulers/gone/run", None, 404),
        case("DELETE /queues/{queue}/schedulers/{id}", scheduler, None, 200),
        case("DELETE /queues/{queue}/schedulers/{id}", scheduler, None, 404),
        case("GET /flows/{queue}/{id}", "/flows/pdf/parent?depth=3", None, 200),
        case("GET /flows/{queue}/{id}", "/flows/pdf/gone", None, 404),
        case("GET /stats", "/stats", None, 200),
        case("GET /stats", "/stats?queue=nowhere", None, 404),
        case("GET /history", "/history?queue=shop&by=day", None, 200),
        case("GET /history", "/history?by=day", None, 400),
        case("GET /history", "/history?queue=shop&from=5&to=4", None, 400),
        case("GET /history", "/history?queue=nowhere", None, 404),
        case("GET /history/runs", "/history/runs?queue=shop", None, 200),
        case("GET /history/runs", "/history/runs?queue=shop&cursor=x", None, 400),
        case("GET /failed", "/failed?groupBy=error", None, 200),
        case("GET /failed", "/failed?groupBy=class&queue=shop", None, 200),
        case("GET /failed", "/failed?groupBy=shop", None, 400),
        case("GET /scale", "/scale?queue=shop&per=2", None, 200),
        case("GET /scale", "/scale", None, 400),
        case("GET /scale", "/scale?queue=nowhere", None, 404),
        case("GET /health", "/health", None, 200),
        case("GET /health", "/health?x=1", None, 400),
        case("GET /session", "/session", None, 200),
        Case { token: "nobody", ..case("GET /session", "/session", None, 401) },
        Case { token: "", ..case("POST /login", "/login", Some(json!({"token": "viewer"})), 200) },
        Case { token: "", ..case("POST /login", "/login", Some(json!({"token": "nobody"})), 401) },
        case("POST /logout", "/logout", None, 204),
        Case {
            headers: vec![("origin", "https://evil.test".to_owned())],
            ..case("POST /logout", "/logout", None, 403)
        },
        case("GET /zombies", "/zombies", None, 200),
        case("GET /zombies", "/zombies?queue=nowhere", None, 404),
        case(
            "POST /zombies/resolve",
            "/zombies/resolve",
            Some(json!({"queue": "shop", "ids": ["first"], "action": "requeue"})),
            200,
        ),
        case("POST /zombies/resolve", "/zombies/resolve", Some(json!({"queue": "shop", "ids": []})), 400),
        case("GET /audit", "/audit?limit=5", None, 200),
        case("GET /audit", "/audit?limit=900", None, 400),
        case("POST /queues/{queue}/clean", "/queues/shop/clean", Some(json!({"state": "failed"})), 200),
        case("POST /queues/{queue}/clean", "/queues/shop/clean", Some(json!({"state": "nonsense"})), 400),
        case("POST /queues/{queue}/drain", "/queues/pdf/drain", Some(json!({"delayed": false})), 200),
        case("POST /queues/{queue}/drain", "/queues/shop/drain", Some(json!({"delayed": false})), 409),
        case(
            "POST /queues/{queue}/obliterate",
            "/queues/shop/obliterate",
            Some(json!({"confirm": "Shop"})),
            400,
        ),
        case(
            "POST /queues/{queue}/obliterate",
            "/queues/shop/obliterate",
            Some(json!({"confirm": "shop"})),
            200,
        ),
    ]
}

/// Those of syncs, of which there are two paths each.
fn cases_of_syncs(base: &str, named: &str, key: &str) -> Vec<Case> {
    let one = format!("{base}/{{queue}}/{{id}}");
    let sync = |id: &str, act: &str| format!("{named}/shop/{id}{act}");
    let body = Some(json!({"queue": "shop", "name": key, "opts": {"jobId": key}}));
    let because = || Some(json!({"reason": "because"}));
    let mut cases = vec![
        case(format!("POST {base}"), named, body.clone(), 201),
        case(format!("POST {base}"), named, body.clone(), 200),
        case(format!("POST {base}"), named, Some(json!({"queue": "shop"})), 400),
        case(format!("GET {base}"), named, None, 200),
        case(format!("GET {base}"), format!("{named}?limit=0"), None, 400),
        case(format!("GET {one}"), sync(key, ""), None, 200),
        case(format!("GET {one}"), sync("gone", ""), None, 404),
        case(format!("POST {one}/pause"), sync(key, "/pause"), because(), 200),
        case(format!("POST {one}/pause"), sync("gone", "/pause"), None, 404),
        case(format!("POST {one}/resume"), sync(key, "/resume"), None, 200),
        case(format!("POST {one}/resume"), sync("gone", "/resume"), None, 404),
        case(format!("POST {base}"), format!("{named}/shop/{key}/pause"), None, 200),
        case(format!("POST {base}"), named, body, 202),
        case(format!("POST {one}/retry-items"), sync(key, "/retry-items"), None, 409),
        case(format!("POST {one}/retry-items"), format!("{named}/shop/{{synced}}/retry-items"), None, 200),
        case(format!("POST {one}/cancel"), sync(key, "/cancel"), because(), 200),
        case(format!("POST {one}/cancel"), sync("gone", "/cancel"), None, 404),
        case(format!("POST {one}/force-done"), sync(key, "/force-done"), None, 400),
        case(format!("POST {one}/force-done"), sync(key, "/force-done"), because(), 200),
    ];
    // Pausing it is no start.
    cases[11].operation = format!("POST {one}/pause");
    for part in ["items", "timeline"] {
        cases.push(case(format!("GET {one}/{part}"), sync(key, &format!("/{part}")), None, 200));
        cases.push(case(format!("GET {one}/{part}"), sync("gone", &format!("/{part}")), None, 404));
    }
    cases
}

#[tokio::test]
async fn every_operation_of_the_document_answers_as_it_says_when_it_serves_and_when_it_refuses() {
    let site = Site::start_with(|options| options.hooks.push(hook())).with_jobs().await;
    let failed = fail_next(site.shop.store(), "HTTP 429: slow down").await;
    assert_eq!(failed, "first");
    site.pdf.add("render", &json!({}), json!({"jobId": "later", "delay": 600_000})).await.unwrap();
    site.pdf.add("render", &json!({}), json!({"jobId": "held", "lifo": true})).await.unwrap();
    assert_eq!(claim(site.pdf.store(), &run_token(5)).await, "held");
    let flow = bullock::store::flow::Flow::new("pdf", "bind", json!({}))
        .opts(json!({"jobId": "parent"}))
        .child(bullock::store::flow::Flow::new("pdf", "page", json!({"page": 1})));
    site.pdf.add_flow(&flow).await.unwrap();
    let mut synced = Vec::new();
    for org in [None, Some("acme")] {
        let opts = json!({"lifo": true});
        let start = bullock::store::sync::start::Start { org, several: true, ..Default::default() };
        let actor = bullock::store::actor::Actor::default();
        let started = site.shop.start_sync(&actor, &start, "import", &json!({}), opts).await.unwrap();
        let token = run_token(50 + synced.len());
        assert_eq!(claim(site.shop.store(), &token).await, started.id.as_str());
        crate::syncs::commit(site.shop.store(), started.id.as_str(), &token).await;
        site.shop.store().force_done(&actor, started.id.as_str()).await.unwrap();
        synced.push(started.id.to_string());
    }
    site.pdf.add("render", &json!({}), json!({"jobId": "kept", "lifo": true})).await.unwrap();
    assert_eq!(claim(site.pdf.store(), &run_token(6)).await, "kept");
    let document = site.get("/openapi.json").await;

    let (mut reached, mut operation) = (BTreeMap::<String, (bool, bool)>::new(), String::new());
    let of_syncs = cases_of_syncs("/syncs", "/syncs", "any");
    let of_org = cases_of_syncs("/orgs/{org}/syncs", "/orgs/acme/syncs", "own");
    for case in of_syncs.into_iter().chain(of_org).chain(cases()) {
        let org = usize::from(case.path.starts_with("/orgs/"));
        let path = case.path.replace("{id}", &failed).replace("{operation}", &operation);
        let path = path.replace("{synced}", &synced[org]);
        let method = case.operation.split(' ').next().unwrap();
        let headers: Vec<(&str, &str)> =
            case.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = case.body.as_ref().map(Value::to_string);
        let answer = site.send_with(case.token, method, &path, &headers, body.as_deref()).await;
        assert_eq!(answer.status, case.status, "{method} {path}: {answer:?}");
        assert_as_documented(&document, &case.operation, &answer);
        let seen = reached.entry(case.operation.clone()).or_default();
        if answer.status < 300 {
            seen.0 = true;
        } else {
            seen.1 = true;
        }
        if case.operation.ends_with("/bulk") && answer.status == 202 {
            operation = answer.json()["id"].as_str().unwrap().to_owned();
        }
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (body, status) in [("webhook_id=1", 200), ("{}", 401)] {
        let answer = site.send_with("", "POST", "/hooks/woo", &form, Some(body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_as_documented(&document, "POST /hooks/{name}", &answer);
    }
    reached.insert("POST /hooks/{name}".to_owned(), (true, true));
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let operation = format!("{} {path}", method.to_uppercase());
            // Streams and callbacks are reached by tests of their own, which need a client or a run.
            if ["live", "callbacks"].contains(&document["paths"][path][method]["tags"][0].as_str().unwrap()) {
                continue;
            }
            assert_eq!(reached.get(&operation), Some(&(true, true)), "{operation} was not reached both ways");
        }
    }
}

/// A webhook; what it takes from shops is in tests/webhooks.
fn hook() -> HookOptions {
    HookOptions {
        name: "woo".into(),
        queue: "shop".into(),
        job: "order".into(),
        signature: Signature::WooCommerce,
        secrets: vec!["secret".into()],
        org: None,
        dedupe: None,
        dedupe_for: Duration::from_hours(1),
        tolerance: Duration::from_mins(5),
        body_bytes_max: 1024,
        attempts: 1,
    }
}

/// The status is one of the operation's, and the body fits the schema of it.
fn assert_as_documented(document: &Value, operation: &str, answer: &Answer) {
    let (method, path) = operation.split_once(' ').unwrap();
    let described = &document["paths"][path][method.to_lowercase()];
    let response = &described["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{operation} does not say that it answers {}", answer.status);
    if answer.status == 204 {
        return;
    }
    let kind = answer.header("content-type").unwrap();
    let mut schema = response["content"][kind]["schema"].clone();
    assert!(schema.is_object(), "{operation} does not say that {} is {kind}", answer.status);
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let body = answer.json();
    let errors: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{operation} {}: {errors:#?}\n{body:#}", answer.status);
}

#[tokio::test]
async fn the_document_is_whole() {
    let site = Site::start();
    let document = site.get("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    for (at, _) in text.match_indices("\"#/components/schemas/") {
        let name = text[at + 22..].split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is referred to and missing");
    }
    let mut ids = std::collections::HashSet::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
            assert!(!operation["summary"].as_str().unwrap().is_empty());
        }
    }
    let (mut described, mut outside) = (0, Vec::new());
    for route in bullock::admin::routes::ROUTES {
        let Some(path) = route.path.strip_prefix("/api/v1") else {
            outside.push(route.path);
            continue;
        };
        let operation = &document["paths"][path][route.method.to_lowercase()];
        assert!(operation.is_object(), "{} {path} is not in the document", route.method);
        described += 1;
    }
    let listed: usize =
        document["paths"].as_object().unwrap().values().map(|m| m.as_object().unwrap().len()).sum();
    assert_eq!(listed, described, "the document has operations that are no routes");
    assert_eq!(outside, ["/livez", "/healthz", "/readyz", "/metrics", "/login/once/{code}"]);
}
