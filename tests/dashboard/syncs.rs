//! Syncs on their pages: counters and batches that move by themselves, items with the sink's words, acts with reasons.

use serde_json::{Value, json};

use crate::server::{SECRET, Server, directory};
use crate::site::Site;
use crate::support::bullock::cli;

const QUEUE: &str = "shop-sync";

/// A site, and the shop and the back office of examples/store behind its syncs of customers.
struct Shop {
    site: Site,
    _store: Server,
    _office: Server,
}

impl Shop {
    async fn start(batch_delay_ms: u64) -> Shop {
        let store =
            Server::start("store.mjs", &["--customers", "300", "--without-email", "3", "--busy", "8"]).await;
        let office = Server::start("office.mjs", &["--store", store.url()]).await;
        let config = std::fs::read_to_string(directory().join("bullock.toml")).unwrap();
        let queues = config.find("[queues").unwrap();
        let config = config[queues..]
            .replace("http://127.0.0.1:3000", office.url())
            .replace("${WEBHOOK_SECRET}", SECRET)
            .replace("batch_delay = \"2s\"", &format!("batch_delay = \"{batch_delay_ms}ms\""))
            .replace("batch_size = 50", "batch_size = 10")
            .replace("exponential = \"1s\"", "exponential = \"50ms\"")
            .replace(&format!("[queues.\"{QUEUE}\"]"), &format!("[queues.\"{QUEUE}\"]\ndialect = \"bull\""));
        Shop { site: Site::start_with(&config).await, _store: store, _office: office }
    }

    async fn sync(&self, org: &str, id: &str) {
        let url = self.site.redis.url();
        let started =
            ["sync", "start", QUEUE, "sync-customers", "--org", org, "--id", id, "--redis-url", &url];
        let answer = cli(&started, &[]).await;
        assert_eq!(answer.code, 0, "{}", answer.stderr);
    }

    /// A number on the page.
    async fn number(&mut self, at: &str) -> f64 {
        let js = format!(
            "Number(document.querySelector(\"{at}\")?.textContent.replace(/\\u2009/g, '').match(/\\d+/)?.[0] ?? 0)"
        );
        self.site.browser.run(&js).await.as_f64().unwrap()
    }

    async fn act(&mut self, button: &str, reason: &str) {
        let browser = &mut self.site.browser;
        browser.click(&format!("header.page-head button:has-text('{button}')")).await;
        browser.fill("dialog input[name=reason]", reason).await;
        browser.click("dialog button[type=submit]").await;
    }
}

#[tokio::test]
async fn a_sync_moves_on_the_list_and_on_its_page_is_paused_resumed_and_ends_partial() {
    let mut shop = Shop::start(400).await;
    shop.site.browser.open("syncs").await;
    shop.site.browser.see("main", "No syncs yet").await;
    shop.site.browser.run("window.sameDocument = true").await;
    shop.sync("acme", "customers-acme").await;
    shop.site.browser.see("tr[data-sync='customers-acme'] [data-status=running]", "running").await;
    shop.site.browser.see("tr[data-sync='customers-acme']", "acme").await;
    shop.site.browser.click("tr[data-sync='customers-acme'] a.open").await;
    shop.site.browser.see("[data-testid=counts]", "of 300").await;
    let before = shop.number("[data-testid=counts]").await;
    let js = "Number(document.querySelector('[data-testid=counts]').textContent.split(' ')[0])";
    shop.site.browser.until(&format!("{js} > {before}")).await;
    shop.site.browser.see(".now", "items a second").await;
    shop.site.browser.see(".batch-list", "Batch 2").await;

    shop.act("Pause", "the shop is being moved").await;
    shop.site.browser.see("[data-status=paused]", "paused").await;
    shop.site.browser.see("main .note", "the shop is being moved").await;
    shop.site.browser.see(".batch-list", "paused").await;
    shop.act("Resume", "it has moved").await;
    shop.site.browser.see("[data-status=running]", "running").await;
    shop.site.browser.see(".batch-list", "it has moved").await;

    shop.site.browser.see("[data-status=partial]", "partial").await;
    shop.site.browser.see("[data-testid=percent]", "100 %").await;
    shop.site.browser.see("[data-part=failed]", "3 failed").await;
    shop.site.browser.see(".items table", "has no e-mail address").await;
    shop.site.browser.click("header.page-head a:has-text('Its job')").await;
    shop.site.browser.click("header.page-head a:has-text('Its sync')").await;
    shop.site.browser.see(".items table", "has no e-mail address").await;
    let same: Value = shop.site.browser.run("window.sameDocument").await;
    assert_eq!(same, json!(true), "the page was loaded anew");
    shop.site.browser.quiet("a sync").await;
}

