//! Flows of npm `bullmq`: parents run after their children, whoever runs them.

use serde_json::{Value, json};

use crate::rig::{MAJORS, Rig, echo, start, stop};

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
        values.sort_by_key(std::string::ToString::to_string);
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
