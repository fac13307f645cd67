//! Ending jobs before their time: cancel, kill, force-done.

use serde_json::{Value, json};

use crate::site::{Site, claim, complete_next, run_token};

fn names(job: &Value) -> Vec<&str> {
    job["allowedActions"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_the_same_sent_twice_changes_nothing() {
    let site = Site::start().with_jobs().await;
    for queue in ["shop", "pdf"] {
        let path = format!("/queues/{queue}/jobs/first");
        let before = site.get(&path).await;
        assert!(names(&before).contains(&"cancel") && names(&before).contains(&"force-done"), "{before}");
        assert!(!names(&before).contains(&"kill"), "nothing runs: {before}");
        let why = json!({"reason": "wrong shop"});
        let done = site.ask("POST", &format!("{path}/cancel"), why.clone()).await;
        assert_eq!((done.status, done.json()["outcome"].as_str()), (200, Some("cancelled")), "{done:?}");
        let after = site.get(&path).await;
        assert_eq!((after["state"].as_str(), after["status"].as_str()), (Some("failed"), Some("cancelled")));
        assert_eq!(after["failedReason"], "cancelled by admin: wrong shop");
        assert!(!names(&after).contains(&"cancel"), "{after}");
        let dump = site.dump().await;
        let again = site.ask("POST", &format!("{path}/cancel"), why).await;
        assert_eq!((again.status, again.json()["outcome"].as_str()), (200, Some("cancelled-before")));
        assert_eq!(site.dump().await, dump);
        let entry = &site.get(&format!("/audit?queue={queue}")).await["items"][0];
        assert_eq!((entry["what"].as_str(), entry["why"].as_str()), (Some("cancel"), Some("wrong shop")));
        assert_eq!((entry["by"].as_str(), entry["from"].as_str()), (Some("admin"), Some("api@127.0.0.1")));
    }
}

#[tokio::test]
async fn the_run_of_an_active_job_is_told_and_taken_away_only_by_force() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let id = claim(handle.store(), &run_token(1)).await;
        let path = format!("/queues/{queue}/jobs/{id}");
        let shown = site.get(&path).await;
        for word in ["cancel", "kill", "force-done"] {
            assert!(names(&shown).contains(&word), "{word}: {shown}");
        }
        for (act, outcome) in [("cancel", "told"), ("cancel", "told-before"), ("kill", "told")] {
            let told = site.ask("POST", &format!("{path}/{act}"), json!({})).await;
            assert_eq!((told.status, told.json()["state"].as_str()), (202, Some("active")), "{told:?}");
            let said = told.json()["outcome"].as_str().unwrap().to_owned();
            assert!(said == outcome || act == "kill" && said == "told-before", "{act}: {said}");
        }
        site.ask("POST", &format!("{path}/force-done"), json!({"reason": " "})).await.refused(400);
        let forced = site.ask("POST", &format!("{path}/force-done"), json!({"reason": "by hand"})).await;
        assert_eq!((forced.status, forced.json()["outcome"].as_str()), (200, Some("forced")), "{forced:?}");
        let after = site.get(&path).await;
        assert_eq!((after["state"].as_str(), &after["leaseMs"]), (Some("completed"), &Value::Null));
        assert_eq!(after["returnvalue"], json!({"forced": true, "by": "admin", "reason": "by hand"}));
        let again = site.ask("POST", &format!("{path}/force-done"), json!({"reason": "by hand"})).await;
        assert_eq!((again.status, again.json()["outcome"].as_str()), (200, Some("forced-before")));
    }
}

#[tokio::test]
async fn a_job_that_has_ended_is_not_ended_again_and_the_refusal_says_where_it_is() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let id = complete_next(handle.store(), "1").await;
        let dump = site.dump().await;
        for act in ["cancel", "kill", "force-done"] {
            let path = format!("/queues/{queue}/jobs/{id}/{act}");
            let answer = site.ask("POST", &path, json!({"reason": "too late"})).await;
            let (kind, detail) = answer.refused(409);
            assert!(kind == "state-conflict" && detail.contains("is completed"), "{detail}");
            assert_eq!(answer.json()["state"], "completed");
            let path = format!("/queues/{queue}/jobs/nobody/{act}");
            site.ask("POST", &path, json!({"reason": "who"})).await.refused(404);
            let path = format!("/queues/{queue}/jobs/wait/{act}");
            site.ask("POST", &path, json!({"reason": "a key of the queue"})).await.refused(404);
        }
        assert_eq!(site.dump().await, dump, "nothing was written");
    }
}
