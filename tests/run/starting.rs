//! A worker that starts while Redis is in trouble waits for it, says why, and begins by itself.

use bullock::Queue;
use bullock::wire::Dialect;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::backend::Backend;
use crate::program::{Program, config, run};
use crate::support::http;
use crate::support::process::free_port;
use crate::support::proxy::{Lose, Proxy};
use crate::support::redis::Redis;
use crate::support::wait;

const DIALECTS: [(Dialect, &str); 2] = [(Dialect::Bull, "bull"), (Dialect::BullMq, "bullmq")];

struct Start {
    redis: Redis,
    backend: Backend,
    dialect: Dialect,
    word: &'static str,
}

impl Start {
    async fn on(redis: Redis, (dialect, word): (Dialect, &'static str)) -> Start {
        Start { redis, backend: Backend::start().await, dialect, word }
    }

    fn config(&self, url: &str) -> String {
        let text = config(url, "mail", &format!("{}/ok", self.backend.url));
        text.replace("[queues.mail]\n", &format!("[queues.mail]\ndialect = \"{}\"\n", self.word))
    }

    async fn say(&self, words: &[&str]) {
        let mut connection = self.redis.connection().await;
        let _: redis::Value =
            redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap();
    }

    /// A worker waits for this reason, and begins once it is over.
    async fn waits(&self, reason: &str, end: &[&str]) {
        let program = Program::start(&self.config(&self.redis.url()), &["run"], &[]);
        let admin = program.word_after("admin server on ").await;
        wait::until(&format!("/readyz to say {reason}"), async || {
            let said = http::get(&admin, "/readyz").await;
            said.is_ok_and(|(status, body)| {
                status == 503 && body.contains(reason) && body.contains("[-]queue mail failed")
            })
        })
        .await;
        // A callback of a run that another process began: not now, and not never.
        let answer = heartbeat(&admin).await;
        assert!(answer.starts_with("HTTP/1.0 503") && answer.contains("retry-after"), "{answer}");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        self.say(end).await;
        self.works(&program, &admin).await;
        assert_eq!(program.output().matches("waiting for redis").count(), 1, "{}", program.output());
    }

    async fn works(&self, program: &Program, admin: &str) {
        program.says("redis serves again").await;
        self.is_ready(admin).await;
    }

    async fn is_ready(&self, admin: &str) {
        wait::until("readiness", async || matches!(http::get(admin, "/readyz").await, Ok((200, _)))).await;
        let queue = Queue::open_as(self.dialect, &self.redis.url(), "bull", "mail").unwrap();
        let job = queue.add("welcome", &json!({}), json!({})).await.unwrap();
        wait::until("the job to be done", async || {
            let mut connection = self.redis.connection().await;
            let done: Option<f64> = redis::cmd("ZSCORE")
                .arg("bull:mail:completed")
                .arg(job.id.as_str())
                .query_async(&mut connection)
                .await
                .unwrap();
            done.is_some()
        })
        .await;
    }

    async fn refused_at_once(&self, code: i32, what: &str) {
        let ended = run(&self.config(&self.redis.url()), &["run", "--fail-fast"], &[]).await;
        assert_eq!(ended.code, Some(code), "{}", ended.output);
        assert!(ended.output.lines().last().unwrap_or_default().contains(what), "{}", ended.output);
    }
}

#[tokio::test]
async fn a_full_memory_is_waited_for() {
    for dialect in DIALECTS {
        let start = Start::on(Redis::start_with(&["--maxmemory", "1"]), dialect).await;
        start.refused_at_once(1, "Redis is out of memory").await;
        start.waits("redis is out of memory (oom)", &["CONFIG", "SET", "maxmemory", "0"]).await;
    }
}

#[tokio::test]
async fn a_replica_is_waited_for_until_it_is_a_primary() {
    for dialect in DIALECTS {
        let nobody = free_port().to_string();
        let start = Start::on(Redis::start_with(&["--replicaof", "127.0.0.1", &nobody]), dialect).await;
        start.refused_at_once(6, "connected to a read-only replica").await;
        start.waits("redis is unavailable (read_only)", &["REPLICAOF", "NO", "ONE"]).await;
    }
}

#[tokio::test]
async fn a_primary_without_its_replicas_is_waited_for() {
    for dialect in DIALECTS {
        let start = Start::on(Redis::start_with(&["--min-replicas-to-write", "1"]), dialect).await;
        start.refused_at_once(6, "NOREPLICAS").await;
        start
            .waits("redis is unavailable (no_replicas)", &["CONFIG", "SET", "min-replicas-to-write", "0"])
            .await;
    }
}

#[tokio::test]
async fn whatever_request_of_a_start_meets_its_end_with_the_connection_the_start_goes_on() {
    for (dialect, requests) in [(DIALECTS[0], 0..10), (DIALECTS[1], 7..10)] {
        let start = Start::on(Redis::start(), dialect).await;
        let proxy = Proxy::to(start.redis.port()).await;
        for skipped in requests {
            // This one and all after it, for the connection itself sends some again.
            proxy.lose(Lose::next("").after(skipped).always());
            let program = Program::start(&start.config(&proxy.url()), &["run"], &[]);
            let admin = program.word_after("admin server on ").await;
            let before = proxy.lost();
            wait::until("losses", async || proxy.lost() > before + 2).await;
            proxy.lose(Lose::next("no such request"));
            start.is_ready(&admin).await;
            proxy.cut();
        }
    }
}

/// The answer to a sign of life of a run that this process knows nothing of.
async fn heartbeat(admin: &str) -> String {
    let address = admin.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let token = format!("other:{}", "0".repeat(32));
    let request = format!(
        "POST /api/v1/queues/mail/jobs/1/heartbeat HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
