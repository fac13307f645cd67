//! A response that is a stream of NDJSON lines.
//!
//! Owns: reading until the stream ends, breaks or falls silent. Must never know: what the lines mean (that is
//! `handler::stream`). Called by `answered`.

use tokio::time::{Instant, timeout_at};

use super::{Sent, shown};
use crate::handler::Context;
use crate::handler::stream::{Limits, Stop, Stream, Verdict};
use crate::http::{Response, StatusCode};
use crate::job::outcome::{Failure, Outcome, ReasonClass};

pub(super) async fn read(sent: &Sent<'_>, mut response: Response, ctx: &Context) -> Outcome {
    let options = &sent.ready.options;
    let status = response.status();
    let limits = Limits { result_bytes: options.response_max, retry_after_max: options.retry_after_max };
    let mut stream = Stream::new(limits);
    let mut last_line = Instant::now();
    let failure = loop {
        let chunk = match timeout_at(last_line + options.heartbeat, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => match stream.end(ctx).await {
                Ok(()) => break missing(sent),
                Err(stop) => return stopped(sent, stop),
            },
            Ok(Err(error)) => break sent.broken(&error),
            Err(_) => {
                let text = format!("no heartbeat for {}", shown(options.heartbeat));
                break sent.failed(ReasonClass::NoProgress, text);
            }
        };
        match stream.feed(&chunk, ctx).await {
            // Measured after our own writes: the time they take is not the backend's silence.
            Ok(true) => last_line = Instant::now(),
            Ok(false) => {}
            Err(stop) => return stopped(sent, stop),
        }
    };
    // Once the end was told, a connection that breaks or lingers afterwards takes nothing back.
    match stream.verdict() {
        Some(Verdict::Result(value)) => Outcome::Completed(Some(value)),
        Some(Verdict::WaitForChildren) => Outcome::WaitForChildren,
        Some(Verdict::Error(line)) => {
            Outcome::Failed(with_stack(sent, status, line.failure(|| no_text(sent))))
        }
        None => Outcome::Failed(failure),
    }
}

fn stopped(sent: &Sent<'_>, stop: Stop) -> Outcome {
    match stop.outcome(&sent.host) {
        Outcome::Failed(failure) => Outcome::Failed(sent.failed(failure.class, failure.message)),
        other => other,
    }
}

fn missing(sent: &Sent<'_>) -> Failure {
    sent.failed(
        ReasonClass::Error,
        format!("the stream from {} ended without a result or error line", sent.host),
    )
}

fn no_text(sent: &Sent<'_>) -> String {
    format!("an error without a message from {}", sent.host)
}

fn with_stack(sent: &Sent<'_>, status: StatusCode, mut failure: Failure) -> Failure {
    failure.stack = Some(format!("{}\n{}", failure.stack_entry(), sent.stack_line(Some(status))));
    failure
}
