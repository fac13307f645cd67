//! The command line as a user has it: the real binary, a real Redis, npm `bull` on the other side.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod act;
mod add;
mod api_access;
mod audit;
mod bench;
mod errors;
mod flow;
mod help;
mod history;
mod init;
mod look;
mod output;
mod over_api;
mod queue;
mod schedule;
mod served;
mod top;
mod twins;
mod watch;
mod worker;

use serde_json::Value;
use support::bullock::{Answer, cli};
use support::redis::Redis;

/// A Redis of the test's own, and commands that speak to it.
struct Place {
    redis: Redis,
}

impl Place {
    fn start() -> Place {
        Place { redis: Redis::start() }
    }

    /// Runs `bullock <arguments>` with this Redis in the environment.
    async fn run(&self, arguments: &[&str]) -> Answer {
        cli(arguments, &[("BULLOCK_REDIS_URL", &self.redis.url())]).await
    }

    /// Standard output of a command that must succeed.
    async fn ok(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments).await;
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        answer.stdout
    }

    /// The JSON that a command prints that must succeed.
    async fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let text = self.ok(&all).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// The one line on standard error of a command that must end with `code`.
    async fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let answer = self.run(arguments).await;
        assert_eq!(answer.code, code, "{arguments:?}: {answer:?}");
        one_error(&answer)
    }

    /// Adds a job with our own command and gives its id.
    async fn add(&self, arguments: &[&str]) -> String {
        let mut all = vec!["job", "add"];
        all.extend(arguments);
        self.ok(&all).await.trim_end().to_owned()
    }

    /// All keys, sorted.
    async fn keys(&self) -> Vec<String> {
        let mut connection = self.redis.connection().await;
        let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        keys.sort();
        keys
    }

    /// One command of the test's own.
    async fn redis(&self, command: &[&str]) -> redis::Value {
        let mut connection = self.redis.connection().await;
        redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
    }
}

/// The error of a command: one line in our form.
fn one_error(answer: &Answer) -> String {
    let line = answer.stderr.strip_suffix('\n').unwrap_or(&answer.stderr).to_owned();
    assert!(line.starts_with("error: ") && !line.contains('\n'), "no single error line: {answer:?}");
    line
}
