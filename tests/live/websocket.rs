use bullock::admin::Role;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::stage::{BULL, BULLMQ, Stage, token};
use crate::support::node::BullQueue;
use crate::support::wait::DEADLINE;

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(stage: &Stage, query: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
        let url = format!("ws://{}/api/v1/ws{query}", stage.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn say(&mut self, said: &Value) {
        self.0.send(Message::text(said.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(DEADLINE, self.0.next()).await.expect("a message");
            if let Message::Text(text) = message.expect("an open socket").unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn subscriptions_come_and_go_and_say_which_events_are_sent() {
    let stage = Stage::start();
    let mut queue = BullQueue::open(&stage.redis.url(), BULL).await;
    let mut socket = Socket::open(&stage, "", &[]).await.ok().unwrap();
    let mut events = stage.events("?job=j-0").await;
    queue.add("unheard", json!({}), json!({"jobId": "j-0"})).await;
    events.next().await;
    socket.say(&json!({"op": "subscribe", "id": "a", "queue": ["woo:*"], "type": ["job.waiting"]})).await;
    let answer = socket.next().await;
    assert_eq!((&answer["op"], &answer["id"]), (&json!("subscribed"), &json!("a")));
    let before = answer["seq"].as_u64().unwrap();
    queue.add("heard", json!({}), json!({"jobId": "j-1"})).await;
    let event = socket.next().await;
    assert_eq!((&event["jobId"], &event["type"]), (&json!("j-1"), &json!("job.waiting")));
    // Wanted by two, sent once.
    socket.say(&json!({"op": "subscribe", "id": "b", "job": ["j-2"], "type": ["job.*"]})).await;
    assert_eq!(socket.next().await["op"], "subscribed");
    queue.add("heard", json!({}), json!({"jobId": "j-2"})).await;
    assert_eq!(socket.next().await["jobId"], "j-2");
    socket.say(&json!({"op": "unsubscribe", "id": "a"})).await;
    assert_eq!(socket.next().await, json!({"op": "unsubscribed", "id": "a"}));
    queue.add("unheard", json!({}), json!({"jobId": "j-3"})).await;
    socket.say(&json!({"op": "unsubscribe", "id": "b"})).await;
    assert_eq!(socket.next().await["op"], "unsubscribed");
    // What was missed is there to be asked for.
    socket.say(&json!({"op": "subscribe", "id": "c", "type": ["job.waiting"], "after": before})).await;
    assert_eq!(socket.next().await["op"], "subscribed");
    for id in ["j-1", "j-2", "j-3"] {
        assert_eq!(socket.next().await["jobId"], id);
    }
    queue.close().await;
}

#[tokio::test]
async fn a_query_is_a_first_subscription() {
    let stage = Stage::start();
    let mut queue = BullQueue::open_mq(6, &stage.redis.url(), BULLMQ, &json!({})).await;
    let mut socket = Socket::open(&stage, "?queue=orders&type=job.added", &[]).await.ok().unwrap();
    let id = queue.add("ship", json!({}), json!({})).await;
    assert_eq!(socket.next().await["jobId"], json!(id));
    queue.close().await;
}

#[tokio::test]
async fn what_is_not_understood_is_answered_and_changes_nothing() {
    let stage = Stage::start();
    let mut socket = Socket::open(&stage, "", &[]).await.ok().unwrap();
    for said in [
        json!({"op": "dance"}),
        json!([]),
        json!({"op": "subscribe", "queue": "woo"}),
        json!({"op": "subscribe", "type": ["job.done"]}),
        json!({"op": "subscribe", "colour": ["red"]}),
        json!({"op": "subscribe", "after": -1}),
    ] {
        socket.say(&said).await;
        assert_eq!(socket.next().await["op"], "error", "{said}");
    }
    socket.say(&json!({"op": "ping"})).await;
    assert_eq!(socket.next().await, json!({"op": "pong"}));
    for n in 0..50 {
        socket.say(&json!({"op": "subscribe", "id": n.to_string()})).await;
        assert_eq!(socket.next().await["op"], "subscribed");
    }
    socket.say(&json!({"op": "subscribe", "id": "one more"})).await;
    assert_eq!(socket.next().await["op"], "error");
    socket.0.send(Message::text("x".repeat(9000))).await.unwrap();
    let end = tokio::time::timeout(DEADLINE, async { while let Some(Ok(_)) = socket.0.next().await {} });
    end.await.expect("too large a message ends it");
}

#[tokio::test]
async fn a_socket_is_for_pages_of_this_server_and_for_who_shows_a_token() {
    let open = Stage::start();
    let own = format!("http://{}", open.address);
    assert!(Socket::open(&open, "", &[("origin", &own)]).await.is_ok());
    for origin in ["https://evil.test", "null"] {
        assert_eq!(Socket::open(&open, "", &[("origin", origin)]).await.err(), Some(403), "{origin}");
    }
    let answer = open.get("/api/v1/ws").await;
    assert_eq!((answer.status, answer.problem().as_str()), (400, "validation"));

    let guarded = Stage::start_with(|options| options.tokens = vec![token("t0k", Role::Viewer, &["*"])]);
    assert_eq!(Socket::open(&guarded, "", &[]).await.err(), Some(401));
    assert_eq!(Socket::open(&guarded, "?token=t0k", &[]).await.err(), Some(400));
    let elsewhere = ("origin", "https://shop.test");
    let by_header = [elsewhere, ("authorization", "Bearer t0k")];
    assert!(Socket::open(&guarded, "", &by_header).await.is_ok(), "whoever has the token may say where");
    for (protocols, expected) in [("bullock, bearer.t0k", None), ("bullock, bearer.guess", Some(401))] {
        let socket = Socket::open(&guarded, "", &[elsewhere, ("sec-websocket-protocol", protocols)]).await;
        assert_eq!(socket.err(), expected, "{protocols}");
    }
}

#[tokio::test]
async fn a_stop_closes_the_sockets() {
    let stage = Stage::start();
    let mut socket = Socket::open(&stage, "", &[]).await.ok().unwrap();
    drop(stage);
    let end = tokio::time::timeout(DEADLINE, async { while let Some(Ok(_)) = socket.0.next().await {} });
    end.await.expect("it is closed");
}
