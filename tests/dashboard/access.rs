//! Signing in, what a viewer is shown, and a dashboard below another path.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::browser::Browser;
use crate::site::{BULL, Site, config, segment};
use crate::support::bullock::Bullock;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;

const TOKEN: &str = "a-token-of-the-tests-0123456789abcdef";

/// A `[admin]` table with one token.
fn admin(role: &str) -> String {
    let digest = Sha256::digest(TOKEN).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("[admin]\ntokens = [{{ name = \"ann\", role = \"{role}\", sha256 = \"{digest}\" }}]\n")
}

#[tokio::test]
async fn a_wrong_token_is_refused_in_words_and_a_right_one_signs_in_until_one_signs_out() {
    let mut site = Site::start_with(&admin("operator")).await;
    let browser = &mut site.browser;
    browser.expect(&["401"]).await;
    for look in [json!({"dark": true}), json!({"width": 390, "height": 844}), json!({})] {
        browser.fresh(look).await;
        browser.visit(&format!("queues/{}", segment(BULL))).await;
        browser.see("main.login", "Token").await;
        browser.accessible("login").await;
        browser.fits("login").await;
        browser.quiet("login").await;
    }
    browser.fill("input[type=password]", "not-the-token-at-all-0123456789").await;
    browser.press(&["Enter"]).await;
    browser.see("[role=alert]", "No such token").await;
    browser.fill("input[type=password]", TOKEN).await;
    browser.press(&["Enter"]).await;
    browser.see("header.header", "Bullock").await;
    assert_eq!(browser.place().await, format!("queues/{}", segment(BULL)), "it leads where one wanted to go");
    browser.see(".live[data-state=live]", "Live").await;
    browser.click("button[aria-label^='Signed in as ann']").await;
    browser.click("text=Sign out").await;
    browser.see("main.login", "Token").await;
    browser.quiet("login").await;
}

#[tokio::test]
async fn a_viewer_is_shown_no_button_that_the_server_would_refuse() {
    let mut site = Site::start_with(&admin("viewer")).await;
    let mut bull = site.bull().await;
    let id = bull.add("sync", json!({"fail": "card declined"}), json!({})).await;
    let _ = bull.finished(&id).await;
    let browser = &mut site.browser;
    browser.visit("").await;
    browser.fill("input[type=password]", TOKEN).await;
    browser.press(&["Enter"]).await;
    browser.see("table.queues", BULL).await;
    assert_eq!(browser.count("table.queues button[aria-label^=Pause]").await, 0);
    browser.open(&format!("queues/{}/jobs/{id}", segment(BULL))).await;
    browser.see("main", "card declined").await;
    assert_eq!(browser.count("main button:has-text('Retry')").await, 0);
    browser.press(&["r"]).await;
    assert_eq!(browser.count(".toast").await, 0);
}

#[tokio::test]
async fn it_works_below_another_path() {
    let redis = Redis::start();
    let bullock = Bullock::run(&config(&redis.url(), "[admin]\nbase_path = \"/ops/queues/\"\n")).await;
    let mut bull = BullQueue::open(&redis.url(), BULL).await;
    let id = bull.add("sync", json!({"shop": "acme"}), json!({})).await;
    bull.finished(&id).await.unwrap();
    let mut browser = Browser::start(&format!("{}/ops/queues", bullock.admin_url())).await;
    browser.open("").await;
    browser.see("table.queues", BULL).await;
    browser.see(".live[data-state=live]", "Live").await;
    browser.click(&format!("table.queues a:text-is('{BULL}')")).await;
    browser.see("table.jobs-table", "acme").await;
    browser.click("table.jobs-table a.open").await;
    browser.see("main [data-status=completed]", "completed").await;
    assert_eq!(browser.place().await, format!("queues/{}/jobs/{id}", segment(BULL)));
    // A deep address works by itself, too.
    browser.ask("reload", json!({})).await.unwrap();
    browser.see("main [data-status=completed]", "completed").await;
    browser.click("header nav a:has-text('System')").await;
    browser.see("main", "noeviction").await;
    browser.quiet("/ops/queues/").await;
}
