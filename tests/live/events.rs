use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{BULL, BULLMQ, Stage, Stream};
use crate::support::node::BullQueue;

fn kind_and_data(event: &Value) -> (&str, &Value) {
    (event["type"].as_str().unwrap(), &event["data"])
}

#[tokio::test]
async fn a_job_of_npm_bull_is_followed_from_line_to_end() {
    let stage = Stage::start();
    let mut events = stage.events("?type=job.*").await;
    assert!(events.head.to_lowercase().contains("x-accel-buffering: no"), "{}", events.head);
    assert!(events.head.contains("content-type: text/event-stream"), "{}", events.head);
    let mut queue = BullQueue::open(&stage.redis.url(), BULL).await;
    let id = queue.add("sync", json!({"n": 1}), json!({})).await;
    let event = events.next().await;
    assert_eq!(kind_and_data(&event), ("job.waiting", &json!({})));
    assert_eq!(
        (&event["queue"], &event["jobId"], &event["name"]),
        (&json!(BULL), &json!(id), &json!("sync"))
    );
    queue.work(1, 10).await;
    assert_eq!(events.next().await["type"], "job.active");
    let event = events.next().await;
    assert_eq!(kind_and_data(&event), ("job.completed", &json!({"result": {"by": "node"}})));
    let second = queue.add("sync", json!({}), json!({"delay": 50})).await;
    let event = events.next_of("job.waiting").await;
    assert_eq!(event["jobId"], json!(second), "a due job is in line");
    queue.call("pause", json!([])).await.unwrap();
    queue.close().await;
    let mut paused = stage.events("?type=queue.*").await;
    let mut queue = BullQueue::open(&stage.redis.url(), BULL).await;
    queue.call("resume", json!([])).await.unwrap();
    assert_eq!(paused.next_of("queue.resumed").await["queue"], BULL);
    queue.close().await;
}

#[tokio::test]
async fn a_job_of_npm_bullmq_is_followed_from_being_added_to_its_end() {
    for major in [5, 6] {
        let stage = Stage::start();
        let mut queue = BullQueue::open_mq(major, &stage.redis.url(), BULLMQ, &json!({})).await;
        let mut events = stage.events("?type=job.*&queue=orders").await;
        let id = queue.add("ship", json!({"n": 1}), json!({})).await;
        for kind in ["job.added", "job.waiting"] {
            let event = events.next().await;
            assert_eq!((&event["type"], &event["jobId"]), (&json!(kind), &json!(id)), "{major}");
            assert_eq!(event["name"], "ship");
        }
        queue.work(1, 10).await;
        assert_eq!(events.next().await["type"], "job.active");
        let event = events.next().await;
        assert_eq!(kind_and_data(&event), ("job.completed", &json!({"result": {"by": "node"}})));
        assert_eq!(event["name"], "ship");
        let delayed = queue.add("later", json!({}), json!({"delay": 60_000})).await;
        let event = events.next_of("job.delayed").await;
        assert!(event["data"]["dueOn"].as_u64().is_some_and(|due| due > 1_700_000_000_000), "{event}");
        queue.job_call(&delayed, "remove", json!([])).await.unwrap();
        assert_eq!(events.next_of("job.removed").await["jobId"], json!(delayed));
        queue.close().await;
    }
}

#[tokio::test]
async fn progress_comes_at_most_four_times_a_second_and_the_last_value_always() {
    let stage = Stage::start();
    for (queue, mut producer) in [
        (BULL, BullQueue::open(&stage.redis.url(), BULL).await),
        (BULLMQ, BullQueue::open_mq(6, &stage.redis.url(), BULLMQ, &json!({})).await),
    ] {
        let mut events =
            stage.events(&format!("?type=job.progress&queue={}", queue.replace(':', "%3A"))).await;
        let id = producer.add("sync", json!({}), json!({})).await;
        let method = if queue == BULL { "progress" } else { "updateProgress" };
        for n in 1..=200 {
            producer.job_call(&id, method, json!([{"processed": n}])).await.unwrap();
        }
        let mut seen = Vec::new();
        while seen.last() != Some(&200) {
            seen.push(events.next().await["data"]["progress"]["processed"].as_u64().unwrap());
        }
        assert!(seen.is_sorted() && seen[0] == 1, "{queue}: {seen:?}");
        assert!(seen.len() < 50, "{queue}: {seen:?}");
        producer.close().await;
    }
}

