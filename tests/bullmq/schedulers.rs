//! Job schedulers of npm `bullmq`, whose iterations we run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{MAJORS, Rig, asked, does, echo, start, stop};
use crate::support::node::BullQueue;
use crate::support::wait;

#[tokio::test]
async fn a_scheduler_goes_on_from_one_iteration_to_the_next() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        let args =
            json!(["tick", {"every": 100}, {"name": "beat", "data": {"n": 1}, "opts": {"removeOnFail": 5}}]);
        rig.mq.call("upsertJobScheduler", args).await.unwrap();
        wait::until("three iterations", async || {
            let mut db = rig.db.clone();
            let done: u64 = redis::cmd("ZCARD").arg("bull:q:completed").query_async(&mut db).await.unwrap();
            done >= 3
        })
        .await;
        let scheduler = rig.mq.call("getJobScheduler", json!(["tick"])).await.unwrap();
        assert!(scheduler["iterationCount"].as_u64().is_some_and(|count| count >= 4), "{scheduler}");
        let jobs = rig.mq.call("getJobs", json!([["completed"]])).await.unwrap();
        for job in jobs.as_array().unwrap() {
            assert_eq!((&job["name"], &job["data"]), (&json!("beat"), &json!({"n": 1})), "{job}");
            assert_eq!((&job["repeatJobKey"], &job["attemptsStarted"]), (&json!("tick"), &json!(1)), "{job}");
        }
        assert_eq!(rig.mq.call("removeJobScheduler", json!(["tick"])).await, Ok(json!(true)));
        let delayed = rig.mq.call("getDelayedCount", json!([])).await.unwrap();
        assert_eq!(delayed, json!(0));
        stop(worker).await;
        rig.mq.close().await;
    }
}

/// A job without what depends on the moment of its making.
fn timeless(mut job: Value) -> Value {
    for field in ["timestamp", "delay"] {
        job.as_object_mut().unwrap().remove(field);
        job["opts"].as_object_mut().unwrap().remove(field);
    }
    job.as_object_mut().unwrap().remove("queueQualifiedName");
    job
}

/// The one delayed job of a queue, once an iteration is completed.
async fn successor(queue: &mut BullQueue) -> Value {
    let wanted = json!({"completed": 1, "delayed": 1});
    asked(queue, "getJobCounts", json!(["completed", "delayed"]), |counts| *counts == wanted).await;
    queue.call("getDelayed", json!([])).await.unwrap()[0].take()
}

