//! `GET /api/v1/events`: what happens, as server-sent events. Made for browsers, readable with curl.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;

use super::Call;
use super::about::{About, Kind, Param, param};
use crate::admin::auth::{self, Caller, Via};
use crate::admin::guard::LongLived;
use crate::admin::live::event::Event;
use crate::admin::live::filter::{Filter, VALUES_MAX};
use crate::admin::live::{Follower, Step, Transport};
use crate::admin::problem::Problem;
use crate::admin::server::Shared;

/// After so long without an event a comment is sent: proxies close what is silent, and a dead client is noticed.
pub(super) const PING: Duration = Duration::from_secs(15);
/// How soon a browser connects again, ms.
const RETRY_MS: u64 = 2000;

pub(super) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
/// Has nginx pass on every event as it comes.
pub(super) const UNBUFFERED: HeaderValue = HeaderValue::from_static("no");

/// What events can be asked for.
pub(super) const QUERY: &[Param] = &[
    Param { most: VALUES_MAX, ..param("queue", Kind::Text, "Of this queue; * stands for any text") },
    Param { most: VALUES_MAX, ..param("type", Kind::Text, "Of this type, such as job.*") },
    Param { most: VALUES_MAX, ..param("job", Kind::Text, "Of the job of this id") },
    param("after", Kind::Whole(0, SEQ_MAX), "Begin after the event of this number"),
];
/// The largest number that JavaScript tells from its neighbours.
const SEQ_MAX: u64 = 9_007_199_254_740_991;

pub(super) const STREAM: About =
    About::new("live", "What happens, as server-sent events: the member seq of each is its id")
        .query(QUERY)
        .answers(&[(200, "Events until one side ends it", None)])
        .stream("text/event-stream");

/// Streams events until the client or the server goes.
pub(super) async fn stream(call: Call) -> Result<Response, Problem> {
    let viewer = Viewer::of(&call)?;
    let (filter, after) = read_query(call.request.uri().query())?;
    let after = after.or(last_event_id(call.request.headers())?);
    let follower = call.shared.live.follow(Transport::Sse, after).await.ok_or_else(Problem::streams_full)?;
    let head = format!("retry: {RETRY_MS}\nid: {}\n\n", follower.seen());
    let state = Sent { follower, filter, viewer, head: Some(head) };
    let body = Body::from_stream(stream::unfold(state, async |mut sent| {
        let chunk = sent.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), sent))
    }));
    let mut answer = Response::new(body);
    answer.extensions_mut().insert(LongLived);
    answer.headers_mut().insert(CONTENT_TYPE, EVENT_STREAM);
    answer.headers_mut().insert("x-accel-buffering", UNBUFFERED);
    Ok(answer)
}

struct Sent {
    follower: Follower,
    filter: Filter,
    viewer: Viewer,
    head: Option<String>,
}

impl Sent {
    /// What is to be sent next. A client that takes nothing is not asked for, and its place in the ring grows old.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(head) = self.head.take() {
            return Some(head.into());
        }
        let (filter, viewer) = (&self.filter, &self.viewer);
        let next = self.follower.next(|event| filter.wants(event) && viewer.may_see(event));
        let step = tokio::select! {
            step = tokio::time::timeout(PING, next) => step,
            () = viewer.shared.closing.cancelled() => return None,
        };
        if !viewer.is_still_there() {
            return None;
        }
        Some(match step {
            Err(_silence) => Bytes::from_static(b": ping\n\n"),
            Ok(Step::Behind(event)) => frame(&[Arc::new(event)]),
            Ok(Step::Events(events)) => frame(&events),
        })
    }
}

fn frame(events: &[Arc<Event>]) -> Bytes {
    let mut text = Vec::with_capacity(events.iter().map(|event| event.json().len() + 40).sum());
    for event in events {
        text.extend_from_slice(format!("id: {}\ndata: ", event.seq).as_bytes());
        // One line: JSON escapes the ends of lines.
        text.extend_from_slice(event.json());
        text.extend_from_slice(b"\n\n");
    }
    text.into()
}

/// One who looks on: what they may see, and whether they still may.
pub(super) struct Viewer {
    pub(super) shared: Arc<Shared>,
    caller: Caller,
    /// Of a browser's session: the headers that name it.
    cookie: Option<HeaderMap>,
}

impl Viewer {
    /// Whoever sent the request. A browser may look on for a page of this server only.
    pub(super) fn of(call: &Call) -> Result<Self, Problem> {
        Self::new(&call.shared, call.caller()?.clone(), call.request.headers())
    }

    /// The same of what is left of a request.
    pub(super) fn new(shared: &Arc<Shared>, caller: Caller, headers: &HeaderMap) -> Result<Self, Problem> {
        if caller.via != Via::Bearer {
            auth::check_same_site(headers)?;
        }
        let cookie = (caller.via == Via::Cookie).then(|| headers.clone());
        Ok(Self { shared: Arc::clone(shared), caller, cookie })
    }

    /// Is the event one of a queue that they may see?
    pub(super) fn may_see(&self, event: &Event) -> bool {
        event.queue.as_ref().is_none_or(|queue| self.caller.may(queue))
    }

    /// Has a session neither ended nor been closed?
    pub(super) fn is_still_there(&self) -> bool {
        self.cookie.as_ref().is_none_or(|headers| self.shared.sessions.find(headers).is_some())
    }
}

/// Reads `queue`, `type`, `job` (each any number of times) and `after`.
pub(super) fn read_query(query: Option<&str>) -> Result<(Filter, Option<u64>), Problem> {
    let (mut filter, mut after) = (Filter::default(), None);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if let Some(list) = filter.list(&name) {
            list.push(value.into_owned());
        } else if name == "after" && after.is_none() {
            after = Some(number(&value)?);
        } else {
            let name: String = name.escape_debug().take(60).collect();
            let detail =
                format!("unknown or repeated parameter \"{name}\"; expected queue, type, job or after");
            return Err(Problem::validation(detail).with("parameter", name));
        }
    }
    match filter.problem() {
        None => Ok((filter, after)),
        Some(problem) => Err(Problem::validation(problem)),
    }
}

pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let said = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    said.filter(|id| !id.is_empty()).map(number).transpose()
}

fn number(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::validation("expected the number of an event, as in its member seq"))
}
