//! What ran, as a real worker counted it: by kind, by the hour and the day, and how syncs ended.

use serde_json::json;

use crate::site::{BULL, MQ, Site, segment};

/// The row of a kind in a table, as its cells' texts.
fn cells(at: &str) -> String {
    format!(
        "[...document.querySelectorAll(\"{at} tbody tr\")].map((row) => [...row.cells].slice(0, 5).map((cell) => cell.innerText.trim()))"
    )
}

/// Waits longer than elsewhere: workers write their counts once a second, and the page asks for them every now and then.
async fn soon(site: &mut Site, expression: &str) {
    site.browser.ask("until", json!({"js": expression, "ms": 60_000})).await.unwrap();
}

#[tokio::test]
async fn what_a_worker_ran_is_counted_on_the_page_by_kind_hour_and_day_and_grows_by_itself() {
    let mut site = Site::start().await;
    let (mut bull, mut mq) = (site.bull().await, site.bullmq().await);
    for queue in [&mut bull, &mut mq] {
        for n in 0..7 {
            let fails = if n < 2 { json!({"fail": "card declined"}) } else { json!({"n": n}) };
            let id = queue.add("sync", fails, json!({})).await;
            let _ = queue.finished(&id).await;
        }
        let id = queue.add("mail", json!({}), json!({})).await;
        queue.finished(&id).await.unwrap();
    }
    let kinds = cells("section[aria-label='By kind']");
    for name in [BULL, MQ] {
        site.browser.open(&format!("history?queue={}", segment(name))).await;
        // Kind, ended, succeeded, partial, failed. Workers write their counts once a second.
        let expected = json!([["mail", "1", "100 %", "0", "0"], ["sync", "7", "71 %", "0", "2"]]);
        soon(&mut site, &format!("JSON.stringify({kinds}) === '{expected}'")).await;
        site.browser.see(&format!("section[aria-label='{name}']"), "8 jobs").await;
        let bars = "document.querySelector('section[aria-label=\"By kind\"] [role=img]')?.getAttribute('aria-label')";
        assert_eq!(site.browser.run(bars).await, json!("6 completed, 2 failed, by the hour"));
        site.browser.click("nav[aria-label='Time shown'] button:has-text('30 days')").await;
        soon(&mut site, &format!("{bars} === '6 completed, 2 failed, by the day'")).await;
        assert!(site.browser.place().await.ends_with("&by=day"), "what is shown stands in the address");
        site.browser.quiet(name).await;
    }
    let id = mq.add("late", json!({}), json!({})).await;
    mq.finished(&id).await.unwrap();
    soon(&mut site, &format!("JSON.stringify({kinds}).includes('[\"late\",\"1\"')")).await;
    site.browser.quiet("it grew").await;
}
