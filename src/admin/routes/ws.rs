//! `GET /api/v1/ws`: the same events over a WebSocket, with subscriptions that may change. For other people's pages, whose
//! servers pass it on.

use std::time::Duration;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Call;
use super::about::About;
use super::events::{PING, Viewer, read_query};
use crate::admin::auth::SUBPROTOCOL;
use crate::admin::live::event::Event;
use crate::admin::live::filter::Filter;
use crate::admin::live::{Follower, Step, Transport};
use crate::admin::problem::Problem;

/// Largest message of a client, bytes.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Most bytes that wait in the server for a client to take them.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Most subscriptions of a client.
const SUBSCRIPTIONS_MAX: usize = 50;
/// Longest id of a subscription, bytes.
const ID_BYTES_MAX: usize = 100;
/// A client that has shown no life for so long is gone; it answers pings.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Longest time for a client to take what is sent to it.
const SEND_MAX: Duration = Duration::from_secs(30);

pub(super) const OPEN: About =
    About::new("live", "The same events over a WebSocket, with subscriptions that may change")
        .query(super::events::QUERY)
        .answers(&[(101, "The socket is open", None)]);

/// Opens the socket.
pub(super) async fn open(call: Call) -> Result<Response, Problem> {
    let viewer = Viewer::of(&call)?;
    let query = call.request.uri().query();
    let (filter, after) = read_query(query)?;
    let first = query.is_some_and(|query| !query.is_empty()).then_some((String::new(), filter));
    let (mut parts, _) = call.request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(|_| {
        Problem::validation("this is a WebSocket: send \"Connection: Upgrade\" and \"Upgrade: websocket\"")
    })?;
    let follower =
        call.shared.live.follow(Transport::WebSocket, after).await.ok_or_else(Problem::streams_full)?;
    let client = Client { follower, viewer, subscriptions: first.into_iter().collect() };
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .max_write_buffer_size(WAITING_BYTES_MAX);
    Ok(upgrade.on_upgrade(|socket| client.serve(socket)))
}

struct Client {
    follower: Follower,
    viewer: Viewer,
    /// By their ids; that of the query has an empty one.
    subscriptions: Vec<(String, Filter)>,
}

impl Client {
    async fn serve(mut self, mut socket: WebSocket) {
        let shared = std::sync::Arc::clone(&self.viewer.shared);
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alive = Instant::now();
        loop {
            let (subscriptions, viewer) = (&self.subscriptions, &self.viewer);
            let wants = |event: &Event| {
                viewer.may_see(event) && subscriptions.iter().any(|(_, filter)| filter.wants(event))
            };
            let messages = tokio::select! {
                step = self.follower.next(wants) => match step {
                    Step::Behind(event) => vec![text(event.json())],
                    Step::Events(events) => events.iter().map(|event| text(event.json())).collect(),
                },
                received = socket.recv() => {
                    alive = Instant::now();
                    match received {
                        Some(Ok(Message::Text(said))) => vec![text(self.hear(&said).to_string().as_bytes())],
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Vec::new(),
                        Some(Ok(Message::Binary(_))) => vec![text(problem("expected text").to_string().as_bytes())],
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    }
                }
                _ = ping.tick() => {
                    if alive.elapsed() > SILENCE_MAX {
                        return;
                    }
                    vec![Message::Ping(axum::body::Bytes::new())]
                }
                () = shared.closing.cancelled() => {
                    let _ = tokio::time::timeout(SEND_MAX, socket.send(Message::Close(None))).await;
                    return;
                }
            };
            if !self.viewer.is_still_there() {
                return;
            }
            for message in messages {
                let sent = tokio::time::timeout(SEND_MAX, socket.send(message)).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }

    /// Does what a message asks for, and gives the answer.
    fn hear(&mut self, said: &str) -> Value {
        let Ok(said) = serde_json::from_str::<Map<String, Value>>(said) else {
            return problem("expected a JSON object");
        };
        let id = said.get("id").and_then(Value::as_str).unwrap_or_default();
        if id.len() > ID_BYTES_MAX {
            return problem("id: too long");
        }
        match said.get("op").and_then(Value::as_str) {
            Some("ping") => json!({"op": "pong"}),
            Some("unsubscribe") => {
                self.subscriptions.retain(|(known, _)| known != id);
                json!({"op": "unsubscribed", "id": id})
            }
            Some("subscribe") => self
                .subscribe(id, &said)
                .unwrap_or_else(|detail| json!({"op": "error", "id": id, "detail": detail})),
            _ => problem("op: expected subscribe, unsubscribe or ping"),
        }
    }

    fn subscribe(&mut self, id: &str, said: &Map<String, Value>) -> Result<Value, String> {
        let (mut filter, mut after) = (Filter::default(), None);
        for (name, value) in said.iter().filter(|(name, _)| !matches!(name.as_str(), "op" | "id")) {
            if let Some(list) = filter.list(name) {
                let texts = value.as_array().and_then(|items| {
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
                });
                *list = texts.ok_or_else(|| format!("{name}: expected a list of texts"))?;
            } else if name == "after" {
                after = Some(value.as_u64().ok_or("after: expected the number of an event")?);
            } else {
                return Err("expected op, id, queue, type, job and after only".into());
            }
        }
        if let Some(problem) = filter.problem() {
            return Err(problem);
        }
        self.subscriptions.retain(|(known, _)| known != id);
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return Err(format!("at most {SUBSCRIPTIONS_MAX} subscriptions"));
        }
        if let Some(after) = after {
            if !self.subscriptions.is_empty() {
                return Err("after: only with the first subscription, others would get events twice".into());
            }
            self.follower.rewind(after);
        } else if self.subscriptions.is_empty() {
            self.follower.catch_up();
        }
        self.subscriptions.push((id.to_owned(), filter));
        Ok(json!({"op": "subscribed", "id": id, "seq": self.follower.seen()}))
    }
}

fn problem(detail: &str) -> Value {
    json!({"op": "error", "detail": detail})
}

fn text(json: &[u8]) -> Message {
    Message::Text(String::from_utf8_lossy(json).into_owned().into())
}
