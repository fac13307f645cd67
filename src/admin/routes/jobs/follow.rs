//! `GET …/logs?follow=sse`: the log of a job as it grows, until the job has ended.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;

use super::super::Ask;
use super::super::events::{EVENT_STREAM, PING, UNBUFFERED, Viewer, last_event_id};
use crate::admin::guard::LongLived;
use crate::admin::live::{Seat, Transport};
use crate::admin::problem::Problem;
use crate::job::state::State;
use crate::store::{Store, StoreError};

/// How often the log is looked at: neither library tells of new lines.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Lines of one look.
const LINES_MAX: usize = 500;

/// Streams the lines from number `from` on, or from where the client was.
pub(super) async fn follow(call: Ask, store: Store, from: u64) -> Result<Response, Problem> {
    let viewer = Viewer::new(&call.shared, call.caller()?.clone(), &call.headers)?;
    let from = last_event_id(&call.headers)?.map_or(from, |last| last.saturating_add(1));
    if store.syncs(std::slice::from_ref(&call.id)).await?.is_empty() {
        return Err(call.no_job());
    }
    let seat = call.shared.live.place(Transport::Sse).ok_or_else(Problem::streams_full)?;
    let at = usize::try_from(from).unwrap_or(usize::MAX >> 1).min(usize::MAX >> 1);
    let state =
        Following { store, id: call.id, at, viewer, spoke: Instant::now(), ended: false, _seat: seat };
    let body = Body::from_stream(stream::unfold(state, async |mut state| {
        let chunk = state.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), state))
    }));
    let mut answer = Response::new(body);
    answer.extensions_mut().insert(LongLived);
    answer.headers_mut().insert(CONTENT_TYPE, EVENT_STREAM);
    answer.headers_mut().insert("x-accel-buffering", UNBUFFERED);
    Ok(answer)
}

struct Following {
    store: Store,
    id: String,
    /// The number of the next line.
    at: usize,
    viewer: Viewer,
    /// When the client was last sent anything.
    spoke: Instant,
    ended: bool,
    _seat: Seat,
}

impl Following {
    /// What is to be sent next; `None` = that was all.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.ended {
            match self.look().await {
                Ok(Some(text)) => {
                    self.spoke = Instant::now();
                    return Some(text.into());
                }
                Ok(None) => {}
                // It is asked again in a moment: the client keeps its place meanwhile.
                Err(error) => tracing::debug!(%error, "a log could not be looked at"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.viewer.shared.closing.cancelled() => return None,
            }
            if !self.viewer.is_still_there() {
                return None;
            }
            if self.spoke.elapsed() >= PING {
                self.spoke = Instant::now();
                return Some(Bytes::from_static(b": ping\n\n"));
            }
        }
        None
    }

    /// New lines; or, once there are none and the job has ended, that.
    async fn look(&mut self) -> Result<Option<String>, StoreError> {
        if let Some(text) = self.lines().await? {
            return Ok(Some(text));
        }
        let state = match self.store.syncs(std::slice::from_ref(&self.id)).await?.pop() {
            Some(job) if !job.state.is_some_and(State::is_finished) => return Ok(None),
            Some(job) => job.state.map_or("stuck", State::as_str),
            None => "gone",
        };
        // Those that came between the two looks.
        if let Some(text) = self.lines().await? {
            return Ok(Some(text));
        }
        self.ended = true;
        Ok(Some(format!("event: end\ndata: {{\"state\":\"{state}\"}}\n\n")))
    }

    async fn lines(&mut self) -> Result<Option<String>, StoreError> {
        let (lines, _) = self.store.logs(&self.id, self.at, LINES_MAX).await?;
        let mut text = String::new();
        for line in lines {
            // One line each: JSON escapes the ends of lines. Writing to a String cannot fail.
            let _ = write!(text, "id: {}\ndata: {}\n\n", self.at, serde_json::Value::String(line));
            self.at += 1;
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}
