//! `GET /openapi.json`: the `OpenAPI` 3.1 document, made from the table of routes and from the types of bodies.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::about::{About, Kind, Param, Shape};
use super::{Access, Ask, ROUTES, Route};
use crate::admin::problem::Problem;

/// What all paths of the document begin with.
const BASE: &str = "/api/v1";

pub(super) const DOCUMENT: About =
    About::new("about", "This document").answers(&[(200, "OpenAPI 3.1", None)]);

/// An error: RFC 9457 problem details.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
#[allow(dead_code, reason = "describes errors in the document; `problem` writes them")]
pub(in crate::admin) struct ProblemView {
    /// Its kind.
    #[schema(example = "urn:bullock:error:state-conflict")]
    r#type: String,
    /// The kind in words.
    title: String,
    /// The status code.
    status: u16,
    /// What is wrong, and what to do.
    detail: Option<String>,
    /// The path that was asked for.
    instance: String,
    /// Finds the request in the log of the server.
    request_id: String,
}

type Components = Vec<(String, RefOr<Schema>)>;

static TEXT: LazyLock<String> = LazyLock::new(|| build().to_string());

/// Answers it.
pub(super) async fn document(_: Ask) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(TEXT.as_str()));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn build() -> Value {
    let mut components = Components::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in ROUTES {
        let (Some(about), Some(path)) = (route.about, route.path.strip_prefix(BASE)) else { continue };
        let operation = operation(route, about, &mut components);
        paths.entry(path).or_default().insert(route.method.to_lowercase(), operation);
    }
    Shape::of::<ProblemView>().referred(&mut components);
    let schemas: BTreeMap<String, Value> = components
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bullock",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Queues of Bull 4 and BullMQ: see them, steer them. Queue names and ids are percent-encoded segments of paths; \
                times are milliseconds since 1970 unless a name says otherwise; errors are RFC 9457 problem details.",
        },
        "servers": [{"url": BASE}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of admin.tokens"},
                "session": {"type": "apiKey", "in": "cookie", "name": "bullock_session", "description": "The session of a browser"},
                "run": {"type": "http", "scheme": "bearer", "description": "The token of a job's present run"},
            },
        },
    })
}

fn operation(route: &Route, about: &About, components: &mut Components) -> Value {
    let mut operation = Map::new();
    operation.insert("tags".into(), json!([about.tag]));
    operation.insert("summary".into(), about.summary.into());
    operation.insert("operationId".into(), operation_id(route).into());
    let role = match route.access {
        Access::Open => "Nobody is asked who they are.".to_owned(),
        Access::RunToken => "With the token of the job's present run.".to_owned(),
        Access::Signature => "With the sender's signature over the body; no token.".to_owned(),
        Access::Role(role) => format!("With the role {} or a higher one.", role.as_str()),
    };
    operation.insert("description".into(), role.into());
    match route.access {
        Access::Open | Access::Signature => drop(operation.insert("security".into(), json!([{}]))),
        Access::RunToken => drop(operation.insert("security".into(), json!([{"run": []}]))),
        Access::Role(_) => {}
    }
    let in_path = path_names(route.path).map(|name| {
        json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1},
            "description": match name { "queue" => "Name of the queue, without the prefix", "org" => "Name of the organisation", "name" => "Its name", _ => "Its id" }})
    });
    let parameters: Vec<Value> = in_path.chain(about.query.iter().map(parameter)).collect();
    operation.insert("parameters".into(), parameters.into());
    if let Some(body) = about.body {
        let schema = body.shape.referred(components);
        let content = json!({"application/json": {"schema": schema}});
        operation.insert("requestBody".into(), json!({"required": !body.optional, "content": content}));
    }
    operation.insert("responses".into(), responses(route, about, components).into());
    operation.into()
}

fn responses(route: &Route, about: &About, components: &mut Components) -> Map<String, Value> {
    let mut responses = Map::new();
    for (status, meaning, shape) in about.answers {
        let mut response = json!({"description": meaning});
        if let Some(shape) = shape {
            response["content"] = json!({"application/json": {"schema": shape.referred(components)}});
        } else if *status == 200 && about.stream.is_none() {
            response["content"] = json!({"application/json": {"schema": {}}});
        }
        if let Some(media) = about.stream.filter(|_| *status == 200) {
            let text = json!({"type": "string"});
            // One event; a stream has any number of them.
            response["content"][media] = json!({"schema": {"type": "object",
                "properties": {"id": text, "event": text, "data": text}}});
        }
        responses.insert(status.to_string(), response);
    }
    let has_body = about.body.is_some();
    let asks_who = route.access != Access::Open;
    let usual = [
        (400, true),
        (401, asks_who),
        (403, asks_who),
        (408, has_body),
        (413, has_body),
        (415, has_body),
        (421, true),
        (429, asks_who),
        (500, true),
        (503, true),
    ];
    let usual = usual.into_iter().filter_map(|(status, is_usual)| is_usual.then_some(status));
    let mut refusals: Vec<u16> = usual.chain(about.refusals.iter().copied()).collect();
    refusals.sort_unstable();
    for status in refusals {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let response = json!({
            "description": status.canonical_reason().unwrap_or_default(),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        });
        responses.insert(status.as_u16().to_string(), response);
    }
    responses
}

fn parameter(param: &Param) -> Value {
    let schema = match param.kind {
        Kind::Text => json!({"type": "string", "minLength": 1, "maxLength": 1024}),
        Kind::Word(words) => json!({"type": "string", "enum": words}),
        Kind::Words(words) => {
            json!({"type": "string", "pattern": words_pattern(words), "example": words.join(",")})
        }
        Kind::Number(least, most, default) => {
            json!({"type": "integer", "minimum": least, "maximum": most, "default": default})
        }
        Kind::Whole(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::Time => {
            json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": 8_640_000_000_000_000_u64})
        }
        Kind::Duration(_, most, default) => {
            json!({"type": "string", "pattern": "^[0-9]+(ms|s|m)$", "default": format!("{default}ms"), "example": format!("{}s", most / 1000)})
        }
        Kind::Flag(default) => json!({"type": "boolean", "default": default}),
    };
    let schema = if param.most > 1 {
        json!({"type": "array", "items": schema, "maxItems": param.most})
    } else {
        schema
    };
    json!({"name": param.name, "in": "query", "required": param.needed, "description": param.help, "schema": schema,
        "explode": true})
}

fn words_pattern(words: &[&str]) -> String {
    let any = words.join("|");
    format!("^({any})(,({any}))*$")
}

fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// `get_queues_queue_jobs`: the method and the path's words.
fn operation_id(route: &Route) -> String {
    let words = route.path.trim_start_matches(BASE).split(['/', '.']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| word.trim_matches(['{', '}'])).collect();
    format!("{}_{}", route.method.to_lowercase(), words.join("_"))
}
