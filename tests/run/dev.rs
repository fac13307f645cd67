//! `bullock dev`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::backend::{Backend, call_back};
use crate::program::{Program, run};
use crate::support::node::BullQueue;
use crate::support::{http, wait};

#[tokio::test]
async fn every_queue_that_appears_is_sent_to_the_url_and_those_of_two_dialects_are_passed_over() {
    let mut backend = Backend::start().await;
    let to = format!("{}/ok", backend.url);
    let mut program = Program::start("", &["dev", "--to", &to, "--port", "0"], &[]);
    let url = program.word_after("REDIS_URL=").await;
    program.says("every queue that appears is worked").await;
    let mut connection =
        redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let meta = ["bull:mq:meta", "version", "bullmq:5"];
    let both =
        redis::pipe().atomic().cmd("HSET").arg(&meta).cmd("SET").arg("bull:mq:meta-paused").arg(1).clone();
    let _: () = both.query_async(&mut connection).await.unwrap();
    for (name, header) in [("mail", "mail"), ("shop:orders", "shop%3Aorders")] {
        let mut queue = BullQueue::open(&url, name).await;
        let id = queue.add("welcome", json!({ "to": "ada" }), json!({})).await;
        assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "http" })));
        let asked = backend.asked().await;
        assert_eq!((asked.header("job-queue"), asked.body.as_str()), (header, r#"{"to":"ada"}"#));
        queue.close().await;
    }
    program.says("its keys are of both").await;
    let server = program.private_redis().unwrap();
    program.signal(Signal::SIGINT);
    assert_eq!(program.end().await.code, Some(0), "{}", program.output());
    assert!(kill(Pid::from_raw(server), None).is_err(), "its redis-server is gone");
    assert_eq!(
        program.output().matches("its keys are of both").count(),
        1,
        "said once: {}",
        program.output()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_answered_while_queue_after_queue_is_begun_with() {
    const QUEUES: usize = 60;
    let backend = Backend::start().await;
    let to = format!("{}/ok", backend.url);
    let program = Program::start("", &["dev", "--to", &to, "--port", "0", "--ephemeral"], &[]);
    let url = program.word_after("REDIS_URL=").await;
    program.says("every queue that appears is worked").await;
    let place = program.word_after("admin server on http://").await;
    let admin = format!("http://{}", place.trim_end_matches(|letter: char| !letter.is_ascii_digit()));
    let mut add = redis::pipe();
    for n in 0..QUEUES {
        add.cmd("SET").arg(format!("bull:q{n}:id")).arg(1).ignore();
    }
    let mut db = redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let () = add.query_async(&mut db).await.unwrap();
    let mut probes = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let admin = admin.clone();
        probes.spawn(async move {
            loop {
                let (_, said) = http::get(&admin, "/readyz?verbose").await.expect("an answer to the probe");
                if (0..QUEUES).all(|n| said.contains(&format!("q{n}"))) {
                    return;
                }
            }
        });
    }
    let all = tokio::time::timeout(3 * wait::DEADLINE, probes.join_all()).await;
    assert!(all.is_ok(), "{}", program.output());
}

#[tokio::test]
async fn callbacks_are_taken_for_a_queue_that_was_found_later() {
    let mut backend = Backend::start().await;
    let to = format!("{}/detaches", backend.url);
    let program = Program::start("", &["dev", "--to", &to, "--port", "0", "--ephemeral"], &[]);
    let url = program.word_after("REDIS_URL=").await;
    let mut queue = BullQueue::open(&url, "mail").await;
    let id = queue.add("welcome", json!({}), json!({})).await;
    let asked = backend.asked().await;
    let complete = format!("{}/complete", asked.header("job-callback"));
    assert_eq!(call_back(&complete, asked.header("job-token"), "7").await, 200);
    assert_eq!(queue.finished(&id).await, Ok(json!(7)));
    queue.close().await;
}

#[tokio::test]
async fn with_a_config_its_queues_are_worked_on_a_redis_of_its_own() {
    let backend = Backend::start().await;
    let config = format!(
        "[redis]\nurl = \"${{REDIS_URL}}\"\n[queues.mail.handlers.\"*\"]\nhttp = \"{}/ok\"\n",
        backend.url
    );
    let program = Program::start(&config, &["dev", "--port", "0"], &[]);
    let url = program.word_after("REDIS_URL=").await;
    program.says("1 queue").await;
    let mut queue = BullQueue::open(&url, "mail").await;
    let id = queue.add("welcome", json!({}), json!({})).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "http" })));
    queue.close().await;
}

#[tokio::test]
async fn it_prints_a_link_that_signs_in_once() {
    let program = Program::start("", &["dev", "--port", "0", "--ephemeral", "--no-open"], &[]);
    let link = program.word_after("dashboard  ").await;
    let at = link.find("/login/once/").unwrap_or_else(|| panic!("{link}"));
    let (origin, path) = link.split_at(at);
    let (status, _) = crate::support::http::get(origin, path).await.unwrap();
    assert_eq!(status, 303, "{link}");
    let (status, page) = crate::support::http::get(origin, "/").await.unwrap();
    assert!(status == 200 && page.contains("<html"), "{page}");
}

#[tokio::test]
async fn with_neither_it_says_what_to_do_next() {
    let mut program = Program::start("", &["dev", "--port", "0"], &[]);
    program.says("bullock dev --to http://localhost:3000/jobs").await;
    program.says("Ctrl-C").await;
    // A second one does not get into its data.
    let data = program.dir().join("bullock-data");
    let ended = run("", &["dev", "--port", "0", "--data", data.to_str().unwrap()], &[]).await;
    assert_eq!(ended.code, Some(5), "{}", ended.output);
    assert!(ended.output.contains("is in use by another bullock (pid "), "{}", ended.output);
    program.signal(Signal::SIGINT);
    assert_eq!(program.end().await.code, Some(0), "{}", program.output());
}

#[tokio::test]
async fn a_target_that_is_no_url_and_a_redis_url_are_refused() {
    let ended = run("", &["dev", "--to", "ftp://127.0.0.1/", "--port", "0", "--ephemeral"], &[]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.output);
    assert!(ended.output.contains("--to") && ended.output.contains("ftp://"), "{}", ended.output);
    let ended = run("", &["dev", "-r", "redis://127.0.0.1"], &[]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.output);
}
