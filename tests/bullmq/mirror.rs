//! The same jobs done by Node's worker and by ours: what Node reads afterwards must be the same.

use redis::streams::StreamRangeReply;
use serde_json::{Map, Value, json};

use crate::rig::{MAJORS, Rig, asked, does, start, stop};
use crate::support::node::BullQueue;

/// Fields that hold a time, a stack, or who ran it.
const OWN: &[&str] =
    &["timestamp", "processedOn", "finishedOn", "queueQualifiedName", "stacktrace", "processedBy"];

/// Everything that the stream says, but the times, and `drained`, which Bullock tells more often.
async fn events(rig: &Rig, queue: &str) -> Vec<Value> {
    let mut db = rig.db.clone();
    let key = format!("bull:{queue}:events");
    let stream: StreamRangeReply =
        redis::cmd("XRANGE").arg(key).arg("-").arg("+").query_async(&mut db).await.unwrap();
    let entry = |entry: &redis::streams::StreamId| {
        let fields: Map<String, Value> = entry
            .map
            .iter()
            .map(|(field, value)| (field.clone(), redis::from_redis_value::<String>(value.clone()).unwrap()))
            .map(|(field, text)| match (field.as_str(), &text) {
                ("delay", _) => (field, json!("a time")),
                _ => (field, json!(text.replace(queue, "Q"))),
            })
            .collect();
        Value::Object(fields)
    };
    stream.ids.iter().map(entry).filter(|entry| entry["event"] != "drained").collect()
}

fn timeless(mut job: Value) -> Value {
    let stack = job["stacktrace"].as_array().map(Vec::len);
    let fields = job.as_object_mut().unwrap();
    fields.retain(|field, value| !OWN.contains(&field.as_str()) || value.is_null());
    fields.insert("stack".into(), json!(stack));
    if let Some(opts) = job["opts"].as_object_mut() {
        opts.remove("timestamp");
    }
    job
}

/// Runs the same jobs one after the other, and answers all that can be read of them.
async fn story(rig: &Rig, queue: &mut BullQueue, name: &str) -> Value {
    let mut ends = Vec::new();
    for (data, opts) in [
        (json!({}), json!({})),
        (json!({"failsOnce": true}), json!({})),
        (json!({"failsOnce": true}), json!({"attempts": 3})),
        (json!({"failsOnce": true}), json!({"attempts": 2, "backoff": {"type": "fixed", "delay": 20}})),
        (json!({"failsOnce": true}), json!({"attempts": 2, "priority": 7})),
        (json!({}), json!({"delay": 30, "priority": 3})),
        (json!([1]), json!({"lifo": true, "jobId": "mine"})),
        (json!({}), json!({"deduplication": {"id": "d"}})),
        (json!({}), json!({"delay": 300, "removeOnComplete": true})),
        (json!({"failsOnce": true}), json!({"delay": 300, "removeOnFail": true})),
        (json!({}), json!({"removeOnComplete": {"count": 100}, "stackTraceLimit": 1})),
    ] {
        let removed = opts["delay"] == 300;
        let id = queue.add("x", data, opts).await;
        let end = queue.finished(&id).await;
        let job = if removed { Value::Null } else { timeless(queue.job(&id, "toJSON").await) };
        ends.push(json!({"end": end, "job": job}));
    }
    for flag in ["failParentOnFailure", "ignoreDependencyOnFailure"] {
        let tree = json!({"name": "parent", "queueName": name, "opts": {"jobId": format!("p-{flag}")}, "children": [
            {"name": "good", "queueName": name, "data": {}, "opts": {"jobId": format!("g-{flag}")}},
            {"name": "bad", "queueName": name, "data": {"failsOnce": true}, "opts": {"jobId": format!("b-{flag}"), flag: true}}]});
        queue.flow(tree).await;
        asked(queue, "getJobCountByTypes", json!(["waiting", "active", "waiting-children"]), |left| {
            *left == 0
        })
        .await;
        for member in ["g", "b", "p"] {
            let job = timeless(queue.job(&format!("{member}-{flag}"), "toJSON").await);
            ends.push(serde_json::from_str(&job.to_string().replace(name, "Q")).unwrap());
        }
    }
    let mut metrics = Vec::new();
    for kind in ["completed", "failed"] {
        let found = queue.call("getMetrics", json!([kind])).await.unwrap();
        metrics.push(found["meta"]["count"].clone());
    }
    let counts = queue.call("getJobCounts", json!([])).await.unwrap();
    json!({"ends": ends, "counts": counts, "metrics": metrics, "events": events(rig, name).await})
}

#[tokio::test]
async fn jobs_events_counts_and_metrics_are_those_that_nodes_own_worker_leaves() {
    for major in MAJORS {
        let rig = Rig::start(major).await;
        let mut stories = Vec::new();
        for name in ["at-node", "at-bullock"] {
            let mut queue = BullQueue::open_mq(major, &rig.redis.url(), name, &json!({})).await;
            let worker = if name == "at-node" {
                queue.work_with(1, 0, json!({"metrics": {"maxDataPoints": 10}})).await;
                None
            } else {
                let same = does(|job, _| async move {
                    let fails = job.data["failsOnce"] == true && job.attempts_made == 0;
                    if fails { Err("once".into()) } else { Ok(json!({"by": "node"})) }
                });
                Some(start(rig.worker_of(name).metrics(10).handler_spec("*", same)).await)
            };
            stories.push(story(&rig, &mut queue, name).await);
            if let Some(worker) = worker {
                stop(worker).await;
            }
            queue.close().await;
        }
        for part in ["ends", "events"] {
            let (node, ours) = (stories[0][part].as_array().unwrap(), stories[1][part].as_array().unwrap());
            for (at, (node, ours)) in node.iter().zip(ours).enumerate() {
                assert_eq!(node, ours, "major {major}, {part} {at}");
            }
        }
        assert_eq!(stories[0], stories[1], "major {major}");
        rig.mq.close().await;
    }
}
