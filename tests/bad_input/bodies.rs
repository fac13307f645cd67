//! Bodies that cannot be read, or are not there (B55 to B57, B59; F38 to F44).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::ground::{Ground, P, X, is_about};
use crate::support::node::BullQueue;

/// Data that is no JSON, each with what the reason must say.
const BAD_DATA: [(&str, &[u8], &[&str]); 7] = [
    ("text", b"{bad", &["undecodable data", "4 bytes", "{bad"]),
    ("empty", b"", &["undecodable data", "0 bytes"]),
    ("cut", br#"{"a":1"#, &["undecodable data"]),
    ("trailing", b"{} {}", &["undecodable data"]),
    ("latin1", b"\"caf\xe9\"", &["undecodable data", "UTF-8", r"caf\xe9"]),
    ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", &["undecodable data", r"\x1f\x8b"]),
    ("single", b"{'a':1}", &["undecodable data"]),
];

#[tokio::test]
async fn undecodable_data_is_a_dead_letter_and_good_jobs_run_on() {
    let mut ground = Ground::new().await;
    let mut bull = BullQueue::open(&ground.redis.url(), "q").await;
    bull.listen().await;
    ground.good("first").await;
    for (id, data, _) in BAD_DATA {
        ground.place(id, &[]).await;
        let _: i64 = ground.run_bytes(&[b"HSET", format!("{P}{id}").as_bytes(), b"data", data]).await;
    }
    ground.good("last").await;
    let worker = ground.worker().await;
    ground.comes_to("last", "completed").await;
    for (id, data, words) in BAD_DATA {
        ground.is_buried(id, "undecodable", words).await;
        let kept: Vec<u8> = ground.run(&["HGET", &format!("{X}job:{id}"), "raw:data"]).await;
        assert_eq!(kept, data, "the raw bytes of {id} are kept");
    }
    assert_eq!(ground.recorder.ids(), ["first", "last"]);
    // Listeners of Node live on: a payload that is no JSON would have ended them.
    for (id, ..) in BAD_DATA {
        bull.hear("the failure", is_about("global:failed", id)).await;
    }
    ground.good("after").await;
    bull.hear("a completion", is_about("global:completed", "after")).await;
    bull.close().await;
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn a_long_reason_shows_the_length_and_the_beginning_only() {
    let mut ground = Ground::new().await;
    ground.place("long", &[("data", &"x".repeat(100_000))]).await;
    let worker = ground.worker().await;
    ground.is_buried("long", "undecodable", &["100000 bytes"]).await;
    let reason = ground.field("bull:q:long", "failedReason").await;
    assert!(reason.len() < 300, "{reason}");
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn undecodable_options_are_a_dead_letter() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let bad: [(&str, &str); 6] =
        [("text", "{bad"), ("empty", ""), ("list", "[]"), ("null", "null"), ("number", "7"), ("deep", &deep)];
    let mut ground = Ground::new().await;
    for (id, opts) in bad {
        ground.place(id, &[("opts", opts)]).await;
    }
    ground.good("good").await;
    let worker = ground.worker().await;
    ground.comes_to("good", "completed").await;
    for (id, opts) in bad {
        ground.is_buried(id, "undecodable", &["undecodable opts"]).await;
        assert_eq!(ground.field(&format!("{X}job:{id}"), "raw:opts").await, opts);
    }
    ground.ends_well(worker).await;
}

#[test]
fn what_is_read_otherwise_than_stored_is_named() {
    let misread = |opts: &str| bullock::job::Options::parse(opts).unwrap().misread;
    assert_eq!(misread(r#"{"attempts":"abc","backoff":"x","timeout":null}"#), ["attempts", "backoff"]);
    assert_eq!(
        misread(r#"{"repeat":"daily","prevMillis":"x","debounce":7}"#),
        ["repeat", "prevMillis", "debounce"]
    );
    let fine = r#"{"attempts":"3","backoff":{"type":"fixed"},"lifo":false,"removeOnFail":5,"timestamp":1,"ours":[]}"#;
    assert_eq!(misread(fine), [""; 0]);
    let of_bullmq = |opts: &str| bullock::job::Options::parse_bullmq(opts).unwrap().misread;
    assert_eq!(
        of_bullmq(r#"{"attempts":[],"backoff":7,"removeOnFail":"x","de":{"id":"d"}}"#),
        ["attempts", "removeOnFail"]
    );
    let fields = bullock::wire::bull::ClaimedFields {
        data: Some(b"1".to_vec()),
        attempts_made: Some(b"many".to_vec()),
        ..Default::default()
    };
    let job = bullock::wire::bull::decode(&"q".into(), "1".into(), fields).unwrap();
    assert_eq!((job.attempts_made, job.opts.misread), (0, vec!["attemptsMade"]));
}

#[tokio::test]
async fn options_of_wrong_types_fall_back_to_their_defaults() {
    let odd = [
        r#"{"attempts":null}"#,
        r#"{"attempts":"abc","backoff":"x","timeout":null}"#,
        r#"{"attempts":[],"backoff":{},"lifo":"yes","priority":"high","delay":{}}"#,
        r#"{"removeOnComplete":null,"removeOnFail":"x","stackTraceLimit":"all"}"#,
        r#"{"attempts":1e400,"removeOnComplete":{"count":1e300}}"#,
        r#"{"repeat":"daily","prevMillis":"x","debounce":7}"#,
        r#"{"repeat":{"cron":"61 * * * *"}}"#,
        r#"{"attempts":-1,"backoff":{"type":7,"delay":"x"}}"#,
        "{}",
    ];
    let mut ground = Ground::new().await;
    for (n, opts) in odd.iter().enumerate() {
        ground.place(&format!("o{n}"), &[("opts", opts)]).await;
    }
    ground.place("absent", &[]).await;
    ground.plain(&["HDEL", "bull:q:absent", "opts"]).await;
    let worker = ground.worker().await;
    ground.comes_to("absent", "completed").await;
    for (n, opts) in odd.iter().enumerate() {
        let id = format!("o{n}");
        if *opts == odd[4] {
            assert_one_of(&mut ground, &id, &["completed", "failed"]).await;
            continue;
        }
        ground.comes_to(&id, "completed").await;
        assert_eq!(ground.recorder.of(&id).len(), 1, "{opts}");
        assert_eq!(ground.recorder.of(&id)[0].opts, *opts, "untouched");
        assert_eq!(ground.field(&format!("{P}{id}"), "opts").await, *opts, "untouched");
    }
    assert_eq!(ground.recorder.of("absent").len(), 1);
    ground.ends_well(worker).await;
}

async fn assert_one_of(ground: &mut Ground, id: &str, places: &[&'static str]) {
    let found = ground.place_of(id).await;
    assert!(found.len() == 1 && places.contains(&found[0]), "{id}: {found:?}");
}

#[tokio::test]
async fn a_missing_body_is_a_dead_letter_and_makes_no_ghost() {
    let mut ground = Ground::new().await;
    ground.plain(&["LPUSH", "bull:q:wait", "no-hash"]).await;
    ground.place("no-data", &[]).await;
    ground.plain(&["HDEL", "bull:q:no-data", "data"]).await;
    ground.plain(&["HSET", "bull:q:ghost", "processedOn", "1", "stalledCounter", "1"]).await;
    ground.plain(&["LPUSH", "bull:q:wait", "ghost"]).await;
    ground.plain(&["ZADD", "bull:q:delayed", "1", "late-ghost"]).await;
    ground.good("good").await;
    let worker = ground.worker().await;
    ground.comes_to("good", "completed").await;
    for id in ["no-hash", "no-data", "ghost", "late-ghost"] {
        ground.is_buried(id, "body_missing", &[]).await;
    }
    assert_eq!(ground.recorder.ids(), ["good"]);
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn a_hash_with_data_alone_runs_under_the_default_name_and_strange_fields_stay() {
    let mut ground = Ground::new().await;
    ground.plain(&["HSET", "bull:q:bare", "data", "[1]", "shoe size", "43"]).await;
    ground.plain(&["LPUSH", "bull:q:wait", "bare"]).await;
    let worker = ground.worker().await;
    ground.comes_to("bare", "completed").await;
    let seen = ground.recorder.of("bare");
    assert_eq!((seen.len(), &*seen[0].name, &*seen[0].data, &*seen[0].opts), (1, "__default__", "[1]", "{}"));
    assert_eq!(ground.field("bull:q:bare", "shoe size").await, "43");
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn a_key_that_is_no_hash_is_kept_aside_and_its_id_is_a_dead_letter() {
    let mut ground = Ground::new().await;
    ground.plain(&["SET", "bull:q:string", "x"]).await;
    ground.plain(&["RPUSH", "bull:q:list", "x"]).await;
    ground.plain(&["ZADD", "bull:q:zset", "1", "x"]).await;
    ground.plain(&["LPUSH", "bull:q:wait", "string", "list"]).await;
    ground.plain(&["ZADD", "bull:q:delayed", "1", "zset"]).await;
    ground.good("good").await;
    let worker = ground.worker().await;
    ground.comes_to("good", "completed").await;
    for id in ["string", "list", "zset"] {
        ground.is_buried(id, "undecodable", &[id, &format!("{X}broken:{id}")]).await;
        assert_eq!(ground.run::<String>(&["TYPE", &format!("{X}broken:{id}")]).await, id);
    }
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn five_bad_jobs_do_not_hold_up_a_good_one() {
    let mut ground = Ground::new().await;
    ground.place("b1", &[("data", "{bad")]).await;
    ground.place("b2", &[("opts", "{bad")]).await;
    ground.place("b3", &[("attemptsMade", "x"), ("data", "")]).await;
    ground.plain(&["LPUSH", "bull:q:wait", "b4"]).await;
    ground.plain(&["SET", "bull:q:b5", "x"]).await;
    ground.plain(&["LPUSH", "bull:q:wait", "b5"]).await;
    ground.good("good").await;
    let started = Instant::now();
    let worker = ground.worker().await;
    ground.comes_to("good", "completed").await;
    // Upstream: not within 12 s. Ours takes milliseconds; this is a generous net.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(ground.recorder.ids(), ["good"]);
    for id in ["b1", "b2", "b3", "b4", "b5"] {
        ground.comes_to(id, "failed").await;
    }
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn a_job_whose_hash_vanished_while_it_ran_under_a_worker_that_died_is_a_dead_letter() {
    let mut ground = Ground::new().await;
    // What a worker of ours that was killed leaves behind: the id in active, the lease, no lock any more, no hash.
    ground.plain(&["LPUSH", "bull:q:active", "ours"]).await;
    ground.plain(&["SADD", "bull::x:q::leases", "ours"]).await;
    // And one of Node's: marked by the last check.
    ground.plain(&["LPUSH", "bull:q:active", "nodes"]).await;
    ground.plain(&["SADD", "bull:q:stalled", "nodes"]).await;
    ground.good("good").await;
    let worker = ground.worker().await;
    ground.is_buried("ours", "body_missing", &["vanished"]).await;
    ground.is_buried("nodes", "body_missing", &[]).await;
    ground.comes_to("good", "completed").await;
    assert_eq!(ground.recorder.ids(), ["good"]);
    ground.ends_well(worker).await;
}

#[tokio::test]
async fn what_was_buried_for_its_body_is_not_retried() {
    let mut ground = Ground::new().await;
    ground.place("bad", &[("data", "{bad")]).await;
    let worker = ground.worker().await;
    ground.is_buried("bad", "undecodable", &[]).await;
    let mut bull = BullQueue::open(&ground.redis.url(), "q").await;
    // Bull's own retry knows nothing of bodies: the job comes back as a dead letter, not to a handler.
    bull.job_call("bad", "retry", json!([])).await.unwrap();
    ground.is_buried("bad", "body_missing", &[]).await;
    bull.close().await;
    ground.ends_well(worker).await;
}
