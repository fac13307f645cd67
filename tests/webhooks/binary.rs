//! The real binary by its config: a webhook starts a sync, a delta comes after it, figures tell of both, a schedule runs beside.

use std::net::SocketAddr;

use axum::routing::post;
use axum::{Json, Router};
use bullock::store::history::{Ask, By};
use bullock::store::{Connection, Store};
use bullock::wire::{Dialect, Keys};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::sender::{SECRET, hmac};
use crate::support::bullock::Bullock;
use crate::support::redis::Redis;
use crate::support::wait;

async fn backend() -> SocketAddr {
    let page = post(|Json(ask): Json<Value>| async move {
        let since = ask.get("since").cloned().unwrap_or_else(|| json!("not told"));
        Json(json!({"items": [{"id": 1, "since": since}], "next": null, "watermark": "seen"}))
    });
    let push = post(|Json(batch): Json<Value>| async move {
        let items = batch["items"].as_array().cloned().unwrap_or_default();
        Json(items.iter().map(|item| json!({"id": item["id"], "status": "ok"})).collect::<Value>())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/page", page).route("/push", push).route("/tick", post(|| async { "{}" }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn send(url: &str, body: &str) -> u16 {
    let signature = hmac(SECRET.as_bytes(), body.as_bytes());
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /api/v1/hooks/orders HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         x-wc-webhook-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_starts_a_sync_and_a_delta_comes_after_it() {
    for dialect in [Dialect::Bull, Dialect::BullMq] {
        let (redis, backend) = (Redis::start(), backend().await);
        let config = format!(
            r#"
[redis]
url = "{}"
[hooks.orders]
queue = "shop"
name = "full"
signature = "woocommerce"
secret = "${{HOOK_SECRET}}"
org = "body.shop"
[queues.shop]
dialect = "{}"
concurrency = 2
retention = {{ completed = {{ count = 500 }} }}
[queues.shop.schedules.tick]
every = "1s"
[queues.shop.handlers.tick]
http = "http://{backend}/tick"
[queues.shop.handlers.full.sync]
source = {{ http = "http://{backend}/page" }}
sink = {{ http = "http://{backend}/push" }}
after = ["delta"]
watermark = "orders"
[queues.shop.handlers.delta.sync]
source = {{ http = "http://{backend}/page" }}
sink = {{ http = "http://{backend}/push" }}
watermark = "orders"
delta = true
"#,
            redis.url(),
            dialect.as_str()
        );
        let bullock = Bullock::run_with(&config, &[("HOOK_SECRET", SECRET)]).await;
        let body = r#"{"id": 1, "shop": "acme"}"#;
        wait::until("the queue to be open", async || send(&bullock.admin_url(), body).await == 202).await;
        assert_eq!(send(&bullock.admin_url(), body).await, 200, "{dialect:?}");
        let connection = Connection::new(&redis.url(), None, std::time::Duration::from_secs(5)).unwrap();
        let store = Store::of(connection, Keys::new("bull", "shop"), Some(dialect));
        wait::until("both syncs to end", async || {
            store.sync_runs(&Ask::between(0, i64::MAX / 2), 10, None).await.unwrap().runs.len() == 2
        })
        .await;
        let now = chrono::Utc::now().timestamp_millis();
        let ask = Ask { by: By::Day, ..Ask::between(now - 1000, now) };
        wait::until("the figures", async || {
            let kinds = store.history(&ask).await.unwrap().kinds;
            let of = |name: &str, org: &str| {
                kinds.iter().any(|kind| kind.name == name && kind.org == org && kind.completed > 0)
            };
            of("full", "acme") && of("delta", "acme") && of("tick", "")
        })
        .await;
        assert_eq!(store.watermark("acme", "orders").await.unwrap().as_deref(), Some("\"seen\""));
        assert_eq!(bullock.stop().await.code, Some(0));
    }
}
