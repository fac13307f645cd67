//! `/metrics` of a worker that has done everything once that is counted.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::bullock::{Bullock, cli};
use super::redis::Redis;
use super::wait;

const CONFIG: &str = r#"
[redis]
url = "${REDIS_URL}"
[metrics]
bullmq_names = true
[queues.mail.handlers."*"]
http = "http://127.0.0.1:9/jobs"
"#;

/// The text of a scrape that has a series of every family.
pub async fn of_everything() -> String {
    let redis = Redis::start();
    let url = redis.url();
    let bullock = Bullock::run_with(CONFIG, &[("REDIS_URL", &url)]).await;
    let added = cli(&["job", "add", "mail", "x", "-r", &url], &[]).await;
    assert_eq!(added.code, 0, "{added:?}");
    let host = bullock.admin_url().replace("http://", "");
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let request = format!("GET /api/v1/events HTTP/1.1\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
    // Asked for, and refused because it has ended; and an act that is done.
    for path in ["queues/mail/jobs/1/cancel", "queues/mail/resume"] {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let request = format!(
            "POST /api/v1/{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 2\r\n\
             content-type: application/json\r\n\r\n{{}}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
    wait::value("figures of the handler and of the stream", async || {
        let (_, text) = bullock.get("/metrics").await.ok()?;
        let has = |name: &str| text.contains(&format!("\n{name}{{"));
        let all =
            ["bullock_handler_requests_total", "bullock_stream_clients", "bullock_cancel_requests_total"];
        (all.into_iter().all(has) && has("bullock_admin_actions_total")).then_some(text)
    })
    .await
}

/// Name, kind and help of each family, in the order of the scrape.
pub fn families(text: &str) -> Vec<(&str, &str, &str)> {
    let about = |what: &str| {
        let prefix = format!("# {what} ");
        text.lines().filter_map(move |line| line.strip_prefix(&prefix)?.split_once(' ')).collect::<Vec<_>>()
    };
    let helps = about("HELP");
    let help = |name: &str| helps.iter().find(|(of, _)| *of == name).map_or("", |(_, help)| *help);
    about("TYPE").into_iter().map(|(name, kind)| (name, kind, help(name))).collect()
}

/// What stands behind the name of a family in the names of its series.
pub fn endings(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => &[""],
    }
}
