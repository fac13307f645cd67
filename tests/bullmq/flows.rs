//! Flows of npm `bullmq`: parents run after their children, whoever runs them.

use serde_json::{Value, json};

use crate::rig::{MAJORS, Rig, echo, start, stop};
use crate::support::node::BullQueue;
use crate::support::wait;

/// A tree of three levels over two queues: `q` at the root, `leaf` below.
fn tree(leaf_opts: &Value, leaf_data: &Value) -> Value {
    let leaf = |name: &str| json!({"name": name, "queueName": "leaf", "data": leaf_data, "opts": leaf_opts});
    json!({"name": "root", "queueName": "q", "data": {"root": true}, "children": [
        {"name": "middle", "queueName": "q", "data": {"middle": true}, "children": [leaf("a"), leaf("b")]},
        leaf("c"),
    ]})
}

#[tokio::test]
async fn a_tree_of_three_levels_completes_from_its_leaves_to_its_root() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let root = start(rig.worker().handler_spec("*", echo())).await;
        let leaves = start(rig.worker_of("leaf").concurrency(2).handler_spec("*", echo())).await;
        let added = rig.mq.flow(tree(&json!({}), &json!({"n": 1}))).await;
        let id = added["job"]["id"].as_str().unwrap().to_owned();
        assert_eq!(rig.mq.finished(&id).await, Ok(json!({"root": true})));
        let values = rig.mq.job(&id, "getChildrenValues").await;
        let mut values: Vec<&Value> = values.as_object().unwrap().values().collect();
        values.sort_by_key(ToString::to_string);
        assert_eq!(values, [&json!({"middle": true}), &json!({"n": 1})]);
        let pending = rig.mq.job(&id, "getDependenciesCount").await;
        assert_eq!((&pending["processed"], &pending["unprocessed"]), (&json!(2), &json!(0)), "{pending}");
        stop(root).await;
        stop(leaves).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_child_that_fails_takes_its_parents_along_or_not_as_the_producer_said() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let root = start(rig.worker().handler_spec("*", echo())).await;
        let leaves = start(rig.worker_of("leaf").handler_spec("*", echo())).await;
        for (flag, ends) in [
            ("failParentOnFailure", false),
            ("ignoreDependencyOnFailure", true),
            ("removeDependencyOnFailure", true),
            ("continueParentOnFailure", true),
        ] {
            let tree = json!({"name": "root", "queueName": "q", "data": {"ok": flag}, "children": [
                {"name": "bad", "queueName": "leaf", "data": {"fail": "no"}, "opts": {flag: true}}]});
            let added = rig.mq.flow(tree).await;
            let id = added["job"]["id"].as_str().unwrap().to_owned();
            let ended = rig.mq.finished(&id).await;
            if ends {
                assert_eq!(ended, Ok(json!({"ok": flag})), "{flag}, major {major}");
            } else {
                let why = ended.unwrap_err();
                assert!(why.starts_with("child bull:leaf:") && why.ends_with(" failed"), "{why}");
            }
        }
        stop(root).await;
        stop(leaves).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn trees_worked_by_node_and_by_us_complete_each_parent_once() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let mut leaf = BullQueue::open_mq(major, &rig.redis.url(), "leaf", &json!({})).await;
        rig.mq.work(4, 0).await;
        leaf.work(4, 0).await;
        let root = start(rig.worker().concurrency(4).handler_spec("*", echo())).await;
        let leaves = start(rig.worker_of("leaf").concurrency(4).handler_spec("*", echo())).await;
        let trees: Vec<Value> = (0..50).map(|n| tree(&json!({"delay": n % 20}), &json!({"n": n}))).collect();
        let added = rig.mq.flows(trees).await;
        for tree in added.as_array().unwrap() {
            let id = tree["job"]["id"].as_str().unwrap();
            let result = rig.mq.finished(id).await.unwrap();
            assert!([json!({"root": true}), json!({"by": "node"})].contains(&result), "{result}");
            let job = rig.mq.job(id, "toJSON").await;
            assert_eq!((&job["attemptsMade"], &job["attemptsStarted"]), (&json!(1), &json!(1)), "{job}");
            let values = rig.mq.job(id, "getChildrenValues").await;
            assert_eq!(values.as_object().map(serde_json::Map::len), Some(2), "{values}");
        }
        for (queue, many) in [(&mut rig.mq, 100), (&mut leaf, 150)] {
            let counts = queue.call("getJobCounts", json!([])).await.unwrap();
            for (state, count) in counts.as_object().unwrap() {
                assert_eq!(*count, if state == "completed" { many } else { 0 }, "major {major}: {counts}");
            }
        }
        stop(root).await;
        stop(leaves).await;
        leaf.close().await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_leaf_that_fails_takes_both_generations_above_it_along_and_a_retry_does_not_bring_them_back() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let root = start(rig.worker().handler_spec("*", echo())).await;
        let leaves = start(rig.worker_of("leaf").handler_spec("*", echo())).await;
        let flag = json!({"failParentOnFailure": true});
        let tree = json!({"name": "root", "queueName": "q", "children": [
            {"name": "middle", "queueName": "q", "opts": flag, "children": [
                {"name": "bad", "queueName": "leaf", "data": {"fail": "no"}, "opts": flag}]}]});
        let added = rig.mq.flow(tree).await;
        let id = added["job"]["id"].as_str().unwrap().to_owned();
        let middle = added["children"][0]["job"]["id"].as_str().unwrap().to_owned();
        let bad = &added["children"][0]["children"][0]["job"]["id"];
        assert_eq!(rig.mq.finished(&id).await, Err(format!("child bull:q:{middle} failed")));
        let why = rig.mq.job(&middle, "failedReason").await;
        assert_eq!(why, format!("child bull:leaf:{} failed", bad.as_str().unwrap()));
        let pending = rig.mq.job(&middle, "getDependenciesCount").await;
        assert_eq!(pending["failed"], 1, "{pending}");
        // No handler of ours was asked.
        let job = rig.mq.job(&id, "toJSON").await;
        assert_eq!(
            (&job["attemptsStarted"], job["stacktrace"].as_array().map(Vec::len)),
            (&json!(1), Some(1))
        );
        stop(root).await;
        stop(leaves).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_parent_reads_what_became_of_children_that_it_can_do_without() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let root = start(rig.worker().handler_spec("*", echo())).await;
        let leaves = start(rig.worker_of("leaf").handler_spec("*", echo())).await;
        let tree = json!({"name": "root", "queueName": "q", "data": {"ok": 1}, "children": [
            {"name": "bad", "queueName": "leaf", "data": {"fail": "no"}, "opts": {"ignoreDependencyOnFailure": true}},
            {"name": "good", "queueName": "leaf", "data": {"n": 1}}]});
        let added = rig.mq.flow(tree).await;
        let id = added["job"]["id"].as_str().unwrap().to_owned();
        assert_eq!(rig.mq.finished(&id).await, Ok(json!({"ok": 1})));
        let failures = rig.mq.job(&id, "getIgnoredChildrenFailures").await;
        let failures: Vec<&Value> = failures.as_object().unwrap().values().collect();
        assert_eq!(failures, [&json!("no")]);
        // Without a flag a parent waits until its child is retried and does well.
        let tree = json!({"name": "root", "queueName": "q", "data": {"ok": 2}, "children": [
            {"name": "bad", "queueName": "leaf", "data": {"fail": "no"}}]});
        let added = rig.mq.flow(tree).await;
        let id = added["job"]["id"].as_str().unwrap().to_owned();
        let bad = added["children"][0]["job"]["id"].as_str().unwrap().to_owned();
        let mut leaf = BullQueue::open_mq(major, &rig.redis.url(), "leaf", &json!({})).await;
        assert_eq!(leaf.finished(&bad).await, Err("no".into()));
        assert_eq!(rig.mq.job(&id, "getState").await, "waiting-children");
        leaf.job_call(&bad, "updateData", json!([{"n": 3}])).await.unwrap();
        leaf.job_call(&bad, "retry", json!(["failed"])).await.unwrap();
        assert_eq!(rig.mq.finished(&id).await, Ok(json!({"ok": 2})));
        wait::until("nothing to be left", async || {
            let mut db = rig.db.clone();
            let left: u64 =
                redis::cmd("ZCARD").arg("bull:q:waiting-children").query_async(&mut db).await.unwrap();
            left == 0
        })
        .await;
        leaf.close().await;
        stop(root).await;
        stop(leaves).await;
        rig.mq.close().await;
    }
}