#[tokio::test]
async fn the_next_iteration_has_the_id_the_time_and_the_options_that_nodes_worker_gives_it() {
    for major in MAJORS {
        let rig = Rig::start(major).await;
        for (n, repeat) in [
            json!({"pattern": "30 2 * * *", "tz": "Europe/Madrid"}),
            json!({"pattern": "0 9 * * 1-5", "tz": "America/New_York"}),
            json!({"pattern": "15 30 8 1 * *", "tz": "Asia/Kolkata"}),
            json!({"pattern": "0 0 L * *"}),
            json!({"pattern": "@weekly"}),
            json!({"pattern": "0 12 * * 1#2", "limit": 3}),
            json!({"pattern": "0 0 1 1 *", "endDate": 4_000_000_000_000_u64}),
            json!({"every": 3_600_000}),
            json!({"every": 86_400_000, "limit": 5}),
        ]
        .into_iter()
        .enumerate()
        {
            let mut repeat = repeat;
            if repeat.get("pattern").is_some() {
                repeat["immediately"] = json!(true);
            }
            let template = json!({"name": "beat", "data": {"n": [1, "ü"]}, "opts": {"attempts": 3, "priority": 2,
                "backoff": {"type": "exponential", "delay": 50}, "removeOnFail": {"age": 60}}});
            let mut found = Vec::new();
            for who in ["node", "bullock"] {
                let name = format!("{who}{n}");
                let mut queue = BullQueue::open_mq(major, &rig.redis.url(), &name, &json!({})).await;
                let args = json!(["tick", repeat, template]);
                let first = queue.call("upsertJobScheduler", args).await.unwrap();
                let ours = if who == "node" {
                    queue.work(1, 0).await;
                    None
                } else {
                    Some(start(rig.worker_of(&name).handler_spec("*", echo())).await)
                };
                let next = successor(&mut queue).await;
                let scheduler = queue.call("getJobScheduler", json!(["tick"])).await.unwrap();
                if let Some(worker) = ours {
                    stop(worker).await;
                }
                queue.close().await;
                found.push((first, next, scheduler));
            }
            let [(a_first, a_next, mut a_scheduler), (b_first, b_next, mut b_scheduler)] =
                <[_; 2]>::try_from(found).unwrap();
            let (mut a_next, mut b_next) = (timeless(a_next), timeless(b_next));
            if let Some(every) = repeat["every"].as_i64() {
                // Each began when it was made.
                for (first, next, scheduler) in
                    [(a_first, &mut a_next, &mut a_scheduler), (b_first, &mut b_next, &mut b_scheduler)]
                {
                    let at =
                        |id: &Value| id.as_str().unwrap().rsplit(':').next().unwrap().parse::<i64>().unwrap();
                    assert_eq!(at(&next["id"]), at(&first["id"]) + every);
                    assert_eq!(scheduler["next"], at(&next["id"]));
                    assert_eq!(next["opts"]["jobId"], next["id"]);
                    for field in ["id", "repeatJobKey"] {
                        next.as_object_mut().unwrap().remove(field);
                    }
                    next["opts"].as_object_mut().unwrap().remove("jobId");
                    next["opts"].as_object_mut().unwrap().remove("prevMillis");
                    next["opts"]["repeat"].as_object_mut().unwrap().remove("offset");
                    for field in ["next", "offset"] {
                        scheduler.as_object_mut().unwrap().remove(field);
                    }
                }
            }
            assert_eq!(a_next, b_next, "major {major}, {repeat}");
            assert_eq!(a_scheduler, b_scheduler, "major {major}, {repeat}");
        }
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn iterations_keep_their_phase_and_end_at_their_limit_as_with_nodes_worker() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        let mut node = BullQueue::open_mq(major, &rig.redis.url(), "node", &json!({})).await;
        node.work(1, 0).await;
        let worker = start(rig.worker().handler_spec("*", echo())).await;
        let mut found = Vec::new();
        for queue in [&mut node, &mut rig.mq] {
            let args = json!(["tick", {"every": 200, "offset": 50, "limit": 4}, {"name": "beat"}]);
            queue.call("upsertJobScheduler", args).await.unwrap();
            let args =
                json!(["tock", {"pattern": "* * * * * *", "limit": 2, "tz": "Asia/Tokyo"}, {"name": "cron"}]);
            queue.call("upsertJobScheduler", args).await.unwrap();
            asked(queue, "getCompletedCount", json!([]), |done| done.as_u64() >= Some(6)).await;
            // One more would have come by now.
            tokio::time::sleep(Duration::from_millis(1200)).await;
            let counts = queue.call("getJobCounts", json!([])).await.unwrap();
            let mut jobs = queue.call("getCompleted", json!([])).await.unwrap();
            let jobs = jobs.as_array_mut().unwrap();
            jobs.sort_by_key(|job| job["id"].as_str().unwrap().to_owned());
            let seen: Vec<Value> = jobs
                .iter()
                .map(|job| {
                    let id = job["id"].as_str().unwrap();
                    let (scheduler, ms) = id.rsplit_once(':').unwrap();
                    let ms: i64 = ms.parse().unwrap();
                    let every = if scheduler == "repeat:tick" { 200 } else { 1000 };
                    json!([
                        scheduler,
                        ms % every,
                        job["opts"]["repeat"]["count"],
                        job["opts"]["repeat"]["limit"]
                    ])
                })
                .collect();
            let left = queue.call("getJobSchedulersCount", json!([])).await.unwrap();
            found.push((counts, seen, left));
        }
        assert_eq!(found[0], found[1], "major {major}");
        stop(worker).await;
        node.close().await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_scheduler_may_be_changed_and_removed_while_its_iteration_runs() {
    for major in MAJORS {
        let mut rig = Rig::start(major).await;
        rig.mq.listen().await;
        let release = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        let gate = std::sync::Arc::clone(&release);
        let worker = start(rig.worker().handler_spec(
            "*",
            does(move |job, _| {
                let gate = std::sync::Arc::clone(&gate);
                async move {
                    gate.acquire().await.map_err(|e| e.to_string())?.forget();
                    Ok(job.data)
                }
            }),
        ))
        .await;
        let upsert =
            |every: u64, n: u64| json!(["tick", {"every": every}, {"name": "beat", "data": {"n": n}}]);
        let first = rig.mq.call("upsertJobScheduler", upsert(3_600_000, 1)).await.unwrap();
        let first = first["id"].as_str().unwrap().to_owned();
        let is = |event: &'static str, id: String| {
            move |line: &Value| line["event"] == event && line["args"][0]["jobId"] == id.as_str()
        };
        rig.mq.hear("the first iteration", is("active", first.clone())).await;
        // Changed while it runs: what was planned an hour ahead gives way to one that is due at once.
        let second = rig.mq.call("upsertJobScheduler", upsert(300, 2)).await.unwrap();
        let second = second["id"].as_str().unwrap().to_owned();
        assert_ne!(first, second);
        let planned = rig.mq.call("getJobCountByTypes", json!(["waiting", "delayed"])).await;
        assert_eq!(planned, Ok(json!(1)));
        release.add_permits(2);
        assert_eq!(rig.mq.finished(&first).await, Ok(json!({"n": 1})));
        assert_eq!(rig.mq.finished(&second).await, Ok(json!({"n": 2})));
        // Removed while one runs: it ends, and none comes after it.
        let active = rig.mq.hear("the third iteration", |line| {
            line["event"] == "active" && ![json!(first), json!(second)].contains(&line["args"][0]["jobId"])
        });
        let third = active.await["args"][0]["jobId"].as_str().unwrap().to_owned();
        assert_eq!(rig.mq.call("removeJobScheduler", json!(["tick"])).await, Ok(json!(true)));
        release.add_permits(1);
        assert_eq!(rig.mq.finished(&third).await, Ok(json!({"n": 2})));
        let counts = rig.mq.call("getJobCounts", json!([])).await.unwrap();
        for (state, count) in counts.as_object().unwrap() {
            assert_eq!(*count, if state == "completed" { 3 } else { 0 }, "major {major}: {counts}");
        }
        stop(worker).await;
        rig.mq.close().await;
    }
}

#[tokio::test]
async fn a_repeatable_job_of_5_goes_on_with_its_data_at_the_times_that_nodes_worker_gives_it() {
    let rig = Rig::start(5).await;
    for repeat in [json!({"every": 300}), json!({"pattern": "* * * * * *", "tz": "Asia/Tokyo"})] {
        let mut seen = Vec::new();
        for who in ["node", "bullock"] {
            let name = format!("{who}-{}", repeat.as_object().unwrap().len());
            let mut queue = BullQueue::open_mq(5, &rig.redis.url(), &name, &json!({})).await;
            queue.call("add", json!(["beat", {"n": 1}, {"repeat": repeat}])).await.unwrap();
            let ours = if who == "node" {
                queue.work(1, 0).await;
                None
            } else {
                Some(start(rig.worker_of(&name).handler_spec("*", echo())).await)
            };
            asked(&mut queue, "getCompletedCount", json!([]), |done| done.as_u64() >= Some(3)).await;
            let mut jobs = queue.call("getCompleted", json!([])).await.unwrap();
            let jobs = jobs.as_array_mut().unwrap();
            jobs.sort_by_key(|job| job["id"].as_str().unwrap().to_owned());
            let every = repeat["every"].as_i64().unwrap_or(1000);
            seen.push(
                jobs.iter()
                    .take(3)
                    .map(|job| {
                        let (series, ms) = job["id"].as_str().unwrap().rsplit_once(':').unwrap();
                        let phase = ms.parse::<i64>().unwrap() % every;
                        json!([series, phase, job["name"], job["data"], job["opts"]["repeat"]["count"]])
                    })
                    .collect::<Vec<Value>>(),
            );
            let repeatables = queue.call("getRepeatableJobs", json!([])).await.unwrap();
            assert_eq!(repeatables.as_array().map(Vec::len), Some(1), "{repeatables}");
            if let Some(worker) = ours {
                stop(worker).await;
            }
            queue.close().await;
        }
        assert_eq!(seen[0], seen[1], "{repeat}");
        assert_eq!(seen[1][2][3], json!({"n": 1}), "the data goes on");
    }
    rig.mq.close().await;
}
