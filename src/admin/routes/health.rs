//! The probes: `/livez` (alias `/healthz`) and `/readyz`. Open to all, so they tell no addresses and no versions. And
//! `/api/v1/health`, which tells them to those who may look.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::future::join_all;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::about::{About, Shape};
use super::{Call, json_answer, within};
use crate::admin::guard::OwnText;
use crate::admin::live::event::now_ms;
use crate::admin::problem::Problem;
use crate::admin::server::Shared;
use crate::store::server::ServerFacts;

/// Longest wait for Redis' answer to a probe.
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);

/// The process answers; nothing else is looked at.
pub(super) async fn live(call: Call) -> Result<Response, Problem> {
    Ok(report("livez", &call, &[Check { name: "ping".into(), problem: None }]))
}

/// Every queue is really being claimed from, Redis answers, and the process is not stopping.
pub(super) async fn ready(call: Call) -> Result<Response, Problem> {
    let state = (call.shared.readiness)();
    let mut checks = Vec::with_capacity(state.queues.len() + 2);
    let problem = if redis_answers(&call.shared).await {
        state.redis.map(|reason| escaped(&reason))
    } else {
        Some("no answer".into())
    };
    checks.push(Check { name: "redis".into(), problem });
    let problem = state.draining.then_some("draining".into());
    checks.push(Check { name: "worker".into(), problem });
    for (queue, claimed) in state.queues {
        let problem = match state.reasons.get(&queue) {
            Some(reason) => Some(escaped(reason)),
            None if claimed => None,
            None => Some("not being claimed from".into()),
        };
        checks.push(Check { name: format!("queue {}", queue.escape_debug()), problem });
    }
    Ok(report("readyz", &call, &checks))
}

pub(super) const RICH: About = About::new(
    "about",
    "How the process, its Redis, its queues and its handlers do",
)
.answers(&[(200, "The word is in status: ok, degraded or down", Some(Shape::of::<HealthView>()))]);

/// How a process does.
#[derive(ToSchema)]
#[schema(as = Health, rename_all = "camelCase")]
#[allow(dead_code, reason = "describes the answer in the document")]
pub(in crate::admin) struct HealthView {
    /// ok, degraded or down.
    status: String,
    /// Of this program.
    version: String,
    /// What it was built from.
    commit: String,
    /// When the server was made, ms.
    started_at: u64,
    /// Since then.
    uptime_seconds: f64,
    /// The time of this machine, ms.
    server_time: i64,
    /// Whether Redis answers, its version, role, policy; null = it shows none.
    redis: Value,
    /// Whether the process is stopping.
    worker: Value,
    /// Those of this process, and whether they are claimed from.
    queues: Vec<Value>,
    /// Those of this process, and whether they answer.
    handlers: Vec<Value>,
    /// Streams of events.
    streams: Value,
}

/// How the process, its Redis, its queues and its handlers do. Always 200: the word is in `status`.
pub(super) async fn rich(call: Call) -> Result<Response, Problem> {
    let (shared, caller) = (&call.shared, call.caller()?);
    let state = (shared.readiness)();
    let (redis, answers, unsafe_redis) = redis_health(shared, state.redis.as_deref()).await;
    let mut impaired = unsafe_redis || state.draining;
    let mut queues = Vec::new();
    for (name, claimed) in state.queues.iter().filter(|(name, _)| caller.may(name)) {
        let problem = state.reasons.get(name);
        impaired |= !claimed || problem.is_some();
        let dialect = shared.queue(name).filter(|(store, _)| store.is_settled());
        let dialect = dialect.map(|(store, _)| store.dialect().as_str());
        queues.push(json!({"name": name, "dialect": dialect, "claimed": claimed, "problem": problem}));
    }
    let handlers = shared.metrics.handlers();
    impaired |= handlers.iter().any(|(_, healthy)| !healthy);
    let handlers: Vec<Value> =
        handlers.iter().map(|(name, healthy)| json!({"name": name, "healthy": healthy})).collect();
    let (clients, places, reading) = shared.live.state();
    let status = match (answers, impaired) {
        (false, _) => "down",
        (true, true) => "degraded",
        (true, false) => "ok",
    };
    let began_ms = shared.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let up = shared.began.elapsed().unwrap_or_default();
    Ok(json_answer(
        StatusCode::OK,
        &json!({
            "status": status,
            "version": env!("CARGO_PKG_VERSION"),
            "commit": option_env!("BULLOCK_COMMIT").unwrap_or("unknown"),
            "startedAt": began_ms,
            "uptimeSeconds": up.as_secs_f64(),
            "serverTime": now_ms(),
            "redis": redis,
            "worker": {"draining": state.draining},
            "queues": queues,
            "handlers": handlers,
            "streams": {"clients": clients, "max": places, "reading": reading},
        }),
    ))
}

/// What is said of Redis, whether it answers, and whether it endangers jobs.
async fn redis_health(shared: &Shared, problem: Option<&str>) -> (Value, bool, bool) {
    let Some(board) = &shared.board else { return (Value::Null, true, false) };
    let asked = Instant::now();
    let facts = tokio::time::timeout(REDIS_TIMEOUT, ServerFacts::read(board.connection())).await;
    let Ok(Ok(facts)) = facts else {
        return (json!({"ok": false, "problem": "no answer"}), false, false);
    };
    let evicts = facts.eviction.as_deref().is_some_and(|policy| policy != "noeviction");
    let said = json!({
        "ok": true,
        "answeredMs": asked.elapsed().as_secs_f64() * 1000.0,
        "version": facts.version,
        "role": facts.role,
        "evictionPolicy": facts.eviction,
        "persistence": facts.persistence,
        "problem": problem,
    });
    (said, true, evicts || problem.is_some())
}

/// Names of keys are in it, which others chose: one line, whatever they hold.
fn escaped(reason: &str) -> Cow<'static, str> {
    reason.escape_debug().to_string().into()
}

struct Check {
    name: String,
    problem: Option<Cow<'static, str>>,
}

/// As the Kubernetes API server answers: `ok`, or with `?verbose` and on failure a line for each check.
fn report(probe: &str, call: &Call, checks: &[Check]) -> Response {
    let passed = checks.iter().all(|check| check.problem.is_none());
    let query = call.request.uri().query().unwrap_or_default();
    let verbose = query.split('&').any(|pair| pair.split('=').next() == Some("verbose"));
    let text = if passed && !verbose {
        "ok".to_owned()
    } else {
        let mut text = String::new();
        for check in checks {
            // Writing to a String cannot fail.
            let _ = match &check.problem {
                None => writeln!(text, "[+]{} ok", check.name),
                Some(problem) => writeln!(text, "[-]{} failed: {problem}", check.name),
            };
        }
        let _ = writeln!(text, "{probe} check {}", if passed { "passed" } else { "failed" });
        text
    };
    let mut response = Response::new(Body::from(text));
    if !passed {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.extensions_mut().insert(OwnText);
    }
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Asks by the connection of every queue: they may live on different servers.
async fn redis_answers(shared: &Shared) -> bool {
    let answers = shared
        .queues
        .all()
        .into_iter()
        .map(|queue| async move { within(REDIS_TIMEOUT, &queue.store, queue.store.time_ms()).await });
    join_all(answers).await.into_iter().all(|answer| answer.is_some())
}