#[tokio::test]
async fn counts_are_told_after_whatever_has_changed_them() {
    let stage = Stage::start();
    let mut events = stage.events("?type=queue.counts").await;
    let mut queue = BullQueue::open(&stage.redis.url(), BULL).await;
    queue.add("a", json!({}), json!({})).await;
    queue.add("b", json!({}), json!({"delay": 60_000})).await;
    let counted = |waiting: u64, delayed: u64| {
        move |event: &Value| {
            let counts = &event["data"]["counts"];
            event["queue"] == BULL && counts["waiting"] == waiting && counts["delayed"] == delayed
        }
    };
    events.next_where("one waiting, one delayed", counted(1, 1)).await;
    // Nobody is told of this by Bull: the sweep finds it.
    queue.call("clean", json!([0, "delayed"])).await.unwrap();
    let event = events.next_where("none delayed", counted(1, 0)).await;
    assert_eq!(event["data"]["isPaused"], false);
    assert!(event["data"]["serverTime"].is_u64());
    queue.close().await;
}

#[tokio::test]
async fn a_worker_that_comes_and_goes_is_told() {
    let stage = Stage::start();
    let mut events = stage.events("?type=worker.*").await;
    // The first look is what all later ones are compared with.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let name = stage.store(BULL).keys().client_name("w-7");
    let mut named =
        bullock::store::Connection::new(&stage.redis.url(), Some(name), Duration::from_secs(5)).ok();
    named.as_ref().unwrap().open().await.unwrap();
    let up = events.next_of("worker.up").await;
    assert_eq!((&up["queue"], &up["data"]["worker"]), (&json!(BULL), &json!("w-7")));
    drop(named.take());
    assert_eq!(events.next_of("worker.down").await["data"]["worker"], "w-7");
}

#[tokio::test]
async fn an_act_in_the_audit_log_is_told_with_its_actor() {
    let stage = Stage::start();
    let mut events = stage.events("?type=audit&type=job.cancelled").await;
    // As lua/include/audit.lua writes it.
    let log = stage.store(BULL).keys().extra_of("audit");
    let fields = "what cancel job 7 was active is failed by kim from cli@shop why wrong".split(' ');
    let mut call = redis::cmd("XADD");
    call.arg(log).arg("*").arg(fields.collect::<Vec<_>>());
    let _: String = call.query_async(&mut stage.redis.connection().await).await.unwrap();
    let cancelled = events.next().await;
    assert_eq!((&cancelled["type"], &cancelled["jobId"]), (&json!("job.cancelled"), &json!("7")));
    let audit = events.next().await;
    let expected = json!({"what": "cancel", "by": "kim", "from": "cli@shop", "why": "wrong", "was": "active", "is": "failed"});
    assert_eq!(kind_and_data(&audit), ("audit", &expected));
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let stage = Stage::start();
    let mut queue = BullQueue::open(&stage.redis.url(), BULL).await;
    let mut first = stage.events("?type=job.waiting").await;
    queue.add("a", json!({}), json!({})).await;
    first.next().await;
    let seen = first.last_id;
    let missed = queue.add("b", json!({}), json!({})).await;
    // Whoever comes back by the header or by the parameter gets what they have missed.
    let header = seen.to_string();
    let mut again =
        Stream::open(stage.address, "?type=job.waiting", &[("last-event-id", header.as_str())]).await;
    assert_eq!(again.next().await["jobId"], json!(missed));
    let mut again = stage.events(&format!("?type=job.waiting&after={seen}")).await;
    assert_eq!(again.next().await["jobId"], json!(missed));
    assert_eq!(first.next().await["jobId"], json!(missed));
    for other in [1, seen + 1_000_000_000] {
        let mut stranger = stage.events(&format!("?after={other}")).await;
        let event = stranger.next().await;
        assert_eq!(kind_and_data(&event), ("resync", &json!({"reason": "unknown-seq"})), "{other}");
    }
    queue.close().await;
}

#[tokio::test]
async fn a_new_stream_begins_with_now() {
    let stage = Stage::start();
    let mut queue = BullQueue::open_mq(6, &stage.redis.url(), BULLMQ, &json!({})).await;
    queue.add("before", json!({}), json!({})).await;
    let mut events = stage.events("?type=job.*").await;
    assert!(events.is_silent_for(Duration::from_millis(500)).await);
    let id = queue.add("after", json!({}), json!({})).await;
    assert_eq!(events.next().await["jobId"], json!(id));
    queue.close().await;
}

