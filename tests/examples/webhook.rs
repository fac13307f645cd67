//! The shop tells whoever has asked to be told, and signs it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::wait;

#[tokio::test]
async fn the_shop_tells_of_a_change_and_signs_it_as_woocommerce_does() {
    let told: Arc<Mutex<Vec<(String, String, String)>>> = Arc::default();
    let heard = Arc::clone(&told);
    let hear = move |headers: HeaderMap, body: Bytes| async move {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let entry = (
            header("x-wc-webhook-topic"),
            header("x-wc-webhook-signature"),
            String::from_utf8(body.to_vec()).unwrap(),
        );
        heard.lock().unwrap().push(entry);
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}/told", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/told", post(hear))).await });

    let store = Server::start("store.mjs", &["--customers", "10"]).await;
    let api = format!("{}/wp-json/wc/v3", store.url());
    let hook = json!({"topic": "customer.updated", "delivery_url": address, "secret": "a-shops-secret"});
    let program = "const [method, url, body] = process.argv.slice(1); \
        fetch(url, { method, body }).then(({ status }) => process.stdout.write(String(status)))";
    let send = async |method: &str, path: &str, body: &Value| {
        let status = node(program, &[method, &format!("{api}/{path}"), &body.to_string()]).await;
        assert_eq!(status, "200", "{}", store.logs());
    };
    send("POST", "webhooks", &hook).await;
    send("PUT", "customers/7", &json!({"email": "new@example.com"})).await;
    let (topic, signature, body) =
        wait::value("the shop to tell", async || told.lock().unwrap().first().cloned()).await;
    assert_eq!(topic, "customer.updated");
    let customer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&customer["id"], &customer["email"]), (&json!(7), &json!("new@example.com")));
    let hmac = "const [secret, body] = process.argv.slice(1); \
        process.stdout.write(require('crypto').createHmac('sha256', secret).update(body).digest('base64'))";
    assert_eq!(signature, node(hmac, &["a-shops-secret", &body]).await);
}

/// What a line of Node prints.
async fn node(program: &str, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new("node");
    let output =
        command.args(["-e", program, "--"]).args(arguments).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
