//! Jobs that go on elsewhere after a 202.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use bullock::handler::http::HttpOptions;
use bullock::handler::{Handler as _, WriteError};
use bullock::job::outcome::{Outcome, ReasonClass};

use super::support::{Server, failure, finish, http, job, run, serve, until};

async fn accepting() -> Server {
    serve(Router::new().fallback(post(|| async { (StatusCode::ACCEPTED, "{\"queued\":true}") }))).await
}

fn options(server: &Server, heartbeat: Duration) -> HttpOptions {
    HttpOptions { heartbeat, ..server.options("/") }
}

#[tokio::test]
async fn without_callbacks_the_job_fails_for_want_of_a_heartbeat() {
    let server = accepting().await;
    let told = failure(finish(&http(options(&server, Duration::from_secs(1))), job(), &run()).await);
    assert_eq!((told.message.as_str(), told.class), ("no heartbeat for 1 s", ReasonClass::NoProgress));
    assert!(told.retryable);
}

#[tokio::test]
async fn callbacks_keep_the_job_alive_and_beat_the_pulse() {
    let server = accepting().await;
    let run = run();
    let handler = http(options(&server, Duration::from_secs(2)));
    let running = tokio::spawn(handler.run(job().into(), run.ctx.clone()));
    let start = std::time::Instant::now();
    // Twice as long as the heartbeat.
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        run.record.call_back();
        assert!(!running.is_finished());
    }
    assert!(run.ctx.pulse.read().beat > start + Duration::from_secs(2));
    let told = failure(running.await.unwrap());
    assert_eq!(told.message, "no heartbeat for 2 s");
}

#[tokio::test]
async fn a_job_that_a_callback_has_ended_is_left_alone() {
    let server = accepting().await;
    let run = run();
    run.record.refuse(WriteError::LeaseLost);
    let outcome = finish(&http(options(&server, Duration::from_mins(1))), job(), &run).await;
    assert_eq!(outcome, Outcome::EndedElsewhere);
}

#[tokio::test]
async fn while_redis_is_away_nobody_is_blamed() {
    let server = accepting().await;
    let run = run();
    run.record.refuse(WriteError::Redis("connection refused".into()));
    let handler = http(options(&server, Duration::from_secs(1)));
    let running = tokio::spawn(handler.run(job().into(), run.ctx.clone()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!running.is_finished());
    run.record.accept();
    assert_eq!(failure(running.await.unwrap()).message, "no heartbeat for 1 s");
}

#[tokio::test]
async fn cancelling_ends_the_watch() {
    let server = accepting().await;
    let run = run();
    let handler = http(options(&server, Duration::from_mins(1)));
    let running = tokio::spawn(handler.run(job().into(), run.ctx.clone()));
    let start = run.ctx.pulse.read().beat;
    until("the 202 has come", || run.ctx.pulse.read().beat > start).await;
    run.cancel.cancel();
    assert_eq!(failure(running.await.unwrap()).class, ReasonClass::Cancelled);
}
