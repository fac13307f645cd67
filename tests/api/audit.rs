//! Every act leaves a line: by whom, from where, on what, from which state to which, why. What changed nothing leaves none.

use serde_json::{Value, json};

use crate::site::{Site, claim, complete_next, fail_next, run_token};
use crate::syncs::commit;

async fn newest(site: &Site, queue: &str) -> Value {
    site.get(&format!("/audit?limit=1&queue={queue}")).await["items"][0].clone()
}

async fn total(site: &Site) -> usize {
    site.get("/audit?limit=200").await["items"].as_array().unwrap().len()
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn every_act_leaves_a_line_in_both_dialects() {
    let site = Site::start();
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        handle.add("x", &json!({}), json!({"jobId": "bad"})).await.unwrap();
        fail_next(handle.store(), "it broke").await;
        handle.add("x", &json!({}), json!({"jobId": "later", "delay": 600_000})).await.unwrap();
        let mq = queue == "pdf";
        let mut acts = vec![
            (
                "POST",
                "/jobs",
                json!({"name": "x", "opts": {"jobId": "new"}}),
                "add",
                Some("new"),
                None,
                Some("waiting"),
            ),
            (
                "POST",
                "/jobs/bad/retry",
                json!({"reason": "r"}),
                "retry",
                Some("bad"),
                Some("failed"),
                Some("waiting"),
            ),
            (
                "POST",
                "/jobs/later/promote",
                json!({"reason": "r"}),
                "promote",
                Some("later"),
                Some("delayed"),
                Some("waiting"),
            ),
            (
                "PATCH",
                "/jobs/new",
                json!({"data": 1, "reason": "r"}),
                "edit-data",
                Some("new"),
                Some("waiting"),
                Some("waiting"),
            ),
            ("DELETE", "/jobs/new", json!({"reason": "r"}), "remove", Some("new"), Some("waiting"), None),
            ("POST", "/pause", json!({"reason": "r"}), "pause", None, None, None),
            ("POST", "/resume", json!({"reason": "r"}), "resume", None, None, None),
            ("POST", "/drain", json!({"reason": "r"}), "drain", None, None, None),
        ];
        if mq {
            acts.insert(
                4,
                (
                    "PATCH",
                    "/jobs/new",
                    json!({"priority": 2, "reason": "r"}),
                    "change-priority",
                    Some("new"),
                    Some("waiting"),
                    Some("prioritized"),
                ),
            );
            acts[5].5 = Some("prioritized");
            acts.push((
                "PUT",
                "/schedulers/s",
                json!({"every": 60_000, "reason": "r"}),
                "scheduler-upsert",
                Some("s"),
                None,
                None,
            ));
            acts.push((
                "DELETE",
                "/schedulers/s",
                json!({"reason": "r"}),
                "scheduler-remove",
                Some("s"),
                None,
                None,
            ));
        }
        for (method, path, body, what, job, was, is) in acts {
            let answer = site
                .send("operator", method, &format!("/queues/{queue}{path}"), Some(&body.to_string()))
                .await;
            let answer = if answer.status == 403 {
                site.ask(method, &format!("/queues/{queue}{path}"), body.clone()).await
            } else {
                answer
            };
            assert!(answer.status < 300, "{method} {path}: {answer:?}");
            let entry = newest(&site, queue).await;
            let shown = |name: &str| entry[name].as_str().map(str::to_owned);
            assert_eq!(shown("what").as_deref(), Some(what), "{queue}{path}: {entry}");
            assert_eq!(shown("queue").as_deref(), Some(queue));
            assert_eq!(
                (shown("job").as_deref(), shown("was").as_deref(), shown("is").as_deref()),
                (job, was, is),
                "{entry}"
            );
            assert!(matches!(shown("by").as_deref(), Some("operator" | "admin")), "{entry}");
            assert_eq!(shown("from").as_deref(), Some("api@127.0.0.1"));
            assert_eq!(shown("why").as_deref(), Some(if body.get("reason").is_some() { "r" } else { "" }));
        }
    }
}

#[tokio::test]
async fn what_changed_nothing_leaves_no_line_and_an_obliterated_queue_keeps_its_log() {
    let site = Site::start().with_jobs().await;
    for queue in ["shop", "pdf"] {
        let before = total(&site).await;
        for (method, path, body) in [
            ("POST", "/jobs/first/retry", json!({})),
            ("POST", "/jobs/first/promote", json!({})),
            ("POST", "/resume", json!({})),
            ("POST", "/jobs", json!({"name": "x", "opts": {"jobId": "first"}})),
            ("POST", "/clean", json!({"state": "failed"})),
            ("DELETE", "/jobs/gone", json!({})),
        ] {
            site.ask(method, &format!("/queues/{queue}{path}"), body).await;
        }
        assert_eq!(total(&site).await, before);
        site.ask(
            "POST",
            &format!("/queues/{queue}/obliterate"),
            json!({"confirm": queue, "reason": "moved"}),
        )
        .await;
        let kept: Vec<(String, std::collections::HashMap<String, String>)> = redis::cmd("XREVRANGE")
            .arg(format!("bull::x:{queue}::audit"))
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1)
            .query_async(&mut site.redis.connection().await)
            .await
            .unwrap();
        assert_eq!((kept[0].1["what"].as_str(), kept[0].1["why"].as_str()), ("obliterate", "moved"));
    }
}

#[tokio::test]
async fn the_log_is_paged_over_queues_and_filtered() {
    let site = Site::start().with_jobs().await;
    for n in 0..30 {
        let queue = if n % 2 == 0 { "shop" } else { "pdf" };
        let act = if n % 4 < 2 { "pause" } else { "resume" };
        let answer =
            site.ask("POST", &format!("/queues/{queue}/{act}"), json!({"reason": format!("n{n}")})).await;
        assert_eq!(answer.json()["changed"], true);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = site.get(&format!("/audit?limit=7{cursor}")).await;
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|entry| entry["why"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    // Acts on two queues within one ms have no order.
    seen.sort_by_key(|why| std::cmp::Reverse(why[1..].parse::<u32>().unwrap()));
    let expected: Vec<String> = (0..30).rev().map(|n| format!("n{n}")).collect();
    assert_eq!(seen, expected);
    let paused = site.get("/audit?queue=pdf&what=pause&limit=200").await;
    assert_eq!(paused["items"].as_array().unwrap().len(), 8, "{paused}");
}

#[tokio::test]
async fn what_workers_did_is_left_out_where_acts_of_people_are_asked_for() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        complete_next(handle.store(), "1").await;
        let order = json!({"queue": queue, "name": "import", "reason": "first"});
        let started = site.ask("POST", "/orgs/acme/syncs", order).await.json();
        let id = claim(handle.store(), &run_token(1)).await;
        assert_eq!(started["sync"]["id"], json!(id));
        commit(handle.store(), &id, &run_token(1)).await;
        let acts = async |more: &str| {
            let page = site.get(&format!("/audit?queue={queue}&job={id}{more}")).await;
            page["items"].as_array().unwrap().iter().map(|one| one["what"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(acts("").await, ["commit", "sync.start"]);
        assert_eq!(acts("&by=*").await, ["sync.start"]);
        let start = &site.get(&format!("/audit?queue={queue}&job={id}&by=*")).await["items"][0];
        assert_eq!((&start["was"], &start["is"]), (&Value::Null, &json!("waiting")), "{start}");
        assert_eq!(acts("&by=*&what=commit").await, [] as [&str; 0]);
    }
}
