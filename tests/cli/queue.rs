//! `bullock queue`.

use serde_json::json;

use super::Place;
use super::support::node::BullQueue;

#[tokio::test]
async fn ls_lists_every_queue_of_the_prefix_with_bulls_counts_and_workers() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let mut other = BullQueue::open(&place.redis.url(), "mailbox:eu").await;
    mail.add("x", json!({}), json!({"delay": 60_000})).await;
    mail.add("x", json!({}), json!({})).await;
    other.work(1, 0).await;
    let id = other.add("x", json!({}), json!({})).await;
    other.finished(&id).await.unwrap();

    let listed = place.json(&["queue", "ls"]).await;
    assert_eq!(
        listed,
        json!([
            {"queue": "mail", "dialect": "bull", "paused": false, "workers": 0, "counts":
                {"waiting": 1, "paused": 0, "active": 0, "delayed": 1, "completed": 0, "failed": 0}},
            {"queue": "mailbox:eu", "dialect": "bull", "paused": false, "workers": 1, "counts":
                {"waiting": 0, "paused": 0, "active": 0, "delayed": 0, "completed": 1, "failed": 0}},
        ])
    );
    let table = place.ok(&["queue", "ls", "-o", "table"]).await;
    let expected = "\
QUEUE       WAITING  ACTIVE  DELAYED  FAILED  COMPLETED  WORKERS  PAUSED
mail              1       0        1       0          0        0  no
mailbox:eu        0       0        0       0          1        1  no
";
    assert_eq!(table, expected);
    assert_eq!(place.ok(&["queue", "ls", "--prefix", "none"]).await, "");
}

#[tokio::test]
async fn keys_that_only_end_like_a_queues_are_no_queues() {
    let place = Place::start();
    place.add(&["mail", "x"]).await;
    place.redis(&["HSET", "bull:mail:metrics:completed", "count", "1"]).await;
    let answer = place.run(&["queue", "ls"]).await;
    assert_eq!((answer.stdout.lines().count(), answer.stderr.as_str()), (1, ""), "{answer:?}");
    // Another program's keys are named once and do not end the list.
    place.redis(&["SET", "bull:odd:wait", "text"]).await;
    let answer = place.run(&["queue", "ls"]).await;
    assert_eq!(answer.stdout.lines().count(), 1, "{answer:?}");
    assert_eq!(answer.stderr, "note: odd is left out: its keys have other types than a queue's\n");
}

