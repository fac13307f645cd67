//! Job schedulers of `BullMQ` and repeatable jobs of Bull, and flows.

use bullock::store::flow::Flow;
use serde_json::{Value, json};

use crate::site::{Site, complete_next};

#[tokio::test]
async fn a_scheduler_is_made_changed_run_and_removed() {
    let site = Site::start().with_jobs().await;
    let path = "/queues/pdf/schedulers/report%3Anightly";
    let body = json!({"pattern": "0 3 * * *", "tz": "Europe/Rome", "name": "report", "data": {"full": true}, "opts": {"attempts": 3}});
    let made = site.ask("PUT", path, body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let made = made.json();
    assert_eq!(
        (made["id"].as_str(), made["pattern"].as_str(), made["tz"].as_str()),
        (Some("report:nightly"), Some("0 3 * * *"), Some("Europe/Rome"))
    );
    assert!(made["next"].as_i64().unwrap() > 0);
    let changed = site
        .ask(
            "PUT",
            path,
            json!({"every": 60_000, "name": "report", "data": {"full": true}, "opts": {"attempts": 3}}),
        )
        .await
        .json();
    assert_eq!((changed["every"].as_i64(), changed["pattern"].as_str()), (Some(60_000), None));
    let ran = site.ask("POST", &format!("{path}/run"), json!({"reason": "now"})).await;
    assert_eq!(ran.status, 201, "{ran:?}");
    let job = site.get(&format!("/queues/pdf/jobs/{}", ran.json()["id"].as_str().unwrap())).await;
    assert_eq!(
        (job["name"].as_str(), &job["data"], job["attempts"].as_u64()),
        (Some("report"), &json!({"full": true}), Some(3))
    );
    assert_eq!(job["state"], "waiting");
    assert_eq!(site.get("/schedulers").await["total"], 1);
    assert_eq!(site.ask("DELETE", path, json!({})).await.json()["removed"], true);
    site.ask("DELETE", path, json!({})).await.refused(404);
    for bad in [
        json!({"every": 0}),
        json!({"pattern": "61 * * * *"}),
        json!({"pattern": "* * * * *", "tz": "Mars/Base"}),
        json!({"every": 5, "pattern": "* * * * *"}),
    ] {
        site.ask("PUT", path, bad).await.refused(400);
    }
}

#[tokio::test]
async fn a_repeatable_job_of_bull_is_shown_run_and_removed() {
    let site = Site::start();
    site.shop
        .add("sync", &json!({"n": 1}), json!({"repeat": {"cron": "*/5 * * * *", "tz": "UTC"}}))
        .await
        .unwrap();
    let listed = site.get("/queues/shop/schedulers").await;
    let item = &listed["items"][0];
    assert_eq!(
        (item["name"].as_str(), item["pattern"].as_str(), item["tz"].as_str()),
        (Some("sync"), Some("*/5 * * * *"), Some("UTC"))
    );
    let id: String = url::form_urlencoded::byte_serialize(item["id"].as_str().unwrap().as_bytes()).collect();
    let path = format!("/queues/shop/schedulers/{}", id.replace('+', "%20"));
    assert_eq!(site.get(&path).await["next"], item["next"]);
    let ran = site.ask("POST", &format!("{path}/run"), json!({})).await;
    assert_eq!(ran.status, 201, "{ran:?}");
    let job = site.get(&format!("/queues/shop/jobs/{}", ran.json()["id"].as_str().unwrap())).await;
    assert_eq!((&job["data"], job["state"].as_str()), (&json!({"n": 1}), Some("waiting")));
    assert_eq!(site.ask("DELETE", &path, json!({})).await.status, 200);
    let counts = site.shop.store().counts().await.unwrap().0;
    assert_eq!((counts.delayed, counts.waiting), (0, 1), "the delayed occurrence went with it");
}

#[tokio::test]
async fn a_flow_is_a_tree_with_what_became_of_each_child() {
    let site = Site::start();
    let page = |n: u32| Flow::new("pdf", "page", json!({"n": n})).opts(json!({"jobId": format!("page-{n}")}));
    let flow = Flow::new("pdf", "bind", json!({}))
        .opts(json!({"jobId": "book"}))
        .child(page(1))
        .child(page(2))
        .child(Flow::new("mail", "send", json!({})).opts(json!({"jobId": "m"})));
    site.pdf.add_flow(&flow).await.unwrap();
    complete_next(site.pdf.store(), "\"done\"").await;
    let tree = site.get("/flows/pdf/book").await;
    let root = &tree["root"];
    assert_eq!(
        (root["state"].as_str(), tree["nodes"].as_u64(), tree["truncated"].as_bool()),
        (Some("waiting-children"), Some(4), Some(false))
    );
    assert_eq!(root["rollup"], json!({"pending": 2, "processed": 1, "failed": 0, "ignored": 0}));
    let outcomes: std::collections::BTreeMap<&str, &str> = root["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| (child["id"].as_str().unwrap(), child["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(outcomes, [("m", "pending"), ("page-1", "processed"), ("page-2", "pending")].into());
    let child = site.get("/flows/pdf/page-2").await;
    assert_eq!(child["above"], json!({"queue": "pdf", "id": "book"}));
    let cut = site.get("/flows/pdf/book?limit=2").await;
    assert_eq!(
        (cut["nodes"].as_u64(), cut["truncated"].as_bool(), cut["root"]["more"].as_u64()),
        (Some(2), Some(true), Some(2))
    );
    let job = site.get("/queues/pdf/jobs/book?include=children").await;
    assert_eq!((job["children"]["total"].as_u64(), job["children"]["pending"].as_u64()), (Some(3), Some(2)));
    let alone: Value = site.get("/flows/mail/m").await;
    assert_eq!(alone["root"]["children"], json!([]));
}
