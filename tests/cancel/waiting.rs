//! Jobs that nobody runs: they fail at once, as a last failure would.

use std::time::Duration;

use bullock::store::cancel::Cancelled;
use serde_json::{Value, json};

use crate::rig::{ALL, BOTH, Library, Rig, Seen, TEXT, does, start, stop};
use crate::support::wait;

#[tokio::test]
async fn a_job_that_waits_fails_at_once_and_no_worker_ever_runs_it() {
    for library in ALL {
        let mut rig = Rig::start(library).await;
        rig.node.listen().await;
        let mut jobs = Vec::new();
        for (opts, was) in [
            (json!({"attempts": 5}), "waiting"),
            (json!({"priority": 3}), if library == Library::Bull { "waiting" } else { "prioritized" }),
            (json!({"delay": 3_600_000}), "delayed"),
        ] {
            jobs.push((rig.node.add("x", json!({}), opts).await, was));
        }
        for (id, was) in &jobs {
            assert_eq!(rig.cancel(id).await, Cancelled::Done, "{library:?} {was}");
            rig.ends_cancelled(id).await;
            assert_eq!(rig.node.job(id, "getState").await, "failed");
            assert_eq!(rig.node.finished(id).await, Err(TEXT.into()), "{library:?} {was}");
            assert_eq!(rig.cancel(id).await, Cancelled::Before, "{library:?} {was}");
            assert_eq!(rig.kill(id).await, Cancelled::Before, "{library:?} {was}");
        }
        let heard = if library == Library::Bull { "global:failed" } else { "failed" };
        for _ in &jobs {
            rig.node.hear("the event of the library", |line| line["event"] == heard).await;
        }
        let acts: Vec<Vec<String>> = jobs
            .iter()
            .map(|(id, was)| {
                ["cancel", id, was, "failed", "kim", "cli@shop-1", "wrong store"].map(str::to_owned).to_vec()
            })
            .collect();
        assert_eq!(rig.audit().await, acts, "{library:?}: one entry for each job, none for the repetitions");

        let seen = Seen::default();
        let notes = seen.clone();
        let echo = does(move |job, _| {
            notes.note(&job.id);
            async move { Ok(Value::Null) }
        });
        let worker = start(rig.worker().handler_spec("*", echo)).await;
        let other = rig.node.add("x", json!({}), json!({})).await;
        assert_eq!(rig.node.finished(&other).await, Ok(Value::Null));
        assert_eq!(seen.all(), [other], "{library:?}");
        stop(worker).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_job_of_a_paused_queue_is_cancelled_too() {
    for library in ALL {
        let mut rig = Rig::start(library).await;
        let id = rig.node.add("x", json!({}), json!({})).await;
        rig.node.call("pause", json!([])).await.unwrap();
        assert_eq!(rig.cancel(&id).await, Cancelled::Done, "{library:?}");
        rig.ends_cancelled(&id).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn what_has_ended_or_never_was_is_refused_and_stays_as_it_is() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let work = does(|job, _| async move {
            if job.data["fail"] == true { Err("no".into()) } else { Ok(Value::Null) }
        });
        let worker = start(rig.worker().handler_spec("*", work)).await;
        let (done, failed) = (
            rig.node.add("x", json!({}), json!({})).await,
            rig.node.add("x", json!({"fail": true}), json!({})).await,
        );
        rig.node.finished(&done).await.unwrap();
        rig.node.finished(&failed).await.unwrap_err();
        stop(worker).await;
        assert_eq!(rig.cancel(&done).await, Cancelled::Completed, "{library:?}");
        assert_eq!(rig.cancel(&failed).await, Cancelled::Failed, "{library:?}");
        for id in ["nobody", "wait", "id", "meta", ""] {
            assert_eq!(rig.cancel(id).await, Cancelled::NotFound, "{library:?} {id}");
        }
        assert_eq!(rig.field(&failed, "failedReason").await.as_deref(), Some("no"));
        assert_eq!(
            rig.ask::<u64>(&["EXISTS", "X:audit", "X:cancel"]).await,
            0,
            "{library:?}: nothing was done"
        );
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_cancelled_job_that_is_not_to_be_kept_is_gone_with_its_record() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let id = rig.node.add("x", json!({}), json!({"removeOnFail": true})).await;
        let kept = [
            rig.node.add("x", json!({}), json!({})).await,
            rig.node.add("x", json!({}), json!({"removeOnFail": 1})).await,
        ];
        assert_eq!(rig.cancel(&id).await, Cancelled::Done, "{library:?}");
        assert_eq!(rig.node.call("getJob", json!([id])).await, Ok(Value::Null), "{library:?}");
        assert_eq!(rig.ask::<u64>(&["EXISTS", &format!("X:job:{id}")]).await, 0, "{library:?}");
        for id in &kept {
            assert_eq!(rig.cancel(id).await, Cancelled::Done);
        }
        let left: Vec<String> = rig.ask(&["ZRANGE", "Q:failed", "0", "-1"]).await;
        assert_eq!(left, kept[1..], "{library:?}: its own rule keeps one failed job");
        rig.node.close().await;
    }
}

#[tokio::test]
async fn the_next_run_of_something_that_repeats_is_refused_so_that_the_chain_goes_on() {
    for library in ALL {
        let mut rig = Rig::start(library).await;
        match library {
            Library::Bull => {
                rig.node.add("tick", json!({}), json!({"repeat": {"every": 3_600_000}})).await;
            }
            Library::BullMq(_) => {
                let rule = json!(["hourly", {"every": 3_600_000, "offset": 1_800_000}, {"name": "tick"}]);
                rig.node.call("upsertJobScheduler", rule).await.unwrap();
            }
        }
        let mut ids: Vec<String> = rig.ask(&["ZRANGE", "Q:delayed", "0", "-1"]).await;
        ids.extend(rig.ask::<Vec<String>>(&["LRANGE", "Q:wait", "0", "-1"]).await);
        assert_eq!(ids.len(), 1, "{library:?}");
        assert_eq!(rig.cancel(&ids[0]).await, Cancelled::Planned, "{library:?}");
        assert_eq!(rig.field(&ids[0], "failedReason").await, None, "{library:?}");
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_cancelled_child_fails_its_parent_as_its_own_failure_would_and_a_parent_can_be_cancelled_while_it_waits()
 {
    for major in [5, 6] {
        let mut rig = Rig::start(Library::BullMq(major)).await;
        let child = |opts: Value| json!({"name": "child", "queueName": "q", "data": {}, "opts": opts});
        let strict = child(json!({"failParentOnFailure": true, "delay": 3_600_000}));
        let flow = |child| json!({"name": "parent", "queueName": "q", "data": {}, "children": [child]});
        let tree = rig.node.flow(flow(strict)).await;
        let (parent, child_id) =
            (tree["job"]["id"].as_str().unwrap(), tree["children"][0]["job"]["id"].as_str().unwrap());
        assert_eq!(rig.cancel(child_id).await, Cancelled::Done);
        let worker = start(rig.worker().handler_spec("*", does(|_, _| async { Ok(Value::Null) }))).await;
        let text = rig.node.finished(parent).await.unwrap_err();
        assert_eq!(text, format!("child bull:q:{child_id} failed"));

        let tree = rig.node.flow(flow(child(json!({"delay": 3_600_000})))).await;
        let parent = tree["job"]["id"].as_str().unwrap();
        assert_eq!(rig.node.job(parent, "getState").await, "waiting-children");
        assert_eq!(rig.cancel(parent).await, Cancelled::Done);
        rig.ends_cancelled(parent).await;
        // Its child ends later, and brings nobody back.
        let child_id = tree["children"][0]["job"]["id"].as_str().unwrap();
        rig.node.job(child_id, "promote").await;
        rig.node.finished(child_id).await.unwrap();
        rig.ends_cancelled(parent).await;
        stop(worker).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_deduplication_id_is_free_again_after_a_cancel() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let opts = match library {
            Library::Bull => json!({"debounce": {"id": "d"}}),
            Library::BullMq(_) => json!({"deduplication": {"id": "d"}}),
        };
        let first = rig.node.add("x", json!({}), opts.clone()).await;
        assert_eq!(rig.node.add("x", json!({}), opts.clone()).await, first, "{library:?}");
        assert_eq!(rig.cancel(&first).await, Cancelled::Done);
        let second = rig.node.add("x", json!({}), opts).await;
        assert_ne!(second, first, "{library:?}");
        assert_eq!(rig.node.job(&second, "getState").await, "waiting", "{library:?}");
        rig.node.close().await;
    }
}

#[tokio::test]
async fn a_manual_retry_by_us_or_by_node_runs_a_cancelled_job_like_any_other() {
    for library in ALL {
        let mut rig = Rig::start(library).await;
        let ids = [
            rig.node.add("x", json!({}), json!({"attempts": 3})).await,
            rig.node.add("x", json!({}), json!({"attempts": 3})).await,
        ];
        for id in &ids {
            assert_eq!(rig.cancel(id).await, Cancelled::Done);
        }
        rig.store.retry("t", &ids[0], false).await.unwrap();
        rig.node.job(&ids[1], "retry").await;
        assert_eq!(rig.record(&ids[0], "reason").await, None, "{library:?}");
        let worker =
            start(rig.worker().lease(Duration::from_millis(600), Duration::from_millis(100)).handler_spec(
                "*",
                does(|_, _| async {
                    // Longer than some beats of the lease, which read the mark.
                    tokio::time::sleep(Duration::from_millis(400)).await;
                    Ok(json!("ran"))
                }),
            ))
            .await;
        for id in &ids {
            // The listener of BullMQ would hear of the first end.
            wait::until("it to complete", async || rig.score("completed", id).await).await;
            assert_eq!(rig.field(id, "returnvalue").await.as_deref(), Some("\"ran\""), "{library:?}");
        }
        stop(worker).await;
        rig.node.close().await;
    }
}

#[tokio::test]
async fn metrics_of_a_queue_count_a_cancel_among_the_failures() {
    for library in BOTH {
        let mut rig = Rig::start(library).await;
        let worker = start(
            rig.worker()
                .metrics(10)
                .handler_spec("*", does(|_, _| async { Err::<Value, _>("no".to_owned()) })),
        )
        .await;
        let failed = rig.node.add("x", json!({}), json!({})).await;
        rig.node.finished(&failed).await.unwrap_err();
        stop(worker).await;
        let id = rig.node.add("x", json!({}), json!({})).await;
        assert_eq!(rig.cancel(&id).await, Cancelled::Done);
        let count: String = rig.ask(&["HGET", "Q:metrics:failed", "count"]).await;
        assert_eq!(count, "2", "{library:?}");
        rig.node.close().await;
    }
}