#[tokio::test]
async fn pause_and_resume_hold_for_npm_bull_and_may_be_repeated() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    mail.add("x", json!({}), json!({})).await;

    assert_eq!(place.json(&["queue", "pause", "mail"]).await["changed"], true);
    assert_eq!(mail.call("isPaused", json!([])).await, Ok(json!(true)));
    let again = place.run(&["queue", "pause", "mail"]).await;
    assert_eq!((again.code, again.stderr.as_str()), (0, "mail is paused already\n"));
    assert!(place.ok(&["queue", "ls"]).await.contains("mail\t1\t0\t0\t0\t0\t0\tyes"));

    let resumed = place.run(&["queue", "resume", "mail"]).await;
    assert_eq!((resumed.code, resumed.stderr.as_str()), (0, "resumed mail\n"));
    assert_eq!(mail.call("isPaused", json!([])).await, Ok(json!(false)));
    assert_eq!(place.json(&["queue", "resume", "mail"]).await["changed"], false);
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_neither_shown_nor_made_by_pausing_it() {
    let place = Place::start();
    for command in ["show", "pause", "resume"] {
        let error = place.fails(3, &["queue", command, "mial"]).await;
        assert!(error.contains("no such queue") && error.contains(": mial"), "{error}");
    }
    assert_eq!(place.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn show_names_counts_workers_the_oldest_job_and_what_repeats() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    mail.add("nightly", json!({}), json!({"repeat": {"cron": "0 3 * * *", "tz": "Europe/Rome"}})).await;
    let id = mail.add("x", json!({}), json!({})).await;
    let shown = place.json(&["queue", "show", "mail"]).await;
    assert_eq!(shown["nextWaiting"]["id"], json!(id));
    assert_eq!(shown["repeatables"][0]["key"], "nightly:::Europe/Rome:0 3 * * *");
    assert!(shown["repeatables"][0]["next"].as_i64().is_some_and(|next| next > 1_700_000_000_000), "{shown}");
    let page = place.ok(&["queue", "show", "mail", "-o", "table"]).await;
    assert!(page.contains(&format!("\nwaiting    1, next is {id}, added ")), "{page}");
    assert!(page.contains("\nrepeatable jobs\n  nightly:::Europe/Rome:0 3 * * *  next "), "{page}");
}

#[tokio::test]
async fn a_queue_that_both_dialects_write_to_is_listed_and_not_touched() {
    let place = Place::start();
    place.redis(&["HSET", "bull:mq:meta", "version", "bullmq:5.0.0", "opts.maxLenEvents", "10000"]).await;
    place.redis(&["XADD", "bull:mq:events", "*", "event", "added"]).await;
    assert_eq!(place.json(&["queue", "ls"]).await[0]["dialect"], "bullmq");
    place.redis(&["SET", "bull:mq:meta-paused", "1"]).await;
    assert_eq!(place.json(&["queue", "ls"]).await[0]["dialect"], "mixed");
    for command in [
        &["queue", "pause", "mq"][..],
        &["job", "add", "mq", "x"],
        &["job", "ls", "mq"],
        &["job", "rm", "mq", "1"],
    ] {
        let error = place.fails(5, command).await;
        for word in ["(mq)", "both Bull 4 (meta-paused) and BullMQ (events, meta ", "another prefix"] {
            assert!(error.contains(word), "{word} in {error}");
        }
    }
    let error = place.fails(5, &["job", "add", "mq", "x", "--dialect", "bull"]).await;
    assert!(error.contains("expected Bull 4 (dialect = \"bull\")"), "{error}");
    assert_eq!(place.keys().await, ["bull:mq:events", "bull:mq:meta", "bull:mq:meta-paused"]);
}

#[tokio::test]
async fn drain_deletes_what_is_to_be_done_and_obliterate_everything_but_not_unasked() {
    let place = Place::start();
    place.add(&["mail", "x"]).await;
    place.add(&["mail", "x", "--delay", "1h"]).await;
    let refused = place.fails(2, &["queue", "drain", "mail"]).await;
    assert!(refused.contains("not confirmed: delete 2 jobs of mail"), "{refused}");
    assert_eq!(place.ok(&["queue", "drain", "mail", "--dry-run"]).await, "2\n");
    let kept = place.fails(2, &["queue", "drain", "mail", "--keep-delayed"]).await;
    assert!(kept.contains("Bull 4 cannot drain"), "{kept}");
    assert_eq!(place.json(&["queue", "drain", "mail", "--yes"]).await["removed"], 2);

    place.add(&["reports", "x", "--dialect", "bullmq"]).await;
    place.add(&["reports", "x", "--delay", "1h"]).await;
    assert_eq!(place.json(&["queue", "drain", "reports", "--keep-delayed", "--yes"]).await["removed"], 1);
    place.fails(2, &["queue", "obliterate", "reports"]).await;
    place.ok(&["queue", "obliterate", "reports", "--dry-run"]).await;
    assert_eq!(place.json(&["queue", "show", "reports"]).await["counts"]["delayed"], 1);
    place.ok(&["queue", "obliterate", "reports", "--yes", "--reason", "moved"]).await;
    let left = place.keys().await;
    assert!(left.iter().all(|key| !key.starts_with("bull:reports:")), "{left:?}");
}

#[tokio::test]
async fn stats_tell_how_the_newest_jobs_went() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    mail.work(1, 0).await;
    for _ in 0..3 {
        let id = mail.add("x", json!({}), json!({})).await;
        mail.finished(&id).await.unwrap();
    }
    let stats = place.json(&["queue", "stats", "mail"]).await;
    assert_eq!((&stats["sampled"], &stats["successRate"]), (&json!(3), &json!(1.0)), "{stats}");
    assert!(stats["runMs"]["p95"].is_u64() && stats["names"][0]["name"] == "x", "{stats}");
    let text = place.ok(&["queue", "stats", "mail", "-o", "table"]).await;
    assert!(text.contains("ended well  100.0 %"), "{text}");
}
