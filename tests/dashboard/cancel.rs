//! Stopping what runs from the page: the handler of another process hears of it. And mending what only seems to run.

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::site::Site;
use crate::support::node::BullQueue;
use crate::support::wait::DEADLINE;

/// Queue of npm bull whose handler is the server of the test.
const CALLS: &str = "calls";

#[tokio::test]
async fn cancel_stops_a_running_http_handler_and_the_page_shows_who_and_why() {
    let backend = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = backend.local_addr().unwrap();
    let queue = format!(
        "[queues.{CALLS}]\ndialect = \"bull\"\n[queues.{CALLS}.handlers.\"*\"]\nhttp = \"http://{address}/work\"\n"
    );
    let mut site = Site::start_with(&queue).await;
    let mut calls = BullQueue::open(&site.redis.url(), CALLS).await;
    let id = calls.add("sync", json!({"shop": "acme"}), json!({"attempts": 5})).await;
    // The backend has taken the request, and would work on it for ever.
    let (mut request, _) = tokio::time::timeout(DEADLINE, backend.accept()).await.unwrap().unwrap();
    site.browser.open(&format!("queues/{CALLS}/jobs/{id}")).await;
    site.browser.see("[data-status=running]", "running").await;
    site.browser.click("header.page-head button:has-text('Cancel')").await;
    site.browser.see("dialog", "is not tried again").await;
    site.browser.fill("dialog input[name=reason]", "wrong shop").await;
    site.browser.click("dialog button[type=submit]").await;
    // What a backend sees of a cancel is that its caller has hung up.
    let hung_up = async { while request.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {} };
    tokio::time::timeout(DEADLINE, hung_up).await.expect("the request to be closed");
    site.browser.see("[data-status=cancelled]", "cancelled").await;
    site.browser.see("main", "wrong shop").await;
    assert_eq!(site.browser.count("header.page-head button:has-text('Cancel')").await, 0);
    assert_eq!(calls.job(&id, "isFailed").await, json!(true), "no try of the five is made again");
    site.browser.quiet("cancel").await;
}

#[tokio::test]
async fn a_zombie_is_seen_and_put_back_in_line_from_its_page() {
    let mut site = Site::start().await;
    let mut idle = BullQueue::open(&site.redis.url(), "idle").await;
    let id = idle.add("sync", json!({"shop": "acme"}), json!({})).await;
    // A worker has taken it and died, and no worker of this queue is up.
    let mut con = site.redis.connection().await;
    let taken: Option<String> = redis::cmd("RPOPLPUSH")
        .arg("bull:idle:wait")
        .arg("bull:idle:active")
        .query_async(&mut con)
        .await
        .unwrap();
    assert_eq!(taken.as_deref(), Some(&*id));
    site.browser.open("zombies").await;
    site.browser.see("main table", "active without a lease").await;
    site.browser.accessible("zombies").await;
    site.browser.click("main table button:has-text('Requeue')").await;
    site.browser.see("dialog", "runs again").await;
    site.browser.fill("dialog input[name=reason]", "dead host").await;
    site.browser.click("dialog button[type=submit]").await;
    site.browser.see("main", "No zombies").await;
    assert_eq!(idle.job(&id, "getState").await, json!("waiting"));
    site.browser.open("audit").await;
    site.browser.see("main", "dead host").await;
    site.browser.quiet("zombies").await;
}
