use std::time::Duration;

use bullock::admin::metrics::Outcome;
use serde_json::json;

use crate::site::{OTHER_TOKEN, QUEUE, Site, TOKEN};
use crate::support::wait;

/// The value of one series, by its whole name with labels in any order.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (found, rest) = series.split_once('{').unwrap_or((series, ""));
        let count = rest.matches("=\"").count();
        (found == name && count == labels.len() && labels.iter().all(|label| rest.contains(label)))
            .then(|| value.parse().ok())?
    })
}

async fn scraped(site: &Site) -> String {
    let answer = site.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(answer.body.ends_with("# EOF\n"));
    answer.body
}

#[tokio::test]
async fn what_the_worker_counts_is_shown() {
    let site = Site::start();
    let metrics = &site.metrics;
    metrics.started(QUEUE, "sync", Duration::from_millis(30));
    metrics.started(QUEUE, "sync", Duration::from_secs(3));
    metrics.ended(QUEUE, "sync", Outcome::Retried, Duration::from_millis(7), 1);
    metrics.renewed(QUEUE, 5, 1);
    metrics.recovered(QUEUE, 2);
    metrics.handler_answered("http 127.0.0.1:3000", "2xx", Duration::from_millis(1));
    metrics.handler_answered("http 127.0.0.1:3000", "?", Duration::from_millis(1));
    metrics.handler_healthy("http 127.0.0.1:3000", false);
    metrics.started("a queue of nobody", "x", Duration::ZERO);
    let text = scraped(&site).await;
    let (queue, name) = ("queue=\"woo:customers\"", "name=\"sync\"");
    let handler = "handler=\"http 127.0.0.1:3000\"";
    for (series, labels, expected) in [
        ("bullock_jobs_started_total", &[queue, name][..], 2.0),
        ("bullock_jobs_finished_total", &[queue, name, "outcome=\"retried\""], 1.0),
        ("bullock_jobs_finished_total", &[queue, name, "outcome=\"completed\""], 0.0),
        ("bullock_job_wait_seconds_bucket", &[queue, name, "le=\"0.05\""], 1.0),
        ("bullock_job_wait_seconds_bucket", &[queue, name, "le=\"+Inf\""], 2.0),
        ("bullock_job_wait_seconds_sum", &[queue, name], 3.03),
        ("bullock_job_run_seconds_bucket", &[queue, name, "le=\"0.005\""], 0.0),
        ("bullock_job_run_seconds_bucket", &[queue, name, "le=\"7200.0\""], 1.0),
        ("bullock_job_run_seconds_count", &[queue, name], 1.0),
        ("bullock_job_attempts_count", &[queue], 0.0),
        ("bullock_jobs_running", &[queue], 1.0),
        ("bullock_worker_concurrency", &[queue], 4.0),
        ("bullock_locks_renewed_total", &[queue], 5.0),
        ("bullock_locks_lost_total", &[queue], 1.0),
        ("bullock_jobs_recovered_total", &[queue], 2.0),
        ("bullock_handler_requests_total", &[handler, "code=\"2xx\""], 1.0),
        ("bullock_handler_requests_total", &[handler, "code=\"error\""], 1.0),
        ("bullock_handler_request_seconds_count", &[handler, "code=\"2xx\""], 1.0),
        ("bullock_handler_healthy", &[handler], 0.0),
        ("bullock_redis_up", &[], 1.0),
    ] {
        assert_eq!(value(&text, series, labels), Some(expected), "{series} {labels:?}\n{text}");
    }
    assert!(text.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))));
    for series in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(value(&text, series, &[]).is_some_and(|value| value >= 0.0), "{series}\n{text}");
    }
    assert!(!text.contains("nobody"));
}

#[tokio::test]
async fn what_redis_holds_is_read_at_the_scrape() {
    let site = Site::start();
    let id = site.running_job(TOKEN, json!({})).await;
    site.callback(&id, "complete", TOKEN, &json!(1)).await;
    let added =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let old = json!({"timestamp": added - 90_000}).as_object().unwrap().clone();
    let job = bullock::wire::NewJob::bull("sync", &json!({}), old);
    site.store.enqueue("test", &[job]).await.unwrap();
    let text = scraped(&site).await;
    let queue = "queue=\"woo:customers\"";
    for (state, expected) in [
        ("waiting", 1.0),
        ("active", 0.0),
        ("completed", 1.0),
        ("failed", 0.0),
        ("delayed", 0.0),
        ("paused", 0.0),
    ] {
        let found = value(&text, "bullock_queue_jobs", &[queue, &format!("state=\"{state}\"")]);
        assert_eq!(found, Some(expected), "{state}\n{text}");
    }
    assert_eq!(value(&text, "bullock_queue_paused", &[queue]), Some(0.0));
    let oldest = value(&text, "bullock_queue_oldest_waiting_seconds", &[queue]).unwrap();
    assert!((90.0..150.0).contains(&oldest), "{oldest}");
    let labels = [queue, "name=\"sync\"", "outcome=\"completed\""];
    assert_eq!(value(&text, "bullock_jobs_finished_total", &labels), Some(1.0), "callbacks are counted");
    assert!(!text.contains(TOKEN) && !text.contains(OTHER_TOKEN));
}

#[tokio::test]
async fn a_silent_redis_does_not_fail_the_scrape() {
    let site = Site::start();
    site.redis.freeze();
    let text = scraped(&site).await;
    assert_eq!(value(&text, "bullock_redis_up", &[]), Some(0.0), "{text}");
    assert!(!text.contains("bullock_queue_jobs{"), "what is not known is not shown");
    assert!(text.contains("bullock_worker_concurrency{"));
    site.redis.thaw();
    wait::until("redis to be up", async || {
        let text = scraped(&site).await;
        value(&text, "bullock_redis_up", &[]) == Some(1.0) && text.contains("bullock_queue_jobs{")
    })
    .await;
}

#[tokio::test]
async fn names_beyond_a_hundred_and_names_with_quotes_cannot_spoil_the_text() {
    let site = Site::start();
    site.metrics.started(QUEUE, "a\"}\n# EOF", Duration::ZERO);
    for n in 0..300 {
        site.metrics.started(QUEUE, &format!("n{n}"), Duration::ZERO);
    }
    let text = scraped(&site).await;
    let series = text.lines().filter(|line| line.starts_with("bullock_jobs_started_total{")).count();
    assert_eq!(series, 101);
    assert_eq!(value(&text, "bullock_jobs_started_total", &["queue=", "name=\"_other\""]), Some(201.0));
    assert_eq!(text.matches("\n# EOF").count(), 1);
    assert!(text.contains(r#"name="a\"}\n# EOF""#));
}
