//! What the vectors cannot show of a `BullMQ` producer: batches, refusals, requests that come twice, sizes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bullock::Queue;
use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::control::Removed;
use bullock::store::enqueue::Refusal;
use bullock::store::flow::{Flow, FlowAdded};
use bullock::store::{Connection, Scripts, Store, StoreError};
use bullock::wire::{Dialect, Keys, NewJob};
use redis::aio::MultiplexedConnection;
use serde_json::{Map, Value, json};

use super::support::redis::Redis;

const NOW: i64 = 1_700_000_000_000;

fn store(redis: &Redis, scripts: Scripts) -> Store {
    let connection = Connection::new(&redis.url(), None, RESPONSE_TIMEOUT).expect("connection");
    Store::new(connection, Keys::new("t", "q"), Arc::new(scripts))
}

async fn connect(redis: &Redis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).expect("url");
    client.get_multiplexed_async_connection().await.expect("connect")
}

fn job(opts: Value) -> NewJob {
    let Value::Object(opts) = opts else { panic!("options") };
    NewJob::bullmq("n", &json!({}), opts).expect("options")
}

/// Every key with its content; of streams the entries without their ids.
async fn everything(con: &mut MultiplexedConnection) -> BTreeMap<String, String> {
    let script = "local out = {}
        for _, key in ipairs(redis.call('KEYS', '*')) do
          local kind = redis.call('TYPE', key).ok
          local value
          if kind == 'hash' then value = redis.call('HGETALL', key)
          elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
          elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
          elseif kind == 'set' then value = redis.call('SORT', key, 'ALPHA')
          elseif kind == 'stream' then
            value = {}
            for i, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do value[i] = entry[2] end
          else value = redis.call('GET', key) end
          out[#out + 1] = key
          out[#out + 1] = cjson.encode(value)
        end
        return out";
    let pairs: Vec<(String, String)> = redis::Script::new(script).invoke_async(con).await.expect("dump");
    pairs.into_iter().collect()
}

#[tokio::test]
async fn a_batch_of_adds_leaves_what_as_many_single_adds_leave() {
    let jobs: Vec<NewJob> = [
        json!({}),
        json!({"jobId": "a"}),
        json!({"priority": 3}),
        json!({"delay": 50}),
        json!({"jobId": "a"}),
        json!({"lifo": true}),
        json!({"delay": 50, "deduplication": {"id": "d", "replace": true}}),
        json!({"delay": 50, "deduplication": {"id": "d", "replace": true}}),
        json!({"deduplication": {"id": "e", "ttl": 60_000}}),
        json!({"deduplication": {"id": "e", "ttl": 60_000}}),
        json!({"delay": 10, "priority": 1}),
        json!({}),
    ]
    .into_iter()
    .map(job)
    .collect();
    let (together, single) = (Redis::start(), Redis::start());
    let answers = store(&together, Scripts::bullmq(Some(NOW))).enqueue("t", &jobs).await.expect("batch");
    let one = store(&single, Scripts::bullmq(Some(NOW)));
    let mut expected = Vec::new();
    for job in jobs {
        expected.extend(one.enqueue("t", &[job]).await.expect("single"));
    }
    assert_eq!(answers, expected);
    let (batch, singles) =
        (everything(&mut connect(&together).await).await, everything(&mut connect(&single).await).await);
    assert_eq!(batch, singles);
    assert_eq!(batch["t:q:id"], "\"12\"");
}

fn ids(added: &FlowAdded) -> Value {
    json!([added.job.id, added.children.iter().map(ids).collect::<Vec<_>>()])
}

#[tokio::test]
async fn a_flow_answers_in_the_shape_it_was_given_and_added_again_adds_nothing() {
    let redis = Redis::start();
    let queue = Queue::open_as(Dialect::BullMq, &redis.url(), "t", "q").expect("queue");
    let leaf = |id: &str| Flow::new("r", "leaf", json!(1)).opts(json!({"jobId": id}));
    let flow = Flow::new("q", "root", json!({}))
        .opts(json!({"jobId": "root"}))
        .child(
            Flow::new("r", "left", json!({})).opts(json!({"jobId": "l"})).child(leaf("l1")).child(leaf("l2")),
        )
        .child(Flow::new("s", "right", json!({})).opts(json!({"jobId": "r"})).child(leaf("r1")));
    let added = queue.add_flow(&flow).await.expect("flow");
    assert_eq!(ids(&added), json!(["root", [["l", [["l1", []], ["l2", []]]], ["r", [["r1", []]]]]]));
    assert!(!added.job.existed && !added.children[1].children[0].job.existed);

    let mut con = connect(&redis).await;
    let without_logs = |mut all: BTreeMap<String, String>| {
        all.retain(|key, _| !key.ends_with(":events") && !key.ends_with(":id"));
        all
    };
    let before = without_logs(everything(&mut con).await);
    let again = queue.add_flow(&flow).await.expect("the same flow");
    assert!(again.job.existed && again.children[0].children[1].job.existed);
    assert_eq!(without_logs(everything(&mut con).await), before);
}

#[tokio::test]
async fn a_flow_that_cannot_be_added_whole_is_not_added_at_all() {
    let redis = Redis::start();
    let queue = Queue::open_as(Dialect::BullMq, &redis.url(), "t", "q").expect("queue");
    let child = || Flow::new("r", "c", json!({})).opts(json!({"jobId": "C"}));
    queue.add_flow(&Flow::new("q", "one", json!({})).child(child())).await.expect("the first flow");
    let mut con = connect(&redis).await;
    let before = everything(&mut con).await;
    for flow in [
        Flow::new("q", "two", json!({})).child(Flow::new("r", "other", json!({}))).child(child()),
        Flow::new("q", "x", json!({}))
            .opts(json!({"parent": {"id": "gone", "queue": "t:q"}}))
            .child(Flow::new("r", "y", json!({}))),
        Flow::new("q", "twice", json!({})).child(child()).child(child()),
        Flow::new("q", "dedup", json!({})).opts(json!({"deduplication": {"id": "d"}})).child(Flow::new(
            "r",
            "z",
            json!({}),
        )),
    ] {
        let error = queue.add_flow(&flow).await.expect_err("it cannot be whole");
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    }
    assert_eq!(everything(&mut con).await, before);
}

#[tokio::test]
async fn a_child_of_a_parent_that_is_gone_is_refused_and_the_rest_of_its_batch_is_added() {
    let redis = Redis::start();
    let queue = Queue::open_as(Dialect::BullMq, &redis.url(), "t", "q").expect("queue");
    let orphan = json!({"jobId": "o", "parent": {"id": "gone", "queue": "t:q"}});
    let error = queue.add("n", &json!({}), orphan.clone()).await.expect_err("no parent");
    assert!(error.to_string().contains("job o: its parent does not exist"), "{error}");
    let jobs = [job(orphan), job(json!({"jobId": "a"}))];
    let added = queue.store().enqueue("t", &jobs).await.expect("batch");
    assert_eq!(added[0].refused, Some(Refusal::ParentMissing));
    assert_eq!((added[1].refused, added[1].existed), (None, false));
}

#[tokio::test]
async fn resuming_puts_both_lists_together_however_long_they_are() {
    let redis = Redis::start();
    let mut con = connect(&redis).await;
    let mut pipe = redis::pipe();
    pipe.cmd("HSET").arg("t:q:meta").arg("paused").arg(1).arg("version").arg("bullmq:5.81.5").ignore();
    for id in 0..2500 {
        pipe.cmd("LPUSH").arg("t:q:paused").arg(format!("p{id}")).ignore();
        pipe.cmd("LPUSH").arg("t:q:wait").arg(format!("w{id}")).ignore();
    }
    pipe.exec_async(&mut con).await.expect("load");
    let store = store(&redis, Scripts::bullmq(None));
    assert!(store.pause(false).await.expect("resume"));
    let mut expected: Vec<String> = (0..2500).rev().map(|id| format!("w{id}")).collect();
    expected.extend((0..2500).rev().map(|id| format!("p{id}")));
    let range = || redis::cmd("LRANGE").arg("t:q:wait").arg(0).arg(-1).clone();
    let waiting: Vec<String> = range().query_async(&mut con).await.expect("lrange");
    assert_eq!(waiting, expected);
    assert!(store.pause(true).await.expect("pause"));
    let paused: Vec<String> =
        redis::cmd("LRANGE").arg("t:q:paused").arg(0).arg(-1).query_async(&mut con).await.expect("lrange");
    assert_eq!(paused, expected);
    assert!(!store.pause(true).await.expect("pause"), "it was paused already");
}

#[tokio::test]
async fn draining_passes_over_planned_iterations_and_comes_to_an_end() {
    let redis = Redis::start();
    let queue = Queue::open_as(Dialect::BullMq, &redis.url(), "t", "q").expect("queue");
    for at in 0..5 {
        let repeat = json!({"every": 3_600_000, "offset": 1_000_000});
        queue
            .upsert_scheduler(&format!("s{at}"), &repeat, None, &json!({}), json!({}))
            .await
            .expect("upsert");
    }
    let jobs = (0..2003).map(|at| {
        let opts = if at % 2 == 0 { json!({"delay": 10_000_000}) } else { json!({}) };
        ("n".to_owned(), json!({}), opts)
    });
    queue.add_bulk(jobs.collect()).await.expect("bulk");
    assert_eq!(queue.store().empty().await.expect("empty"), 2003);
    let mut con = connect(&redis).await;
    let left: u64 = redis::cmd("ZCARD").arg("t:q:delayed").query_async(&mut con).await.expect("zcard");
    assert_eq!(left, 5);
    assert!(queue.remove_scheduler("s0").await.expect("remove"));
    assert!(!queue.remove_scheduler("s0").await.expect("remove again"));
}

#[tokio::test]
async fn a_key_of_the_wrong_type_refuses_an_add_before_anything_is_written() {
    for key in ["marker", "prioritized", "waiting-children", "de:d", "P", "P:dependencies"] {
        let redis = Redis::start();
        let mut con = connect(&redis).await;
        let add = redis::cmd("SADD").arg(format!("t:q:{key}")).arg("x").clone();
        let text = redis::cmd("SET").arg(format!("t:q:{key}")).arg("x").clone();
        let wrong = if key.starts_with("de:") { add } else { text };
        wrong.clone().exec_async(&mut con).await.expect("a wrong key");
        let before = everything(&mut con).await;
        let jobs = [
            job(json!({})),
            job(json!({"deduplication": {"id": "d"}})),
            job(json!({"parent": {"id": "P", "queue": "t:q"}})),
        ];
        let error = store(&redis, Scripts::bullmq(None)).enqueue("t", &jobs).await.expect_err(key);
        assert!(matches!(error, StoreError::WrongKey(_)), "{key}: {error}");
        assert_eq!(everything(&mut con).await, before, "{key}");
    }
}

#[tokio::test]
async fn options_that_bullmq_refuses_are_refused_with_what_was_expected() {
    for (opts, expected) in [
        (json!({"jobId": "12"}), "whole numbers"),
        (json!({"jobId": "0:1"}), "keeps it for itself"),
        (json!({"jobId": "a:b"}), "exactly two"),
        (json!({"priority": 2_097_152}), "2097151"),
        (json!({"priority": 1.5}), "whole number"),
        (json!({"delay": -1}), "at least 0"),
        (json!({"backoff": {"type": "fixed", "delay": 1, "jitter": 2}}), "from 0 to 1"),
        (json!({"failParentOnFailure": true, "ignoreDependencyOnFailure": true}), "only one"),
        (
            json!({"deduplication": {"id": "d"}, "parent": {"id": "p", "queue": "t:q"}}),
            "cannot be deduplicated",
        ),
        (json!({"deduplication": {}}), "with an id"),
        (json!({"sizeLimit": 3}), "sizeLimit is 3"),
        (json!({"repeat": {"every": 5}}), "upsert a scheduler"),
    ] {
        let Value::Object(members) = opts.clone() else { panic!("options") };
        let error = NewJob::bullmq("n", &json!({"a": 1}), members).expect_err("refused");
        assert!(error.contains(expected), "{opts}: {error}");
    }
    let given = json!({"debounce": {"id": "d", "ttl": null}, "keepLogs": null}).as_object().cloned();
    let kept = NewJob::bullmq("n", &json!(null), given.unwrap_or_else(Map::new)).expect("options");
    assert_eq!((&*kept.opts_head, &*kept.data), (r#"{"attempts":0,"de":{"id":"d"}}"#, "{}"));
}

#[tokio::test]
async fn a_bull_queue_says_what_it_has_not() {
    let redis = Redis::start();
    let queue = Queue::open(&redis.url(), "t", "q").expect("queue");
    let store = queue.store();
    let errors = [
        queue.add_flow(&Flow::new("q", "n", json!({}))).await.err(),
        queue.upsert_scheduler("s", &json!({"every": 1000}), None, &json!({}), json!({})).await.err(),
        store.change_delay("1", 5).await.err(),
        store.change_priority("1", 5, false).await.err(),
        store.promote_all(10).await.err(),
        store.drain().await.err(),
        store.reprocess("t", "1", true, false).await.err(),
        store.set_global_concurrency(Some(1)).await.err(),
        store.remove_child_dependency("1").await.err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(StoreError::NotInDialect(_))), "{error:?}");
    }
    assert!(everything(&mut connect(&redis).await).await.is_empty());
}

#[tokio::test]
async fn a_key_that_is_no_job_is_never_overwritten_by_one() {
    let redis = Redis::start();
    let mut con = connect(&redis).await;
    redis::cmd("SADD").arg("t:q:taken").arg("x").exec_async(&mut con).await.expect("a foreign key");
    let jobs =
        [job(json!({"jobId": "before"})), job(json!({"jobId": "taken"})), job(json!({"jobId": "after"}))];
    let added = store(&redis, Scripts::bullmq(None)).enqueue("t", &jobs).await.expect("batch");
    assert_eq!(added.iter().map(|added| added.existed).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(everything(&mut con).await["t:q:taken"], r#"["x"]"#);
}

#[tokio::test]
async fn many_flows_of_many_jobs_are_added_and_removed_whole() {
    let redis = Redis::start();
    let queue = Queue::open_as(Dialect::BullMq, &redis.url(), "t", "q").expect("queue");
    let mut flow = Flow::new("q", "root", json!({})).opts(json!({"jobId": "root"}));
    for at in 0..2500 {
        flow = flow.child(Flow::new("r", "leaf", json!(at)).child(Flow::new("s", "tip", json!(at))));
    }
    let error = queue.add_flow(&flow).await.expect_err("too many");
    assert!(error.to_string().contains("expected at most 5000"), "{error}");
    let mut flow = Flow::new("q", "root", json!({})).opts(json!({"jobId": "root"}));
    for at in 0..2000 {
        flow = flow.child(Flow::new("r", "leaf", json!(at)).child(Flow::new("s", "tip", json!(at))));
    }
    let added = queue.add_flow(&flow).await.expect("flow");
    assert_eq!(added.children.len(), 2000);
    let removed = queue.store().remove(&["root"], true).await.expect("remove");
    assert_eq!(removed, [Removed::Done]);
    let left = everything(&mut connect(&redis).await).await;
    let jobs: Vec<_> =
        left.keys().filter(|key| key.split(':').nth(2).is_some_and(|id| id.len() > 30)).collect();
    assert!(jobs.is_empty(), "{} keys of jobs are left", jobs.len());
    assert!(!left.contains_key("t:s:wait") && !left.contains_key("t:q:waiting-children"));
}
