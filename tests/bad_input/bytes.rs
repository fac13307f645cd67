//! The producer's bytes survive us (B56; F52, F55).

use bullock::worker::PAYLOAD_BYTES_MAX;
use serde_json::json;

use crate::ground::{Ground, P, X};

#[tokio::test]
async fn data_reaches_the_handler_and_the_result_reaches_redis_byte_for_byte() {
    let deep = format!("{}{}", "[".repeat(1001), "]".repeat(1001));
    let deeper = format!("{}{}", "{\"a\":".repeat(10_000), "1".to_owned() + &"}".repeat(10_000));
    let all = [
        "null",
        "0",
        "-0",
        "7",
        "\"text\"",
        "true",
        "[]",
        "{}",
        "{\"a\":[],\"b\":{}}",
        "9007199254740993",
        "{\"big\":123456789012345678901234567890,\"exp\":1E400,\"small\":1e-400,\"float\":1.10}",
        "{\"b\":1,\"a\":2,\"b\":3}",
        " { \"spaced\" :\t[ 1 , 2 ]\n} ",
        "\"\\ud83d\\ude00 \u{202e}\u{200b} \\u0000 \\\\ \\/ é\"",
        &deep,
        &deeper,
    ];
    let mut ground = Ground::new().await;
    for (n, data) in all.iter().enumerate() {
        ground.place(&format!("d{n}"), &[("data", data)]).await;
    }
    let worker = ground.worker().await;
    for (n, data) in all.iter().enumerate() {
        let id = format!("d{n}");
        ground.comes_to(&id, "completed").await;
        let seen = ground.recorder.of(&id);
        assert_eq!(seen.len(), 1, "{id}");
        assert!(seen[0].data.trim() == data.trim(), "{id}: the handler got other bytes");
        assert!(ground.field(&format!("{P}{id}"), "data").await == *data, "{id}: data changed in redis");
        assert!(
            ground.field(&format!("{P}{id}"), "returnvalue").await.trim() == data.trim(),
            "{id}: the result"
        );
    }
    // Too deep for the JSON of this test's own line to Node.
    ground.queue.store().remove(&["d14", "d15"], false).await.unwrap();
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn options_with_unknown_members_stay_as_they_are_through_failures_and_ends() {
    let opts = r#"{ "attempts":2, "team":"a", "big":9007199254740993, "list":[], "backoff":{"type":"fixed","delay":1,"x":[]} }"#;
    let mut ground = Ground::new().await;
    ground.place("job", &[("opts", opts), ("name", "fails")]).await;
    let worker = ground.worker().await;
    ground.comes_to("job", "failed").await;
    assert_eq!(ground.recorder.of("job").iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(ground.field("bull:q:job", "opts").await, opts);
    assert_eq!(ground.recorder.of("job")[1].opts, opts);
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn data_that_must_not_be_parsed_is_handed_over_as_text() {
    let opts = r#"{"preventParsingData":true}"#;
    let mut ground = Ground::new().await;
    ground.place("xml", &[("opts", opts), ("data", "<a b='c'/>")]).await;
    ground.place("empty", &[("opts", opts), ("data", "")]).await;
    ground.place("json", &[("opts", opts), ("data", "{\"a\":1}")]).await;
    ground.place("latin1", &[("opts", opts)]).await;
    let _: i64 = ground.run_bytes(&[b"HSET", b"bull:q:latin1", b"data", b"caf\xe9"]).await;
    let worker = ground.worker().await;
    for (id, data) in [("xml", "<a b='c'/>"), ("empty", ""), ("json", "{\"a\":1}")] {
        ground.comes_to(id, "completed").await;
        let seen = ground.recorder.of(id);
        assert_eq!((seen.len(), &*seen[0].data, seen[0].raw_text), (1, data, true));
    }
    ground.is_buried("latin1", "undecodable", &["UTF-8"]).await;
    worker.stop();
    worker.join().await;
    ground.sound().await;
}

#[tokio::test]
async fn data_above_the_limit_is_a_dead_letter_and_data_at_it_runs() {
    let of = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let mut ground = Ground::new().await;
    ground.place("over", &[("data", &of(PAYLOAD_BYTES_MAX + 1))]).await;
    ground.place("huge", &[("data", &of(64 * PAYLOAD_BYTES_MAX))]).await;
    ground.place("at", &[("data", &of(PAYLOAD_BYTES_MAX))]).await;
    let worker = ground.worker().await;
    ground.comes_to("at", "completed").await;
    ground.is_buried("over", "undecodable", &["1048577 bytes", "payload_max", "1048576"]).await;
    ground.is_buried("huge", "undecodable", &["67108864 bytes", "payload_max"]).await;
    let kept: u64 = ground.run(&["HSTRLEN", &format!("{X}job:huge"), "raw:data"]).await;
    assert_eq!(kept, 64 * PAYLOAD_BYTES_MAX as u64);
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn names_and_ids_of_any_text_work() {
    let ids =
        ["a:b", "ünï-😀", "with space", "quote\"and\\slash", "{tag}", "line\nbreak", "0", "-1", "1e3", "x"];
    let mut ground = Ground::new().await;
    for id in ids {
        ground.place(id, &[("name", "näme \"quoted\"\n")]).await;
    }
    ground.place("fails", &[("name", "fails"), ("opts", r#"{"attempts":1}"#)]).await;
    let worker = ground.worker().await;
    ground.comes_to("fails", "failed").await;
    for id in ids {
        wait_completed(&mut ground, id).await;
        assert_eq!(ground.recorder.of(id).len(), 1, "{id}");
    }
    worker.stop();
    worker.join().await;
    ground.bull_reads_all().await;
    let mut bull = crate::support::node::BullQueue::open(&ground.redis.url(), "q").await;
    assert_eq!(bull.call("getCompletedCount", json!([])).await.unwrap(), ids.len());
    bull.close().await;
}

#[tokio::test]
async fn an_id_that_is_no_text_is_a_dead_letter_and_runs_not_at_all() {
    let mut ground = Ground::new().await;
    let _: i64 = ground.run_bytes(&[b"HSET", b"bull:q:\xff\xc3", b"data", b"{}", b"opts", b"{}"]).await;
    let _: i64 = ground.run_bytes(&[b"LPUSH", b"bull:q:wait", b"\xff\xc3"]).await;
    for id in ["é", "😀"] {
        ground.place(id, &[]).await;
    }
    ground.good("good").await;
    let worker = ground.worker().await;
    ground.comes_to("good", "completed").await;
    ground.comes_to(r"\xff\xc3", "failed").await;
    assert_eq!(ground.recorder.ids(), ["é", "😀", "good"]);
    let reason: String = ground.run_bytes(&[b"HGET", b"bull:q:\xff\xc3", b"failedReason"]).await;
    assert!(reason.contains("id is not UTF-8"), "{reason}");
    worker.stop();
    worker.join().await;
    ground.sound().await;
    let mut bull = crate::support::node::BullQueue::open(&ground.redis.url(), "q").await;
    for getter in ["getFailed", "getCompleted", "getJobCounts"] {
        assert!(bull.call(getter, json!([])).await.is_ok(), "{getter}");
    }
    bull.close().await;
}

/// As [`Ground::comes_to`], for ids that a snapshot shows escaped.
async fn wait_completed(ground: &mut Ground, id: &str) {
    let con = ground.con.clone();
    crate::support::wait::until(&format!("{id} to be completed"), || {
        let mut con = con.clone();
        async move {
            let score: Option<f64> =
                redis::cmd("ZSCORE").arg("bull:q:completed").arg(id).query_async(&mut con).await.unwrap();
            score.is_some()
        }
    })
    .await;
}
