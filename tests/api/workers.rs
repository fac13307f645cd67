//! Telling workers to claim nothing more.

use bullock::store::Lane;
use bullock::store::claim::ClaimRequest;
use serde_json::{Value, json};

use crate::site::{Site, claim, run_token};

#[tokio::test]
async fn a_worker_is_told_to_claim_nothing_more_and_to_claim_again() {
    let site = Site::start().with_jobs().await;
    let both = [("shop", &site.shop), ("pdf", &site.pdf)];
    for (_, handle) in both {
        for id in ["second", "third", "fourth"] {
            handle.add("x", &json!({}), json!({"jobId": id})).await.unwrap();
        }
        claim(handle.store(), &run_token(1)).await;
    }
    let shown = async || {
        let workers = site.get("/workers").await;
        workers["items"].as_array().unwrap().iter().find(|one| one["name"] == "w-1").unwrap().clone()
    };
    assert_eq!(shown().await["quiet"], Value::Null);
    let told = site.ask("POST", "/workers/w-1/quiet", json!({"reason": "a new version"})).await;
    let expected = json!({"worker": "w-1", "quiet": true, "queues": ["pdf", "shop"], "changed": true});
    assert_eq!((told.status, told.json()), (200, expected));
    assert_eq!(shown().await["quiet"]["why"], "a new version");
    assert_eq!(shown().await["queues"][0]["quiet"], true);
    for (queue, handle) in both {
        // The same name finds nothing, another one does.
        for (worker, jobs) in [("w-1", 0), ("w-2", 1)] {
            let tokens = [format!("{worker}:{:032x}", 77)];
            let mut lane = Lane::new(format!("test:{queue}:{worker}"));
            lane.next();
            let request = ClaimRequest {
                lease_ms: 60_000,
                busy: false,
                worker,
                limiter: None,
                tokens: &tokens,
                may_take_suspect: true,
            };
            let claimed = handle.store().claim(&lane, &request).await.unwrap();
            assert_eq!((claimed.jobs.len(), claimed.rest_ms > 0), (jobs, jobs == 0), "{worker}");
        }
        let entry = &site.get(&format!("/audit?queue={queue}&what=worker.quiet")).await["items"][0];
        assert_eq!((&entry["job"], &entry["by"]), (&json!("w-1"), &json!("admin")));
    }
    let resumed = site.ask("POST", "/workers/w-1/resume", json!({})).await;
    assert_eq!((resumed.status, &resumed.json()["changed"]), (200, &json!(true)));
    assert_eq!(shown().await["quiet"], Value::Null);
    let again = site.ask("POST", "/workers/w-1/resume", json!({})).await;
    assert_eq!(again.json()["changed"], false);
    for (_, handle) in both {
        claim(handle.store(), &run_token(2)).await;
    }
    site.send("viewer", "POST", "/workers/w-1/quiet", None).await.refused(403);
    site.ask("POST", "/workers/nobody/quiet", json!({})).await.refused(404);
}
