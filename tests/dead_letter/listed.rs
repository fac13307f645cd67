//! `bullock dead ls` and `show`.

use redis::AsyncCommands as _;
use serde_json::json;

use crate::ground::{Ground, KINDS, saying};

#[tokio::test]
async fn dead_letters_are_found_by_class_error_signature_time_and_data() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        ground
            .bury(vec![
                saying("a", "no shop 17"),
                saying("b", "no shop 18"),
                saying("c", "card declined"),
                (json!({"says": "card declined"}), json!({"jobId": "d"})),
            ])
            .await;
        assert_eq!(ground.listed(&[]).await, ["a", "b", "c", "d"]);
        assert_eq!(ground.listed(&["--class", "error"]).await.len(), 4);
        assert!(ground.listed(&["--class", "crashed"]).await.is_empty());
        assert_eq!(ground.listed(&["--error", "SHOP 1"]).await, ["a", "b"]);
        assert_eq!(ground.listed(&["--where", "data.shop.name=c"]).await, ["c"]);
        assert_eq!(ground.listed(&["--since", "1h"]).await.len(), 4);
        assert!(ground.listed(&["--until", "1h"]).await.is_empty());
        assert!(ground.listed(&["--since", "2100-01-01T00:00:00Z"]).await.is_empty());

        let groups = ground.json(&["dead", "ls", "--by", "error"]).await;
        assert_eq!(groups[0]["count"], 2);
        let shops = groups.as_array().unwrap().iter().find(|group| group["error"] == "no shop <n>").unwrap();
        assert_eq!(
            (&shops["queue"], &shops["count"], &shops["class"]),
            (&json!("q"), &json!(2), &json!("error"))
        );
        let hash = shops["signature"].as_str().unwrap();
        assert_eq!(ground.listed(&["--signature", hash]).await, ["a", "b"]);
        let classes = ground.json(&["dead", "ls", "q", "--by", "class"]).await;
        assert_eq!((&classes[0]["class"], &classes[0]["count"]), (&json!("error"), &json!(4)));
        ground.queue.close().await;
    }
}

#[tokio::test]
async fn pages_show_each_dead_letter_once_though_many_failed_in_one_millisecond() {
    let ground = Ground::new(4).await;
    let mut db = ground.redis.connection().await;
    // Written by hand: what matters here is only the set. 700 in one ms, more than a round trip reads.
    for n in 0..900 {
        let id = format!("j{n:03}");
        let score = if n < 700 { 1_700_000_000_000_i64 } else { 1_700_000_000_000 + n };
        let () = db.zadd("bull:q:failed", &id, score).await.unwrap();
        let job = [("name", "x"), ("data", "{}"), ("opts", "{}"), ("failedReason", "no"), ("timestamp", "1")];
        let () = db.hset_multiple(format!("bull:q:{id}"), &job).await.unwrap();
    }
    let (mut seen, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let mut arguments = vec!["dead", "ls", "q", "--limit", "200", "--json"];
        if let Some(cursor) = &cursor {
            arguments.extend(["--cursor", cursor]);
        }
        let answer = ground.run(&arguments).await;
        let rows: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert!(rows[0]["class"] == "unrecorded", "none of ours buried it: {}", rows[0]);
        seen.extend(rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        cursor = answer.stderr.split("--cursor ").nth(1).map(|rest| rest.trim().to_owned());
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 900);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 900, "none twice");
}

#[tokio::test]
async fn a_page_looks_at_ten_thousand_and_says_so() {
    let ground = Ground::new(4).await;
    let mut db = ground.redis.connection().await;
    let mut pipe = redis::pipe();
    for n in 0..10_300_i64 {
        pipe.zadd("bull:q:failed", n, n).hset(format!("bull:q:{n}"), "failedReason", "no").ignore();
    }
    let () = pipe.query_async(&mut db).await.unwrap();
    let answer = ground.run(&["dead", "ls", "q", "--error", "never said", "--json"]).await;
    assert_eq!(answer.stdout.trim(), "[]");
    assert!(answer.stderr.contains("10000 of 10300 looked at; more: "), "{}", answer.stderr);
    let cursor = answer.stderr.split("--cursor ").nth(1).unwrap().trim();
    let rest = ground.run(&["dead", "ls", "q", "--error", "never said", "--cursor", cursor]).await;
    assert!(!rest.stderr.contains("--cursor"), "{}", rest.stderr);
}

#[tokio::test]
async fn one_dead_letter_is_shown_with_its_attempts_and_what_could_not_be_read() {
    for kind in KINDS {
        let mut ground = Ground::new(kind).await;
        let mut db = ground.redis.connection().await;
        ground.bury(vec![saying("a", "card declined\nsecond line")]).await;
        let shown = ground.json(&["dead", "show", "q", "a"]).await;
        assert_eq!((&shown["class"], &shown["history"][0]["worker"]), (&json!("error"), &json!("w-1")));
        assert_eq!(shown["history"][0]["kind"], "attempt");
        let page = ground.ok(&["dead", "show", "q", "a", "-o", "table"]).await;
        for part in ["class", "error", "card declined", "attempt 1: error after", "on w-1", "says"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        // Garbage is kept, and shown as it came.
        ground.queue.add("charge", json!({}), json!({"jobId": "bad"})).await;
        let () = db.hset("bull:q:bad", "data", "{\"amount\":").await.unwrap();
        let worker = ground.failing_worker().await;
        crate::support::wait::until("its end", async || ground.count("failed").await == 2).await;
        worker.stop();
        worker.join().await;
        let shown = ground.json(&["dead", "show", "q", "bad"]).await;
        assert_eq!((&shown["class"], &shown["rawData"]), (&json!("undecodable"), &json!("{\"amount\":")));
        assert!(ground.fails(3, &["dead", "show", "q", "nobody"]).await.contains("no such job"));
        ground.queue.add("x", json!({}), json!({"jobId": "waits"})).await;
        let error = ground.fails(5, &["dead", "show", "q", "waits"]).await;
        assert!(error.contains("job waits is waiting"), "{error}");
        ground.queue.close().await;
    }
}
