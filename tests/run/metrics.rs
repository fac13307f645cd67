//! Figures that only a whole process has: round trips to Redis, what people did, zombies.

use serde_json::json;

use crate::backend::{Backend, call_back};
use crate::program::{Program, config};
use crate::support::node::BullQueue;
use crate::support::redis::Redis;
use crate::support::{http, wait};

/// The value of a series, named with its labels in the order of the text.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

async fn scraped(origin: &str) -> String {
    let (status, text) = http::get(origin, "/metrics").await.unwrap();
    assert_eq!(status, 200, "{text}");
    text
}

async fn origin(program: &Program) -> String {
    format!("http://{}", program.word_after("admin server on http://").await)
}

#[tokio::test]
async fn round_trips_to_redis_are_counted_and_timed_by_script_and_command() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let program =
        Program::start(&config(&redis.url(), "mail", &format!("{}/ok", backend.url)), &["run"], &[]);
    let origin = origin(&program).await;
    let mut mail = BullQueue::open(&redis.url(), "mail").await;
    let count = |text: &str, command: &str| {
        value(text, &format!("bullock_redis_commands_total{{command=\"{command}\"}}")).unwrap_or(0.0)
    };
    for _ in 0..3 {
        let id = mail.add("welcome", json!({}), json!({})).await;
        mail.finished(&id).await.unwrap();
    }
    let text = scraped(&origin).await;
    for script in ["claim", "complete", "open"] {
        let times = value(&text, &format!("bullock_redis_command_seconds_count{{command=\"{script}\"}}"));
        assert!(count(&text, script) >= 1.0 && times == Some(count(&text, script)), "{script}\n{text}");
    }
    assert!(count(&text, "complete") <= 4.0, "one for each, and one that Redis did not know yet: {text}");
    assert!(text.contains("bullock_redis_command_seconds_bucket{le=\"0.0001\",command=\"claim\"}"), "{text}");
    assert!(count(&text, "blmove") >= 1.0, "{text}");
    assert!(
        !text.contains("bullock_redis_command_seconds_count{command=\"blmove\"}"),
        "waiting is no answer time"
    );
    assert_eq!(value(&text, "bullock_redis_up"), Some(1.0));
    assert_eq!(value(&text, "bullock_config_last_reload_success"), Some(1.0));
    assert!(!text.contains("bullmq_"), "only where it is asked for");
    mail.close().await;
}

#[tokio::test]
async fn what_people_do_over_the_api_is_counted_by_what_it_is() {
    let (redis, mut backend) = (Redis::start(), Backend::start().await);
    let program =
        Program::start(&config(&redis.url(), "mail", &format!("{}/gated", backend.url)), &["run"], &[]);
    let origin = origin(&program).await;
    let mut mail = BullQueue::open(&redis.url(), "mail").await;
    let id = mail.add("welcome", json!({}), json!({})).await;
    backend.asked().await;
    for (path, expected) in [
        ("queues/mail/pause".to_owned(), 200),
        ("queues/mail/resume".to_owned(), 200),
        (format!("queues/mail/jobs/{id}/cancel"), 202),
        (format!("queues/mail/jobs/{id}/kill"), 202),
        ("queues/mail/jobs/none/retry".to_owned(), 404),
    ] {
        let status = call_back(&format!("{origin}/api/v1/{path}"), "none", "{}").await;
        assert_eq!(status, expected, "{path}");
    }
    let text = scraped(&origin).await;
    for action in ["queue-pause", "queue-resume", "job-cancel", "job-kill"] {
        assert_eq!(
            value(&text, &format!("bullock_admin_actions_total{{action=\"{action}\"}}")),
            Some(1.0),
            "{text}"
        );
    }
    for how in ["cancel", "kill"] {
        assert_eq!(
            value(&text, &format!("bullock_cancel_requests_total{{action=\"{how}\"}}")),
            Some(1.0),
            "{text}"
        );
    }
    assert!(!text.contains("job-retry"), "what was refused was not done");
    let cancelled = "bullock_jobs_finished_total{queue=\"mail\",name=\"welcome\",outcome=\"cancelled\"}";
    wait::until("the end of the run", async || value(&scraped(&origin).await, cancelled) == Some(1.0)).await;
    let failed = cancelled.replace("\"cancelled\"", "\"failed\"");
    assert_eq!(value(&scraped(&origin).await, &failed), Some(0.0), "nobody's failure");
    mail.close().await;
}

#[tokio::test]
async fn a_zombie_is_counted_by_its_reason_at_the_second_look_and_no_more_once_it_shows_life() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    let program =
        Program::start(&config(&redis.url(), "mail", &format!("{}/ok", backend.url)), &["run"], &[]);
    let origin = origin(&program).await;
    let mut mail = BullQueue::open(&redis.url(), "mail").await;
    mail.add("welcome", json!({}), json!({})).await;
    silent_zombie(&redis).await;
    let zombies = |text: &str, reason: &str| {
        value(text, &format!("bullock_zombies{{queue=\"mail\",reason=\"{reason}\"}}"))
    };
    let first = scraped(&origin).await;
    assert!(
        zombies(&first, "silent").is_none_or(|found| found == 0.0),
        "one look may catch a job in a step: {first}"
    );
    let text = wait::value("the zombie", async || {
        let text = scraped(&origin).await;
        (zombies(&text, "silent") == Some(1.0)).then_some(text)
    })
    .await;
    for reason in ["active_without_lease", "active_without_hash", "overdue"] {
        assert_eq!(zombies(&text, reason), Some(0.0), "{text}");
    }
    show_life(&redis).await;
    wait::until("no zombie", async || zombies(&scraped(&origin).await, "silent") == Some(0.0)).await;
    mail.close().await;
}

/// A job whose lease somebody keeps alive and who has given no sign since long ago.
pub(crate) async fn silent_zombie(redis: &Redis) {
    let mut connection = redis.connection().await;
    for command in [
        "HSET bull:mail:silent name welcome data {} opts {} timestamp 1700000000000 processedOn 1700000000000",
        "SET bull:mail:silent:lock w-1:0123456789abcdef0123456789abcdef PX 600000",
        "LPUSH bull:mail:active silent",
    ] {
        send(&mut connection, command).await;
    }
}

/// It shows life: a callback was heard just now.
pub(crate) async fn show_life(redis: &Redis) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let mut connection = redis.connection().await;
    send(&mut connection, &format!("HSET bull::x:mail::job:silent beat {now}")).await;
}

async fn send(connection: &mut redis::aio::MultiplexedConnection, command: &str) {
    let mut words = command.split(' ');
    let mut cmd = redis::cmd(words.next().unwrap());
    for word in words {
        cmd.arg(word);
    }
    let _: redis::Value = cmd.query_async(connection).await.unwrap();
}
