//! Everything without a mouse.

use serde_json::json;

use crate::site::{BULL, Site, segment};

#[tokio::test]
async fn a_failed_job_is_found_and_retried_by_keyboard_alone() {
    let mut site = Site::start().await;
    let mut bull = site.bull().await;
    let id = bull.add("sync", json!({"shop": "acme", "fail": "card declined"}), json!({})).await;
    let _ = bull.finished(&id).await;
    site.browser.open("").await;
    site.browser.see("table.queues", BULL).await;
    site.browser.press(&["g", "f"]).await;
    site.browser.see("table.groups", "card declined").await;
    site.browser.press(&["j", "Enter"]).await;
    site.browser.see("table.jobs-table", "card declined").await;
    assert!(site.browser.place().await.contains("state=failed"), "the group leads to its jobs");
    site.browser.press(&["j", "Enter"]).await;
    site.browser.see("main [data-status=failed]", "failed").await;
    site.browser.press(&["r"]).await;
    site.browser.see(".toast", "is in line again").await;
    // It fails again: the timeline says so twice.
    site.browser.see("ol.timeline", "retry by").await;
    site.browser.quiet("retry").await;
}

#[tokio::test]
async fn rows_are_walked_picked_and_retried_together_and_the_search_is_a_key_away() {
    let mut site = Site::start().await;
    let mut bull = site.bull().await;
    for shop in ["acme", "globex", "initech"] {
        let id = bull.add("sync", json!({"shop": shop, "fail": "card declined"}), json!({})).await;
        let _ = bull.finished(&id).await;
    }
    site.browser.open(&format!("queues/{}?state=failed", segment(BULL))).await;
    site.browser.see("table.jobs-table", "initech").await;
    site.browser.press(&["j", "x", "j", "x"]).await;
    site.browser.see("footer.sel", "2 selected").await;
    site.browser.press(&["r"]).await;
    site.browser.see("dialog", "Retry 2 jobs").await;
    site.browser.press(&["Enter"]).await;
    site.browser.see(".operation", "2 of 2").await;
    site.browser.press(&["/"]).await;
    site.browser.ask("type", json!({"text": "data.shop:globex"})).await.unwrap();
    site.browser.press(&["Enter"]).await;
    site.browser.see(".search", "data.shop is globex").await;
    site.browser.see("table.jobs-table", "globex").await;
    site.browser.gone("table.jobs-table", "acme").await;
    assert!(site.browser.place().await.contains("q=data.shop%3Aglobex"), "the search is in the address");
    // Once empties the search, twice leaves it.
    site.browser.press(&["Escape", "Escape", "?"]).await;
    site.browser.see("dialog", "Keys").await;
    site.browser.press(&["Escape"]).await;
    site.browser.press(&["p"]).await;
    site.browser.see(".live[data-state=paused]", "Paused").await;
    site.browser.quiet("keys").await;
}
