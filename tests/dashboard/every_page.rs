//! What holds for every page: it loads without a complaint, axe finds nothing bad, it fits a phone.

use serde_json::json;

use crate::site::{BULL, MQ, Site, segment};
use crate::support::node::BullQueue;

/// Path and a text that is there once the page has its data.
const PAGES: &[(&str, &str, &str)] = &[
    ("", "table.queues a", BULL),
    ("failed", "main", "card declined"),
    ("zombies", "main", "No zombies"),
    ("workers", "main", "w-1"),
    ("schedulers", "main", "every 1 h"),
    ("flows", "h1", "Flows"),
    ("audit", "h1", "Audit"),
    ("history", "main", BULL),
    ("history?queue=woo%3Acustomers&by=day", "main", BULL),
    ("system", "main", "noeviction"),
];

/// One of everything: done, failed, running, delayed, a schedule, a flow.
async fn filled(site: &Site) -> (BullQueue, BullQueue, Vec<String>) {
    let (mut bull, mut mq) = (site.bull().await, site.bullmq().await);
    let mut ids = Vec::new();
    for (data, opts) in [
        (json!({"shop": "acme", "steps": 3, "log": true}), json!({})),
        (json!({"shop": "globex", "fail": "card declined"}), json!({})),
        (json!({"shop": "initech", "steps": 600, "stepMs": 100}), json!({})),
        (json!({"shop": "hooli"}), json!({"delay": 3_600_000})),
    ] {
        ids.push(bull.add("sync", data, opts).await);
    }
    let _ = bull.finished(&ids[0]).await;
    let _ = bull.finished(&ids[1]).await;
    mq.add("pull", json!({"shop": "acme", "fail": "card declined"}), json!({})).await;
    mq.call("upsertJobScheduler", json!(["hourly", {"every": 3_600_000}, {"name": "pull"}])).await.unwrap();
    mq.flow(json!({"name": "report", "queueName": MQ, "data": {}, "children": [
        {"name": "part", "queueName": MQ, "data": {}, "opts": {"delay": 3_600_000}}]}))
        .await;
    (bull, mq, ids)
}

fn all_pages(ids: &[String]) -> Vec<(String, String, String)> {
    let mut pages: Vec<_> = PAGES
        .iter()
        .map(|(path, at, text)| ((*path).to_owned(), (*at).to_owned(), (*text).to_owned()))
        .collect();
    let queue = format!("queues/{}", segment(BULL));
    pages.push((queue.clone(), "table.jobs-table".into(), "acme".into()));
    pages.push((format!("{queue}?state=failed"), "table.jobs-table".into(), "card declined".into()));
    for (id, text) in ids.iter().zip(["completed", "card declined", "running", "scheduled"]) {
        pages.push((format!("{queue}/jobs/{id}"), "main".into(), text.into()));
    }
    pages
}

#[tokio::test]
async fn every_page_loads_without_a_complaint_and_axe_finds_nothing_bad_in_light_and_dark() {
    let mut site = Site::start().await;
    let (_bull, _mq, ids) = filled(&site).await;
    for dark in [false, true] {
        site.browser.fresh(json!({"dark": dark})).await;
        for (path, at, text) in all_pages(&ids) {
            let when = format!("/{path}{}", if dark { " in the dark" } else { "" });
            site.browser.open(&path).await;
            site.browser.see(&at, &text).await;
            site.browser.accessible(&when).await;
            site.browser.quiet(&when).await;
        }
    }
}

#[tokio::test]
async fn every_page_fits_a_phone_without_sideways_scrolling() {
    let mut site = Site::start().await;
    let (_bull, _mq, ids) = filled(&site).await;
    for width in [390, 320] {
        site.browser.fresh(json!({"width": width, "height": 844})).await;
        for (path, at, text) in all_pages(&ids) {
            site.browser.open(&path).await;
            site.browser.see(&at, &text).await;
            site.browser.fits(&format!("/{path} at {width} px")).await;
        }
    }
}