#[tokio::test]
async fn filters_by_queue_and_job_hold_and_wrong_ones_are_refused() {
    let stage = Stage::start();
    let mut bull = BullQueue::open(&stage.redis.url(), BULL).await;
    let mut mq = BullQueue::open_mq(6, &stage.redis.url(), BULLMQ, &json!({})).await;
    let mut one = stage.events("?job=b-2&type=job.*").await;
    let mut woo = stage.events("?queue=woo:*&queue=none&type=job.waiting").await;
    mq.add("x", json!({}), json!({"jobId": "a-1"})).await;
    bull.add("x", json!({}), json!({"jobId": "b-1"})).await;
    bull.add("x", json!({}), json!({"jobId": "b-2"})).await;
    assert_eq!(one.next().await["jobId"], "b-2");
    assert_eq!(woo.next().await["jobId"], "b-1");
    assert_eq!(woo.next().await["jobId"], "b-2");
    for query in ["?type=job.done", "?nothing=1", "?after=x", "?after=1&after=2", "?after=-1"] {
        let answer = stage.get(&format!("/api/v1/events{query}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "validation"), "{query}");
    }
    bull.close().await;
    mq.close().await;
}

#[tokio::test]
async fn values_that_must_not_be_shown_are_not() {
    let stage = Stage::start_with(|options| options.redact = vec!["token".to_owned()]);
    let mut events = stage.events("?type=job.progress").await;
    let mut queue = BullQueue::open_mq(6, &stage.redis.url(), BULLMQ, &json!({})).await;
    let id = queue.add("sync", json!({}), json!({})).await;
    queue.job_call(&id, "updateProgress", json!([{"n": 1, "token": "s3cret"}])).await.unwrap();
    let event = events.next().await;
    assert_eq!(event["data"]["progress"], json!({"n": 1, "token": "[redacted]"}));
    queue.job_call(&id, "updateProgress", json!([{"text": "x".repeat(5000)}])).await.unwrap();
    assert_eq!(events.next().await["data"], json!({"truncated": true}));
    queue.close().await;
}

#[tokio::test]
async fn what_was_missed_while_redis_was_away_is_said() {
    let mut stage = Stage::start();
    let mut events = stage.events("").await;
    stage.redis.crash_and_restart();
    let event = events.next_of("resync").await;
    assert_eq!(event["data"], json!({"reason": "reconnected"}));
    let mut queue = BullQueue::open(&stage.redis.url(), BULL).await;
    // The second reader may still be on its way: it says so, too.
    let mut id = queue.add("a", json!({}), json!({})).await;
    let start = std::time::Instant::now();
    while events.next_where("life", |event| event["jobId"] == json!(id) || event["type"] == "resync").await["type"]
        == "resync"
    {
        assert!(start.elapsed() < crate::support::wait::DEADLINE);
        id = queue.add("a", json!({}), json!({})).await;
    }
    queue.close().await;
}

#[tokio::test]
async fn a_stop_ends_the_streams() {
    let stage = Stage::start();
    let events = stage.events("").await;
    drop(stage);
    events.end().await;
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_comments() {
    let stage = Stage::start();
    let mut events = stage.events("?type=job.*").await;
    // Longer than any other answer may take.
    for _ in 0..3 {
        assert_eq!(events.comment().await, ": ping");
    }
    let mut queue = BullQueue::open(&stage.redis.url(), BULL).await;
    let id = queue.add("a", json!({}), json!({})).await;
    assert_eq!(events.next().await["jobId"], json!(id));
    queue.close().await;
}

#[tokio::test]
async fn redis_is_listened_to_only_while_somebody_looks_on_and_a_while_after() {
    let stage = Stage::start();
    let reading = async || stage.get("/api/v1/health").await.json()["streams"]["reading"] == true;
    assert!(!reading().await, "nobody has looked on yet");
    let mut events = stage.events("?type=job.*").await;
    assert!(reading().await);
    let last = events.last_id;
    drop(events.into_socket());
    let start = std::time::Instant::now();
    while reading().await {
        assert!(start.elapsed() < Duration::from_secs(90), "still listening");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // Whoever comes back after that is told that there is a gap.
    events = stage.events(&format!("?after={last}")).await;
    assert_eq!(events.next().await["data"]["reason"], "unknown-seq");
}
