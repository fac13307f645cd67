//! Every kind of zombie: found, and mended by hand.

use serde_json::{Value, json};

use super::{LIBRARIES, Place};

/// A token as workers of ours make them.
const OURS: &str = "w-1:0123456789abcdef0123456789abcdef";
/// Long ago, ms.
const LONG_AGO: u64 = 1_700_000_000_000;

/// Takes a job that waits as a worker would, with or without a lock.
async fn begin(place: &Place, id: &str, lock: Option<&str>) {
    place.send::<()>(&format!("LREM bull:q:wait 0 {id}")).await;
    place.send::<()>(&format!("LPUSH bull:q:active {id}")).await;
    place.send::<()>(&format!("HSET bull:q:{id} processedOn {LONG_AGO}")).await;
    if let Some(token) = lock {
        place.send::<()>(&format!("SET bull:q:{id}:lock {token} PX 600000")).await;
    }
}

/// One of each kind, by id.
async fn scene(place: &mut Place) {
    for id in ["lost", "silent", "late", "ghost", "torn", "orphan", "good"] {
        place.queue.add("sync", json!({"of": id}), json!({"jobId": id})).await;
    }
    begin(place, "lost", None).await;
    begin(place, "silent", Some(OURS)).await;
    begin(place, "ghost", None).await;
    place.send::<()>("DEL bull:q:ghost").await;
    place.send::<()>("LREM bull:q:wait 0 late").await;
    place.send::<()>(&format!("ZADD bull:q:delayed {} late", LONG_AGO * 4096)).await;
    place.send::<()>(&format!("ZADD bull:q:delayed {} torn", 2_600_000_000_000_u64 * 4096)).await;
    place.send::<()>("LREM bull:q:wait 0 orphan").await;
}

const KINDS: [(&str, &str); 6] = [
    ("lost", "active_without_lease"),
    ("silent", "silent"),
    ("late", "overdue"),
    ("ghost", "active_without_hash"),
    ("torn", "two_states"),
    ("orphan", "orphan_hash"),
];

