//! The server goes and comes back: the page says so, and heals by itself.

use serde_json::json;

use crate::browser::Browser;
use crate::site::{BULL, config};
use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;

#[tokio::test]
async fn a_restart_of_the_server_shows_as_such_and_what_happened_meanwhile_is_shown_after_it() {
    let redis = Redis::start();
    let text = config(&redis.url(), "");
    let bullock = Bullock::run(&text).await;
    let address = bullock.admin_url();
    let mut browser = Browser::start(&address).await;
    let mut bull = BullQueue::open(&redis.url(), BULL).await;
    let id = bull.add("sync", json!({}), json!({})).await;
    bull.finished(&id).await.unwrap();
    browser
        .expect(&[
            "ERR_CONNECTION_REFUSED",
            "ERR_INCOMPLETE_CHUNKED_ENCODING",
            "ERR_CONNECTION_RESET",
            "ERR_EMPTY_RESPONSE",
        ])
        .await;
    browser.open("").await;
    browser.see(".live[data-state=live]", "Live").await;
    browser.run("window.sameDocument = true").await;
    bullock.crash().await;
    browser.see(".live[data-state=offline]", "Offline").await;
    // Meanwhile a job comes, which nobody tells the page of.
    bull.add("sync", json!({"fail": "card declined"}), json!({"delay": 3_600_000})).await;
    let listen = address.trim_start_matches("http://").to_owned();
    let _again = Bullock::spawn(&text, &[("BULLOCK_ADMIN__LISTEN", &listen)]);
    browser.see(".live[data-state=live]", "Live").await;
    browser.see(&format!("tr[data-queue='{BULL}'] a[href*='state=delayed']"), "1").await;
    assert_eq!(browser.run("window.sameDocument").await, json!(true), "it healed without a reload");
    browser.quiet("after the restart").await;
}
