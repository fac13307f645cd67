//! What holds for every page: it loads without a complaint, axe finds nothing bad, it fits a phone.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::site::{BULL, MQ, Site, segment};
use crate::support::bullock::cli;
use crate::support::node::BullQueue;

/// Path and a text that is there once the page has its data.
const PAGES: &[(&str, &str, &str)] = &[
    ("", "table.queues a", BULL),
    ("failed", "main", "card declined"),
    ("zombies", "main table", "orphan"),
    ("workers", "main", "w-1"),
    ("schedulers", "main", "every 1 h"),
    ("flows", "h1", "Flows"),
    ("audit", "main table", "the mailbox exists now"),
    ("history", "main", BULL),
    ("history?queue=woo%3Acustomers", "section[aria-label='By kind'] table", "sync"),
    ("history?queue=woo%3Acustomers&by=day", "section[aria-label='By kind'] table", "sync"),
    ("system", "main", "noeviction"),
];
/// What the same pages say when there is nothing yet.
const EMPTY_PAGES: &[(&str, &str)] = &[
    ("", BULL),
    ("failed", "Nothing has failed"),
    ("zombies", "No zombies"),
    ("workers", "w-1"),
    ("schedulers", "No schedules"),
    ("flows", "Flows"),
    ("audit", "No entries"),
    ("history", "Nothing has ended yet"),
    ("history?queue=woo%3Acustomers", "Nothing has ended yet"),
    ("syncs", "No syncs yet"),
    ("system", "noeviction"),
    ("queues/woo%3Acustomers", "No jobs"),
    ("queues/woo%3Acustomers?state=failed", "No failed jobs"),
];
/// A queue that none of ours works.
const ORPHANS: &str = "orphans";

/// A job that its worker left behind: a Node process that was killed.
async fn orphan(site: &Site) {
    let mut queue = BullQueue::open_mq(6, &site.redis.url(), ORPHANS, &json!({})).await;
    queue.work_with(1, 600_000, json!({"lockDuration": 1000})).await;
    let id = queue.add("orphan", json!({}), json!({})).await;
    queue.hear("its start", |line| line["started"] == json!(id)).await;
    queue.node().signal(Signal::SIGKILL);
}

/// One of everything: done, failed, running, delayed, retried by a person, left behind, a schedule, a flow.
async fn filled(site: &Site) -> (BullQueue, BullQueue, Vec<String>) {
    let (mut bull, mut mq) = (site.bull().await, site.bullmq().await);
    orphan(site).await;
    let mut ids = Vec::new();
    for (data, opts) in [
        (json!({"shop": "acme", "steps": 3, "log": true}), json!({})),
        (json!({"shop": "globex", "fail": "card declined"}), json!({})),
        (json!({"shop": "initech", "steps": 6000, "stepMs": 100}), json!({})),
        (json!({"shop": "hooli"}), json!({"delay": 3_600_000})),
    ] {
        ids.push(bull.add("sync", data, opts).await);
    }
    let _ = bull.finished(&ids[0]).await;
    let _ = bull.finished(&ids[1]).await;
    let url = site.redis.url();
    let retry = ["job", "retry", BULL, &ids[1], "--reason", "the mailbox exists now", "--redis-url", &url];
    let answer = cli(&retry, &[]).await;
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    mq.add("pull", json!({"shop": "acme", "fail": "card declined"}), json!({})).await;
    mq.call("upsertJobScheduler", json!(["hourly", {"every": 3_600_000}, {"name": "pull"}])).await.unwrap();
    let part = json!({"name": "part", "queueName": MQ, "data": {}, "opts": {"delay": 3_600_000}});
    mq.flow(json!({"name": "report", "queueName": MQ, "data": {}, "opts": {"jobId": "report-1"}, "children": [part]}))
        .await;
    (bull, mq, ids)
}

fn all_pages(ids: &[String]) -> Vec<(String, String, String)> {
    let mut pages: Vec<_> = PAGES
        .iter()
        .map(|(path, at, text)| ((*path).to_owned(), (*at).to_owned(), (*text).to_owned()))
        .collect();
    pages.push((format!("flows/{MQ}/report-1"), "main".into(), "part".into()));
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
async fn every_page_says_when_there_is_nothing_without_a_complaint_and_axe_finds_nothing_bad() {
    let mut site = Site::start().await;
    for look in [json!({}), json!({"dark": true, "width": 390, "height": 844})] {
        site.browser.fresh(look).await;
        for (path, text) in EMPTY_PAGES {
            let when = format!("/{path} of nothing");
            site.browser.open(path).await;
            site.browser.see("main", text).await;
            site.browser.accessible(&when).await;
            site.browser.fits(&when).await;
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
            let current = "document.querySelector('.nav [aria-current]').getBoundingClientRect()";
            let in_sight = format!("{current}.left >= 0 && {current}.right <= innerWidth");
            assert_eq!(
                site.browser.run(&in_sight).await,
                json!(true),
                "/{path} at {width} px: its name in the header"
            );
        }
    }
}