fn row<'a>(rows: &'a Value, id: &str) -> &'a Value {
    rows.as_array().unwrap().iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("{id}: {rows}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_listed_with_its_age_owner_last_sign_and_reason() {
    for major in LIBRARIES {
        let mut place = Place::start(major).await;
        assert_eq!(place.json(0, &["zombies", "ls"]).await, json!([]));
        scene(&mut place).await;
        let rows = place.json(0, &["zombies", "ls", "q"]).await;
        assert_eq!(rows.as_array().unwrap().len(), KINDS.len(), "{major}: {rows}");
        for (id, class) in KINDS {
            assert_eq!(row(&rows, id)["class"], class, "{major}: {rows}");
            assert!(!row(&rows, id)["reason"].as_str().unwrap().is_empty());
        }
        let silent = row(&rows, "silent");
        assert_eq!(
            (&silent["owner"], &silent["lastSign"], &silent["name"]),
            (&json!("w-1"), &json!(LONG_AGO), &json!("sync"))
        );
        assert_eq!(row(&rows, "lost")["owner"], Value::Null, "nobody wrote down who ran it");
        assert_eq!(row(&rows, "late")["since"], json!(LONG_AGO));
        let table = place.run(&["zombies", "ls", "-o", "table"]).await;
        assert!(
            table.stdout.contains("unknown") && table.stdout.contains("active_without_lease"),
            "{table:?}"
        );
        // A callback that was heard just now is a sign of life.
        let now: (u64, u64) = place.send("TIME").await;
        place.send::<()>(&format!("HSET bull::x:q::job:silent beat {}", now.0 * 1000)).await;
        let rows = place.json(0, &["zombies", "ls", "q"]).await;
        assert!(rows.as_array().unwrap().iter().all(|row| row["id"] != "silent"), "{rows}");
        place.queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_put_back_in_line_and_a_live_lease_goes_only_by_force() {
    for major in LIBRARIES {
        let mut place = Place::start(major).await;
        scene(&mut place).await;
        let refused =
            place.run(&["zombies", "requeue", "q", "silent", "good", "ghost", "--reason", "x"]).await;
        assert_eq!(refused.code, 5, "{refused:?}");
        for words in ["held by a live run", "good is no such zombie", "no body to run"] {
            assert!(refused.stderr.contains(words), "{words}: {refused:?}");
        }
        assert_eq!(place.audit().await.len(), 0);
        let dry = place.json(0, &["zombies", "requeue", "q", "lost", "late", "--dry-run"]).await;
        assert_eq!(dry.as_array().unwrap().len(), 2);
        assert_eq!(place.audit().await.len(), 0);

        let ids = ["lost", "late", "torn", "orphan"];
        let mut arguments = vec!["zombies", "requeue", "q", "--reason", "a bad night"];
        arguments.extend(ids);
        place.json(0, &arguments).await;
        place.json(0, &["zombies", "requeue", "q", "silent", "--force"]).await;
        let waiting: Vec<String> = place.send("LRANGE bull:q:wait 0 -1").await;
        for id in ids.into_iter().chain(["silent"]) {
            assert_eq!(waiting.iter().filter(|other| *other == id).count(), 1, "{major} {id}: {waiting:?}");
            assert_eq!(place.queue.job(id, "getState").await, "waiting");
        }
        assert!(!place.send::<bool>("EXISTS bull:q:silent:lock").await);
        let audit = place.audit().await;
        let lost = audit.iter().find(|entry| entry[1] == "lost").unwrap();
        assert_eq!(
            *lost,
            ["zombies requeue", "lost", "active", "wait", "kim", "a bad night"].map(str::to_owned)
        );
        let told: redis::streams::StreamRangeReply = place.send("XRANGE bull::x:q::cancel - +").await;
        assert_eq!(
            told.ids.iter().filter_map(|one| one.get::<String>("job")).collect::<Vec<_>>(),
            ["silent"]
        );

        // Whoever works now does each of them once.
        place.queue.work(1, 0).await;
        for id in ids.into_iter().chain(["silent", "good"]) {
            assert_eq!(place.queue.finished(id).await, Ok(json!({"by": "node"})), "{major} {id}");
        }
        place.queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_class_or_older_than_a_time_are_failed_or_forced_at_once() {
    for major in LIBRARIES {
        let mut place = Place::start(major).await;
        scene(&mut place).await;
        let unasked = place.run(&["zombies", "fail", "q", "--all"]).await;
        assert_eq!((unasked.code, unasked.stderr.contains("--yes")), (2, true), "{unasked:?}");
        let none = place.json(0, &["zombies", "fail", "q", "--all", "--yes", "--older-than", "36500d"]).await;
        assert_eq!(none, json!([]));
        place
            .json(
                0,
                &[
                    "zombies",
                    "force-done",
                    "q",
                    "--all",
                    "--yes",
                    "--class",
                    "orphan_hash",
                    "--reason",
                    "seen",
                ],
            )
            .await;
        assert_eq!(place.queue.job("orphan", "getState").await, "completed");
        place.json(0, &["zombies", "force-done", "q", "lost", "--reason", "was done"]).await;
        assert_eq!(
            place.queue.finished("lost").await,
            Ok(json!({"forced": true, "by": "kim", "reason": "was done"}))
        );
        let rest = place
            .json(0, &["zombies", "fail", "q", "--all", "--yes", "--force", "--reason", "given up"])
            .await;
        assert_eq!(rest.as_array().unwrap().len(), 4, "{rest}");
        for id in ["silent", "late", "torn", "ghost"] {
            assert_eq!(place.queue.job(id, "getState").await, "failed", "{major} {id}");
        }
        assert_eq!(place.queue.job("late", "failedReason").await, "given up");
        // What is whole can be retried.
        let retried = place.run(&["job", "retry", "q", "late"]).await;
        assert_eq!(retried.code, 0, "{retried:?}");
        let clean = place.run(&["doctor", "q"]).await;
        assert_eq!(clean.code, 0, "{clean:?}");
        place.queue.close().await;
    }
}
