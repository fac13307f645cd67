//! What moves by itself: jobs of both kinds of producers, progress, and what must not move: selection and focus.

use serde_json::json;

use crate::site::{BULL, MQ, Site, segment};

#[tokio::test]
async fn a_job_of_npm_bull_and_one_of_npm_bullmq_appear_and_move_without_a_reload() {
    let mut site = Site::start().await;
    let (mut bull, mut mq) = (site.bull().await, site.bullmq().await);
    for (queue, name) in [(&mut bull, BULL), (&mut mq, MQ)] {
        // The queue's keys are there before the page is: a queue without keys is another test's.
        let first = queue.add("sync", json!({"shop": "first"}), json!({})).await;
        queue.finished(&first).await.unwrap();
        site.browser.open(&format!("queues/{}", segment(name))).await;
        site.browser.see("table.jobs-table", "first").await;
        site.browser.run("window.sameDocument = true").await;
        let id = queue.add("sync", json!({"shop": "acme", "steps": 20, "stepMs": 100}), json!({})).await;
        site.browser.see(&format!("tr[data-job='{id}'] [data-status=running]"), "running").await;
        site.browser.see(&format!("tr[data-job='{id}'] [data-status=completed]"), "completed").await;
        assert_eq!(
            site.browser.run("window.sameDocument").await,
            json!(true),
            "{name}: the page was loaded anew"
        );
        site.browser.quiet(name).await;
    }
}

#[tokio::test]
async fn a_new_queue_appears_on_the_overview_and_its_counts_move() {
    let mut site = Site::start().await;
    let mut bull = site.bull().await;
    site.browser.open("").await;
    let id = bull.add("sync", json!({"fail": "card declined"}), json!({})).await;
    let _ = bull.finished(&id).await;
    site.browser.see(&format!("tr[data-queue='{BULL}'] a[href*='state=failed']"), "1").await;
    site.browser.see("nav .count", "1").await;
    site.browser.quiet("overview").await;
}

#[tokio::test]
async fn progress_moves_and_shows_counts_beside_percent_rate_and_time_to_go() {
    let mut site = Site::start().await;
    let mut bull = site.bull().await;
    let data = json!({"steps": 400, "stepMs": 25, "failsItems": 4, "log": true});
    let id = bull.add("sync", data, json!({})).await;
    site.browser.open(&format!("queues/{}/jobs/{id}", segment(BULL))).await;
    let done = "Number(document.querySelector('[data-testid=counts]')?.textContent.split(' ')[0])";
    site.browser.until(&format!("{done} > 10")).await;
    let before = site.browser.run(done).await.as_f64().unwrap();
    site.browser.until(&format!("{done} > {before}")).await;
    site.browser.see("[data-testid=counts]", "of 400").await;
    site.browser.see(".progress-panel", "4 failed").await;
    site.browser.see(".progress-panel", "a second").await;
    site.browser.see(".progress-panel", "to go").await;
    site.browser.click("nav.tabs a:has-text('Logs')").await;
    site.browser.see("pre.log", "step 12 of 400").await;
    let lines = "document.querySelectorAll('pre.log span').length";
    let before = site.browser.run(lines).await.as_f64().unwrap();
    site.browser.until(&format!("{lines} > {before}")).await;
    site.browser.see("[data-status=partial]", "partial").await;
    site.browser.quiet("job").await;
}

#[tokio::test]
async fn selection_focus_and_scroll_survive_a_hundred_updates() {
    let mut site = Site::start().await;
    let mut bull = site.bull().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(bull.add("sync", json!({"n": n, "steps": 4000, "stepMs": 25}), json!({})).await);
    }
    for n in 0..30 {
        bull.add("later", json!({"n": n}), json!({"delay": 3_600_000 + n * 1000})).await;
    }
    site.browser.open(&format!("queues/{}", segment(BULL))).await;
    let (picked, focused) = (&ids[2], &ids[4]);
    site.browser.click(&format!("tr[data-job='{picked}'] input")).await;
    site.browser
        .run(&format!("document.querySelector(\"tr[data-job='{focused}'] a[data-row]\").focus()"))
        .await;
    site.browser.run("scrollTo(0, 150)").await;
    // Every progress that is drawn counts; the ticking of ages does not.
    let count = "window.updates = 0; new MutationObserver((all) => { window.updates += all.length; })\
        .observe(document.querySelector('main'), {subtree: true, attributeFilter: ['value']})";
    site.browser.run(count).await;
    // Each of these comes in between the running and the delayed ones, and moves the rows below.
    for n in 0..20 {
        bull.add("queued", json!({"n": n}), json!({})).await;
    }
    site.browser.until("window.updates >= 100").await;
    site.browser.see("table.jobs-table", "queued").await;
    let row = "document.activeElement.closest('tr')?.dataset.job";
    assert_eq!(site.browser.run(row).await, json!(focused), "focus");
    let checked =
        "[...document.querySelectorAll('tbody input:checked')].map((box) => box.closest('tr').dataset.job)";
    assert_eq!(site.browser.run(checked).await, json!([picked]), "selection");
    site.browser.see("footer.sel", "1 selected").await;
    assert_eq!(site.browser.run("scrollY").await, json!(150), "scroll");
    site.browser.quiet("queue").await;
}

#[tokio::test]
async fn six_hidden_tabs_hold_no_stream_and_the_seventh_is_live() {
    let mut site = Site::start().await;
    let mut bull = site.bull().await;
    let id = bull.add("sync", json!({}), json!({})).await;
    bull.finished(&id).await.unwrap();
    site.browser.open("").await;
    site.browser.see(".live[data-state=live]", "").await;
    site.browser.hide(0, true).await;
    for _ in 1..6 {
        let tab = site.browser.tab("").await;
        site.browser.hide(tab, true).await;
    }
    let seventh = site.browser.tab("").await;
    // With six streams open the browser would not even load it.
    assert!(site.browser.tab_text(seventh, "table.queues").await.contains(BULL));
    let id = bull.add("sync", json!({"fail": "card declined"}), json!({})).await;
    let _ = bull.finished(&id).await;
    site.browser.hide(0, false).await;
    site.browser.see(&format!("tr[data-queue='{BULL}'] a[href*='state=failed']"), "1").await;
    site.browser.see(".live[data-state=live]", "").await;
}
