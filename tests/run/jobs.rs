//! Jobs of npm bull through the real binary, and what can be seen of them.

use serde_json::json;

use crate::backend::Backend;
use crate::program::{Program, config};
use crate::support::http;
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::wait;

#[tokio::test]
async fn a_streaming_handler_shows_progress_and_its_result() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let to = format!("{}/streams", backend.url);
    let _worker = Program::start(&config(&redis.url(), "mail", &to), &["run"], &[]);
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    queue.listen().await;
    let id = queue.add("sync", json!({}), json!({})).await;
    let heard = queue.hear("progress", |line| line["event"] == "global:progress").await;
    assert_eq!(heard["args"][0].as_str(), Some(id.as_str()));
    let progress = queue.job(&id, "progress").await;
    assert_eq!((&progress["total"], &progress["processed"]), (&json!(10), &json!(4)), "{progress}");
    backend.let_through();
    assert_eq!(queue.finished(&id).await, Ok(json!({ "pages": 10 })));
    queue.close().await;
}

#[tokio::test]
async fn a_handler_that_falls_silent_fails_its_job() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let text = config(&redis.url(), "mail", &format!("{}/falls-silent", backend.url));
    let _worker = Program::start(&format!("{text}heartbeat = \"1s\"\n"), &["run"], &[]);
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let id = queue.add("sync", json!({}), json!({})).await;
    let reason = queue.finished(&id).await.unwrap_err();
    assert!(reason.contains("heartbeat"), "{reason}");
    queue.close().await;
}

#[tokio::test]
async fn a_program_is_run_for_a_job() {
    let redis = Redis::start();
    let script = r#"cat >/dev/null; echo '{"progress":50}'; echo '{"result":{"by":"sh"}}'"#;
    let text = format!(
        "[redis]\nurl = \"{}\"\n[admin]\nlisten = \"\"\n[queues.mail.handlers.\"*\"]\nexec = [\"/bin/sh\", \"-c\", {}]\n",
        redis.url(),
        json!(script)
    );
    let _worker = Program::start(&text, &["run"], &[]);
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let id = queue.add("report", json!({}), json!({})).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "sh" })));
    assert_eq!(queue.job(&id, "progress").await, 50);
    queue.close().await;
}

#[tokio::test]
async fn two_processes_of_one_name_share_the_work_and_the_counters_add_up() {
    const JOBS: usize = 40;
    let (redis, mut backend) = (Redis::start(), Backend::start().await);
    let text = config(&redis.url(), "mail", &format!("{}/ok", backend.url));
    let text = format!("{text}[worker]\nname = \"w\"\n");
    let workers = [Program::start(&text, &["run"], &[]), Program::start(&text, &["run"], &[])];
    let mut admins = Vec::new();
    for worker in &workers {
        admins.push(worker.word_after("admin server on ").await);
    }
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let mut ids = Vec::new();
    for _ in 0..JOBS {
        ids.push(queue.add("welcome", json!({}), json!({})).await);
    }
    for id in &ids {
        assert_eq!(queue.finished(id).await, Ok(json!({ "by": "http" })));
    }
    let mut ran: Vec<String> = Vec::new();
    for _ in 0..JOBS {
        ran.push(backend.asked().await.header("job-id").to_owned());
    }
    ran.sort();
    ids.sort();
    assert_eq!(ran, ids, "each ran once");
    wait::until("the counters", async || {
        let mut sum = 0.0;
        for admin in &admins {
            let (_, body) = http::get(admin, "/metrics").await.unwrap();
            let counted = body.lines().filter(|line| {
                line.starts_with("bullock_jobs_finished_total{") && line.contains("outcome=\"completed\"")
            });
            sum += counted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>();
        }
        (sum - JOBS as f64).abs() < f64::EPSILON
    })
    .await;
    queue.close().await;
}

#[tokio::test]
async fn of_the_queues_only_those_asked_for_are_worked() {
    let (redis, mut backend) = (Redis::start(), Backend::start().await);
    let to = format!("{}/ok", backend.url);
    let text =
        format!("{}[queues.other.handlers.\"*\"]\nhttp = \"{to}\"\n", config(&redis.url(), "mail", &to));
    let worker = Program::start(&text, &["run", "--queues", "mail"], &[]);
    let admin = worker.word_after("admin server on ").await;
    let mut other = BullQueue::open(&redis.url(), "other").await;
    let left = other.add("welcome", json!({}), json!({})).await;
    let mut mail = BullQueue::open(&redis.url(), "mail").await;
    let id = mail.add("welcome", json!({}), json!({})).await;
    assert_eq!(mail.finished(&id).await, Ok(json!({ "by": "http" })));
    assert_eq!(backend.asked().await.header("job-queue"), "mail");
    assert_eq!(other.job(&left, "getState").await, "waiting");
    let (_, body) = http::get(&admin, "/readyz?verbose").await.unwrap();
    assert!(body.contains("queue mail") && !body.contains("queue other"), "{body}");
    mail.close().await;
    other.close().await;
}