#[tokio::test]
async fn failed_items_are_chosen_and_pushed_again_and_a_sync_is_marked_as_done_for_a_reason_only() {
    let mut shop = Shop::start(0).await;
    shop.sync("acme", "customers-acme").await;
    shop.site.browser.open(&format!("syncs/{QUEUE}/customers-acme")).await;
    shop.site.browser.see("[data-status=partial]", "partial").await;
    shop.site.browser.click(".items tbody tr:first-child input").await;
    shop.site.browser.click(".items footer button:has-text('Push 1 again')").await;
    shop.site.browser.fill("dialog input[name=reason]", "the address was added").await;
    shop.site.browser.click("dialog button[type=submit]").await;
    shop.site.browser.see(".batch-list", "the address was added").await;
    // It has failed again by then, and it alone was pushed.
    shop.site.browser.see("[data-status=partial]", "partial").await;
    shop.site.browser.see("[data-part=failed]", "3 failed").await;
    shop.site.browser.quiet("items").await;

    let mut slow = Shop::start(5000).await;
    slow.sync("acme", "customers-slow").await;
    slow.site.browser.open(&format!("syncs/{QUEUE}/customers-slow")).await;
    slow.site.browser.see("[data-status=running]", "running").await;
    slow.site.browser.click("header.page-head .menu > button").await;
    slow.site.browser.click("header.page-head .menu button:has-text('Mark as done')").await;
    slow.site.browser.see("dialog button[type=submit]:disabled", "Mark as done").await;
    slow.site.browser.fill("dialog input[name=reason]", "finished by hand").await;
    slow.site.browser.click("dialog button[type=submit]").await;
    slow.site.browser.see("[data-status=completed]", "completed").await;
    slow.site.browser.see(".batch-list", "finished by hand").await;
    slow.site.browser.quiet("marked as done").await;
}

#[tokio::test]
async fn the_pages_of_syncs_are_accessible_and_fit_a_phone() {
    let mut shop = Shop::start(0).await;
    shop.sync("acme", "customers-acme").await;
    let one = format!("syncs/{QUEUE}/customers-acme");
    let history = format!("history?queue={QUEUE}");
    for look in [
        json!({}),
        json!({"dark": true}),
        json!({"width": 390, "height": 844}),
        json!({"width": 320, "height": 844}),
    ] {
        shop.site.browser.fresh(look.clone()).await;
        for (path, at, text) in [
            ("syncs", "table.syncs-table", "customers"),
            (&*one, ".items table", "no e-mail"),
            (&*history, "section[aria-label='Runs of syncs']", "partial"),
            ("audit", "main table", "sync.start"),
        ] {
            let when = format!("/{path} {look}");
            shop.site.browser.open(path).await;
            shop.site.browser.see(at, text).await;
            shop.site.browser.accessible(&when).await;
            shop.site.browser.fits(&when).await;
            shop.site.browser.quiet(&when).await;
        }
        // What people did, and not each batch that a worker committed.
        assert_eq!(shop.site.browser.count("main tbody td:text-is('commit')").await, 0);
    }
}
